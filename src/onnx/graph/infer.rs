//! Asking ONNX Runtime about a graph without running it.

use std::collections::{HashMap, HashSet};

use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::ports::Port;
use super::proto::{Graph, Model, Tensor, ValueInfo, data_type};
use crate::onnx::error::{Error, Result};
use crate::onnx::runtime::Runtime;

/// What ONNX Runtime infers of every value of a graph: element type and shape, by name. Nothing is run.
///
/// # Errors
/// [`Error::BadGraph`] if the runtime refuses the graph.
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
    let ports = value_ports(runtime, &probe.to_bytes())?;
    Ok(ports.into_iter().map(|port| (port.name.clone(), port)).collect())
}

/// Name, element type and shape of every output of a graph, as the runtime infers them.
fn value_ports(runtime: &'static Runtime, model: &[u8]) -> Result<Vec<Port>> {
    let open = || builder(runtime, GraphOptimizationLevel::Disable)?.commit_from_memory(model);
    let session = open().map_err(|error| refused(&error))?;
    Ok(session.outputs().iter().map(Port::from_runtime).collect())
}

/// The runtime needs only the type and shape of a large weight, not its values.
pub(super) fn large_weights_to_inputs(graph: &mut Graph) {
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

/// Sessions that are opened to be asked.
pub(super) fn builder(runtime: &'static Runtime, level: GraphOptimizationLevel) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(&runtime.environment)?.with_log_level(ort::logging::LogLevel::Error)?;
    Ok(builder.with_optimization_level(level)?)
}

/// The error for a graph that the runtime does not take.
pub(super) fn refused(error: &ort::Error) -> Error {
    Error::BadGraph { model: "the graph".to_owned(), reason: error.message().to_owned() }
}
