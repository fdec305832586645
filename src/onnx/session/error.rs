//! What ONNX Runtime's failures mean.

use crate::onnx::error::Error;
use crate::onnx::graph::ModelSource;

/// ONNX Runtime's message without its place in ONNX Runtime's source and its error code.
pub(super) fn message(error: &ort::Error) -> String {
    without_prefix(error.message()).to_owned()
}

pub(super) fn without_prefix(text: &str) -> &str {
    let text = text
        .rsplit_once("[ONNXRuntimeError] : ")
        .map_or(text, |(_, coded)| coded.splitn(3, " : ").nth(2).unwrap_or(coded));
    // CUDA's libraries: what failed and why, without the place in ONNX Runtime's source and this machine's name.
    let failure = ["CUDA failure ", "CUDNN failure ", "CUDNN_FE failure ", "CUBLAS failure ", "CUFFT failure "];
    let text = match failure.iter().filter_map(|words| text.rfind(words)).max() {
        Some(start) => text[start..].split(" ; GPU=").next().unwrap_or(text),
        None => text,
    };
    text.trim()
}

/// The error for a graph that does not load.
pub(super) fn bad_graph(source: &ModelSource, error: &ort::Error) -> Error {
    Error::BadGraph { model: source.name.clone(), reason: message(error) }
}

/// The error for a run or an allocation that failed.
pub(in crate::onnx) fn run_failed(model: &str, batch: usize, error: &ort::Error) -> Error {
    let reason = message(error);
    let memory = ["Failed to allocate", "bad_alloc", "out of memory", "OUT_OF_MEMORY"];
    if memory.iter().any(|m| reason.contains(m)) {
        return Error::OutOfMemory { batch, reason };
    }
    Error::Run { model: model.to_owned(), reason }
}
