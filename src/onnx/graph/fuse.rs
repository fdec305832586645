//! Group normalisation, and the SiLU after it, as one node that CUDA has a kernel for.
//!
//! ONNX has no group normalisation before version 18, and exporters write it as
//!
//! ```text
//! x → Reshape [N, G, …] → InstanceNormalization → Reshape [N, C, H, W] → Mul γ → Add β (→ Sigmoid → Mul)
//! ```
//!
//! for which the CUDA provider launches nine kernels and fills (`tests/cuda` counts them). ONNX Runtime's own operator
//! `com.microsoft.GroupNorm` takes two kernels and a fill, in half precision with sums in f32. It wants channels last: transposes are put around it, which the runtime moves together
//! and removes where convolutions have channels last, too. It has no kernel on the CPU.

use std::collections::{HashMap, HashSet};

use super::error::Result;
use super::half::{constants_to_weights, supported};
use super::ports::{Dim, Element, Port};
use super::proto::{Attribute, GROUP_NORM, Graph, Model, Node, OperatorSet, RUNTIME_DOMAIN, Tensor, attribute_type};

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Fusion {
    /// Group normalisations that are one node now.
    pub norms: usize,
    /// Those with a SiLU in it.
    pub activations: usize,
    /// Normalisations of another form, left as they are.
    pub left: usize,
}

/// Fuses what it finds, in place. `types` is what [`infer`](super::infer) says of the graph's values, and is told of the
/// new ones.
///
/// # Errors
/// [`Error::Unsupported`](super::Error::Unsupported) for control flow, functions and sparse weights.
pub fn fuse(model: &mut Model, types: &mut HashMap<String, Port>) -> Result<Fusion> {
    let functions = model.functions.len();
    let graph = model.graph.get_or_insert_default();
    supported(graph, functions)?;
    constants_to_weights(graph);
    let view = View::of(graph, types);
    let norm = |node: &Node| matches!(node.op(), "InstanceNormalization" | "GroupNormalization");
    let all: Vec<usize> = (0..graph.node.len()).filter(|&at| norm(&graph.node[at])).collect();
    let found: Vec<Norm> = all.iter().filter_map(|&at| view.norm(at)).collect();
    let fusion = Fusion {
        norms: found.len(),
        activations: found.iter().filter(|norm| norm.silu).count(),
        left: all.len() - found.len(),
    };
    let gone: HashSet<usize> = found.iter().flat_map(|norm| norm.nodes.iter().copied()).collect();
    // A norm stands where its last node stood, so that what it needs comes before it and what needs it after.
    let mut at: HashMap<usize, Norm> = found.into_iter().map(|norm| (norm.last, norm)).collect();
    for (k, node) in std::mem::take(&mut graph.node).into_iter().enumerate() {
        match at.remove(&k) {
            Some(norm) => norm.write(graph, types),
            None if gone.contains(&k) => {}
            None => graph.node.push(node),
        }
    }
    graph.value_info.clear();
    let known = |set: &OperatorSet| set.domain.as_deref() == Some(RUNTIME_DOMAIN);
    if fusion.norms > 0 && !model.opset_import.iter().any(known) {
        model.opset_import.push(OperatorSet { domain: Some(RUNTIME_DOMAIN.to_owned()), version: Some(1) });
    }
    Ok(fusion)
}

/// A group normalisation, as it was found.
struct Norm {
    x: String,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    groups: i64,
    epsilon: f32,
    silu: bool,
    /// The value that it gives.
    y: String,
    /// Its nodes, and the one that gives the value.
    nodes: Vec<usize>,
    last: usize,
}

/// A graph with the ways back and forth between its nodes.
struct View<'a> {
    graph: &'a Graph,
    types: &'a HashMap<String, Port>,
    made_by: HashMap<&'a str, usize>,
    used_by: HashMap<&'a str, Vec<usize>>,
    weights: HashMap<&'a str, &'a Tensor>,
}

impl<'a> View<'a> {
    fn of(graph: &'a Graph, types: &'a HashMap<String, Port>) -> Self {
        let mut made_by = HashMap::new();
        let mut used_by: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, node) in graph.node.iter().enumerate() {
            made_by.extend(node.output.iter().map(|value| (value.as_str(), at)));
            for value in &node.input {
                used_by.entry(value).or_default().push(at);
            }
        }
        // An output of the graph is used by a caller, who is no node: `usize::MAX` keeps it from being fused away.
        for output in graph.output.iter().filter_map(|output| output.name.as_deref()) {
            used_by.entry(output).or_default().push(usize::MAX);
        }
        let weights = graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        Self { graph, types, made_by, used_by, weights }
    }

    /// The one node that uses a value, if it is of that kind.
    fn only_user(&self, value: &str, op: &str) -> Option<usize> {
        match self.used_by.get(value).map(Vec::as_slice) {
            Some(&[at]) if self.graph.node.get(at)?.op() == op => Some(at),
            _ => None,
        }
    }

    /// A weight, also one that goes by another name: exporters write equal weights once.
    fn stored(&self, value: &str) -> Option<&'a Tensor> {
        let renamed =
            || self.made_by.get(value).map(|&at| &self.graph.node[at]).filter(|node| node.op() == "Identity");
        self.weights.get(value).copied().or_else(|| self.stored(renamed()?.input.first()?))
    }

    /// A weight's entries.
    fn weight(&self, value: &str) -> Option<(&'a [i64], Vec<f32>)> {
        let tensor = self.stored(value).filter(|tensor| tensor.is_f32())?;
        let values = tensor.to_f32();
        (tensor.dims.iter().product::<i64>() == values.len() as i64).then_some((&tensor.dims, values))
    }

    /// Whether a value is f32 of rank 4 with so many channels, as far as can be told: the kernel looks again.
    fn is_image(&self, value: &str, channels: i64) -> bool {
        self.types.get(value).is_some_and(|port| {
            let known = port.dims.get(1).and_then(Dim::fixed).and_then(|known| i64::try_from(known).ok());
            port.dims.len() == 4 && port.element == Element::F32 && known.is_none_or(|known| known == channels)
        })
    }

    /// Whether two values have the same channels, height and width.
    fn same_image(&self, x: &str, y: &str) -> bool {
        let image = |value: &str| self.types.get(value).and_then(|port| port.dims.get(1..));
        image(x) == image(y) && image(x).is_some_and(|dims| dims.iter().all(|dim| dim.fixed().is_some()))
    }

    /// A normalisation, if this node is the middle of one.
    fn norm(&self, at: usize) -> Option<Norm> {
        let mut norm = match self.graph.node[at].op() {
            "GroupNormalization" => self.plain(at)?,
            _ => self.reshaped(at)?,
        };
        // SiLU: y·σ(y).
        if let Some(&[a, b]) = self.used_by.get(norm.y.as_str()).map(Vec::as_slice) {
            let node = |at: usize| self.graph.node.get(at);
            let (sigmoid, product) = if node(a)?.op() == "Sigmoid" { (a, b) } else { (b, a) };
            let [first, second] = [sigmoid, product].map(node);
            if first?.op() == "Sigmoid" && self.only_user(&first?.output[0], "Mul") == Some(product) {
                norm.y.clone_from(&second?.output[0]);
                norm.nodes.extend([sigmoid, product]);
                (norm.silu, norm.last) = (true, product);
            }
        }
        Some(norm)
    }

    /// `GroupNormalization` with γ and β of every channel, as it is since version 21.
    fn plain(&self, at: usize) -> Option<Norm> {
        let node = &self.graph.node[at];
        let [x, gamma, beta] = node.input.as_slice() else { return None };
        let ((gamma_dims, gamma), (beta_dims, beta)) = (self.weight(gamma)?, self.weight(beta)?);
        let ([channels], [also]) = (gamma_dims, beta_dims) else { return None };
        if channels != also || !self.is_image(x, *channels) {
            return None;
        }
        Some(Norm {
            x: x.clone(),
            gamma,
            beta,
            groups: node.attribute("num_groups")?.i?,
            epsilon: epsilon(node),
            silu: false,
            y: node.output[0].clone(),
            nodes: vec![at],
            last: at,
        })
    }

    /// `InstanceNormalization` between reshapes.
    fn reshaped(&self, at: usize) -> Option<Norm> {
        let node = &self.graph.node[at];
        let [grouped, ones, zeros] = node.input.as_slice() else { return None };
        let (ones, zeros) = (self.weight(ones)?.1, self.weight(zeros)?.1);
        let unit =
            ones.iter().all(|&scale| (scale - 1.0).abs() <= 0.0) && zeros.iter().all(|&bias| bias.abs() <= 0.0);
        let before = *self.made_by.get(grouped.as_str())?;
        let reshape = &self.graph.node[before];
        let after = self.only_user(&node.output[0], "Reshape")?;
        if !unit || reshape.op() != "Reshape" || self.only_user(grouped, "InstanceNormalization") != Some(at) {
            return None;
        }
        let (x, y) = (&reshape.input[0], &self.graph.node[after].output[0]);
        let groups = i64::try_from(ones.len()).ok()?;
        let target = reshape.input.get(1).and_then(|target| self.whole_numbers(target));
        let groups_known = target.is_some_and(|target| target.get(1) == Some(&groups))
            || self.types.get(grouped.as_str())?.dims.get(1)?.fixed() == Some(ones.len());
        let (scaled, gamma) = self.with_constant(y, "Mul")?;
        let (shifted, beta) = self.with_constant(&self.graph.node[scaled].output[0], "Add")?;
        let channels = i64::try_from(gamma.len()).ok().filter(|_| gamma.len() == beta.len())?;
        // x gets its shape back, and a group is whole channels of one sample.
        let restored = self.has_shape_of(after, x) || self.same_image(x, y);
        if !self.is_image(x, channels)
            || !restored
            || !groups_known
            || channels % groups != 0
            || !self.keeps_samples(reshape)
        {
            return None;
        }
        Some(Norm {
            x: x.clone(),
            gamma,
            beta,
            groups,
            epsilon: epsilon(node),
            silu: false,
            y: self.graph.node[shifted].output[0].clone(),
            nodes: vec![before, at, after, scaled, shifted],
            last: shifted,
        })
    }

    /// Whether a reshape to groups leaves the samples where they are, on the first axis: by its constant target, or else
    /// by the name that the runtime gives to the open size.
    fn keeps_samples(&self, reshape: &Node) -> bool {
        let [x, target] = reshape.input.as_slice() else { return false };
        let dims = |value: &str| self.types.get(value).map_or(&[][..], |port| &port.dims);
        if let Some(target) = self.whole_numbers(target) {
            let each: Option<i64> = dims(x).iter().skip(1).map(|dim| i64::try_from(dim.fixed()?).ok()).product();
            return match target.split_first() {
                Some((0, _)) => reshape.attribute("allowzero").is_none_or(|flag| flag.i != Some(1)),
                Some((-1, rest)) => rest.iter().all(|&n| n > 0) && Some(rest.iter().product()) == each,
                Some((&n, _)) => dims(x).first().and_then(Dim::fixed).and_then(|n| i64::try_from(n).ok()) == Some(n),
                None => false,
            };
        }
        match (dims(x).first(), dims(&reshape.output[0]).first()) {
            (Some(Dim::Free(a)), Some(Dim::Free(b))) => !a.is_empty() && a == b,
            (Some(Dim::Fixed(a)), Some(Dim::Fixed(b))) => a == b,
            _ => false,
        }
    }

    /// A constant list of i64.
    fn whole_numbers(&self, value: &str) -> Option<Vec<i64>> {
        let of_node = |&at: &usize| self.graph.node[at].attribute("value")?.t.as_ref();
        self.weights.get(value).copied().or_else(|| self.made_by.get(value).and_then(of_node))?.to_i64()
    }

    /// Whether a reshape gives its value the shape of x.
    fn has_shape_of(&self, reshape: usize, x: &str) -> bool {
        let target = self.graph.node[reshape].input.get(1).and_then(|value| self.made_by.get(value.as_str()));
        let shape = target.map(|&at| &self.graph.node[at]).filter(|node| node.op() == "Shape");
        shape.is_some_and(|shape| shape.input[0] == x && shape.attribute.is_empty())
    }

    /// The product or sum of a value with one number a channel, if that is all that is made of it.
    fn with_constant(&self, value: &str, op: &str) -> Option<(usize, Vec<f32>)> {
        let at = self.only_user(value, op)?;
        let other = self.graph.node[at].input.iter().find(|input| *input != value)?;
        let (dims, values) = self.weight(other)?;
        let (rest, [_, 1, 1]) = dims.split_last_chunk::<3>()? else { return None };
        rest.iter().all(|&n| n == 1).then_some((at, values))
    }
}

/// ONNX's value where none is given.
fn epsilon(node: &Node) -> f32 {
    node.attribute("epsilon").and_then(|attribute| attribute.f).unwrap_or(1e-5)
}

impl Norm {
    /// Puts the nodes and weights into the graph.
    fn write(self, graph: &mut Graph, types: &mut HashMap<String, Port>) {
        let part = |what: &str| format!("{}/{what}", self.y);
        let [inside, normed, gamma, beta] = ["channels_last", "normed", "gamma", "beta"].map(part);
        if let Some(port) = types.get(&self.x) {
            let order = |k: usize| port.dims[k].clone();
            let dims = vec![order(0), order(2), order(3), order(1)];
            for value in [&inside, &normed] {
                types.insert(value.clone(), Port { name: value.clone(), element: Element::F32, dims: dims.clone() });
            }
        }
        let number = |name: &str, value: f32| Attribute {
            name: Some(name.to_owned()),
            f: Some(value),
            r#type: Some(attribute_type::FLOAT),
            ..Attribute::default()
        };
        let channels = [self.gamma.len() as i64];
        graph
            .initializer
            .extend([Tensor::f32(&gamma, &channels, &self.gamma), Tensor::f32(&beta, &channels, &self.beta)]);
        let mut node = Node::new(GROUP_NORM, &[&inside, &gamma, &beta], &[&normed])
            .with_int("activation", self.silu.into())
            .with_int("channels_last", 1)
            .with_int("groups", self.groups);
        node.domain = Some(RUNTIME_DOMAIN.to_owned());
        node.attribute.push(number("epsilon", self.epsilon));
        graph.node.extend([
            Node::new("Transpose", &[&self.x], &[&inside]).with_ints("perm", &[0, 2, 3, 1]),
            node,
            Node::new("Transpose", &[&normed], &[&self.y]).with_ints("perm", &[0, 3, 1, 2]),
        ]);
    }
}
