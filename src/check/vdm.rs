//! Claims of the chapter `vdm`.
