//! The program from outside: what it writes, what it says, and its exit codes.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

mod bad_input;
mod bench;
mod convert;
mod diffusers;
mod oracle;
mod outputs;
mod plans;
mod program;
mod repeatable;
mod server;
mod weights;
