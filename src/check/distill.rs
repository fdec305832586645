//! Claims of the chapter `distill`.
