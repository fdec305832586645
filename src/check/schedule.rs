//! Claims of the chapter `schedule`.
