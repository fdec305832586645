//! Laws of samplers on random schedules, routes and Gaussian data.

use alphabar::check::sampler::{Added, Journey, ancestral_law, ddim_law, keeps_marginals, steps_are_algorithm_2};
use alphabar::plan::{
    Ancestral, Clip, ClippedEpsilon, Clock, Ddim, DpmSolver, DpmSolverPlusPlus2M, Grid, Heun, Order, Prediction,
    ReverseVariance, Route,
};
use alphabar::posterior::Moments;
use alphabar::{Error, Level, Schedule, strategy};
use proptest::prelude::*;

use crate::holds;

fn ancestral(prediction: Prediction, variance: ReverseVariance) -> Ancestral {
    Ancestral { prediction, clip: Clip::None, variance }
}

fn ddim(prediction: Prediction, eta: f64) -> Ddim {
    Ddim { prediction, clip: Clip::None, clipped_epsilon: ClippedEpsilon::AsPredicted, eta }
}

/// A schedule, some of its times with the last among them, and Gaussian data.
fn journey() -> impl Strategy<Value = (Journey, Moments)> {
    let kept = proptest::collection::vec(any::<bool>(), 1000);
    let data = (strategy::value(), strategy::log_uniform(1e-2, 1e2)).prop_map(|(mean, var)| Moments { mean, var });
    (strategy::schedule(), kept, data).prop_map(|(schedule, kept, data)| {
        let steps = schedule.len();
        let times: Vec<usize> = (1..=steps).rev().filter(|&t| t == steps || kept[t - 1]).collect();
        (Journey::new(&schedule, &times).expect("decreasing times of the schedule"), data)
    })
}

fn prediction() -> impl Strategy<Value = Prediction> {
    proptest::sample::select(Prediction::ALL.to_vec())
}

proptest! {
    #[test]
    fn ancestral_laws_follow_the_recursion((journey, data) in journey()) {
        let (large, small) = (ReverseVariance::Beta, ReverseVariance::BetaTilde);
        for (variance, added) in [(large, Added::Beta), (small, Added::BetaTilde)] {
            let sampler = ancestral(Prediction::Epsilon, variance);
            holds(ancestral_law(|_, route| sampler.plan(route), &journey, Prediction::Epsilon, added, data))?;
            holds(steps_are_algorithm_2(|_, route| sampler.plan(route), &journey, added))?;
        }
    }

    #[test]
    fn ddim_laws_follow_the_gains((journey, data) in journey(), prediction in prediction()) {
        holds(ddim_law(|_, route| ddim(prediction, 0.0).plan(route), &journey, prediction, data))?;
    }

    #[test]
    fn ddim_keeps_marginals((journey, data) in journey(), eta in 0.0..=1.0f64) {
        let sampler = ddim(Prediction::Epsilon, eta);
        holds(keeps_marginals(|_, route| sampler.plan(route), &journey, eta, data.var))?;
    }

    /// DPM-Solver-1 is DDIM with η = 0, so on any route it has DDIM's law.
    #[test]
    fn dpm_solver_1_is_ddim((journey, data) in journey(), prediction in prediction()) {
        let solver = DpmSolver { prediction, clip: Clip::None, order: Order::First };
        let plan = |schedule: &Schedule, route: &Route| solver.plan(&Grid::along(schedule, route)?);
        holds(ddim_law(plan, &journey, prediction, data))?;
    }

    /// The clock is the inverse of the schedule at its times, and stays between neighbours elsewhere.
    #[test]
    fn clock_inverts_the_schedule((schedule, t) in strategy::schedule_and_time(), part in 0.0..1.0f64) {
        let clock = Clock::of(&schedule);
        let index = t.get() as f64 - 1.0;
        let at = |t: alphabar::Timestep| clock.model_timestep(schedule.level(t));
        prop_assert!((at(t) - index).abs() <= 1e-9);
        if t < schedule.last() {
            let next = alphabar::Timestep::new(t.get() + 1);
            let (a, b) = (schedule.level(t).log_snr(), schedule.level(next).log_snr());
            let told = clock.model_timestep(Level::from_log_snr(a + part * (b - a))?);
            prop_assert!((told - index - part).abs() <= 1e-6, "{told} at {index} + {part}");
        }
    }
}

#[test]
fn grids_that_go_nowhere_are_refused() {
    assert!(matches!(Grid::uniform_log_snr(-3.0, 3.0, 0), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(Grid::uniform_log_snr(3.0, -3.0, 4), Err(Error::NotDecreasing { .. })));
    assert!(matches!(Grid::uniform_log_snr(f64::NAN, 3.0, 4), Err(Error::OutOfRange { .. })));
    assert!(matches!(Grid::karras(Clock::LogSnr, 4, 0.0, 80.0, 7.0), Err(Error::OutOfRange { .. })));
    assert!(matches!(Grid::karras(Clock::LogSnr, 4, 0.002, 80.0, 0.0), Err(Error::OutOfRange { .. })));
}

#[test]
fn pure_noise_needs_a_solver_that_predicts_x0() {
    let grid = Grid::new(&[Level::NOISE, Level::from_alpha_bar(0.5).unwrap(), Level::DATA], Clock::LogSnr).unwrap();
    for order in [Order::First, Order::Second, Order::Third] {
        let solver = DpmSolver { prediction: Prediction::V, clip: Clip::None, order };
        assert!(matches!(solver.plan(&grid), Err(Error::Singular { .. })), "{order:?}");
    }
    let heun = Heun { prediction: Prediction::V, clip: Clip::None };
    assert!(matches!(heun.plan(&grid), Err(Error::Singular { .. })));
}

#[test]
fn multistep_solver_starts_from_pure_noise() {
    let betas = alphabar::Betas::zero_terminal_snr(&Schedule::ddpm()).unwrap();
    let schedule = Schedule::new(betas);
    let route =
        Route::new(&schedule, &[999, 700, 400, 100], alphabar::plan::Previous::List, alphabar::plan::End::Data)
            .unwrap();
    let solver = DpmSolverPlusPlus2M { prediction: Prediction::V, clip: Clip::None };
    let plan = solver.plan(&Grid::along(&schedule, &route).unwrap()).unwrap();
    assert_eq!(plan.steps().len(), 4);
}

/// EDM's noise levels at S = 3, ρ = 7: the middle one is ((80^{1/7} + 0.002^{1/7})/2)⁷.
#[test]
fn karras_levels_are_edms() {
    let grid = Grid::karras(Clock::LogSnr, 3, 0.002, 80.0, 7.0).unwrap();
    let sigma: Vec<f64> = grid.nodes().iter().map(|node| (-0.5 * node.level.log_snr()).exp()).collect();
    let middle = (0.5 * (80f64.powf(1.0 / 7.0) + 0.002f64.powf(1.0 / 7.0))).powi(7);
    for (got, want) in sigma.iter().zip([80.0, middle, 0.002, 0.0]) {
        assert!((got - want).abs() <= 1e-12 * want, "{got} is not {want}");
    }
}
