//! Known wrong samplers: plans with one mistake in them.

use crate::check::{Erratum, Fault, Origin};
use crate::error::Result;
use crate::plan::{
    Ancestral, Clip, ClippedEpsilon, Ddim, End, Noise, Plan, Prediction, Previous, ReverseVariance, Route, Step,
    Visit,
};
use crate::schedule::Schedule;

mod ddim;
mod solver;
mod times;

pub use ddim::*;
pub use solver::*;
pub use times::*;

/// Errata of the source documents that belong here: none.
pub const ERRATA: &[Erratum] = &[];

const ANCESTRAL: Ancestral =
    Ancestral { prediction: Prediction::Epsilon, clip: Clip::None, variance: ReverseVariance::Beta };

const DDIM: Ddim = Ddim {
    prediction: Prediction::Epsilon,
    clip: Clip::None,
    clipped_epsilon: ClippedEpsilon::AsPredicted,
    eta: 0.0,
};

/// The plan with every step changed.
fn edited(plan: Result<Plan>, edit: impl Fn(usize, &mut Step)) -> Result<Plan> {
    let plan = plan?;
    let mut steps = plan.steps().to_vec();
    steps.iter_mut().enumerate().for_each(|(k, step)| edit(k, step));
    Plan::new(plan.name(), plan.initial_std(), steps)
}

fn with_std(step: &mut Step, k: usize, std: f64) {
    step.noise = Noise::Scaled { std };
    step.draw = Some(k as u32 + 1);
}

/// Noise after the last mean.
pub const NOISE_IN_LAST_STEP: Fault = Fault {
    name: "noise_in_last_step",
    sentence: "the step that leads to the data adds noise too; z is 0 there",
    origin: Origin::Shipped,
};

/// [`NOISE_IN_LAST_STEP`].
///
/// # Errors
/// As the sampler it imitates.
pub fn noise_in_last_step(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    let visits = route.visits();
    edited(ANCESTRAL.plan(route), |k, step| with_std(step, k, visits[k].transition.beta().sqrt()))
}

/// A variance used as a standard deviation.
pub const VARIANCE_FOR_STD: Fault = Fault {
    name: "variance_for_std_in_noise",
    sentence: "the noise is multiplied by σ² where σ was meant",
    origin: Origin::Slip,
};

/// [`VARIANCE_FOR_STD`].
///
/// # Errors
/// As the sampler it imitates.
pub fn variance_for_std_in_noise(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(ANCESTRAL.plan(route), |k, step| {
        if let Noise::Scaled { std } = step.noise {
            with_std(step, k, std * std);
        }
    })
}

/// ln β as a variance.
pub const LOG_VARIANCE_AS_VARIANCE: Fault = Fault {
    name: "log_variance_as_variance",
    sentence: "ln β is taken for a variance, so its root is NaN (\"fixed large log\")",
    origin: Origin::Shipped,
};

/// [`LOG_VARIANCE_AS_VARIANCE`].
///
/// # Errors
/// As the sampler it imitates.
pub fn log_variance_as_variance(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(ANCESTRAL.plan(route), |k, step| {
        if let Noise::Scaled { std } = step.noise {
            with_std(step, k, (std * std).ln().sqrt());
        }
    })
}

/// β_t of the full chain on a shortened list.
pub const FULL_CHAIN_BETA_ON_SHORT_LIST: Fault = Fault {
    name: "full_chain_beta_on_short_list",
    sentence: "on a shortened list of times the noise has the full chain's β_t, not that between the kept times",
    origin: Origin::Shipped,
};

/// [`FULL_CHAIN_BETA_ON_SHORT_LIST`].
///
/// # Errors
/// As the sampler it imitates.
pub fn full_chain_beta_on_short_list(schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(ANCESTRAL.plan(route), |k, step| {
        if step.noise != Noise::None {
            with_std(step, k, schedule.beta(route.visits()[k].t).sqrt());
        }
    })
}

/// t − 1 as the time before, whatever the list.
pub const PREVIOUS_IS_ALWAYS_T_MINUS_1: Fault = Fault {
    name: "previous_is_always_t_minus_1",
    sentence: "on a shortened list every step leads to t − 1, not to the next time of the list",
    origin: Origin::Shipped,
};

/// [`PREVIOUS_IS_ALWAYS_T_MINUS_1`].
///
/// # Errors
/// As the sampler it imitates.
pub fn previous_is_always_t_minus_1(schedule: &Schedule, route: &Route) -> Result<Plan> {
    let short = ANCESTRAL.plan(route)?;
    let full = ANCESTRAL.plan(&Route::every(schedule))?;
    let kept = |visit: &Visit| full.steps()[schedule.len() - visit.t.get()].clone();
    Plan::new(short.name(), short.initial_std(), route.visits().iter().map(kept).collect())
}

/// The network told t for t − 1.
pub const NETWORK_TOLD_T: Fault = Fault {
    name: "network_told_t",
    sentence: "the network is told t where it counts from 0 and wants t − 1",
    origin: Origin::Slip,
};

/// [`NETWORK_TOLD_T`].
///
/// # Errors
/// As the sampler it imitates.
pub fn network_told_t(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(ANCESTRAL.plan(route), |_, step| step.model_timestep += 1.0)
}

/// [`NETWORK_TOLD_T`], for DDIM.
///
/// # Errors
/// As the sampler it imitates.
pub fn network_told_t_in_ddim(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(DDIM.plan(route), |_, step| step.model_timestep += 1.0)
}

/// β̃ for β.
pub const SMALL_VARIANCE_FOR_LARGE: Fault = Fault {
    name: "small_variance_for_large",
    sentence: "the sampler adds β̃ where β was asked for",
    origin: Origin::Slip,
};

/// [`SMALL_VARIANCE_FOR_LARGE`].
///
/// # Errors
/// As the sampler it imitates.
pub fn small_variance_for_large(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    Ancestral { variance: ReverseVariance::BetaTilde, ..ANCESTRAL }.plan(route)
}

/// β for β̃.
pub const LARGE_VARIANCE_FOR_SMALL: Fault = Fault {
    name: "large_variance_for_small",
    sentence: "the sampler adds β where β̃ was asked for",
    origin: Origin::Shipped,
};

/// [`LARGE_VARIANCE_FOR_SMALL`].
///
/// # Errors
/// As the sampler it imitates.
pub fn large_variance_for_small(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    ANCESTRAL.plan(route)
}

/// 1/α for 1/√α.
pub const MEAN_WITHOUT_ROOT: Fault = Fault {
    name: "mean_without_root",
    sentence: "the mean is divided by α where √α was meant",
    origin: Origin::Slip,
};

/// [`MEAN_WITHOUT_ROOT`].
///
/// # Errors
/// As the sampler it imitates.
pub fn mean_without_root(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(ANCESTRAL.plan(route), |k, step| {
        let root = route.visits()[k].transition.alpha().sqrt();
        step.x /= root;
        step.x0 /= root;
    })
}

/// ε added.
pub const NOISE_ADDED_NOT_REMOVED: Fault = Fault {
    name: "noise_added_not_removed",
    sentence: "the predicted noise is added to x_t where it must be subtracted",
    origin: Origin::Slip,
};

/// [`NOISE_ADDED_NOT_REMOVED`].
///
/// # Errors
/// As the sampler it imitates.
pub fn noise_added_not_removed(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    edited(ANCESTRAL.plan(route), |_, step| step.x0_from_out = -step.x0_from_out)
}

/// One step too few.
pub const FIRST_STEP_LEFT_OUT: Fault = Fault {
    name: "first_step_left_out",
    sentence: "the loop starts at T − 1: the first step is left out",
    origin: Origin::Slip,
};

/// [`FIRST_STEP_LEFT_OUT`].
///
/// # Errors
/// As the sampler it imitates.
pub fn first_step_left_out(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    let plan = ANCESTRAL.plan(route)?;
    Plan::new(plan.name(), 1.0, plan.steps()[1..].to_vec())
}

/// One step too few at the other end.
pub const LAST_STEP_LEFT_OUT: Fault = Fault {
    name: "last_step_left_out",
    sentence: "the loop ends before t = 1: x_1 is returned for x_0",
    origin: Origin::Slip,
};

/// [`LAST_STEP_LEFT_OUT`].
///
/// # Errors
/// As the sampler it imitates.
pub fn last_step_left_out(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    let plan = ANCESTRAL.plan(route)?;
    Plan::new(plan.name(), 1.0, plan.steps()[..plan.steps().len() - 1].to_vec())
}

/// Two evaluations a step.
pub const EVALUATED_TWICE: Fault = Fault {
    name: "evaluated_twice",
    sentence: "the network is evaluated twice in every step, with the same input",
    origin: Origin::Slip,
};

/// [`EVALUATED_TWICE`].
///
/// # Errors
/// As the sampler it imitates.
pub fn evaluated_twice(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    let plan = ANCESTRAL.plan(route)?;
    let idle = |step: &Step| Step { x: 1.0, x0: 0.0, out: 0.0, noise: Noise::None, draw: None, ..step.clone() };
    let steps = plan.steps().iter().flat_map(|step| [idle(step), step.clone()]);
    Plan::new(plan.name(), 1.0, steps.collect())
}

/// σ of the step before.
pub const VARIANCES_SHIFTED_BY_ONE: Fault = Fault {
    name: "variances_shifted_by_one",
    sentence: "step t adds σ_{t−1}: the table of variances is shifted by one",
    origin: Origin::Slip,
};

/// [`VARIANCES_SHIFTED_BY_ONE`].
///
/// # Errors
/// As the sampler it imitates.
pub fn variances_shifted_by_one(_schedule: &Schedule, route: &Route) -> Result<Plan> {
    let visits = route.visits();
    edited(ANCESTRAL.plan(route), |k, step| match visits.get(k + 1) {
        Some(next) => with_std(step, k, next.transition.beta().sqrt()),
        None => step.noise = Noise::None,
    })
}

/// A stride that is not the list's.
pub const STRIDE_THAT_IS_NOT_THE_LISTS: Fault = Fault {
    name: "stride_that_is_not_the_lists",
    sentence: "each DDIM step leads to t − ⌊T/S⌋, which is not the next time of a linspace list",
    origin: Origin::Shipped,
};

/// [`STRIDE_THAT_IS_NOT_THE_LISTS`].
///
/// # Errors
/// As the sampler it imitates.
pub fn stride_that_is_not_the_lists(schedule: &Schedule, route: &Route) -> Result<Plan> {
    let indices: Vec<usize> = route.visits().iter().filter_map(|visit| visit.t.model_index()).collect();
    DDIM.plan(&Route::new(schedule, &indices, Previous::Stride, End::Data)?)
}

/// `set_alpha_to_one: false` inherited.
pub const ENDS_AT_FIRST_LEVEL: Fault = Fault {
    name: "ends_at_first_level",
    sentence: "the last step leads to ᾱ_1, not to the data (set_alpha_to_one inherited from another model)",
    origin: Origin::Shipped,
};

/// [`ENDS_AT_FIRST_LEVEL`].
///
/// # Errors
/// As the sampler it imitates.
pub fn ends_at_first_level(schedule: &Schedule, route: &Route) -> Result<Plan> {
    let indices: Vec<usize> = route.visits().iter().filter_map(|visit| visit.t.model_index()).collect();
    DDIM.plan(&Route::new(schedule, &indices, Previous::List, End::FirstTime)?)
}

/// The mean of Langevin dynamics.
pub const LANGEVIN_DRIFT: Fault = Fault {
    name: "langevin_drift",
    sentence: "½β s, the drift of Langevin dynamics, stands for β s of the reverse SDE",
    origin: Origin::Slip,
};

/// [`LANGEVIN_DRIFT`].
#[must_use]
pub fn langevin_drift(schedule: &Schedule, x: f64, score: f64) -> f64 {
    let beta = schedule.beta(schedule.last());
    (x + 0.5 * beta * score) / (1.0 - beta).sqrt()
}

/// No growth of x.
pub const NO_GROWTH_OF_X: Fault = Fault {
    name: "no_growth_of_x",
    sentence: "x is not divided by √α, so the reverse drift lacks ½β x",
    origin: Origin::Slip,
};

/// [`NO_GROWTH_OF_X`].
#[must_use]
pub fn no_growth_of_x(schedule: &Schedule, x: f64, score: f64) -> f64 {
    x + schedule.beta(schedule.last()) * score
}

/// The score's sign.
pub const SCORE_SUBTRACTED: Fault = Fault {
    name: "score_subtracted",
    sentence: "the step goes down the density: the score is subtracted",
    origin: Origin::Slip,
};

/// [`SCORE_SUBTRACTED`].
#[must_use]
pub fn score_subtracted(schedule: &Schedule, x: f64, score: f64) -> f64 {
    langevin_drift(schedule, x, -2.0 * score)
}
