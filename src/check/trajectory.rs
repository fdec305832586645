//! Claims of the chapter `trajectory`.
