//! Claims of the chapter `elbo`.
