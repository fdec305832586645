//! Asking ONNX Runtime about a graph without running it.

use ort::session::{
    Session,
    builder::{GraphOptimizationLevel, SessionBuilder},
};

use super::{
    contract::Port,
    error::{Error, Result},
    reading::port,
    runtime::Runtime,
};

/// Name, element type and shape of every output of a graph, as the runtime infers them.
///
/// # Errors
/// [`Error::BadGraph`] if the runtime refuses the graph.
pub fn value_ports(runtime: &'static Runtime, model: &[u8]) -> Result<Vec<Port>> {
    let open = || builder(runtime, GraphOptimizationLevel::Disable)?.commit_from_memory(model);
    let session = open().map_err(|error| refused(&error))?;
    Ok(session.outputs().iter().map(port).collect())
}

/// What the runtime does beside computing constants, and that would take values their names.
const RENAMING: &str = "CastElimination;CommonSubexpressionElimination;ConstantSharing;ConvAddFusion;ConvBNFusion;\
    ConvMulFusion;EliminateIdentity;EliminateSlice;MatMulAddFusion;NoopElimination;PadFusion;ReshapeFusion;\
    TransposeOptimizer;UnsqueezeElimination";

/// The graph after the runtime has computed what depends on no input; values keep their names.
///
/// # Errors
/// [`Error::BadGraph`] if the runtime refuses the graph or cannot write into the folder for temporary files.
pub fn fold_constants(runtime: &'static Runtime, model: &[u8]) -> Result<Vec<u8>> {
    let file = std::env::temp_dir().join(format!("alphabar-folded-{}-{:p}.onnx", std::process::id(), model));
    let fold = || -> ort::Result<()> {
        let builder = builder(runtime, GraphOptimizationLevel::Level1)?;
        let builder = builder.with_config_entry("optimization.disable_specified_optimizers", RENAMING)?;
        builder.with_optimized_model_path(&file)?.commit_from_memory(model).map(drop)
    };
    let folded = fold().map_err(|error| refused(&error)).and_then(|()| {
        std::fs::read(&file).map_err(|error| Error::Unreadable { path: file.clone(), reason: error.to_string() })
    });
    // It is there even if the graph was refused later on.
    let _ = std::fs::remove_file(&file);
    folded
}

fn builder(runtime: &'static Runtime, level: GraphOptimizationLevel) -> ort::Result<SessionBuilder> {
    let builder = Session::builder(&runtime.environment)?.with_log_level(ort::logging::LogLevel::Error)?;
    Ok(builder.with_optimization_level(level)?)
}

fn refused(error: &ort::Error) -> Error {
    Error::BadGraph { model: "the graph".to_owned(), reason: error.message().to_owned() }
}
