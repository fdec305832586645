//! Claims of the chapter `gaussian`.
