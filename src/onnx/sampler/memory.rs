//! How much fits: memory that is free, and the largest batch that a device holds.

use crate::onnx::error::Error;
use crate::onnx::loops::SampleError;

/// Samples of the largest batch that is chosen without being asked for; more are made one batch after another.
pub(super) const LARGEST: usize = 1024;

/// Memory of the host that can be had without swapping, in bytes, where the system tells.
#[must_use]
pub(super) fn free_on_host() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kilobytes| 1024.0 * kilobytes)
}

/// The largest batch up to `limit` that a device holds, by trying 1, 2, 4 … and looking at what is left.
///
/// `free` tells the device's free memory in bytes, `run` runs a batch. A size is doubled while twice what the sizes so
/// far have taken is still free: the next one needs about twice as much as the last, and may not be able to use what the
/// last one's memory was cut into. `None` if the free memory cannot be told.
///
/// # Errors
/// Whatever `run` finds wrong, but running out of memory with more than one sample, which ends the search.
pub(super) fn largest_batch(
    limit: usize,
    free: &mut dyn FnMut() -> Option<u64>,
    run: &mut dyn FnMut(usize) -> Result<(), SampleError>,
) -> Result<Option<usize>, SampleError> {
    let Some(before) = free() else { return Ok(None) };
    let (mut fits, mut tried) = (1, 1);
    loop {
        match run(tried) {
            Ok(()) => fits = tried,
            Err(SampleError::Onnx(Error::OutOfMemory { .. })) if tried > 1 => return Ok(Some(fits)),
            Err(error) => return Err(error),
        }
        let Some(left) = free() else { return Ok(Some(fits)) };
        if fits >= limit || before.saturating_sub(left).saturating_mul(2) > left {
            return Ok(Some(fits));
        }
        tried = (2 * fits).min(limit);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A device of `size` bytes on which a sample takes 100 and nothing is given back.
    fn search(size: u64, limit: usize) -> (Result<Option<usize>, SampleError>, Vec<usize>) {
        let (left, mut tried) = (Cell::new(size), Vec::new());
        let mut run = |batch: usize| {
            tried.push(batch);
            let need = 100 * batch as u64;
            let Some(rest) = left.get().checked_sub(need) else {
                return Err(Error::OutOfMemory { batch, reason: "a test".into() }.into());
            };
            left.set(rest);
            Ok(())
        };
        let found = largest_batch(limit, &mut || Some(left.get()), &mut run);
        (found, tried)
    }

    #[test]
    fn the_search_stops_before_memory_runs_out() {
        for size in [100, 250, 1000, 12_345, 1_000_000] {
            let (found, tried) = search(size, 1 << 20);
            let batch = found.unwrap().unwrap();
            assert_eq!(tried.last(), Some(&batch), "{size}: nothing was tried in vain");
            assert!(100 * batch as u64 <= size && 2000 * batch as u64 > size, "{size}: {batch}");
        }
        assert_eq!(search(1_000_000, 100).1, [1, 2, 4, 8, 16, 32, 64, 100]);
        assert_eq!(search(1_000_000, 1).1, [1]);
    }

    #[test]
    fn one_sample_that_does_not_fit_is_an_error_and_more_than_one_is_not() {
        assert!(matches!(search(99, 8).0, Err(SampleError::Onnx(Error::OutOfMemory { batch: 1, .. }))));
        let mut run = |batch| match batch {
            4 => Err(Error::OutOfMemory { batch, reason: "a test".into() }.into()),
            _ => Ok(()),
        };
        assert_eq!(largest_batch(64, &mut || Some(1 << 40), &mut run).unwrap(), Some(2));
        assert_eq!(largest_batch(64, &mut || None, &mut |_| panic!("nothing to go by")).unwrap(), None);
        let mut broken = |_| Err(SampleError::Stopped { step: 0 });
        assert!(largest_batch(64, &mut || Some(1), &mut broken).is_err());
    }
}
