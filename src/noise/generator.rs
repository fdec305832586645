//! A noise stream as a generator of `rand`: whatever takes one draws the same numbers on every machine.
//!
//! The words are Philox's and the distributions are here, so that neither depends on a version of `rand`.

use ndarray_rand::rand::{Rng, RngCore};
use ndarray_rand::rand_distr::Distribution;

use super::{Stream, normals};

/// The words of one draw of a [`Stream`], one after another.
///
/// ```
/// use alphabar::noise::{StandardNormal, Stream, Unit};
/// use ndarray::Array2;
/// use ndarray_rand::{RandomExt, rand::Rng};
///
/// let mut generator = Stream::new(7).generator(0);
/// let batch: Array2<f64> = Array2::random_using((2, 3), StandardNormal, &mut generator);
/// assert_eq!(batch[[0, 1]], Stream::new(7).pair(0, 1)[0]);
/// let u: f64 = generator.sample(Unit);
/// assert!((0.0..1.0).contains(&u));
/// ```
#[derive(Clone, Debug)]
pub struct Generator {
    stream: Stream,
    draw: u32,
    block: u64,
    /// The second word of the block before, if it is still to come.
    second: Option<u64>,
}

impl Stream {
    /// The words of a draw, from its first.
    #[must_use]
    pub const fn generator(self, draw: u32) -> Generator {
        Generator { stream: self, draw, block: 0, second: None }
    }
}

impl RngCore for Generator {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        if let Some(word) = self.second.take() {
            return word;
        }
        let [first, second] = self.stream.words(self.draw, self.block);
        self.block += 1;
        self.second = Some(second);
        first
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// N(0, 1), a normal for every two words: of a fresh [`Generator`], those at even elements of the stream's draw.
#[derive(Clone, Copy, Debug)]
pub struct StandardNormal;

impl Distribution<f64> for StandardNormal {
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> f64 {
        normals([rng.next_u64(), rng.next_u64()])[0]
    }
}

/// Equally distributed on [0, 1): the top 53 bits of a word.
#[derive(Clone, Copy, Debug)]
pub struct Unit;

impl Distribution<f64> for Unit {
    fn sample<R: Rng + ?Sized>(&self, rng: &mut R) -> f64 {
        (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of the published vector for key and counter 0.
    #[test]
    fn words_are_philox() {
        let mut generator = Stream::new(0).generator(0);
        assert_eq!(generator.next_u64(), 0xe169_c58d_6627_e8d5);
        assert_eq!(generator.next_u32(), 0x9b00_dbd8);
        let mut bytes = [0; 11];
        Stream::new(0).generator(0).fill_bytes(&mut bytes);
        assert_eq!(bytes[..9], [0xd5, 0xe8, 0x27, 0x66, 0x8d, 0xc5, 0x69, 0xe1, 0x4c]);
    }

    #[test]
    fn normals_are_the_streams_and_uniforms_have_their_moments() {
        let mut generator = Stream::new(5).generator(3);
        for block in 0..10 {
            let normal: f64 = generator.sample(StandardNormal);
            assert_eq!(normal.to_bits(), Stream::new(5).pair(3, block)[0].to_bits());
        }
        let units: Vec<f64> = (0..10_000).map(|_| generator.sample(Unit)).collect();
        let mean = units.iter().sum::<f64>() / 1e4;
        let square = units.iter().map(|u| u * u).sum::<f64>() / 1e4;
        // Five standard errors: √(1/12)/100 and √(4/45)/100.
        assert!((mean - 0.5).abs() < 0.0145 && (square - 1.0 / 3.0).abs() < 0.0150, "{mean}, {square}");
    }
}
