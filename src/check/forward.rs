//! Claims of the chapter `forward`.
