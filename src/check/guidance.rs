//! Claims of the chapter `guidance`.
