//! The program from outside: what it writes, what it says, and its exit codes.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod bad_input;
mod bench;
mod convert;
mod diffusers;
#[cfg(target_os = "linux")]
mod hostile_folder;
mod oracle;
mod outputs;
mod plans;
mod program;
mod readers;
mod repeatable;
mod restart;
mod server;
mod traces;
mod weights;
