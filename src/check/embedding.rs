//! Claims of the chapter `embedding`.
