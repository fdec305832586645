//! Guidance while sampling: one formula, applied to the network's conditional and unconditional outputs.

use crate::array::Real;
use crate::guidance::GuidanceScale;

use super::Shape;

/// `u + s (c − u)` over the first C channels, in place of the conditional output c; a learned variance stays that
/// of the conditional pass.
///
/// s = 1 leaves c as it is, 0 gives u, above 1 moves past c. This is the convention of diffusers and of Imagen
/// (Saharia et al. 2022); Ho & Salimans 2022, arXiv:2207.12598v1, write w = s − 1 (ledger S1.81, S1.82).
///
/// # Panics
/// If a slice has not the length that `shape` says.
pub fn guide<A: Real>(scale: GuidanceScale, shape: Shape, conditional: &mut [A], unconditional: &[A]) {
    assert_eq!(conditional.len(), shape.len_out(), "the conditional output has the batch's length");
    assert_eq!(unconditional.len(), shape.len_out(), "the unconditional output has the batch's length");
    let scale = A::from_f64(scale.get());
    let (each, each_out) = (shape.each, shape.each_out().max(1));
    for (c, u) in conditional.chunks_mut(each_out).zip(unconditional.chunks(each_out)) {
        for (c, &u) in c[..each].iter_mut().zip(u) {
            *c = u + scale * (*c - u);
        }
    }
}
