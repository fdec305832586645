//! Faults of tables.

pub(crate) use crate::check::fault::{erratum, shipped, slip};
pub use crate::check::{Fault, Origin};

pub mod table;
