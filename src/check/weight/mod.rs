//! Claims on loss weights.

pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use crate::check::prediction::{Point, sweep};
use crate::error::{Error, Result};
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::weight::Weighting;

use super::{Check, Evidence, Method, Mismatch, Outcome, Run, Tol, Trial};

/// Errors below this are lost in the rounding of x₀ itself.
const LEAST_ERROR: f64 = 1e-3;

fn number(what: &str, value: Result<f64>, at: &Point) -> std::result::Result<f64, Mismatch> {
    let refused = |error: Error| Mismatch {
        what: format!("{what}: {error}"),
        got: f64::NAN,
        want: 0.0,
        tol: Tol::exact(),
        at: at.place(),
    };
    value.map_err(refused)
}

/// True where x_t is pure noise, so that ε and the score say nothing of x₀.
fn silent(at: &Point, prediction: Prediction) -> bool {
    at.now.0 <= 0.0 && matches!(prediction, Prediction::Epsilon | Prediction::Score)
}

/// What one error of x₀, at fixed x_t, does to each prediction: by its definition, linear in (x₀, ε).
///
/// x_t stays if m Δx₀ + √v Δε = 0; v is m ε − √v x₀ on the circle, the score −ε/√v.
fn errors(at: &Point, of_x0: f64) -> [(Prediction, f64); 4] {
    let ((m, v), x0) = (at.now, of_x0);
    let std = v.sqrt();
    let eps = -m * x0 / std;
    let angle = std.atan2(m) + std::f64::consts::FRAC_PI_2;
    [
        (Prediction::X0, x0),
        (Prediction::Epsilon, eps),
        (Prediction::V, angle.cos() * x0 + angle.sin() * eps),
        (Prediction::Score, -eps / std),
    ]
}

// ANCHOR: weighted_error
/// The weighted squared error is the part of the KL that depends on the network.
///
/// ```text
/// w_t ‖error of the prediction‖² = KL(q(x_{t−1} | x_t, x₀) ‖ N(μ_θ, σ²)) − the same at μ_θ = μ̃
/// ```
///
/// `f(prediction, step, σ², errors of the coordinates)`, σ² = β and ½ β. Method: q(x_{t−1} | x_t, x₀) by precision addition
/// from the recursion on the βs, once at x₀ and once at each coordinate's x̂₀; the KL to N(μ_θ, σ²) less the KL at equal
/// means, as an average of log ratios by three points, exact for quadratics. t ≥ 2. Source: Ho et al. 2020,
/// arXiv:2006.11239, eqs. (8), (12).
///
/// ```
/// use alphabar::{check, weight::weighted_loss};
///
/// check::weight::weighted_error_is_kl(weighted_loss).assert();
/// ```
pub fn weighted_error_is_kl<'f>(f: impl Fn(Prediction, &Transition, f64, &[f64]) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("posterior means by precision addition, the KL as an average of log ratios");
    let sentence = "the KL term is the weighted squared error of the network, in any prediction, plus a constant";
    Check::new("weighted_error_is_the_kl", sentence, method, move |run| kl(run, &f)).rejects(faults::LOSSES, kl)
}

/// Points with t ≥ 2, each with β and with half its β as the reverse variance.
fn kl(run: &Run, f: impl Fn(Prediction, &Transition, f64, &[f64]) -> Result<f64>) -> Outcome {
    sweep(run, |at| {
        if at.before.1 <= 0.0 {
            return Ok(Evidence::none());
        }
        let errors = [at.x0, at.eps, 0.25];
        let large = kl_at(&f, at, at.beta, &errors)?;
        Ok(large.and(kl_at(&f, at, 0.5 * at.beta, &errors)?))
    })
}

fn kl_at(
    f: impl Fn(Prediction, &Transition, f64, &[f64]) -> Result<f64>,
    at: &Point,
    var: f64,
    of_x0: &[f64],
) -> Outcome {
    let (m, v) = at.before;
    let alpha = 1.0 - at.beta;
    let beta_tilde = 1.0 / (alpha / at.beta + 1.0 / v);
    let shift = |error: f64| beta_tilde * m * error / v;
    let third = 3f64.sqrt();
    let kl = |miss: f64| -> f64 {
        let log_ratio = |z: f64| ((beta_tilde.sqrt() * z + miss).powi(2) - beta_tilde * z * z) / (2.0 * var);
        (log_ratio(-third) + 4.0 * log_ratio(0.0) + log_ratio(third)) / 6.0
    };
    let want: f64 = of_x0.iter().map(|&e| kl(shift(e))).sum();
    // Miss z cross terms cancel between ±√3.
    let size: f64 = of_x0.iter().map(|&e| (shift(e).abs() + beta_tilde.sqrt()).powi(2) / (2.0 * var)).sum();
    let mut trial = Trial::new();
    for k in 0..4 {
        let (prediction, _) = errors(at, 0.0)[k];
        let all: Vec<f64> = of_x0.iter().map(|&e| errors(at, e)[k].1).collect();
        let what = format!("weighted error of {prediction:?}");
        let got = f(prediction, &at.step, var, &all);
        if silent(at, prediction) {
            trial.close(&what, if got.is_err() { 1.0 } else { 0.0 }, 1.0, Tol::exact(), || at.place())?;
            continue;
        }
        let tol = Tol::abs(2.0 * at.rounding() * size, "4t + 32 roundings of the summed magnitudes");
        trial.close(&what, number(&what, got, at)?, want, tol, || format!("{}, variance {var}", at.place()))?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: weighted_error

/// The weights of the noise loss on the linear schedule, as listed: for σ² = β and σ² = β̃ at t = 2, 10, 500, 1000.
const LISTED: [(usize, f64, f64); 4] = [
    (2, 0.272_692, 0.599_672),
    (10, 0.073_717, 0.086_436_6),
    (500, 0.005_503_43, 0.005_508_2),
    (1000, 0.010_204_5, 0.010_204_5),
];

/// The weights of the noise loss on the linear schedule are the listed ones; they fall to a minimum inside and rise again.
///
/// ```text
/// w_t = β_t²/(2 σ_t² α_t (1 − ᾱ_t))
/// ```
///
/// Method: numbers computed elsewhere, to six digits. Source: Ho et al. 2020, arXiv:2006.11239, eq. (12).
///
/// ```
/// use alphabar::{check, weight::kl_weight};
///
/// check::weight::weight_table(kl_weight).assert();
/// ```
pub fn weight_table<'f>(f: impl Fn(Prediction, &Transition, f64) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::HighPrecision("values listed to six digits");
    let sentence = "the weights of the noise loss on the linear schedule have the listed values and a minimum inside";
    Check::new("noise_loss_weights_as_listed", sentence, method, move |run| listed(run, &f))
        .rejects(faults::WEIGHTS, listed)
}

fn listed(_: &Run, f: impl Fn(Prediction, &Transition, f64) -> Result<f64>) -> Outcome {
    let schedule = Schedule::ddpm();
    let mut trial = Trial::new();
    let weight = |t: usize, var: &dyn Fn(&Point) -> f64| {
        let at = Point::new(&schedule, Timestep::new(t), 0.0, 0.0);
        number("weight", f(Prediction::Epsilon, &at.step, var(&at)), &at)
    };
    let beta = |at: &Point| at.beta;
    let beta_tilde = |at: &Point| 1.0 / ((1.0 - at.beta) / at.beta + 1.0 / at.before.1);
    for (t, large, small) in LISTED {
        let tol = |want: f64| Tol::rel(0.51 * 10f64.powi(-5 - (want.log10().fract() as i32)), "six digits listed");
        trial.close("weight for beta", weight(t, &beta)?, large, tol(large), || format!("t = {t}"))?;
        trial.close("weight for beta-tilde", weight(t, &beta_tilde)?, small, tol(small), || format!("t = {t}"))?;
    }
    let inside = (2..=schedule.len()).map(|t| weight(t, &beta)).collect::<std::result::Result<Vec<_>, _>>()?;
    let least = inside.iter().copied().fold(f64::INFINITY, f64::min);
    let ends = inside[0].min(inside[inside.len() - 1]);
    trial.at_most("least weight, below both ends", least, 0.9 * ends, Tol::exact(), || "t = 2 ... T".into())?;
    Ok(trial.evidence())
}

/// Squared errors of two predictions stand in the given ratio.
///
/// ```text
/// ‖Δε‖² = SNR ‖Δx₀‖²        ‖Δv‖² = (1 + SNR) ‖Δx₀‖²        ‖Δscore‖² = SNR/(1 − ᾱ) ‖Δx₀‖²
/// ```
///
/// `f(from, to, level)`. Method: errors from the definitions at fixed x_t ([`Point`]); |Δx₀| ≥ 10⁻³. Source: Salimans & Ho
/// 2022, arXiv:2202.00512, sect. 4.
///
/// ```
/// use alphabar::{check, weight::loss_factor};
///
/// check::weight::losses_differ_by_factor(loss_factor).assert();
/// ```
pub fn losses_differ_by_factor<'f>(f: impl Fn(Prediction, Prediction, Level) -> Result<f64> + 'f) -> Check<'f> {
    let method = Method::OtherPremises("errors at fixed x_t from the definitions");
    let sentence = "squared errors of ε, v and the score are SNR, 1 + SNR and SNR/(1 − ᾱ) times those of x₀";
    Check::new("losses_differ_by_signal_to_noise", sentence, method, move |run| factors(run, &f))
        .rejects(faults::FACTORS, factors)
}

fn factors(run: &Run, f: impl Fn(Prediction, Prediction, Level) -> Result<f64>) -> Outcome {
    sweep(run, |at| factors_at(&f, at, at.x0))
}

fn factors_at(f: impl Fn(Prediction, Prediction, Level) -> Result<f64>, at: &Point, of_x0: f64) -> Outcome {
    let all = errors(at, of_x0.signum() * of_x0.abs().max(LEAST_ERROR));
    let mut trial = Trial::new();
    for (from, of_from) in all {
        for (to, of_to) in all {
            if silent(at, from) || silent(at, to) {
                continue;
            }
            let what = format!("squared error of {to:?} from {from:?}");
            let got = number(&what, f(from, to, at.step.t()), at)? * of_from * of_from;
            let tol = Tol::rel(2.0 * at.rounding(), "4t + 32 roundings");
            // The error of v is −Δx₀/√v: no cancellation, m Δε and √v Δx₀ have one sign.
            trial.close(&what, got, of_to * of_to, tol, || format!("{}, error {of_x0}", at.place()))?;
        }
    }
    Ok(trial.evidence())
}

/// A weighting is one objective: its weight on each prediction's squared error gives the same number.
///
/// ```text
/// f(weighting, prediction, level) ‖error of the prediction‖² = w(SNR) ‖Δx₀‖²        min-SNR: w = min(SNR, γ)
/// ```
///
/// Method: errors from the definitions at fixed x_t; the weight on x₀ from the moments of the recursion, as the paper of
/// each weighting has it. ᾱ > 0. Source: Salimans & Ho 2022, arXiv:2202.00512, sect. 4; Hang et al. 2023,
/// arXiv:2303.09556, sect. 3.4; Choi et al. 2022, arXiv:2204.00227, eq. (8); Karras et al. 2022, arXiv:2206.00364, table 1.
///
/// ```
/// use alphabar::{check, weight::Weighting};
///
/// check::weight::one_objective(Weighting::on).assert();
/// ```
pub fn one_objective<'f>(f: impl Fn(&Weighting, Prediction, Level) -> Result<f64> + 'f) -> Check<'f> {
    let method =
        Method::OtherPremises("errors at fixed x_t from the definitions, weights from the recursion's moments");
    let sentence =
        "a weighting (SNR, min-SNR, P2, EDM …) gives the same loss whichever quantity the network predicts";
    Check::new("weightings_are_one_objective_in_every_prediction", sentence, method, move |run| objectives(run, &f))
        .rejects(faults::WEIGHTINGS, objectives)
}

fn objectives(run: &Run, f: impl Fn(&Weighting, Prediction, Level) -> Result<f64>) -> Outcome {
    sweep(run, |at| if at.now.0 > 0.0 { objectives_at(&f, at, at.x0) } else { Ok(Evidence::none()) })
}

fn objectives_at(f: impl Fn(&Weighting, Prediction, Level) -> Result<f64>, at: &Point, of_x0: f64) -> Outcome {
    let (m, v) = at.now;
    let signal = m * m;
    let expected = [
        (Weighting::Snr, signal / v),
        (Weighting::TruncatedSnr, if signal > v { signal / v } else { 1.0 }),
        (Weighting::MinSnr { gamma: 5.0 }, if signal > 5.0 * v { 5.0 } else { signal / v }),
        (Weighting::SnrPlusOne, 1.0 / v),
        (Weighting::One, 1.0),
        (Weighting::P2 { k: 1.0, gamma: 1.0 }, signal),
        (Weighting::P2 { k: 1.0, gamma: 0.5 }, signal / v.sqrt()),
        // λ = (σ² + s²)/(σ s)² at σ² = v/m², s = ½.
        (Weighting::Edm { sigma_data: 0.5 }, (v / signal + 0.25) / (v / signal * 0.25)),
    ];
    let mut trial = Trial::new();
    for (weighting, on_x0) in expected {
        for (prediction, error) in errors(at, of_x0.signum() * of_x0.abs().max(LEAST_ERROR)) {
            let what = format!("{weighting:?} on {prediction:?}");
            let got = number(&what, f(&weighting, prediction, at.step.t()), at)? * error * error;
            let want = on_x0 * of_x0.abs().max(LEAST_ERROR).powi(2);
            // m² + v = 1 holds to the recursion's rounding, which 1/v − m²/v inherits.
            let tol = Tol::rel(3.0 * at.rounding(), "6t + 48 roundings");
            trial.close(&what, got, want, tol, || at.place())?;
        }
    }
    Ok(trial.evidence())
}
