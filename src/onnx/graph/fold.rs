//! What a graph computes from shapes alone, computed once: exporters leave sizes to be found at every run, which a GPU
//! waits for and which keeps CUDA graphs from being captured.

use std::collections::{HashMap, HashSet};

use ort::session::builder::GraphOptimizationLevel;
use prost::bytes::Bytes;

use super::infer::{builder, infer, large_weights_to_inputs, refused};
use super::ports::{Dim, Port};
use super::proto::{Attribute, Graph, Model, Node, Tensor, ValueInfo};
use crate::onnx::error::{Error, Result};
use crate::onnx::runtime::Runtime;

/// Batches whose constants are compared: what is the same in both is taken not to depend on the batch.
const BATCHES: [usize; 2] = [2, 7];

/// What the runtime does beside computing constants, and that would take values their names.
const RENAMING: &str = "CastElimination;CommonSubexpressionElimination;ConstantSharing;ConvAddFusion;ConvBNFusion;\
    ConvMulFusion;EliminateIdentity;EliminateSlice;MatMulAddFusion;NoopElimination;PadFusion;ReshapeFusion;\
    TransposeOptimizer;UnsqueezeElimination";

/// The graph after the runtime has computed what depends on no input; values keep their names.
fn fold_constants(runtime: &'static Runtime, model: &[u8]) -> Result<Vec<u8>> {
    // Nobody else can write into the folder, or knows its name beforehand. It goes away with what is in it.
    let temporary = std::env::temp_dir();
    let unreadable = |e: std::io::Error| Error::Unreadable { path: temporary.clone(), reason: e.to_string() };
    let folder = tempfile::Builder::new().prefix("alphabar-").tempdir().map_err(unreadable)?;
    let file = folder.path().join("folded.onnx");
    let fold = || -> ort::Result<()> {
        let builder = builder(runtime, GraphOptimizationLevel::Level1)?;
        let builder = builder.with_config_entry("optimization.disable_specified_optimizers", RENAMING)?;
        builder.with_optimized_model_path(&file)?.commit_from_memory(model).map(drop)
    };
    fold().map_err(|error| refused(&error))?;
    std::fs::read(&file).map_err(|e| Error::Unreadable { path: file.clone(), reason: e.to_string() })
}

/// The graph for one batch size, large weights among its inputs, with everything computed that does not depend on the
/// data: shapes above all.
///
/// # Errors
/// [`Error::BadGraph`] if the runtime refuses the graph.
pub fn folded(runtime: &'static Runtime, model: &Model, batch: usize) -> Result<Model> {
    let mut probe = model.clone();
    let graph = probe.graph.get_or_insert_default();
    graph.value_info.clear();
    // Shapes are all that matters, and the CPU has no such kernel.
    for node in graph.node.iter_mut().filter(|node| node.is_group_norm()) {
        *node = Node::new("Identity", &[&node.input[0]], &[&node.output[0]]);
    }
    let data = graph.input.iter_mut();
    let shapes = data.filter_map(|input| input.r#type.as_mut()?.tensor_type.as_mut()?.shape.as_mut());
    for dimension in shapes.filter_map(|shape| shape.dim.first_mut()).filter(|dim| dim.dim_value.is_none()) {
        (dimension.dim_value, dimension.dim_param) = (i64::try_from(batch).ok(), None);
    }
    large_weights_to_inputs(graph);
    let bytes = fold_constants(runtime, &probe.to_bytes())?;
    let unreadable = |reason: String| Error::BadGraph { model: "the folded graph".to_owned(), reason };
    Model::from_bytes(Bytes::from(bytes)).map_err(|error| unreadable(error.to_string()))
}

/// As [`infer`], with the sizes that follow once the batch is known, where they are the same for two batches.
///
/// # Errors
/// [`Error::BadGraph`] if the runtime refuses the graph.
pub fn infer_for_any_batch(runtime: &'static Runtime, model: &Model) -> Result<HashMap<String, Port>> {
    let mut ports = infer(runtime, model)?;
    let with_batch = |batch| infer(runtime, &folded(runtime, model, batch)?);
    let (one, other) = (with_batch(BATCHES[0])?, with_batch(BATCHES[1])?);
    for (name, port) in &mut ports {
        let (Some(a), Some(b)) = (one.get(name), other.get(name)) else { continue };
        if a.dims.len() == b.dims.len() && a.element == port.element && b.element == port.element {
            let same = |(a, b): (&Dim, &Dim)| if a == b { a.clone() } else { Dim::Free(String::new()) };
            port.dims = a.dims.iter().zip(&b.dims).map(same).collect();
        }
    }
    Ok(ports)
}

/// Makes constants of what depends on shapes alone, in place: what no batch changes as it is, and targets of reshapes
/// with −1 where the batch stands. Returns how many nodes it saves. Graphs with control flow are left alone.
///
/// # Errors
/// [`Error::BadGraph`] if the runtime refuses the graph.
pub fn fold_shapes(runtime: &'static Runtime, model: &mut Model) -> Result<usize> {
    let nested = |node: &Node| node.attribute.iter().any(Attribute::has_graphs);
    if model.graph.iter().flat_map(|graph| &graph.node).any(nested) {
        return Ok(0);
    }
    let with_batch = |batch| {
        let folded = folded(runtime, model, batch)?;
        let mut shapes: Shapes =
            infer(runtime, &folded)?.iter().filter_map(|(name, port)| shape_of(name, port)).collect();
        shapes.extend(folded.graph.iter().flat_map(|graph| &graph.input).filter_map(shape_of_input));
        Ok((shapes, named(folded)))
    };
    let [(shapes, constants), (other_shapes, other_constants)] = [with_batch(BATCHES[0])?, with_batch(BATCHES[1])?];
    let graph = model.graph.get_or_insert_default();
    let before = graph.node.len();
    let stored: HashSet<&str> = graph.initializer.iter().filter_map(|tensor| tensor.name.as_deref()).collect();
    let made = graph.node.iter().filter(|node| node.op() != "Constant" && node.output.len() == 1);
    let same = made.filter_map(|node| {
        let value = &node.output[0];
        constants.get(value).filter(|constant| other_constants.get(value) == Some(constant))
    });
    let mut constant_now: Vec<Tensor> = same.filter(|constant| !stored.contains(constant.name())).cloned().collect();
    let names: HashSet<String> = constant_now.iter().map(|tensor| tensor.name().to_owned()).collect();
    graph.node.retain(|node| node.output.iter().all(|value| !names.contains(value)));
    let constant = |node: &Node| (node.op() == "Constant").then(|| node.output[0].clone());
    let known: HashSet<String> = names.into_iter().chain(graph.node.iter().filter_map(constant)).collect();
    let is_known =
        |value: &str| known.contains(value) || graph.initializer.iter().any(|tensor| tensor.name() == value);
    let open: Vec<usize> = (0..graph.node.len())
        .filter(|&at| graph.node[at].op() == "Reshape" && graph.node[at].input.get(1).is_some_and(|to| !is_known(to)))
        .collect();
    for at in open {
        let node = &mut graph.node[at];
        let both = [&shapes, &other_shapes].map(|shapes| shapes.get(&node.output[0]).map_or(&[][..], Vec::as_slice));
        if let Some(target) = for_any_batch(both[0], both[1]) {
            let name = format!("{}/shape", node.output[0]);
            constant_now.push(Tensor::i64(&name, &target));
            node.input[1] = name;
        }
    }
    let idle: Vec<(usize, String)> = (0..graph.node.len())
        .filter_map(|at| {
            let kept = kept_as_it_is(graph, at)?;
            let same = |shapes: &Shapes| {
                let (before, after) = (shapes.get(&kept), shapes.get(&graph.node[at].output[0]));
                before.is_some() && before == after
            };
            (same(&shapes) && same(&other_shapes)).then_some((at, kept))
        })
        .collect();
    for (at, kept) in idle {
        graph.node[at] = Node::new("Identity", &[&kept], &[&graph.node[at].output[0]]);
    }
    graph.initializer.extend(constant_now);
    without_the_unused(graph);
    Ok(before - graph.node.len())
}

/// Shapes that are known, by name.
type Shapes = HashMap<String, Vec<i64>>;

fn shape_of(name: &str, port: &Port) -> Option<(String, Vec<i64>)> {
    let size = |dim: &Dim| i64::try_from(dim.fixed()?).ok();
    Some((name.to_owned(), port.dims.iter().map(size).collect::<Option<_>>()?))
}

fn shape_of_input(input: &ValueInfo) -> Option<(String, Vec<i64>)> {
    let shape = input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?;
    Some((input.name.clone()?, shape.dim.iter().map(|dim| dim.dim_value).collect::<Option<_>>()?))
}

/// The input that a node gives as it is, if its result has the same shape: it is expanded, or multiplied with ones, as
/// timesteps are to have one for every sample.
fn kept_as_it_is(graph: &Graph, at: usize) -> Option<String> {
    let node = &graph.node[at];
    let is_one = |value: &&String| {
        let made = graph.node.iter().find(|node| node.output.contains(*value));
        made.is_some_and(|made| {
            let value = made.attribute("value").and_then(|attribute| attribute.t.as_ref());
            made.op() == "ConstantOfShape" && value.is_some_and(Tensor::is_one)
        })
    };
    match (node.op(), node.input.as_slice()) {
        ("Expand", [kept, _]) => Some(kept.clone()),
        ("Mul", [a, b]) if is_one(&b) => Some(a.clone()),
        ("Mul", [a, b]) if is_one(&a) => Some(b.clone()),
        _ => None,
    }
}

/// A graph's constants by name.
fn named(model: Model) -> HashMap<String, Tensor> {
    let tensors = model.graph.unwrap_or_default().initializer;
    tensors.into_iter().filter_map(|tensor| Some((tensor.name.clone()?, tensor))).collect()
}

/// The shape for every batch, from those for two: −1 in the one place that is proportional to the batch, if any.
fn for_any_batch(first: &[i64], second: &[i64]) -> Option<Vec<i64>> {
    let [m, n] = BATCHES.map(|batch| i64::try_from(batch).unwrap_or(i64::MAX));
    let differs: Vec<usize> = (0..first.len().min(second.len())).filter(|&k| first[k] != second[k]).collect();
    if first.len() != second.len() || first.is_empty() || first.contains(&0) || differs.len() > 1 {
        return None;
    }
    let mut target = first.to_vec();
    if let Some(&open) = differs.first() {
        if first[open] * n != second[open] * m {
            return None;
        }
        target[open] = -1;
    }
    Some(target)
}

/// Leaves out nodes and constants that nothing uses.
fn without_the_unused(graph: &mut Graph) {
    let mut used: HashSet<String> = graph.output.iter().filter_map(|output| output.name.clone()).collect();
    let mut kept = Vec::with_capacity(graph.node.len());
    // Nodes are in topological order: whoever uses a value comes after what makes it.
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|value| used.contains(value)) {
            used.extend(node.input.iter().cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    graph.initializer.retain(|tensor| tensor.name.as_ref().is_some_and(|name| used.contains(name)));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::proto::data_type;
    use super::*;

    #[test]
    fn a_target_is_open_where_the_batch_stands() {
        let target = for_any_batch;
        assert_eq!(target(&[2, 32, 64], &[7, 32, 64]), Some(vec![-1, 32, 64]));
        assert_eq!(target(&[16, 64], &[56, 64]), Some(vec![-1, 64]), "heads beside the batch");
        assert_eq!(target(&[16, 64], &[16, 64]), Some(vec![16, 64]));
        assert_eq!(target(&[2, 2, 64], &[7, 7, 64]), None, "two places");
        assert_eq!(target(&[3, 64], &[8, 64]), None, "the batch and one more");
        assert_eq!(target(&[2, 64], &[7, 64, 1]), None);
        assert_eq!(target(&[], &[]), None, "nothing is known");
    }

    #[test]
    fn what_nothing_uses_is_left_out() {
        let node = |op: &str, from: &str, to: &str| Node::new(op, &[from], &[to]);
        let mut graph = Graph {
            node: vec![
                node("Exp", "x", "a"),
                node("Shape", "a", "dead"),
                node("Cast", "dead", "too"),
                node("Exp", "a", "y"),
            ],
            output: vec![ValueInfo::tensor("y", data_type::FLOAT, &[])],
            initializer: vec![Tensor::i64("dead.weight", &[1])],
            ..Graph::default()
        };
        without_the_unused(&mut graph);
        assert_eq!(graph.node.iter().map(|node| node.output[0].as_str()).collect::<Vec<_>>(), ["a", "y"]);
        assert!(graph.initializer.is_empty());
    }
}
