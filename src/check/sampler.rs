//! Claims of the chapter `sampler`.
