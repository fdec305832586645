//! Linear combinations of what a step has at hand, from which multistep and multistage solvers are built.

use super::{Clip, Node, Noise, Prediction, Source, Step, Store, Term};
use crate::error::Result;
use crate::prediction::conversion;
use crate::schedule::Level;

/// `x·(state) + x0·x̂₀ + out·(network's output) + Σ factor·register`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Linear {
    pub(super) x: f64,
    pub(super) x0: f64,
    pub(super) out: f64,
    pub(super) held: Vec<Term>,
}

impl Linear {
    /// The state.
    pub(super) fn state() -> Self {
        Self { x: 1.0, ..Self::default() }
    }

    /// x̂₀ after clipping.
    pub(super) fn x0() -> Self {
        Self { x0: 1.0, ..Self::default() }
    }

    /// ε̂ where the state is `x_t / scale`: of the network as it is, or of the clipped x̂₀ if there is clipping.
    pub(super) fn epsilon(prediction: Prediction, clip: Clip, level: Level, scale: f64) -> Result<Self> {
        if clip == Clip::None {
            let map = conversion(prediction, Prediction::Epsilon, level)?;
            return Ok(Self { x: map.x * scale, out: map.value, ..Self::default() });
        }
        let map = conversion(Prediction::X0, Prediction::Epsilon, level)?;
        Ok(Self { x: map.x * scale, x0: map.value, ..Self::default() })
    }

    pub(super) fn times(mut self, factor: f64) -> Self {
        self.x *= factor;
        self.x0 *= factor;
        self.out *= factor;
        self.held.iter_mut().for_each(|term| term.factor *= factor);
        self
    }

    pub(super) fn plus(mut self, other: Self) -> Self {
        self.x += other.x;
        self.x0 += other.x0;
        self.out += other.out;
        for term in other.held {
            match self.held.iter_mut().find(|mine| mine.register == term.register) {
                Some(mine) => mine.factor += term.factor,
                None => self.held.push(term),
            }
        }
        self
    }

    /// The same combination in later steps: what it uses of this step goes to registers `base`, `base + 1`, `base + 2`.
    pub(super) fn hold(&self, base: usize, store: &mut Vec<Store>) -> Self {
        let mut held = self.held.clone();
        let parts = [(self.x, Source::X), (self.out, Source::Out), (self.x0, Source::X0)];
        for (register, (factor, source)) in (base..).zip(parts) {
            if factor.abs() > 0.0 {
                held.push(Term { register, factor });
                store.push(Store { register, source });
            }
        }
        Self { held, ..Self::default() }
    }
}

/// Evaluates the network at a node (on `scale` times the state) and moves the state to a combination.
pub(super) fn step(
    node: Node,
    target: Option<usize>,
    scale: f64,
    (prediction, clip): (Prediction, Clip),
    next: Linear,
    store: Vec<Store>,
) -> Result<Step> {
    let to_x0 = conversion(prediction, Prediction::X0, node.level)?;
    Ok(Step {
        t: node.t,
        target,
        model_timestep: node.model_timestep,
        input_scale: scale,
        x0_from_x: to_x0.x * scale,
        x0_from_out: to_x0.value,
        clip,
        x: next.x,
        x0: next.x0,
        out: next.out,
        registers: next.held,
        noise: Noise::None,
        draw: None,
        store,
    })
}

/// The same steps with registers numbered 0, 1, … without gaps: each costs an executor a tensor of the state's size.
pub(super) fn compact(mut steps: Vec<Step>) -> Vec<Step> {
    let mut used: Vec<usize> = steps.iter().flat_map(|step| step.store.iter().map(|store| store.register)).collect();
    used.sort_unstable();
    used.dedup();
    let renumber = |register: &mut usize| *register = used.iter().position(|r| r == register).unwrap_or(*register);
    for step in &mut steps {
        step.registers.iter_mut().for_each(|term| renumber(&mut term.register));
        step.store.iter_mut().for_each(|store| renumber(&mut store.register));
    }
    steps
}
