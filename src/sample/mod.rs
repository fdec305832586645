//! Carrying plans out: the step arithmetic on slices, and an executor on ndarray for any denoiser.

mod executor;
mod guidance;
mod step;

pub use executor::{Denoiser, Executor, from_fn};
pub use guidance::guide;
pub use step::{Registers, Shape, apply};
