//! Independent numerical methods.
