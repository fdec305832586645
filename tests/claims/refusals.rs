//! Where every number is accepted and where it is refused: both sides of each limit, NaN and the infinities.

use alphabar::gaussian::{Split, entropy, kl_diagonal, kl_to_standard, log_pixel_probability};
use alphabar::guidance::{GuidanceScale, GuidanceWeight};
use alphabar::plan::{Clip, ClippedEpsilon, Clock, Ddim, Grid, Route};
use alphabar::posterior::{LogVarianceClip, Moments, log_variance_clipped};
use alphabar::prediction::{Preconditioning, Prediction};
use alphabar::score::langevin_variance;
use alphabar::training::{TimeDistribution, shared_slope};
use alphabar::trajectory::StepCosts;
use alphabar::vae::{FactorModel, importance_weighted_bound};
use alphabar::variance::{Spread, bounds, gaussian_variance, optimal_variance, variance_cost};
use alphabar::vdm::LogSnrRange;
use alphabar::weight::kl_weight;
use alphabar::{Betas, Error, Level, Schedule, Timestep, forward::Kernel};
use ndarray::{arr1, arr2};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Accepts every number of the first list and none of the second.
fn domain<T, E>(name: &str, f: impl Fn(f64) -> Result<T, E>, inside: &[f64], outside: &[f64]) {
    for &value in inside {
        assert!(f(value).is_ok(), "{name} refuses {value}");
    }
    for &value in outside {
        assert!(f(value).is_err(), "{name} accepts {value}");
    }
}

fn positive<T, E>(name: &str, f: impl Fn(f64) -> Result<T, E>) {
    domain(name, f, &[1e-9, 1.0, 1e9], &[0.0, -1.0, NAN, INF, -INF]);
}

fn not_negative<T, E>(name: &str, f: impl Fn(f64) -> Result<T, E>) {
    domain(name, f, &[0.0, 1.0, 1e9], &[-1e-9, -1.0, NAN, INF, -INF]);
}

fn finite<T, E>(name: &str, f: impl Fn(f64) -> Result<T, E>) {
    domain(name, f, &[-1e9, 0.0, 1.0], &[NAN, INF, -INF]);
}

#[test]
fn levels_and_schedules() {
    domain("ᾱ", Level::from_alpha_bar, &[0.0, 0.5, 1.0], &[-1e-9, 1.0 + 1e-9, NAN, INF, -INF]);
    domain("ln SNR", Level::from_log_snr, &[-INF, 0.0, INF], &[NAN]);
    domain("β", |beta| Betas::constant(2, beta), &[1e-9, 0.5], &[0.0, 1.0, -0.1, NAN, INF]);
    domain("the last β", |beta| Betas::new(vec![0.5, beta]), &[1e-9, 1.0], &[0.0, 1.0 + 1e-9, NAN]);
    domain("an end of the roots", |end| Betas::scaled_linear(2, 1e-4, end), &[1e-9, 1.0], &[-1e-9, 0.0, NAN, INF]);
    // Zero is a root like any other; it is the β that comes of it which is refused.
    assert!(matches!(Betas::scaled_linear(2, 0.0, 0.5), Err(Error::EntryOutOfRange { index: 0, .. })));
    domain("√α", Kernel::variance_preserving, &[-1.0, 0.0, 1.0], &[-1.0 - 1e-9, 1.0 + 1e-9, NAN, INF]);
    domain("λ at data", |high| LogSnrRange::new(high, 0.0), &[1e-9, 9.0], &[0.0, -1.0, NAN, INF]);
    domain("λ at noise", |low| LogSnrRange::new(0.0, low), &[-1e-9, -9.0], &[0.0, 1.0, NAN, -INF]);
}

#[test]
fn gaussians() {
    positive("a variance", |var| entropy(var, 1));
    positive("σ²", |var| Split::new(1.0, var, 1.0, 1));
    not_negative("β̃", |var| Split::new(var, 1.0, 1.0, 1));
    not_negative("a squared distance", |square| Split::new(1.0, 1.0, square, 1));
    let (zero, one) = (arr1(&[0.0]), arr1(&[1.0]));
    not_negative("p's diagonal", |var| kl_diagonal(&zero, &arr1(&[var]), &zero, &one));
    positive("q's diagonal", |var| kl_diagonal(&zero, &one, &zero, &arr1(&[var])));
    not_negative("a diagonal", |var| kl_to_standard(&arr1(&[0.0]), &arr1(&[var])));
    let pixel = alphabar::gaussian::Pixel(100);
    positive("the decoder's variance", |var| log_pixel_probability(pixel, Moments { mean: 0.0, var }));
    finite("the decoder's mean", |mean| log_pixel_probability(pixel, Moments { mean, var: 1.0 }));
}

#[test]
fn predictions_weights_and_training() {
    let step = Schedule::ddpm().step(Timestep::new(500));
    positive("sigma", |sigma| Preconditioning::edm(sigma, 0.5));
    positive("sigma_data", |sigma| Preconditioning::edm(0.5, sigma));
    positive("σ²", |var| kl_weight(Prediction::Epsilon, &step, var));
    positive("a share", |share| TimeDistribution::proportional(&[1.0, share]));
    let (levels, data) = ([step.s(), step.t()], Moments { mean: 0.0, var: 1.0 });
    positive("a weight", |weight| shared_slope(&levels, &[1.0, weight], data));
    finite("a guidance scale", GuidanceScale::new);
    finite("a guidance weight", GuidanceWeight::new);
}

#[test]
fn variances() {
    let schedule = Schedule::ddpm();
    let (first, second) = (schedule.step(Timestep::new(1)), schedule.step(Timestep::new(2)));
    not_negative("variance of x₀", |var| optimal_variance(&second, var));
    not_negative("variance of the data", |var| gaussian_variance(&second, var));
    not_negative("a range", |range| bounds(&second, Spread::Range(range)));
    positive("a variance", |var| variance_cost(var, 1.0));
    positive("the optimum", |var| variance_cost(1.0, var));
    let floor = |floor| log_variance_clipped(&first, &second, LogVarianceClip::Floor(floor));
    domain("a floor", floor, &[1e-20, 1.0], &[0.0, -1.0, NAN]);
    domain("a Langevin step", |sigma| langevin_variance(1.0, sigma), &[0.0, 1.999], &[-0.1, 2.0, NAN, INF]);
}

#[test]
fn latents_and_paths() {
    let model = |loading, offset, var| FactorModel::new(arr2(&[[loading]]).view(), arr1(&[offset]).view(), var);
    finite("a loading", |loading| model(loading, 0.0, 1.0));
    finite("an offset", |offset| model(1.0, offset, 1.0));
    positive("the noise", |var| model(1.0, 0.0, var));
    domain("a log weight", |w| importance_weighted_bound(arr1(&[0.0, w]).view()), &[-INF, 0.0, 9.0], &[NAN, INF]);
    domain("a cost", |cost| StepCosts::new(1, |_, _| cost), &[-1.0, 0.0, INF], &[NAN, -INF]);
}

#[test]
fn samplers() {
    let route = Route::every(&Schedule::ddpm());
    let ddim = |eta| Ddim {
        prediction: Prediction::Epsilon,
        clip: Clip::None,
        clipped_epsilon: ClippedEpsilon::AsPredicted,
        eta,
    };
    domain("η", |eta| ddim(eta).plan(&route), &[0.0, 1.0], &[-1e-9, 9.0, NAN, INF]);
    domain("ρ", |rho| Grid::karras(Clock::LogSnr, 4, 0.002, 80.0, rho), &[0.5, 7.0], &[0.0, -7.0, NAN, INF]);
    domain(
        "σ_min",
        |s| Grid::karras(Clock::LogSnr, 4, s, 80.0, 7.0),
        &[1e-9, 79.0],
        &[0.0, 80.0, 81.0, -1.0, NAN, INF],
    );
    domain("σ_max", |s| Grid::karras(Clock::LogSnr, 4, 0.01, s, 7.0), &[0.011, 1e9], &[0.01, 0.0, -1.0, NAN, INF]);
}
