//! Claims of the chapter `training`.
