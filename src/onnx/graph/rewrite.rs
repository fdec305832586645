//! The second pass of a conversion: casts where types meet, weights in the type that is asked of them.

use std::collections::{HashMap, HashSet};

use super::half::{Conversion, Options, Precision};
use super::proto::{GROUP_NORM, Graph, Node, Tensor, ValueInfo, data_type};

/// Inputs that are f32 by definition, whatever the others are.
const ALWAYS_F32: &[(&str, usize)] = &[("Resize", 2), ("Upsample", 1), (GROUP_NORM, 1), (GROUP_NORM, 2)];

/// The second pass: every node gets its inputs in the type that it computes in.
pub(super) struct Rewriter<'a> {
    pub(super) options: &'a Options,
    pub(super) floats: HashSet<String>,
    pub(super) weights: HashMap<String, usize>,
    pub(super) rounded: Vec<Option<Tensor>>,
    pub(super) half: Vec<bool>,
    /// Values that exist in the other type too.
    pub(super) casts: HashMap<String, String>,
    pub(super) report: Conversion,
}

impl Rewriter<'_> {
    pub(super) fn rewrite(&mut self, graph: &mut Graph) {
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
