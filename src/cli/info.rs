//! `alphabar info`: what a model takes and gives, and the chain it was trained on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::failure::{Failure, Outcome, print};
use super::model;
use super::progress::Voice;
use super::recipe_args::scheduler_of;
use super::runtime_args::RuntimeArgs;
use crate::onnx::Contract;
use crate::plan::{BetaSchedule, Clip, Scheduler};
use crate::schedule::Timestep;

/// Arguments of `alphabar info`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A pipeline folder or an .onnx file [default: the MNIST fixture]
    model: Option<PathBuf>,
    /// A diffusers scheduler_config.json [default: the pipeline folder's]
    #[arg(long, value_name = "FILE")]
    scheduler: Option<PathBuf>,
    #[command(flatten)]
    runtime: RuntimeArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}
