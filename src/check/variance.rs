//! Claims of the chapter `variance`.
