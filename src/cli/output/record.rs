//! The JSON beside an output: everything needed to make it again.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Draft, Format};
use crate::cli::failure::{Failure, Outcome};
use crate::plan::Plan;

/// What is known about a finished run.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a> {
    /// Name and version of this form.
    pub schema: &'static str,
    /// The program's version.
    pub alphabar: &'static str,
    /// File or folder.
    pub output: String,
    /// How many samples it holds.
    pub count: usize,
    /// As `--seeds` reads them.
    pub seeds: String,
    /// One a sample.
    pub labels: Option<&'a [i64]>,
    /// What determines the samples beside seed and label.
    #[serde(flatten)]
    pub origin: Origin<'a>,
    /// The runtime and what it ran on.
    pub runtime: serde_json::Value,
    /// Samples in one run of the network.
    pub batch: usize,
    /// Samples that were already there.
    pub skipped: usize,
    /// Wall time of the sampling.
    pub seconds: f64,
    /// Samples times network evaluations a second.
    pub image_steps_per_second: f64,
    /// When the run ended, in seconds since 1970.
    pub unix_time: u64,
}

/// What determines a sample beside its seed and label.
#[derive(Clone, Debug, Serialize)]
pub struct Origin<'a> {
    /// The model.
    pub model: ModelId,
    /// s in u + s(c − u).
    pub guidance: f64,
    /// The label of the unconditional pass.
    pub null_label: Option<i64>,
    /// Hash of a given x_T.
    pub init_noise: Option<String>,
    /// Hashes of further inputs.
    pub inputs: BTreeMap<String, String>,
    /// The plan.
    pub plan: &'a Plan,
}

/// A model by name and content.
#[derive(Clone, Debug, Serialize)]
pub struct ModelId {
    /// Where it was.
    pub path: String,
    /// Of all its bytes, as [`crate::onnx::ModelSource::identify`] defines it.
    pub sha256: String,
}

impl Origin<'_> {
    /// Hash of all of it but the model's place.
    pub fn stamp(&self) -> Outcome<String> {
        let mut content = self.clone();
        content.model.path.clear();
        let json = serde_json::to_vec(&content).map_err(Failure::input)?;
        Ok(sha256(&json))
    }
}

/// SHA-256 as hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the record of an output lies: `samples.png.json`, or `alphabar.json` in a folder.
pub fn record_path(out: &Path, format: Format) -> PathBuf {
    if format == Format::Folder {
        return out.join("alphabar.json");
    }
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".json");
    out.with_file_name(name)
}

/// Writes the record to a draft opened before the run.
///
/// # Errors
/// Exit 1 if it cannot be written.
pub fn write_record(mut draft: Draft, record: &Record<'_>) -> Outcome {
    let mut json = serde_json::to_vec_pretty(record).map_err(Failure::input)?;
    json.push(b'\n');
    draft.file().write_all(&json).map_err(|error| draft.failed(&error))?;
    draft.keep()
}
