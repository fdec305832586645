//! What can be wrong with a graph that is to be read, converted or counted.

use std::path::PathBuf;

use crate::onnx::error as onnx;

/// The result of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// What is wrong with a graph.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are no ONNX model.
    #[error("{model} is not an ONNX model: {reason}")]
    NotOnnx {
        /// Its name.
        model: String,
        /// What the decoder says.
        reason: String,
    },
    /// Reading and writing would lose something that this version does not know.
    #[error("{model} has field {field} of {message}, which this version does not know and would lose")]
    Unknown {
        /// Its name.
        model: String,
        /// The message's name in `onnx.proto`.
        message: &'static str,
        /// The field's number.
        field: u32,
    },
    /// Something that cannot be converted.
    #[error("the graph has {found}; {advice}")]
    Unsupported {
        /// What.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// A shape that must be known is not.
    #[error("the shape of {value:?} at {node} ({op}) is not known before it is run")]
    ShapeUnknown {
        /// The value.
        value: String,
        /// The node.
        node: String,
        /// Its operator.
        op: String,
    },
    /// What the runtime says, or what is wrong with a weight beside the graph.
    #[error(transparent)]
    Runtime(#[from] onnx::Error),
}
