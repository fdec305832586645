//! Noise as a function: a sample is its seed, and every normal is known by (seed, draw, element).
//!
//! ```text
//! (u₀, u₁, u₂, u₃) = Philox4x32-10(key = seed, counter = (block, draw))      block = ⌊element/2⌋
//! U = (u₀ + 2³² u₁ with its top 53 bits kept, + ½)·2⁻⁵³      V = (u₂ + 2³² u₃, top 53 bits)·2⁻⁵³
//! z_even = √(−2 ln U) cos 2πV        z_odd = √(−2 ln U) sin 2πV
//! ```
//!
//! Draw 0 is x_T. Nothing else enters, so noise depends neither on the batch a sample is in, nor on how many steps
//! came before, nor on the machine: `ln`, `sin` and `cos` come from a portable library, and rounding to f32 is last.
//!
//! Accuracy in f64: 3.2 ε of the normal itself. The angle is brought into [0, π/4] on the bits of V, and 1 − U is formed
//! from those of U, so that neither the zeros of sin and cos nor that of ln lose digits.
//!
//! Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox); Box & Muller 1958.

use std::f64::consts::TAU;

use crate::array::Real;

#[cfg(feature = "verify")]
mod generator;
#[cfg(feature = "verify")]
pub use generator::{Generator, StandardNormal, Unit};

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// The Philox4x32-10 block function.
#[must_use]
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let mut c = counter;
    let mut k = key;
    for _ in 0..ROUNDS {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        c = [high(p1) ^ c[1] ^ k[0], low(p1), high(p0) ^ c[3] ^ k[1], low(p0)];
        k = [k[0].wrapping_add(WEYL[0]), k[1].wrapping_add(WEYL[1])];
    }
    c
}

const fn low(x: u64) -> u32 {
    (x & 0xFFFF_FFFF) as u32
}

const fn high(x: u64) -> u32 {
    (x >> 32) as u32
}

const fn join(low: u32, high: u32) -> u64 {
    ((high as u64) << 32) | low as u64
}

const STEP: f64 = 1.0 / (1u64 << 53) as f64;

/// `ln((m + ½)·2⁻⁵³)` for m of 53 bits; above one half by way of 1 − U, which f64 holds exactly where it does not hold U.
fn ln_u(m: u64) -> f64 {
    if m < 1 << 52 {
        return libm::log((m as f64 + 0.5) * STEP);
    }
    libm::log1p(-(((1u64 << 53) - m) as f64 - 0.5) * STEP)
}

/// sin and cos of `2π m·2⁻⁵³` for m of 53 bits: the nearest quarter turn comes off exactly, on the bits.
fn sin_cos_turn(m: u64) -> (f64, f64) {
    const EIGHTH: u64 = 1 << 50;
    let (octant, part) = (m / EIGHTH, m % EIGHTH);
    let (sin, cos) = if octant % 2 == 0 {
        libm::sincos(TAU * (part as f64 * STEP))
    } else {
        let (sin, cos) = libm::sincos(TAU * ((EIGHTH - part) as f64 * STEP));
        (-sin, cos)
    };
    match octant.div_ceil(2) % 4 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Two independent standard normals from two words.
fn normals([u, v]: [u64; 2]) -> [f64; 2] {
    let radius = (-2.0 * ln_u(u >> 11)).sqrt();
    let (sin, cos) = sin_cos_turn(v >> 11);
    [radius * cos, radius * sin]
}

/// The standard normals of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stream {
    seed: u64,
}

impl Stream {
    /// The stream that a seed names.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed.
    #[must_use]
    pub const fn seed(self) -> u64 {
        self.seed
    }

    /// The pair of normals at elements `2·block` and `2·block + 1` of a draw.
    #[must_use]
    pub fn pair(self, draw: u32, block: u64) -> [f64; 2] {
        normals(self.words(draw, block))
    }

    /// The two words that the pair is made of.
    fn words(self, draw: u32, block: u64) -> [u64; 2] {
        let bits = philox4x32([low(block), high(block), draw, 0], [low(self.seed), high(self.seed)]);
        [join(bits[0], bits[1]), join(bits[2], bits[3])]
    }

    /// Fills `out` with elements 0, 1, 2 … of a draw.
    pub fn fill<A: Real>(self, draw: u32, out: &mut [A]) {
        for (block, pair) in out.chunks_mut(2).enumerate() {
            let normals = self.pair(draw, block as u64);
            for (slot, normal) in pair.iter_mut().zip(normals) {
                *slot = A::from_f64(normal);
            }
        }
    }
}

/// Fills a batch, one stream per row of `out.len() / seeds.len()` elements.
///
/// # Panics
/// If the length of `out` is not a multiple of the number of seeds.
pub fn fill_batch<A: Real>(seeds: &[u64], draw: u32, out: &mut [A]) {
    if seeds.is_empty() {
        return;
    }
    assert_eq!(out.len() % seeds.len(), 0, "a batch is a whole number of samples");
    let each = out.len() / seeds.len();
    for (row, &seed) in out.chunks_mut(each.max(1)).zip(seeds) {
        Stream::new(seed).fill(draw, row);
    }
}

#[cfg(test)]
mod tests {
    use super::{Stream, fill_batch, philox4x32};

    /// The known-answer vectors published with the generator.
    #[test]
    fn philox_gives_the_published_vectors() {
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ];
        for (counter, key, want) in cases {
            assert_eq!(philox4x32(counter, key), want);
        }
    }

    #[test]
    fn a_batch_is_its_samples() {
        let mut batch = [0.0f32; 21];
        fill_batch(&[5, 9, 1 << 63], 3, &mut batch);
        for (row, seed) in batch.chunks(7).zip([5, 9, 1 << 63]) {
            let mut alone = [0.0f32; 7];
            Stream::new(seed).fill(3, &mut alone);
            assert_eq!(row, alone);
        }
    }
}
