//! The options that say which runtime carries a model and on what, shared by every command that opens one.

use std::path::PathBuf;

use clap::Args;

use super::lists::pair;
use crate::onnx::Device;

/// Runtime and device.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Runtime")]
pub struct RuntimeArgs {
    /// Device: auto, cpu, cuda, cuda:1, tensorrt:0; several of them share the samples, as in cuda:0,cuda:1
    #[arg(long, default_value = "auto", value_delimiter = ',', value_name = "DEVICE,…")]
    pub device: Vec<Device>,
    /// Threads ONNX Runtime uses [default: one per physical core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// An option of the execution provider by ONNX Runtime's name, as in cudnn_conv_algo_search=EXHAUSTIVE, use_tf32=1,
    /// prefer_nhwc=1, enable_cuda_graph=0; may be given again
    #[arg(long = "ep-option", value_name = "KEY=VALUE", value_parser = pair)]
    pub ep_options: Vec<(String, String)>,
    /// Use this ONNX Runtime library; fail if it cannot be loaded [also: ORT_DYLIB_PATH]
    #[arg(long, value_name = "FILE")]
    pub ort_dylib: Option<PathBuf>,
    /// Do not install ONNX Runtime if none is found
    #[arg(long)]
    pub no_install: bool,
    /// Names of the graph's inputs and output, as in sample=x,timestep=t,class_labels=y,out_sample=eps
    #[arg(long, value_name = "ROLE=NAME,…")]
    pub io: Option<String>,
}
