//! x_T of the next batch, drawn on another thread while a GPU makes this one.

use std::num::NonZero;
use std::thread::{self, JoinHandle};

use crate::noise;

/// Noise on its way.
#[derive(Debug)]
pub(in crate::onnx) struct Prefetch {
    /// The seed that its batch begins with.
    first: usize,
    thread: JoinHandle<Vec<f32>>,
}

impl Prefetch {
    /// Starts drawing for the batch that begins with seed `first`.
    pub(in crate::onnx) fn draw(first: usize, seeds: Vec<u64>, each: usize, std: f64) -> Self {
        let thread = thread::spawn(move || {
            let mut x = vec![0.0; seeds.len() * each];
            x_t(&seeds, std, &mut x);
            x
        });
        Self { first, thread }
    }

    /// What was drawn, if it is for that batch; waits for the end of it.
    pub(in crate::onnx) fn take(self, first: usize) -> Option<Vec<f32>> {
        self.thread.join().ok().filter(|_| self.first == first)
    }
}

/// Numbers that are worth a thread of their own.
const WORTH_A_THREAD: usize = 1 << 15;

/// x_T: draw 0 of each seed times a standard deviation, on as many threads as are worth it: no network runs before it is
/// there.
pub(super) fn x_t(seeds: &[u64], std: f64, x: &mut [f32]) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = (x.len() / WORTH_A_THREAD).clamp(1, cores).min(seeds.len().max(1));
    let rows = seeds.len().div_ceil(threads).max(1);
    let each = x.len() / seeds.len().max(1);
    thread::scope(|scope| {
        let mut parts = seeds.chunks(rows).zip(x.chunks_mut((rows * each).max(1)));
        let first = parts.next();
        for (seeds, x) in parts {
            scope.spawn(move || draw(seeds, std, x));
        }
        if let Some((seeds, x)) = first {
            draw(seeds, std, x);
        }
    });
}

#[expect(clippy::float_cmp, reason = "a factor of exactly 1 is no factor")]
fn draw(seeds: &[u64], std: f64, x: &mut [f32]) {
    noise::fill_batch(seeds, 0, x);
    if std != 1.0 {
        let std = std as f32;
        x.iter_mut().for_each(|value| *value *= std);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn threads_change_nothing() {
        let each = WORTH_A_THREAD / 4;
        for count in [1, 3, 17, 40] {
            let seeds: Vec<u64> = (0..count).map(|k| 7 * k + 1).collect();
            let (mut one, mut many) = (vec![0.0; seeds.len() * each], vec![0.0; seeds.len() * each]);
            draw(&seeds, 0.5, &mut one);
            x_t(&seeds, 0.5, &mut many);
            assert_eq!(one, many, "{count} seeds");
        }
    }

    #[test]
    fn what_is_drawn_ahead_is_what_is_drawn_in_time() {
        let (seeds, mut x) = (vec![3, 4, 4], vec![0.0; 15]);
        x_t(&seeds, 0.5, &mut x);
        assert_eq!(Prefetch::draw(8, seeds.clone(), 5, 0.5).take(8).unwrap(), x);
        assert!(Prefetch::draw(8, seeds, 5, 0.5).take(11).is_none(), "another batch's");
    }
}
