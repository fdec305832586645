//! The claims of the chapter `prediction`, bound to this crate.

use crate::check::{Claim, Method, Row};
use crate::check::prediction::{
    Point, conversions, inverse_mean, mean, mean_of_data_and_noise, optimal, sweep, unit_variance,
};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform};
use crate::error::Result;
use crate::exact::{FiniteData, Mixture1, Noising};
use crate::check::prediction::faults as fault;
use crate::prediction::{
    Affine, Preconditioning, Prediction, conversion, from_mean, mean_from, mean_from_eps, mean_from_x0_and_eps,
};
use crate::schedule::{Level, Schedule, Timestep, Transition};

const CHAPTER: &str = "prediction";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        conversion_claim(),
        mean_claim(),
        inverse_claim(),
        elimination_claim(),
        optimal_claim(),
        preconditioning_claim(),
    ]
}

fn conversion_claim() -> Claim {
    Claim::legacy(
        "conversions_agree_with_definitions",
        CHAPTER,
        "ε, x₀, v and the score determine one another by twelve affine maps of x_t",
        Method::OtherPremises("noise drawn, velocity on a circle by trigonometry, slope of the log density"),
        |run| convert(run, conversion),
    )
    .row("S1.56", || converted(1000, Prediction::Epsilon, Prediction::X0))
    .row("S3.56", || converted(250, Prediction::X0, Prediction::Epsilon))
    .row("S1.62", || converted(40, Prediction::Epsilon, Prediction::Score))
    .row("S1.87", || converted(700, Prediction::Score, Prediction::V))
    .fault(fault::V_SIGN_FLIPPED, |run| convert(run, fault::v_sign_flipped))
    .fault(fault::NOISE_VARIANCE_FOR_STD, |run| convert(run, fault::noise_variance_for_std))
    .fault(fault::SCORE_WITHOUT_SCALE, |run| convert(run, fault::score_without_scale))
    .fault(fault::X0_NOT_RESCALED, |run| convert(run, fault::x0_not_rescaled))
    .fault(fault::ONE_MINUS_ALPHA_BAR_IN_F32, |run| convert(run, fault::one_minus_alpha_bar_in_f32))
    .fault(fault::EPS_AT_ZERO_TERMINAL_SNR, |run| convert(run, fault::eps_at_zero_terminal_snr))
}

fn mean_claim() -> Claim {
    Claim::legacy(
        "posterior_mean_from_every_prediction",
        CHAPTER,
        "the mean of q(x_{t−1} | x_t, x₀) from ε, x₀, v or the score is the one Bayes' rule gives",
        Method::OtherPremises("recursion on the βs, precision addition"),
        |run| means(run, mean_from),
    )
    .row("S1.51", || mean_row(900, -0.4, 0.8, mean_from, Prediction::X0))
    .row("S1.57", || mean_row(750, 1.0, 0.5, mean_from, Prediction::Epsilon))
    .row("S2.21", || mean_row(1000, 1.0, 0.5, mean_from, Prediction::Epsilon))
    .row("S3.58", || {
        let at = linear(300, 0.9, -1.1);
        let x0 = map(conversion(Prediction::Epsilon, Prediction::X0, at.step.t())).at(at.xt(), at.eps);
        same(map(mean_from(Prediction::X0, &at.step)).at(at.xt(), x0), at.bayes_mean().0)
    })
    .row("S3.59", || mean_row(2, -1.5, 0.6, |_, step| mean_from_eps(step), Prediction::Epsilon))
    .row("S3.60", || mean_row(500, 1.0, 0.5, mean_from, Prediction::Epsilon))
    .row("S3.62", || mean_row(120, 0.2, 1.3, |_, step| mean_from_eps(step), Prediction::Epsilon))
    .fault(fault::MEAN_PREFACTOR_ALPHA_BAR, |run| means(run, fault::mean_prefactor_alpha_bar))
    .fault(fault::MEAN_NOISE_OF_ONE_STEP, |run| means(run, fault::mean_noise_of_one_step))
    .fault(fault::MEAN_ADDS_THE_NOISE, |run| means(run, fault::mean_adds_the_noise))
    .fault(fault::MEAN_HALF_THE_SCORE, |run| means(run, fault::mean_half_the_score))
    .fault(fault::MEAN_IS_X0, |run| means(run, fault::mean_is_x0))
}

fn inverse_claim() -> Claim {
    Claim::legacy(
        "prediction_from_posterior_mean",
        CHAPTER,
        "a predicted posterior mean determines ε, x₀, v and the score",
        Method::OtherPremises("mean by precision addition, predictions from their definitions"),
        |run| sweep(run, |at| inverse_mean(from_mean, at)),
    )
    .row("S1.58", || {
        let at = linear(600, 0.3, -0.7);
        same(from_mean(Prediction::Epsilon, &at.step).at(at.xt(), at.bayes_mean().0), -0.7)
    })
    .fault(fault::INVERSE_MEAN_WITHOUT_ROOT, |run| {
        sweep(run, |at| inverse_mean(fault::inverse_mean_without_root, at))
    })
    .fault(fault::INVERSE_MEAN_OF_EARLIER_LEVEL, |run| {
        sweep(run, |at| inverse_mean(fault::inverse_mean_of_earlier_level, at))
    })
    .fault(fault::INVERSE_MEAN_SCORE_SIGN, |run| sweep(run, |at| inverse_mean(fault::inverse_mean_score_sign, at)))
}

fn elimination_claim() -> Claim {
    Claim::legacy(
        "posterior_mean_needs_data_and_noise",
        CHAPTER,
        "with x_t eliminated the posterior mean is a function of x₀ and ε, not of x₀ alone",
        Method::OtherPremises("recursion on the βs, precision addition"),
        |run| sweep(run, |at| mean_of_data_and_noise(mean_from_x0_and_eps, at)),
    )
    .row("S3.72", || {
        let at = linear(500, 1.0, 1.0);
        same(mean_from_x0_and_eps(&at.step, 1.0, 1.0), at.bayes_mean().0)
    })
    .fault(fault::MEAN_WITHOUT_NOISE, |run| sweep(run, |at| mean_of_data_and_noise(fault::mean_without_noise, at)))
    .fault(fault::MEAN_KEEPS_ALL_NOISE, |run| {
        sweep(run, |at| mean_of_data_and_noise(fault::mean_keeps_all_noise, at))
    })
    .fault(fault::MEAN_DATA_FACTOR_LATE, |run| {
        sweep(run, |at| mean_of_data_and_noise(fault::mean_data_factor_late, at))
    })
}

fn optimal_claim() -> Claim {
    Claim::legacy(
        "best_prediction_is_the_conditional_mean",
        CHAPTER,
        "on finite data the best ε, x₀, v and score are conversions of the mean of x₀ given x_t",
        Method::Numerical("losses by enumeration of the data and trapezoids over the noise"),
        |run| optima(run, best_of_finite),
    )
    .row("S1.54", || Row {
        got: best_of_finite(Prediction::X0, Schedule::ddpm().level(Timestep::new(100)), 0.9),
        want: 0.529_288,
        tol: Tol::printed(6),
    })
    .row("S3.63", || {
        let at = linear(500, 0.0, 0.0);
        let (m, v) = at.now;
        let xt = 0.9;
        let (mut sum, mut mass) = (0.0, 0.0);
        for x0 in fault::DATA {
            let eps = (xt - m * x0) / v.sqrt();
            let density = (-0.5 * eps * eps).exp();
            (sum, mass) = (sum + density * eps, mass + density);
        }
        same(best_of_finite(Prediction::Epsilon, at.step.t(), xt), sum / mass)
    })
    .row("S2.27", || {
        let at = linear(500, 0.0, 0.0);
        let (m, v) = at.now;
        let xt = 0.3;
        let noising = Noising::new(m, v).expect("a variance");
        let x0 = Mixture1::reference().x0_hat(noising, xt);
        let got = map(conversion(Prediction::X0, Prediction::Epsilon, at.step.t())).at(xt, x0);
        let (mut sum, mut mass) = (0.0, 0.0);
        for k in -400..=400 {
            let x0 = 0.02 * f64::from(k);
            let normal = |mean: f64, std: f64| (-0.5 * ((x0 - mean) / std).powi(2)).exp() / std;
            let eps = (xt - m * x0) / v.sqrt();
            let density = (0.3 * normal(-1.5, 0.3) + 0.7 * normal(1.0, 0.5)) * (-0.5 * eps * eps).exp();
            (sum, mass) = (sum + density * eps, mass + density);
        }
        same(got, sum / mass)
    })
    .fault(fault::DENOISES_TO_NEAREST, |run| optima(run, fault::denoises_to_nearest))
    .fault(fault::DATA_NOT_SCALED, |run| optima(run, fault::data_not_scaled))
    .fault(fault::LIKELIHOOD_WITHOUT_HALF, |run| optima(run, fault::likelihood_without_half))
}

fn optima(_run: &Run, f: fn(Prediction, Level, f64) -> f64) -> Outcome {
    let schedule = Schedule::ddpm();
    let data = fault::DATA.map(|x0| (1.0 / 3.0, x0));
    [200, 500, 1000]
        .into_iter()
        .try_fold(Evidence::none(), |all, t| Ok(all.and(optimal(f, &data, &schedule, Timestep::new(t))?)))
}

/// The exact world's mean of x₀ given x_t, converted.
fn best_of_finite(prediction: Prediction, level: Level, xt: f64) -> f64 {
    let world = FiniteData::on_line(&fault::DATA).expect("finite numbers");
    let noising = Noising::new(level.signal(), level.one_minus_alpha_bar()).expect("a variance");
    let x0 = world.x0_hat(noising, &ndarray::arr1(&[xt])).expect("one coordinate")[0];
    map(conversion(Prediction::X0, prediction, level)).at(xt, x0)
}

fn preconditioning_claim() -> Claim {
    Claim::legacy(
        "edm_preconditioning_has_unit_variance",
        CHAPTER,
        "input and target of the preconditioned network have unit variance at every noise level, with the least c_out",
        Method::Enumeration("variances of linear forms by a four-point rule exact for quadratics"),
        |run| precondition(run, Preconditioning::edm),
    )
    .row("B24", || {
        let p = Preconditioning::edm(0.8, 0.5).expect("positive arguments");
        let [data, noise] = [p.target(0.5, 0.5), p.target(0.0, 0.8)];
        Row { got: data * data + noise * noise, want: 1.0, tol: Tol::rel(1e-14, "16 roundings") }
    })
    .fault(fault::EDM_OUT_WITHOUT_ROOT, |run| precondition(run, fault::edm_out_without_root))
    .fault(fault::EDM_SKIP_SWAPPED, |run| precondition(run, fault::edm_skip_swapped))
    .fault(fault::EDM_UNIT_DATA, |run| precondition(run, fault::edm_unit_data))
}

fn convert(run: &Run, f: fn(Prediction, Prediction, Level) -> Result<Affine>) -> Outcome {
    sweep(run, |at| conversions(f, at))
}

fn means(run: &Run, f: fn(Prediction, &Transition) -> Result<Affine>) -> Outcome {
    sweep(run, |at| mean(f, at))
}

fn precondition(run: &Run, f: fn(f64, f64) -> Result<Preconditioning>) -> Outcome {
    run.over(|[u, v]| unit_variance(f, log_uniform(u, 2e-3, 80.0), log_uniform(v, 0.05, 5.0)))
}

fn linear(t: usize, x0: f64, eps: f64) -> Point {
    Point::new(&Schedule::ddpm(), Timestep::new(t), x0, eps)
}

fn map(map: Result<Affine>) -> Affine {
    map.expect("0 < alpha_bar < 1 on the linear schedule")
}

fn same(got: f64, want: f64) -> Row {
    Row { got, want, tol: Tol::new(1e-12, 1e-12, "2t + 16 roundings") }
}

fn converted(t: usize, from: Prediction, to: Prediction) -> Row {
    let at = linear(t, 0.7, -0.4);
    let map = map(conversion(from, to, at.step.t()));
    same(map.at(at.xt(), at.value(from)), at.value(to))
}

fn mean_row(t: usize, x0: f64, eps: f64, f: fn(Prediction, &Transition) -> Result<Affine>, from: Prediction) -> Row {
    let at = linear(t, x0, eps);
    same(map(f(from, &at.step)).at(at.xt(), at.value(from)), at.bayes_mean().0)
}
