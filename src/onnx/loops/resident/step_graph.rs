//! The network's graph with the step around it: one run of the result is one whole step of a plan.
//!
//! ```text
//! in   x, registers, counter, z, table [steps, columns], timesteps [steps], guidance scale
//! out  x', x̂₀, registers', counter + 1
//! ```
//!
//! The counter picks the step's row of the table and its timestep, so that nothing changes between two runs but which
//! of two sets of tensors is read and which is written. Nodes are put before and after the stored graph's own, and its
//! inputs `sample` and `timestep` become inner values; all else stays as it is stored.

use prost::bytes::Bytes;

use super::structure::{Column, Structure};
use crate::onnx::graph::proto::{Dimension, Model, Node, Tensor, ValueInfo, data_type};
use crate::onnx::graph::{Contract, Dim, Element, TimestepShape, fold_shapes};
use crate::onnx::runtime::Runtime;
use crate::plan::Source;

/// Names of the values that the step brings with it.
pub(super) mod name {
    pub(in super::super) const X: &str = "alphabar.x";
    pub(in super::super) const X_NEXT: &str = "alphabar.x.next";
    pub(in super::super) const X0: &str = "alphabar.x0";
    pub(in super::super) const Z: &str = "alphabar.z";
    pub(in super::super) const COUNTER: &str = "alphabar.counter";
    pub(in super::super) const COUNTER_NEXT: &str = "alphabar.counter.next";
    pub(in super::super) const TABLE: &str = "alphabar.table";
    pub(in super::super) const TIMESTEPS: &str = "alphabar.timesteps";
    pub(in super::super) const GUIDANCE: &str = "alphabar.guidance";

    pub(in super::super) fn register(r: usize) -> String {
        format!("alphabar.register.{r}")
    }

    pub(in super::super) fn register_next(r: usize) -> String {
        format!("alphabar.register.{r}.next")
    }
}

/// Oldest version of the standard operators with every operator in the form that is written here.
const OLDEST_OPSET: i64 = 13;

/// Puts the step around a stored model, whose bytes are let go of on the way and whose shapes are folded first, if a
/// runtime is given for that; says whether it is best run with channels last.
///
/// # Errors
/// Why it cannot be done, in a few words.
pub(super) fn around(
    stored: Bytes,
    contract: &Contract,
    structure: &Structure,
    folded_by: Option<&'static Runtime>,
) -> Result<(Vec<u8>, bool), String> {
    let mut model = Model::from_bytes(stored).map_err(|error| format!("its file: {error}"))?;
    if let Some(runtime) = folded_by {
        // A graph whose shapes cannot be folded runs as it is.
        let _ = fold_shapes(runtime, &mut model);
    }
    let opset = model.opset().ok_or("its file names no version of the operators")?;
    if opset < OLDEST_OPSET {
        return Err(format!("its operators are of version {opset}, older than {OLDEST_OPSET}; export it again"));
    }
    let mut before = Nodes::new("before");
    let row = before_network(&mut before, contract, structure);
    let mut after = Nodes::new("after");
    after_network(&mut after, contract, structure, &row, opset);

    let graph = model.graph.get_or_insert_default();
    let channels_last = graph.node.iter().any(Node::is_group_norm);
    graph.node.splice(..0, before.nodes);
    graph.node.extend(after.nodes);
    graph.initializer.extend(before.initializers.into_iter().chain(after.initializers));
    let inner = [Some(contract.sample.name.as_str()), Some(contract.timestep.name.as_str())];
    graph.input.retain(|input| !inner.contains(&input.name.as_deref()));
    let (inputs, outputs) = ports(contract, structure);
    graph.input.extend(inputs);
    graph.output = outputs;
    Ok((model.to_bytes(), channels_last))
}

/// The graph's own inputs and outputs.
fn ports(contract: &Contract, structure: &Structure) -> (Vec<ValueInfo>, Vec<ValueInfo>) {
    let batch = match &contract.sample.dims[0] {
        Dim::Fixed(n) => Dim::Fixed(*n),
        // Under guidance the network's own batch is another one.
        Dim::Free(_) => Dim::Free("alphabar.batch".to_owned()),
    };
    let size = |n: Option<usize>, open: &str| n.map_or_else(|| Dim::Free(open.to_owned()), Dim::Fixed);
    let state = [
        batch,
        Dim::Fixed(contract.channels),
        size(contract.height, "alphabar.height"),
        size(contract.width, "alphabar.width"),
    ];
    let free = |open: &str| Dim::Free(open.to_owned());
    let counter = match contract.timestep.shape {
        TimestepShape::PerSample => free("alphabar.rows"),
        TimestepShape::Scalar | TimestepShape::One => Dim::Fixed(1),
    };
    let float = |name: &str| value(name, &Element::F32, &state);
    let columns = Dim::Fixed(structure.columns().len());
    let mut inputs = vec![
        float(name::X),
        value(name::COUNTER, &Element::I64, std::slice::from_ref(&counter)),
        value(name::TABLE, &Element::F32, &[free("alphabar.steps"), columns]),
        value(name::TIMESTEPS, &contract.timestep.element, &[free("alphabar.steps")]),
    ];
    let mut outputs =
        vec![float(name::X_NEXT), float(name::X0), value(name::COUNTER_NEXT, &Element::I64, &[counter])];
    if structure.noisy {
        inputs.push(float(name::Z));
    }
    if structure.guided {
        inputs.push(value(name::GUIDANCE, &Element::F32, &[Dim::Fixed(1)]));
    }
    for r in 0..structure.registers.len() {
        inputs.push(float(&name::register(r)));
        outputs.push(float(&name::register_next(r)));
    }
    (inputs, outputs)
}

/// Number of an element type in `TensorProto.DataType`.
const fn number(element: &Element) -> i32 {
    match element {
        Element::F32 => data_type::FLOAT,
        Element::I32 => data_type::INT32,
        Element::I64 | Element::Other(_) => data_type::INT64,
        Element::Bool => data_type::BOOL,
        Element::F16 => data_type::FLOAT16,
        Element::F64 => data_type::DOUBLE,
    }
}

/// A tensor among the graph's inputs or outputs.
fn value(name: &str, element: &Element, dims: &[Dim]) -> ValueInfo {
    let dimension = |dim: &Dim| match dim {
        Dim::Fixed(n) => Dimension { dim_value: Some(i64::try_from(*n).unwrap_or(i64::MAX)), ..Dimension::default() },
        Dim::Free(name) => Dimension { dim_param: Some(name.clone()), ..Dimension::default() },
    };
    ValueInfo::of(name, number(element), dims.iter().map(dimension).collect())
}

/// Nodes and constants that are being written.
struct Nodes {
    place: &'static str,
    count: usize,
    nodes: Vec<Node>,
    initializers: Vec<Tensor>,
}

impl Nodes {
    fn new(place: &'static str) -> Self {
        Self { place, count: 0, nodes: Vec::new(), initializers: Vec::new() }
    }

    /// A node whose outputs are named.
    fn named(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, i64)]) {
        let label = format!("alphabar.{}.{}.{op}", self.place, self.count);
        self.count += 1;
        let node = Node { name: Some(label), ..Node::new(op, inputs, outputs) };
        self.nodes.push(attributes.iter().fold(node, |node, (name, value)| node.with_int(name, *value)));
    }

    /// A new name.
    fn fresh(&self, part: usize) -> String {
        format!("alphabar.{}.value.{}.{part}", self.place, self.count)
    }

    /// A node with one output, which gets a name.
    fn with(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, i64)]) -> String {
        let output = self.fresh(0);
        self.named(op, inputs, &[&output], attributes);
        output
    }

    fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.with(op, inputs, &[])
    }

    /// `left + factor·right`.
    fn add(&mut self, left: &str, factor: &str, right: &str) -> String {
        let product = self.op("Mul", &[factor, right]);
        self.op("Add", &[left, &product])
    }

    /// A constant vector of int64.
    fn constant(&mut self, values: &[i64]) -> String {
        let name = self.fresh(1);
        self.count += 1;
        self.initializers.push(Tensor::i64(&name, values));
        name
    }

    /// Entries `from..to` along an axis.
    fn slice(&mut self, of: &str, axis: i64, from: i64, to: i64) -> String {
        let (from, to, axis) = (self.constant(&[from]), self.constant(&[to]), self.constant(&[axis]));
        self.op("Slice", &[of, &from, &to, &axis])
    }
}

/// The step's coefficients by name, each of shape [1, 1].
struct Row(Vec<(Column, String)>);

impl Row {
    fn get(&self, column: Column) -> &str {
        self.0.iter().find(|(known, _)| *known == column).map_or("", |(_, name)| name)
    }
}

/// Picks the step's coefficients and timestep and makes the network's input.
fn before_network(nodes: &mut Nodes, contract: &Contract, structure: &Structure) -> Row {
    let per_sample = contract.timestep.shape == TimestepShape::PerSample;
    let index = if per_sample { nodes.slice(name::COUNTER, 0, 0, 1) } else { name::COUNTER.to_owned() };
    let row = nodes.op("Gather", &[name::TABLE, &index]);
    let columns = structure.columns();
    let names: Vec<String> = (0..columns.len()).map(|k| format!("alphabar.coefficient.{k}")).collect();
    let sizes = nodes.constant(&vec![1; columns.len()]);
    let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
    nodes.named("Split", &[&row, &sizes], &outputs, &[("axis", 1)]);
    let row = Row(columns.into_iter().zip(names).collect());

    let timestep = contract.timestep.name.as_str();
    if contract.timestep.shape == TimestepShape::Scalar {
        let one = nodes.op("Gather", &[name::TIMESTEPS, name::COUNTER]);
        let axis = nodes.constant(&[0]);
        nodes.named("Squeeze", &[&one, &axis], &[timestep], &[]);
    } else {
        nodes.named("Gather", &[name::TIMESTEPS, name::COUNTER], &[timestep], &[]);
    }

    let mut x = name::X.to_owned();
    if structure.scaled {
        x = nodes.op("Mul", &[&x, row.get(Column::Scale)]);
    }
    if contract.sample.element == Element::F16 {
        x = nodes.with("Cast", &[&x], &[("to", data_type::FLOAT16.into())]);
    }
    let sample = contract.sample.name.as_str();
    if structure.guided {
        nodes.named("Concat", &[&x, &x], &[sample], &[("axis", 0)]);
    } else {
        nodes.named("Identity", &[&x], &[sample], &[]);
    }
    row
}

/// Guidance, x̂₀, x', the registers and the counter, in the order of additions of [`crate::sample::apply`].
fn after_network(nodes: &mut Nodes, contract: &Contract, structure: &Structure, row: &Row, opset: i64) {
    let mut out = contract.out_sample.name.clone();
    if contract.out_sample.element == Element::F16 {
        out = nodes.with("Cast", &[&out], &[("to", data_type::FLOAT.into())]);
    }
    let channels = i64::try_from(contract.channels).unwrap_or(i64::MAX);
    let wide = contract.learned_variance() == Some(true);
    let mut unconditional = None;
    if structure.guided {
        let (c, u) = (nodes.fresh(0), nodes.fresh(1));
        // Two equal parts: what older versions take from the number of outputs must be said since version 18.
        let parts: &[(&str, i64)] = if opset < 18 { &[("axis", 0)] } else { &[("axis", 0), ("num_outputs", 2)] };
        nodes.named("Split", &[&out], &[&c, &u], parts);
        out = c;
        unconditional = Some(if wide { nodes.slice(&u, 1, 0, channels) } else { u });
    }
    let mixing = structure.learned_noise.then(|| nodes.slice(&out, 1, channels, 2 * channels));
    if wide {
        out = nodes.slice(&out, 1, 0, channels);
    }
    if let Some(u) = unconditional {
        let difference = nodes.op("Sub", &[&out, &u]);
        let step = nodes.op("Mul", &[name::GUIDANCE, &difference]);
        out = nodes.op("Add", &[&u, &step]);
    }

    let ax = nodes.op("Mul", &[row.get(Column::X0FromX), name::X]);
    if structure.clipped {
        let raw = nodes.add(&ax, row.get(Column::X0FromOut), &out);
        let low = nodes.op("Min", &[&raw, row.get(Column::High)]);
        nodes.named("Max", &[&low, row.get(Column::Low)], &[name::X0], &[]);
    } else {
        let bo = nodes.op("Mul", &[row.get(Column::X0FromOut), &out]);
        nodes.named("Add", &[&ax, &bo], &[name::X0], &[]);
    }

    let mut x = nodes.op("Mul", &[row.get(Column::X), name::X]);
    x = nodes.add(&x, row.get(Column::X0), name::X0);
    let mut terms = vec![(row.get(Column::Out).to_owned(), out.clone())];
    for (r, register) in structure.registers.iter().enumerate() {
        if register.read {
            terms.push((row.get(Column::Read(r)).to_owned(), name::register(r)));
        }
    }
    if let Some(std) = standard_deviation(nodes, structure, row, mixing.as_deref()) {
        terms.push((std, name::Z.to_owned()));
    }
    for (k, (factor, term)) in terms.iter().enumerate() {
        if k + 1 == terms.len() {
            let product = nodes.op("Mul", &[factor, term]);
            nodes.named("Add", &[&x, &product], &[name::X_NEXT], &[]);
        } else {
            x = nodes.add(&x, factor, term);
        }
    }

    for (r, register) in structure.registers.iter().enumerate() {
        let mut value = nodes.op("Mul", &[row.get(Column::Keep(r)), &name::register(r)]);
        for &source in &register.sources {
            let from = match source {
                Source::X => name::X,
                Source::Out => out.as_str(),
                Source::X0 => name::X0,
                Source::Z => name::Z,
            };
            value = nodes.add(&value, row.get(Column::Fill(r, source)), from);
        }
        nodes.named("Identity", &[&value], &[&name::register_next(r)], &[]);
    }
    let one = nodes.constant(&[1]);
    nodes.named("Add", &[name::COUNTER, &one], &[name::COUNTER_NEXT], &[]);
}

/// What the step's normals are multiplied with.
fn standard_deviation(nodes: &mut Nodes, structure: &Structure, row: &Row, mixing: Option<&str>) -> Option<String> {
    let fixed = structure.fixed_noise.then(|| row.get(Column::Std).to_owned());
    let Some(mixing) = mixing else { return fixed };
    let log = nodes.add(row.get(Column::Middle), row.get(Column::Half), mixing);
    let learned = nodes.op("Exp", &[&log]);
    match fixed {
        Some(fixed) => Some(nodes.op("Add", &[&learned, &fixed])),
        None => Some(learned),
    }
}
