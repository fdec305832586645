//! ONNX graphs as data: read and written without loss, converted to half precision, their arithmetic counted.

pub mod ceiling;
pub mod error;
pub mod flops;
pub mod fuse;
pub mod half;
mod rewrite;
mod store;

use std::collections::HashMap;

pub use error::{Error, Result};
pub use flops::{Flops, count};
pub use fuse::{Fusion, fuse};
pub use half::{Conversion, Options, Precision, convert};
pub use store::{decode, encode, read, write};

pub use crate::onnx::proto;
pub use crate::onnx::settle::{folded, infer, infer_for_any_batch, settle};
use proto::{Model, data_type};

/// The element type that most of the weights have, as ONNX numbers it.
#[must_use]
pub fn weight_type(model: &Model) -> i32 {
    let mut sizes: HashMap<i32, i64> = HashMap::new();
    for tensor in model.graph.iter().flat_map(|graph| &graph.initializer) {
        let floats = [data_type::FLOAT, data_type::FLOAT16, data_type::BFLOAT16];
        if let Some(kind) = tensor.data_type.filter(|kind| floats.contains(kind)) {
            *sizes.entry(kind).or_default() += tensor.dims.iter().product::<i64>();
        }
    }
    sizes.into_iter().max_by_key(|&(kind, size)| (size, -kind)).map_or(data_type::FLOAT, |(kind, _)| kind)
}
