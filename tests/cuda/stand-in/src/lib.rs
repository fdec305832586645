//! A CUDA without a GPU: what ONNX Runtime's CUDA provider calls of the CUDA runtime, cuBLAS, cuDNN and cuFFT, in one
//! library that stands in for all of them under their names.
//!
//! Memory, copies, streams, events and captured graphs are kept as CUDA keeps them; kernels are counted by name and do
//! not run, so that outputs are whatever memory held. That is enough to see, on any Linux machine, which nodes of a
//! graph a GPU would be given, what is copied when and which way, where the host waits, whether memory grows, and
//! whether a run may be captured into a CUDA graph. Device memory cannot be read or written by the host but through
//! copies: an access is a segmentation fault, as it is with a GPU.
//!
//! | variable | meaning |
//! |---|---|
//! | `STAND_IN_REPORT` | file for the counts, one JSON object, written when the process ends |
//! | `STAND_IN_DEVICES` | number of GPUs, 1 if absent |
//! | `STAND_IN_MEMORY` | bytes of each, 80 GB if absent |
#![cfg(target_os = "linux")]
#![allow(non_snake_case)]

mod backend;
mod libraries;
mod memory;
mod report;
mod runtime;
mod stream;
