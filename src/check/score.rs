//! Claims of the chapter `score`.
