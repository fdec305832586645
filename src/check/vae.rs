//! Claims of the chapter `vae`.
