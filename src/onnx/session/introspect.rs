//! What a session says of its graph, and what only a run of it tells.

use ort::memory::Allocator;
use ort::session::Session;
use ort::value::{DynTensor, ValueType};

use super::error::run_failed;
use crate::onnx::error::{Error, Result};
use crate::onnx::graph::{Contract, Element, Graph, Port};
use crate::onnx::runtime::native;

/// Runs the graph once on zeros, to learn the output's channels where the graph does not say them.
pub(super) fn run_on_zeros(
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
        let zeros = |element: &Element, shape: &[usize]| native::zeros(&cpu, element.to_runtime(), shape, None);
        let mut inputs: Vec<(String, DynTensor)> = vec![(
            contract.sample.name.clone(),
            zeros(&contract.sample.element, &[batch, contract.channels, height, width])?,
        )];
        let shape = contract.timestep.shape.of_batch(batch);
        inputs.push((contract.timestep.name.clone(), zeros(&contract.timestep.element, &shape)?));
        if let Some(port) = &contract.class_labels {
            inputs.push((port.name.clone(), zeros(&port.element, &[batch])?));
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
        inputs: session.inputs().iter().map(Port::from_runtime).collect(),
        outputs: session.outputs().iter().map(Port::from_runtime).collect(),
        metadata: keys.into_iter().filter_map(|k| metadata.custom(&k).map(|v| (k, v))).collect(),
    })
}
