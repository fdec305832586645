//! The executor on ndarray: any plan, any denoiser given as code, f32 or f64.

use ndarray::{Array, ArrayView, Dimension, RemoveAxis};

use crate::array::{Real, same_shape};
use crate::error::{Error, Result};
use crate::noise;
use crate::plan::Plan;

use super::{Registers, Shape, apply};

/// A network, or anything that answers like one.
pub trait Denoiser<A, D> {
    /// The output at input x and the timestep that the plan names; one row per sample, with C or 2C channels.
    ///
    /// # Errors
    /// Whatever the denoiser finds wrong.
    fn evaluate(&mut self, x: ArrayView<'_, A, D>, model_timestep: f64) -> Result<Array<A, D>>;
}

/// A denoiser from a closure that cannot fail.
pub fn from_fn<A, D, F>(f: F) -> impl Denoiser<A, D>
where
    F: FnMut(ArrayView<'_, A, D>, f64) -> Array<A, D>,
{
    struct Infallible<F>(F);
    impl<A, D, F: FnMut(ArrayView<'_, A, D>, f64) -> Array<A, D>> Denoiser<A, D> for Infallible<F> {
        fn evaluate(&mut self, x: ArrayView<'_, A, D>, model_timestep: f64) -> Result<Array<A, D>> {
            Ok((self.0)(x, model_timestep))
        }
    }
    Infallible(f)
}

/// Carries a plan out for a batch of samples, each named by its seed.
#[derive(Clone, Debug)]
pub struct Executor<'p> {
    plan: &'p Plan,
    seeds: Vec<u64>,
}

impl<'p> Executor<'p> {
    /// One sample per seed.
    #[must_use]
    pub fn new(plan: &'p Plan, seeds: &[u64]) -> Self {
        Self { plan, seeds: seeds.to_vec() }
    }

    /// x_T: draw 0 of every seed times the plan's initial standard deviation. `shape` includes the batch axis.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if the first axis is not the number of seeds.
    pub fn initial<A: Real, D: Dimension + RemoveAxis>(&self, shape: D) -> Result<Array<A, D>> {
        self.check_batch(shape.slice())?;
        let mut flat = vec![A::ZERO; shape.size()];
        noise::fill_batch(&self.seeds, 0, &mut flat);
        let std = A::from_f64(self.plan.initial_std());
        for value in &mut flat {
            *value = std * *value;
        }
        Ok(Array::from_shape_vec(shape, flat).expect("one value per element of the shape"))
    }

    /// Runs every step from x_T to the sample.
    ///
    /// # Errors
    /// As [`Executor::run_observed`].
    pub fn run<A: Real, D: Dimension + RemoveAxis>(
        &self,
        xt: Array<A, D>,
        denoiser: &mut impl Denoiser<A, D>,
    ) -> Result<Array<A, D>> {
        self.run_observed(xt, denoiser, |_, _, _| {})
    }

    /// Runs every step and shows each to `observe(step, x', x̂₀)`.
    ///
    /// # Errors
    /// [`Error::CountOutOfRange`] if the first axis of x_T is not the number of seeds; [`Error::ShapeMismatch`] if
    /// the denoiser's output has not the shape of x (or twice its second axis for a plan with learned variance);
    /// [`Error::NonFinite`] if x_T or an output is not finite; whatever the denoiser returns.
    pub fn run_observed<A: Real, D: Dimension + RemoveAxis>(
        &self,
        xt: Array<A, D>,
        denoiser: &mut impl Denoiser<A, D>,
        mut observe: impl FnMut(usize, ArrayView<'_, A, D>, ArrayView<'_, A, D>),
    ) -> Result<Array<A, D>> {
        self.check_batch(xt.shape())?;
        let dim = xt.raw_dim();
        let mut x = xt.as_standard_layout().into_owned();
        check_finite("x_T", None, x.as_slice().unwrap_or_default())?;
        let batch = self.seeds.len();
        let shape = Shape { batch, each: x.len() / batch, learned_variance: self.plan.needs_learned_variance() };
        let mut expected = dim.clone();
        if shape.learned_variance {
            if expected.ndim() < 2 {
                let found = x.shape().to_vec();
                return Err(Error::ShapeMismatch {
                    name: "x for a learned variance",
                    found,
                    expected: vec![batch, 1],
                });
            }
            expected[1] *= 2;
        }
        let mut registers = Registers::new(self.plan.registers(), shape);
        let mut z = if self.plan.is_deterministic() { Vec::new() } else { vec![A::ZERO; shape.len()] };
        for (k, step) in self.plan.steps().iter().enumerate() {
            #[expect(clippy::float_cmp, reason = "a scale of exactly 1 is no scale")]
            let out = if step.input_scale == 1.0 {
                denoiser.evaluate(x.view(), step.model_timestep)?
            } else {
                let scale = A::from_f64(step.input_scale);
                denoiser.evaluate(x.mapv(|x| scale * x).view(), step.model_timestep)?
            };
            same_shape("network output", &Array::<A, D>::from_elem(expected.clone(), A::ZERO), &out)?;
            let out = out.as_standard_layout();
            let out = out.as_slice().expect("standard layout is contiguous");
            check_finite("network output", Some(k), out)?;
            if step.needs_noise() {
                noise::fill_batch(&self.seeds, step.draw.unwrap_or(1), &mut z);
            }
            apply(step, shape, x.as_slice_mut().expect("standard layout is contiguous"), out, &z, &mut registers);
            let x0 = ArrayView::from_shape(dim.clone(), registers.x0()).expect("x0 has the shape of x");
            observe(k, x.view(), x0);
        }
        Ok(x)
    }

    fn check_batch(&self, shape: &[usize]) -> Result<()> {
        let (value, seeds) = (shape.first().copied().unwrap_or(0), self.seeds.len());
        if value != seeds || seeds == 0 {
            let (min, max) = (seeds.max(1), seeds.max(1));
            return Err(Error::CountOutOfRange { name: "first axis of x_T (the batch)", value, min, max });
        }
        Ok(())
    }
}

/// Says how many entries are NaN or infinite, if any.
///
/// # Errors
/// [`Error::NonFinite`].
pub(crate) fn check_finite<A: Real>(name: &'static str, step: Option<usize>, values: &[A]) -> Result<()> {
    let count = values.iter().filter(|v| !v.is_finite()).count();
    if count == 0 { Ok(()) } else { Err(Error::NonFinite { name, step, count, of: values.len() }) }
}
