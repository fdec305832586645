//! x_T of the next batch, drawn on another thread while a GPU makes this one.

use std::thread::{self, JoinHandle};

use crate::noise;

/// Noise on its way.
#[derive(Debug)]
pub(super) struct Ahead {
    /// The seed that its batch begins with.
    first: usize,
    thread: JoinHandle<Vec<f32>>,
}

impl Ahead {
    /// Starts drawing for the batch that begins with seed `first`.
    pub(super) fn draw(first: usize, seeds: Vec<u64>, each: usize, std: f64) -> Self {
        let thread = thread::spawn(move || {
            let mut x = vec![0.0; seeds.len() * each];
            x_t(&seeds, std, &mut x);
            x
        });
        Self { first, thread }
    }

    /// What was drawn, if it is for that batch; waits for the end of it.
    pub(super) fn take(self, first: usize) -> Option<Vec<f32>> {
        self.thread.join().ok().filter(|_| self.first == first)
    }
}

/// x_T: draw 0 of each seed times a standard deviation.
#[expect(clippy::float_cmp, reason = "a factor of exactly 1 is no factor")]
pub(super) fn x_t(seeds: &[u64], std: f64, x: &mut [f32]) {
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
    fn what_is_drawn_ahead_is_what_is_drawn_in_time() {
        let (seeds, mut x) = (vec![3, 4, 4], vec![0.0; 15]);
        x_t(&seeds, 0.5, &mut x);
        assert_eq!(Ahead::draw(8, seeds.clone(), 5, 0.5).take(8).unwrap(), x);
        assert!(Ahead::draw(8, seeds, 5, 0.5).take(11).is_none(), "another batch's");
    }
}
