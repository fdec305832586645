//! An f32 graph in half precision: what has to stay in f32 does, and what does not fit is said.
//!
//! Half precision begins at the first convolution or matrix product and ends at the last: what is computed before (the
//! timestep's embedding, scaling of the input) and after (combining the input with the prediction) costs nothing in f32.
//! In between, normalisations, softmax and statistics stay in f32, with casts around them. A node whose weights exceed
//! the range of the half type stays in f32 too, and is reported.

use std::collections::{HashMap, HashSet};

use half::{bf16, f16};

use super::error::{Error, Result};
use super::ports::{Element, Port};
use super::proto::{Attribute, GROUP_NORM, Graph, Model, Node, OperatorSet, Tensor, ValueInfo, data_type};

/// A half-precision type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// IEEE binary16: 11 bits of significand, up to 65504.
    Fp16,
    /// bfloat16: 8 bits of significand, the range of f32.
    Bf16,
}

impl Precision {
    /// As users name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
        }
    }

    const fn data_type(self) -> i32 {
        match self {
            Self::Fp16 => data_type::FLOAT16,
            Self::Bf16 => data_type::BFLOAT16,
        }
    }

    /// The nearest number, ties to even: its bits and its value.
    fn round(self, value: f32) -> (u16, f32) {
        match self {
            Self::Fp16 => {
                let half = f16::from_f32(value);
                (half.to_bits(), half.to_f32())
            }
            Self::Bf16 => {
                let half = bf16::from_f32(value);
                (half.to_bits(), half.to_f32())
            }
        }
    }
}

/// How to convert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The type of weights and activations.
    pub precision: Precision,
    /// Give the graph inputs and outputs of that type, those of rank 2 and more.
    pub half_io: bool,
    /// Operators that stay in f32.
    pub f32_ops: Vec<String>,
}

impl Options {
    /// The usual: inputs and outputs in f32, [`F32_OPS`] in f32.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        Self { precision, half_io: false, f32_ops: F32_OPS.iter().map(|&op| op.to_owned()).collect() }
    }
}

/// Operators that are kept in f32 unless others are named: sums over many entries, and functions that magnify an error
/// in their argument.
pub const F32_OPS: &[&str] = &joined::<{ NORMALISING.len() + STATISTICS.len() }>(NORMALISING, STATISTICS);

/// Operators that carry weights, or products of activations: half precision pays off here.
const PRODUCTS: &[&str] = &["Attention", "Conv", "ConvTranspose", "Einsum", "Gemm", "MatMul"];
/// Operators that divide by a sum over many entries.
const NORMALISING: &[&str] = &[
    "BatchNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "LogSoftmax",
    "LpNormalization",
    "MeanVarianceNormalization",
    "RMSNormalization",
    "Softmax",
];
/// Operators of a few numbers, whose results f32 carries on to the next elementwise operator (ε + variance, say).
const STATISTICS: &[&str] = &[
    "CumSum",
    "Exp",
    "Log",
    "Pow",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMean",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Sqrt",
];
const ELEMENTWISE: &[&str] = &["Abs", "Add", "Clip", "Div", "Max", "Min", "Mul", "Neg", "Sub"];

/// Two lists as one.
const fn joined<const N: usize>(first: &[&'static str], second: &[&'static str]) -> [&'static str; N] {
    let mut all = [""; N];
    let mut k = 0;
    while k < N {
        all[k] = if k < first.len() { first[k] } else { second[k - first.len()] };
        k += 1;
    }
    all
}

/// A weight of which some entries do not fit.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Misfit {
    /// The weight.
    pub tensor: String,
    /// Entries that do not fit.
    pub count: usize,
    /// Of so many.
    pub of: usize,
    /// The largest magnitude among them.
    pub largest: f32,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Conversion {
    /// Weights that are now half precision.
    pub tensors: usize,
    /// Their entries.
    pub parameters: usize,
    /// Nodes that compute in half precision.
    pub half_nodes: usize,
    /// Nodes on floats that compute in f32.
    pub f32_nodes: usize,
    /// Casts that were inserted.
    pub casts: usize,
    /// Weights beyond the type's range; the nodes that use them were left in f32.
    pub overflow: Vec<Misfit>,
    /// Weights with entries other than 0 that have become 0.
    pub underflow: Vec<Misfit>,
}

/// Converts a graph in place. `types` is what [`infer`](super::infer) says of its values.
///
/// # Errors
/// [`Error::Unsupported`] for control flow, functions, sparse weights, and a graph that has no f32 weights.
pub fn convert(model: &mut Model, types: &HashMap<String, Port>, options: &Options) -> Result<Conversion> {
    let functions = model.functions.len();
    let graph = model.graph.get_or_insert_default();
    supported(graph, functions)?;
    if options.precision == Precision::Bf16 {
        allow_bf16(&mut model.opset_import, graph)?;
    }
    constants_to_weights(graph);
    weights_are_no_inputs(graph);
    model.ir_version = model.ir_version.map(|version| version.max(4));
    let weights: HashMap<String, usize> =
        graph.initializer.iter().enumerate().map(|(k, tensor)| (tensor.name().to_owned(), k)).collect();
    let mut report = Conversion::default();
    let rounded = round_weights(&graph.initializer, options.precision, &mut report);
    let floats = float_values(graph, types);
    let half = choose(graph, &floats, &weights, &rounded, options);
    report.half_nodes = half.iter().filter(|&&half| half).count();
    let on_floats = |node: &&Node| node.input.iter().chain(&node.output).any(|value| floats.contains(value));
    report.f32_nodes = graph.node.iter().filter(on_floats).count() - report.half_nodes;
    let mut rewriter = Rewriter { options, floats, weights, rounded, half, casts: HashMap::new(), report };
    rewriter.rewrite(graph);
    let report = rewriter.report;
    // What was said of the values' types is no longer so, and the runtime infers it.
    graph.value_info.clear();
    if report.tensors == 0 {
        return Err(Error::Unsupported {
            found: "no f32 weights of convolutions or matrix products".to_owned(),
            advice: "only f32 graphs can be converted",
        });
    }
    Ok(report)
}

pub(super) fn supported(graph: &Graph, functions: usize) -> Result<()> {
    let refuse = |found: String, advice| Err(Error::Unsupported { found, advice });
    if functions > 0 {
        return refuse(format!("{functions} functions of its own"), "inline them first (onnx.inliner in Python)");
    }
    if !graph.sparse_initializer.is_empty() {
        return refuse("sparse weights".to_owned(), "export it with dense weights");
    }
    let nested = |node: &&Node| node.attribute.iter().any(Attribute::has_graphs);
    match graph.node.iter().find(nested) {
        Some(node) => refuse(format!("control flow ({})", node.op()), "export it without"),
        None => Ok(()),
    }
}

/// From opset 22 on the operators of a network take bfloat16. Between 18 and 22 they gained types and options, but kept
/// their meaning, except those that are refused here.
fn allow_bf16(opsets: &mut [OperatorSet], graph: &Graph) -> Result<()> {
    let own = opsets.iter_mut().find(|set| set.domain.as_deref().unwrap_or_default().is_empty());
    let Some(set) = own else { return Ok(()) };
    let version = set.version.unwrap_or(1);
    let changed: &[(&str, i64)] = &[("GridSample", 20), ("GroupNormalization", 21)];
    let hinders =
        changed.iter().find(|(op, since)| version < *since && graph.node.iter().any(|node| node.op() == *op));
    let advice = "bfloat16 needs opset 22; export it with that";
    match hinders {
        Some((op, _)) => Err(Error::Unsupported { found: format!("{op} of opset {version}"), advice }),
        None if version < 18 => Err(Error::Unsupported { found: format!("opset {version}"), advice }),
        None => {
            set.version = Some(version.max(22));
            Ok(())
        }
    }
}

/// Makes weights of the `Constant` nodes of f32, so that there is one kind of constant.
pub(super) fn constants_to_weights(graph: &mut Graph) {
    let (mut nodes, mut made) = (Vec::with_capacity(graph.node.len()), Vec::new());
    for node in std::mem::take(&mut graph.node) {
        let value = |key: &str| node.attribute(key);
        let tensor = match (node.op(), value("value"), value("value_float"), value("value_floats")) {
            ("Constant", Some(Attribute { t: Some(tensor), .. }), ..) if tensor.is_f32() => Some(tensor.clone()),
            ("Constant", _, Some(one), _) => Some(Tensor::f32("", &[], &[one.f.unwrap_or_default()])),
            ("Constant", _, _, Some(list)) => Some(Tensor::f32("", &[list.floats.len() as i64], &list.floats)),
            _ => None,
        };
        match tensor {
            Some(tensor) => made.push(Tensor { name: node.output.first().cloned(), ..tensor }),
            None => nodes.push(node),
        }
    }
    graph.node = nodes;
    graph.initializer.extend(made);
}

/// Old exporters list the weights among the inputs; from version 4 of the format they need not.
fn weights_are_no_inputs(graph: &mut Graph) {
    let weights: HashSet<&str> = graph.initializer.iter().map(Tensor::name).collect();
    graph.input.retain(|input| input.name.as_deref().is_none_or(|input| !weights.contains(input)));
}

/// Every f32 weight in half precision, or `None` for one that exceeds the range (or is not f32).
fn round_weights(tensors: &[Tensor], precision: Precision, report: &mut Conversion) -> Vec<Option<Tensor>> {
    let round = |tensor: &Tensor| {
        if !tensor.is_f32() {
            return None;
        }
        let values = tensor.to_f32();
        let rounded: Vec<(u16, f32)> = values.iter().map(|&value| precision.round(value)).collect();
        let misfits = |lost: &dyn Fn(f32, f32) -> bool| {
            let pairs = values.iter().zip(&rounded);
            let lost: Vec<f32> =
                pairs.filter(|(value, half)| lost(**value, half.1)).map(|(value, _)| value.abs()).collect();
            let largest = lost.iter().copied().fold(0.0, f32::max);
            let tensor = tensor.name().to_owned();
            (!lost.is_empty()).then_some(Misfit { tensor, count: lost.len(), of: values.len(), largest })
        };
        if let Some(misfit) = misfits(&|value, half| value.is_finite() && half.is_infinite()) {
            report.overflow.push(misfit);
            return None;
        }
        report.underflow.extend(misfits(&|value, half| value.abs() > 0.0 && half.abs() <= 0.0));
        Some(Tensor {
            data_type: Some(precision.data_type()),
            raw_data: Some(rounded.iter().flat_map(|(bits, _)| bits.to_le_bytes()).collect()),
            float_data: Vec::new(),
            ..tensor.clone()
        })
    };
    tensors.iter().map(round).collect()
}

/// The values that are f32.
fn float_values(graph: &Graph, types: &HashMap<String, Port>) -> HashSet<String> {
    let computed = types.iter().filter(|(_, port)| port.element == Element::F32).map(|(name, _)| name.clone());
    let weights = graph.initializer.iter().filter(|tensor| tensor.is_f32()).map(|tensor| tensor.name().to_owned());
    let is_f32 = |input: &&ValueInfo| input.elem_type() == Some(data_type::FLOAT);
    let inputs = graph.input.iter().filter(is_f32).filter_map(|input| input.name.clone());
    computed.chain(weights).chain(inputs).collect()
}

/// Which nodes compute in half precision.
fn choose(
    graph: &Graph,
    floats: &HashSet<String>,
    weights: &HashMap<String, usize>,
    rounded: &[Option<Tensor>],
    options: &Options,
) -> Vec<bool> {
    let product: Vec<bool> = graph.node.iter().map(|node| PRODUCTS.contains(&node.op())).collect();
    // Values that a product precedes, and values that one follows; nodes are in topological order.
    let mut after: HashSet<&str> = HashSet::new();
    let mut before: HashSet<&str> = HashSet::new();
    for (node, &product) in graph.node.iter().zip(&product) {
        if product || node.input.iter().any(|value| after.contains(value.as_str())) {
            after.extend(node.output.iter().map(String::as_str));
        }
    }
    for (node, &product) in graph.node.iter().zip(&product).rev() {
        if product || node.output.iter().any(|value| before.contains(value.as_str())) {
            before.extend(node.input.iter().map(String::as_str));
        }
    }
    let mut statistics: HashSet<&str> = HashSet::new();
    let mut half = Vec::with_capacity(graph.node.len());
    for (node, &product) in graph.node.iter().zip(&product) {
        let is_float = |value: &&String| floats.contains(*value);
        let any_float = node.output.iter().any(|value| is_float(&value));
        let between = node.input.iter().any(|value| after.contains(value.as_str()))
            && node.output.iter().any(|value| before.contains(value.as_str()));
        let computed: Vec<&String> =
            node.input.iter().filter(is_float).filter(|&value| !weights.contains_key(value)).collect();
        let carried = ELEMENTWISE.contains(&node.op())
            && !computed.is_empty()
            && computed.iter().all(|value| statistics.contains(value.as_str()));
        let kept = options.f32_ops.iter().any(|op| op == node.op()) || carried;
        if kept && (carried || STATISTICS.contains(&node.op())) {
            statistics.extend(node.output.iter().map(String::as_str));
        }
        let fits = node
            .input
            .iter()
            .all(|value| weights.get(value).is_none_or(|&k| rounded[k].is_some() || !graph.initializer[k].is_f32()));
        half.push(any_float && (product || between) && !kept && fits);
    }
    half
}

/// Inputs that are f32 by definition, whatever the others are.
const ALWAYS_F32: &[(&str, usize)] = &[("Resize", 2), ("Upsample", 1), (GROUP_NORM, 1), (GROUP_NORM, 2)];

/// The second pass: every node gets its inputs in the type that it computes in.
struct Rewriter<'a> {
    options: &'a Options,
    floats: HashSet<String>,
    weights: HashMap<String, usize>,
    rounded: Vec<Option<Tensor>>,
    half: Vec<bool>,
    /// Values that exist in the other type too.
    casts: HashMap<String, String>,
    report: Conversion,
}

impl Rewriter<'_> {
    fn rewrite(&mut self, graph: &mut Graph) {
        let (mut as_half, mut as_f32) = (HashSet::new(), HashSet::new());
        for (node, &half) in graph.node.iter().zip(&self.half) {
            for (k, value) in node.input.iter().enumerate().filter(|(_, value)| self.weights.contains_key(*value)) {
                let wanted = if half && !always_f32(node, k) { &mut as_half } else { &mut as_f32 };
                wanted.insert(value.clone());
            }
        }
        as_f32.extend(graph.output.iter().filter_map(|output| output.name.clone()));
        let mut produced: HashSet<String> = HashSet::new();
        let mut nodes = Vec::with_capacity(graph.node.len());
        let half_type = self.options.precision.data_type();
        if self.options.half_io {
            for port in graph.input.iter_mut().filter(|port| wide(port)) {
                set_elem_type(port, half_type);
                produced.extend(port.name.clone());
            }
        }
        let outputs: HashMap<String, bool> = graph
            .output
            .iter()
            .filter_map(|port| Some((port.name.clone()?, self.options.half_io && wide(port))))
            .collect();
        for (at, mut node) in std::mem::take(&mut graph.node).into_iter().enumerate() {
            let half = self.half[at];
            let takes_any = matches!(node.op(), "Shape" | "Size");
            for k in 0..node.input.len() {
                let value = &node.input[k];
                if takes_any || !self.floats.contains(value) {
                    continue;
                }
                let wanted = half && !always_f32(&node, k);
                node.input[k] = match self.weights.get(value) {
                    Some(_) if wanted && as_f32.contains(value) => self.other_name(value),
                    Some(_) => value.clone(),
                    None if produced.contains(value) == wanted => value.clone(),
                    None => self.cast(&value.clone(), wanted, &mut nodes),
                };
            }
            if half {
                retype(&mut node, half_type);
            }
            let mut after = Vec::new();
            for value in &mut node.output {
                if !self.floats.contains(value) {
                    continue;
                }
                match outputs.get(value) {
                    // The graph's own output keeps its name; what computes it gets another.
                    Some(&wanted) if wanted != half => {
                        let inner = format!("{value}_inner");
                        after.push(cast_node(&inner, value, if wanted { half_type } else { data_type::FLOAT }));
                        self.casts.insert(value.clone(), inner.clone());
                        if wanted {
                            produced.insert(value.clone());
                        }
                        *value = inner;
                    }
                    _ if half => drop(produced.insert(value.clone())),
                    _ => {}
                }
            }
            self.report.casts += after.len();
            nodes.push(node);
            nodes.extend(after);
        }
        graph.node = nodes;
        for port in graph.output.iter_mut().filter(|port| self.options.half_io && wide(port)) {
            set_elem_type(port, half_type);
        }
        self.swap_weights(graph, &as_half, &as_f32);
    }

    /// A value's name in the other type.
    fn other_name(&self, value: &str) -> String {
        format!("{value}_{}", self.options.precision.name())
    }

    /// The name of a computed value in the other type, with a cast the first time.
    fn cast(&mut self, value: &str, to_half: bool, nodes: &mut Vec<Node>) -> String {
        if let Some(there) = self.casts.get(value) {
            return there.clone();
        }
        let (suffix, to) = match to_half {
            true => (self.options.precision.name(), self.options.precision.data_type()),
            false => ("f32", data_type::FLOAT),
        };
        let there = format!("{value}_{suffix}");
        nodes.push(cast_node(value, &there, to));
        self.report.casts += 1;
        self.casts.insert(value.to_owned(), there.clone());
        there
    }

    fn swap_weights(&mut self, graph: &mut Graph, as_half: &HashSet<String>, as_f32: &HashSet<String>) {
        let mut weights = Vec::with_capacity(graph.initializer.len());
        for (tensor, rounded) in std::mem::take(&mut graph.initializer).into_iter().zip(&mut self.rounded) {
            let value = tensor.name().to_owned();
            let half = rounded.take().filter(|_| as_half.contains(&value));
            let both = as_f32.contains(&value);
            if let Some(mut half) = half {
                self.report.tensors += 1;
                self.report.parameters += half.raw_data.as_ref().map_or(0, |bytes| bytes.len()) / 2;
                if both {
                    half.name = Some(format!("{value}_{}", self.options.precision.name()));
                    weights.push(tensor);
                }
                weights.push(half);
            } else {
                self.report.underflow.retain(|misfit| misfit.tensor != value);
                weights.push(tensor);
            }
        }
        graph.initializer = weights;
    }
}

fn always_f32(node: &Node, input: usize) -> bool {
    ALWAYS_F32.contains(&(node.op(), input))
}

/// An f32 tensor of rank 2 or more: samples and embeddings, not timesteps.
fn wide(port: &ValueInfo) -> bool {
    let shape = port.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
    port.elem_type() == Some(data_type::FLOAT) && shape.is_some_and(|shape| shape.dim.len() >= 2)
}

fn set_elem_type(port: &mut ValueInfo, kind: i32) {
    if let Some(tensor) = port.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()) {
        tensor.elem_type = Some(kind);
    }
}

fn cast_node(from: &str, to: &str, kind: i32) -> Node {
    Node::new("Cast", &[from], &[to]).with_int("to", i64::from(kind))
}

/// Attributes that name f32 as the type of the result, or hold a value of it.
fn retype(node: &mut Node, half_type: i32) {
    let precision = if half_type == data_type::BFLOAT16 { Precision::Bf16 } else { Precision::Fp16 };
    let op = node.op().to_owned();
    for attribute in &mut node.attribute {
        let key = attribute.name.as_deref().unwrap_or_default();
        let names_type = (op == "Cast" && key == "to") || key == "dtype";
        if names_type && attribute.i == Some(i64::from(data_type::FLOAT)) {
            attribute.i = Some(i64::from(half_type));
        }
        if op == "ConstantOfShape"
            && let Some(tensor) = attribute.t.as_mut().filter(|tensor| tensor.is_f32())
        {
            let bits = tensor.to_f32().into_iter().flat_map(|value| precision.round(value).0.to_le_bytes());
            tensor.raw_data = Some(bits.collect());
            tensor.float_data.clear();
            tensor.data_type = Some(half_type);
        }
    }
}
