//! The arithmetic of one evaluation, counted from the graph's shapes.

use std::collections::{BTreeMap, HashMap};

use super::error::{Error, Result};
use super::fold::folded;
use super::infer::infer;
use super::ports::Port;
use super::proto::{Model, Node};
use crate::onnx::runtime::Runtime;

/// Floating-point operations of one evaluation on one sample.
///
/// ```text
/// Conv           2 · |out| · (C_in / groups) · Π kernel
/// ConvTranspose  2 · |in| · (C_out / groups) · Π kernel
/// Gemm, MatMul   2 · |out| · K                           K the length of the sum
/// Einsum         2 · Π of all indices
/// ```
///
/// A multiplication and its addition are two operations; |·| is a number of entries. Biases, normalisations and
/// everything elementwise are left out, as is usual: they are bound by memory, not by arithmetic.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Flops {
    /// All together.
    pub total: u64,
    /// By operator.
    pub by_op: BTreeMap<String, u64>,
    /// Operators with products that are not counted, with the number of their nodes.
    pub not_counted: BTreeMap<String, usize>,
}

/// Counts for a batch of one, or the batch that the graph is fixed to, divided by it.
///
/// # Errors
/// [`Error::ShapeUnknown`] if a shape is known only at run time; [`Error::Runtime`] if the runtime refuses the graph.
pub fn count(runtime: &'static Runtime, model: &Model) -> Result<Flops> {
    let folded = folded(runtime, model, 1)?;
    let ports = infer(runtime, &folded)?;
    let batch = model.graph.iter().flat_map(|graph| &graph.input).find_map(batch_of_image).unwrap_or(1).max(1);
    let mut flops = from_shapes(&folded, &ports)?;
    flops.total /= batch;
    flops.by_op.values_mut().for_each(|count| *count /= batch);
    Ok(flops)
}

/// The fixed batch of an input of rank 4.
fn batch_of_image(input: &super::proto::ValueInfo) -> Option<u64> {
    let dims = &input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim;
    (dims.len() == 4).then(|| dims[0].dim_value.and_then(|size| u64::try_from(size).ok())).flatten()
}

/// Operators with products inside that no rule is given for.
const NOT_COUNTED: &[&str] = &[
    "Attention",
    "ConvInteger",
    "DeformConv",
    "GRU",
    "LSTM",
    "MatMulInteger",
    "MultiHeadAttention",
    "QLinearConv",
    "QLinearMatMul",
    "RNN",
];

fn from_shapes(model: &Model, ports: &HashMap<String, Port>) -> Result<Flops> {
    let Some(graph) = &model.graph else { return Ok(Flops::default()) };
    let mut shapes: HashMap<&str, Vec<u64>> = HashMap::new();
    for (name, port) in ports {
        let dims = port.dims.iter().map(|dim| dim.fixed().map(|size| size as u64)).collect::<Option<Vec<u64>>>();
        shapes.extend(dims.map(|dims| (name.as_str(), dims)));
    }
    for input in &graph.input {
        if let (Some(name), Some(dims)) = (&input.name, fixed(input)) {
            shapes.insert(name, dims);
        }
    }
    for tensor in &graph.initializer {
        let dims = tensor.dims.iter().map(|&size| size.unsigned_abs()).collect();
        shapes.insert(tensor.name.as_deref().unwrap_or_default(), dims);
    }
    let mut flops = Flops::default();
    for node in &graph.node {
        let op = node.op();
        if NOT_COUNTED.contains(&op) {
            *flops.not_counted.entry(op.to_owned()).or_default() += 1;
        }
        let shape = |value: Option<&String>| -> Result<&[u64]> {
            let value = value.map(String::as_str).unwrap_or_default();
            shapes.get(value).map(Vec::as_slice).ok_or_else(|| Error::ShapeUnknown {
                value: value.to_owned(),
                node: node.name.clone().unwrap_or_default(),
                op: op.to_owned(),
            })
        };
        let (first, second, out) = (node.input.first(), node.input.get(1), node.output.first());
        let size = |dims: &[u64]| dims.iter().product::<u64>();
        let count = match op {
            // The kernel is [C_out, C_in / groups, …] here and [C_in, C_out / groups, …] there.
            "Conv" => size(shape(out)?) * size(shape(second)?.get(1..).unwrap_or_default()),
            "ConvTranspose" => size(shape(first)?) * size(shape(second)?.get(1..).unwrap_or_default()),
            "Gemm" => {
                let inner = usize::from(int(node, "transA") == 0);
                size(shape(out)?) * shape(first)?.get(inner).copied().unwrap_or(1)
            }
            "MatMul" => size(shape(out)?) * shape(first)?.last().copied().unwrap_or(1),
            "Einsum" => einsum(node, shape(first)?, shape(second)?),
            _ => continue,
        };
        flops.total += 2 * count;
        *flops.by_op.entry(op.to_owned()).or_default() += 2 * count;
    }
    Ok(flops)
}

/// An input's shape, with 1 for a batch that is left open.
fn fixed(input: &super::proto::ValueInfo) -> Option<Vec<u64>> {
    let dims = &input.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim;
    let size = |(k, dim): (usize, &super::proto::Dimension)| {
        dim.dim_value.and_then(|size| u64::try_from(size).ok()).or((k == 0).then_some(1))
    };
    dims.iter().enumerate().map(size).collect()
}

fn int(node: &Node, name: &str) -> i64 {
    node.attribute(name).and_then(|attribute| attribute.i).unwrap_or(0)
}

/// The product of the sizes of all indices of an equation of two operands, an ellipsis being what the letters leave.
fn einsum(node: &Node, first: &[u64], second: &[u64]) -> u64 {
    let equation = node.attribute("equation").and_then(|attribute| attribute.s.as_deref()).unwrap_or_default();
    let equation: String = String::from_utf8_lossy(equation).split_whitespace().collect();
    let left = equation.split("->").next().unwrap_or_default();
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for (term, shape) in left.split(',').zip([first, second]) {
        let (head, tail) = term.split_once("...").unwrap_or((term, ""));
        let hidden = shape.len().saturating_sub(head.len() + tail.len());
        let ellipsis = (0..hidden).map(|k| format!("...{}", hidden - k));
        let names = head.chars().map(String::from).chain(ellipsis).chain(tail.chars().map(String::from));
        for (name, &size) in names.zip(shape) {
            let known = sizes.entry(name).or_insert(1);
            *known = size.max(*known);
        }
    }
    sizes.values().product()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::proto::{Attribute, Graph, Tensor, ValueInfo, data_type};
    use super::*;
    use crate::onnx::runtime::{RuntimeOptions, load_or_install};

    /// A graph of one node on a sample [batch, 4, 8, 8] and a matrix [6, 4].
    fn graph(node: Node, weight: &[i64]) -> Model {
        let zeros = vec![0.0; weight.iter().product::<i64>() as usize];
        let graph = Graph {
            node: vec![node],
            name: Some("one".to_owned()),
            initializer: vec![Tensor::f32("w", weight, &zeros)],
            input: vec![
                ValueInfo::tensor("x", data_type::FLOAT, &[None, Some(4), Some(8), Some(8)]),
                ValueInfo::tensor("m", data_type::FLOAT, &[Some(6), Some(4)]),
            ],
            output: vec![ValueInfo { name: Some("y".to_owned()), ..ValueInfo::default() }],
            ..Graph::default()
        };
        let opset = super::super::proto::OperatorSet { domain: None, version: Some(17) };
        Model { ir_version: Some(8), graph: Some(graph), opset_import: vec![opset], ..Model::default() }
    }

    fn total(node: Node, weight: &[i64]) -> u64 {
        let runtime = load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap();
        count(runtime, &graph(node, weight)).unwrap().total
    }

    #[test]
    fn every_rule_counts_what_pen_and_paper_do() {
        let node = |op: &str, input: &str| Node::new(op, &[input, "w"], &["y"]);
        // 16 channels of 8×8, each the sum over 4 channels and 3×3 entries.
        let conv = || node("Conv", "x").with_ints("pads", &[1, 1, 1, 1]);
        assert_eq!(total(conv(), &[16, 4, 3, 3]), 2 * 16 * 64 * 36);
        assert_eq!(total(conv().with_ints("strides", &[2, 2]), &[16, 4, 3, 3]), 2 * 16 * 16 * 36);
        // Two groups see two channels each.
        assert_eq!(total(conv().with_int("group", 2), &[16, 2, 3, 3]), 2 * 16 * 64 * 18);
        // Each of 4·64 entries goes to 5 channels at 2×2 places.
        assert_eq!(total(node("ConvTranspose", "x").with_ints("strides", &[2, 2]), &[4, 5, 2, 2]), 2 * 256 * 20);
        assert_eq!(total(node("Gemm", "m"), &[4, 10]), 2 * 60 * 4);
        assert_eq!(total(node("Gemm", "m").with_int("transB", 1), &[10, 4]), 2 * 60 * 4);
        assert_eq!(total(node("Gemm", "m").with_int("transA", 1), &[6, 10]), 2 * 40 * 6);
        // 4·8 rows of 8 numbers times an 8×3 matrix.
        assert_eq!(total(node("MatMul", "x"), &[8, 3]), 2 * 32 * 3 * 8);
        let einsum = |equation: &str| {
            let mut node = node("Einsum", "x");
            let s = Some(equation.as_bytes().to_vec());
            node.attribute.push(Attribute {
                name: Some("equation".into()),
                s,
                r#type: Some(3),
                ..Attribute::default()
            });
            node
        };
        assert_eq!(total(einsum("bchw,cd->bdhw"), &[4, 5]), 2 * 4 * 64 * 5);
        assert_eq!(total(einsum("...w,wk->...k"), &[8, 3]), 2 * 32 * 8 * 3);
        assert_eq!(total(Node::new("Add", &["x", "w"], &["y"]), &[8]), 0);
    }

    #[test]
    fn a_shape_that_only_a_run_tells_is_an_error() {
        let mut model = graph(Node::new("MatMul", &["part", "w"], &["y"]), &[8, 3]);
        // Which rows are not zero depends on the data.
        let graph = model.graph.as_mut().unwrap();
        let found = Node::new("NonZero", &["m"], &["places"]);
        let cast = Node::new("Cast", &["places"], &["floats"]).with_int("to", 1);
        let part = Node::new("Identity", &["floats"], &["part"]);
        graph.node.splice(0..0, [found, cast, part]);
        let runtime = load_or_install(&RuntimeOptions::from_environment(), &mut |_| {}).unwrap();
        assert!(matches!(count(runtime, &model), Err(Error::ShapeUnknown { .. })));
    }
}
