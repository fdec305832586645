//! Claims of the chapter `weight`.
