//! What a session says of its graph, and what only a run of it tells.

use ort::memory::Allocator;
use ort::session::Session;
use ort::value::{DynTensor, Outlet, TensorElementType, ValueType};

use super::contract::{Contract, Dim, Element, Graph, Port, TimestepShape};
use super::error::{Error, Result};
use super::session::run_failed;

/// Runs the graph once on zeros, to learn the output's channels where the graph does not say them.
pub(super) fn probe(
    session: &mut Session,
    contract: &Contract,
    height: usize,
    width: usize,
    name: &str,
) -> Result<usize> {
    let batch = contract.batch.unwrap_or(1);
    let unknown = || Error::PortMisfit {
        role: "out_sample".to_owned(),
        found: contract.out_sample.to_string(),
        expected: "a fixed number of channels (second dimension)".to_owned(),
    };
    if !contract.extra.is_empty() {
        return Err(unknown());
    }
    let mut run = || -> ort::Result<Vec<i64>> {
        let cpu = Allocator::default();
        let zeros = |element: &Element, shape: Vec<usize>| DynTensor::new(&cpu, element_type(element), shape);
        let mut inputs: Vec<(String, DynTensor)> = vec![(
            contract.sample.name.clone(),
            zeros(&contract.sample.element, vec![batch, contract.channels, height, width])?,
        )];
        let shape = match contract.timestep.shape {
            TimestepShape::Scalar => vec![],
            TimestepShape::One => vec![1],
            TimestepShape::PerSample => vec![batch],
        };
        inputs.push((contract.timestep.name.clone(), zeros(&contract.timestep.element, shape)?));
        if let Some(port) = &contract.class_labels {
            inputs.push((port.name.clone(), zeros(&port.element, vec![batch])?));
        }
        let outputs = session.run(inputs)?;
        let output = outputs
            .get(contract.out_sample.name.as_str())
            .ok_or_else(|| ort::Error::new("the output is not there"))?;
        Ok(match output.dtype() {
            ValueType::Tensor { shape, .. } => shape.to_vec(),
            _ => Vec::new(),
        })
    };
    let shape = run().map_err(|e| run_failed(name, batch, &e))?;
    let dims: Vec<usize> = shape.iter().filter_map(|&d| usize::try_from(d).ok()).collect();
    match dims[..] {
        [b, c, h, w] if (b, h, w) == (batch, height, width) => {
            if c == contract.channels || c == 2 * contract.channels {
                return Ok(c);
            }
            Err(Error::Channels { input: contract.channels, output: c })
        }
        _ => Err(Error::PortMisfit {
            role: "out_sample".to_owned(),
            found: format!("{} with the shape {shape:?} for a batch of {batch}", contract.out_sample.name),
            expected: format!("[{batch}, C or 2C, {height}, {width}]"),
        }),
    }
}

/// Reads names, types and metadata.
pub(super) fn read_graph(session: &Session) -> ort::Result<Graph> {
    let metadata = session.metadata()?;
    let keys = metadata.custom_keys()?;
    Ok(Graph {
        inputs: session.inputs().iter().map(port).collect(),
        outputs: session.outputs().iter().map(port).collect(),
        metadata: keys.into_iter().filter_map(|k| metadata.custom(&k).map(|v| (k, v))).collect(),
    })
}

pub(super) fn port(outlet: &Outlet) -> Port {
    let (element, dims) = match outlet.dtype() {
        ValueType::Tensor { ty, shape, dimension_symbols } => {
            let names = dimension_symbols.iter().map(String::as_str).chain(std::iter::repeat(""));
            let dims = shape
                .iter()
                .zip(names)
                .map(|(&d, name)| usize::try_from(d).map_or_else(|_| Dim::Free(name.to_owned()), Dim::Fixed))
                .collect();
            (element(*ty), dims)
        }
        other => (Element::Other(other.to_string()), Vec::new()),
    };
    Port { name: outlet.name().to_owned(), element, dims }
}

fn element(ty: TensorElementType) -> Element {
    match ty {
        TensorElementType::Float32 => Element::F32,
        TensorElementType::Float16 => Element::F16,
        TensorElementType::Float64 => Element::F64,
        TensorElementType::Int64 => Element::I64,
        TensorElementType::Int32 => Element::I32,
        TensorElementType::Bool => Element::Bool,
        other => Element::Other(other.to_string()),
    }
}

pub(super) fn element_type(element: &Element) -> TensorElementType {
    match element {
        Element::F32 => TensorElementType::Float32,
        Element::F16 => TensorElementType::Float16,
        Element::F64 => TensorElementType::Float64,
        Element::I32 => TensorElementType::Int32,
        Element::Bool => TensorElementType::Bool,
        Element::I64 | Element::Other(_) => TensorElementType::Int64,
    }
}
