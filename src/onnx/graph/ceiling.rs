//! Graphs that measure what a device can do: long matrix products, and long sums of large arrays.
//!
//! They take and give what a diffusion network does (a sample of one number, a timestep), so they run on the same
//! provider, with the same options, as the network beside which they are measured. Between a graph of few links and one
//! of many, everything but the links is the same: the difference in time is theirs.

use super::proto::{Graph, Model, Node, OperatorSet, Tensor, ValueInfo, data_type};

/// What a chain consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// A product of two square matrices: 2 n³ operations.
    Product,
    /// A sum of two square arrays: 3 n² entries moved.
    Sum,
}

/// A chain of `links` on n × n arrays of an element type.
#[must_use]
pub fn chain(link: Link, links: usize, n: usize, element: i32) -> Model {
    // W = sin((r + sample) cᵀ) · √(2/n): entries of no pattern, of such a size that products neither grow nor vanish.
    // They depend on the input, so that nothing is computed ahead of time.
    let spread = |k: usize| 1.0 + 997.0 * (k as f32 * 0.618_034).fract();
    let row: Vec<f32> = (0..n).map(spread).collect();
    let column: Vec<f32> = (0..n).map(|k| spread(n + k) * 0.01).collect();
    let size = n as i64;
    let one = [Some(1), Some(1), Some(1), Some(1)];
    let mut node = vec![
        Node::new("Reshape", &["sample", "flat"], &["number"]),
        Node::new("Add", &["row", "number"], &["shifted"]),
        Node::new("Mul", &["shifted", "column"], &["phase"]),
        Node::new("Sin", &["phase"], &["sine"]),
        Node::new("Mul", &["sine", "scale"], &["wide"]),
        Node::new("Cast", &["wide"], &["w"]).with_int("to", i64::from(element)),
        Node::new("Cast", &["sine"], &["x0"]).with_int("to", i64::from(element)),
    ];
    for k in 0..links {
        let (from, to) = (format!("x{k}"), format!("x{}", k + 1));
        node.push(match link {
            Link::Product => Node::new("MatMul", &[&from, "w"], &[&to]),
            Link::Sum => Node::new("Add", &[&from, "w"], &[&to]),
        });
    }
    let last = format!("x{links}");
    node.extend([
        Node::new("Slice", &[&last, "zeros", "ones"], &["corner"]),
        Node::new("Cast", &["corner"], &["corner_f32"]).with_int("to", i64::from(data_type::FLOAT)),
        Node::new("Reshape", &["corner_f32", "image"], &["out_sample"]),
    ]);
    let graph = Graph {
        node,
        name: Some("ceiling".to_owned()),
        initializer: vec![
            Tensor::f32("row", &[size, 1], &row),
            Tensor::f32("column", &[1, size], &column),
            Tensor::f32("scale", &[], &[(2.0 / n as f32).sqrt()]),
            Tensor::i64("flat", &[1, 1]),
            Tensor::i64("image", &[1, 1, 1, 1]),
            Tensor::i64("zeros", &[0, 0]),
            Tensor::i64("ones", &[1, 1]),
        ],
        input: vec![
            ValueInfo::tensor("sample", data_type::FLOAT, &one),
            ValueInfo::tensor("timestep", data_type::INT64, &[Some(1)]),
        ],
        output: vec![ValueInfo::tensor("out_sample", data_type::FLOAT, &one)],
        ..Graph::default()
    };
    let opset_import = vec![OperatorSet { domain: None, version: Some(17) }];
    Model { ir_version: Some(8), graph: Some(graph), opset_import, ..Model::default() }
}
