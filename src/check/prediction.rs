//! Claims of the chapter `prediction`.
