//! ONNX graphs as data: read and written without loss, converted to half precision, their arithmetic counted.

pub mod ceiling;
pub mod error;
pub mod flops;
pub mod half;
mod rewrite;
mod store;

use std::collections::{HashMap, HashSet};

pub use error::{Error, Result};
pub use flops::{Flops, count};
pub use half::{Conversion, Options, Precision, convert};
#[cfg(feature = "cli")]
pub(crate) use store::location;
pub use store::{decode, encode, read, write};

pub use crate::onnx::proto;
use crate::onnx::{Port, Runtime, fold_constants, value_ports};
use proto::{Graph, Model, Tensor, ValueInfo, data_type};

/// What ONNX Runtime infers of every value of a graph: element type and shape, by name. Nothing is run.
///
/// # Errors
/// [`Error::Runtime`] if the runtime refuses the graph.
pub fn infer(runtime: &'static Runtime, model: &Model) -> Result<HashMap<String, Port>> {
    let mut probe = model.clone();
    let graph = probe.graph.get_or_insert_default();
    graph.value_info.clear();
    large_weights_to_inputs(graph);
    // An output needs no type of its own: the runtime fills it in.
    let known: HashSet<&String> = graph.output.iter().filter_map(|output| output.name.as_ref()).collect();
    let names = graph.node.iter().flat_map(|node| &node.output);
    let hidden = names.filter(|name| !name.is_empty() && !known.contains(name));
    let hidden: Vec<ValueInfo> =
        hidden.map(|name| ValueInfo { name: Some(name.clone()), ..ValueInfo::default() }).collect();
    graph.output.extend(hidden);
    let ports = value_ports(runtime, &encode(&probe))?;
    Ok(ports.into_iter().map(|port| (port.name.clone(), port)).collect())
}

/// The graph for one batch size, large weights among its inputs, with everything computed that does not depend on the
/// data: shapes above all.
fn folded(runtime: &'static Runtime, model: &Model, batch: usize) -> Result<Model> {
    let mut probe = model.clone();
    let graph = probe.graph.get_or_insert_default();
    graph.value_info.clear();
    let data = graph.input.iter_mut();
    let shapes = data.filter_map(|input| input.r#type.as_mut()?.tensor_type.as_mut()?.shape.as_mut());
    for dimension in shapes.filter_map(|shape| shape.dim.first_mut()).filter(|dim| dim.dim_value.is_none()) {
        (dimension.dim_value, dimension.dim_param) = (Some(batch as i64), None);
    }
    large_weights_to_inputs(graph);
    decode("the folded graph", &fold_constants(runtime, &encode(&probe))?)
}

/// The runtime needs only the type and shape of a large weight, not its values.
fn large_weights_to_inputs(graph: &mut Graph) {
    let small =
        |tensor: &Tensor| tensor.data_type == Some(data_type::INT64) || tensor.dims.iter().product::<i64>() <= 1024;
    let (kept, large): (Vec<Tensor>, Vec<Tensor>) =
        std::mem::take(&mut graph.initializer).into_iter().partition(small);
    graph.initializer = kept;
    for tensor in large {
        let name = tensor.name.clone().unwrap_or_default();
        let dims: Vec<Option<i64>> = tensor.dims.iter().copied().map(Some).collect();
        graph.input.retain(|input| input.name.as_ref() != Some(&name));
        graph.input.push(ValueInfo::tensor(&name, tensor.data_type.unwrap_or_default(), &dims));
    }
}

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
