//! ONNX graphs as data: read and written without loss, what they take and give, what the runtime infers of them, shapes
//! folded to constants, conversion to half precision, fused norms, arithmetic counted.

pub mod ceiling;
mod contract;
mod error;
mod flops;
mod fold;
mod fuse;
pub mod half;
mod identity;
mod infer;
mod outside;
mod ports;
#[doc(hidden)]
pub mod proto;
mod source;
mod store;

use std::collections::HashMap;

use proto::{Model, data_type};

pub use contract::Contract;
pub use error::{Error, Result};
pub use flops::{Flops, count};
pub use fold::{fold_shapes, infer_for_any_batch};
pub use fuse::{Fusion, fuse};
pub use half::{Conversion, Options, Precision, convert};
pub(super) use identity::Files;
pub use identity::Identified;
pub use infer::infer;
pub use ports::{Dim, Element, Graph, IoNames, Port, TimestepPort, TimestepShape};
pub use source::{ModelSource, Text, UnetConfig, Weights};
pub use store::{decode, encode, read, write};

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
