//! (to come)

pub mod witness;
