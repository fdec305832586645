//! The claims of the chapter `weight`, bound to this crate.

use crate::check::{Claim, Method, Row};
use crate::check::prediction::{Point, sweep};
use crate::check::weight::{losses_differ_by_factor, one_objective, weight_table, weighted_error_is_kl};
use crate::check::{Evidence, Outcome, Run, Tol};
use crate::error::Result;
use crate::check::weight::faults as fault;
use crate::prediction::Prediction;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::weight::{Weighting, kl_weight, loss_factor, weighted_loss};

const CHAPTER: &str = "weight";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![kl_claim(), table_claim(), factor_claim(), objective_claim()]
}

fn kl_claim() -> Claim {
    Claim::legacy(
        "weighted_error_is_the_kl",
        CHAPTER,
        "the KL term is the weighted squared error of the network, in any prediction, plus a constant",
        Method::OtherPremises("posterior means by precision addition, the KL as an average of log ratios"),
        |run| kl(run, weighted_loss),
    )
    .row("S1.52", || weighted(700, Prediction::X0, &[0.4]))
    .row("S1.59", || weighted(250, Prediction::Epsilon, &[-0.7]))
    .row("S2.29", || weighted(40, Prediction::Epsilon, &[0.5, -0.1, 0.2]))
    .row("S3.68", || weighted(500, Prediction::Epsilon, &[0.3, 0.4]))
    .fault(fault::NORM_NOT_SQUARED, |run| kl(run, fault::norm_not_squared))
    .fault(fault::WEIGHT_WITHOUT_ALPHA, |run| kl(run, fault::weight_without_alpha))
    .fault(fault::WEIGHT_BETA_NOT_SQUARED, |run| kl(run, fault::weight_beta_not_squared))
    .fault(fault::WEIGHT_OF_LATER_LEVEL, |run| kl(run, fault::weight_of_later_level))
    .fault(fault::WEIGHT_STD_FOR_VARIANCE, |run| kl(run, fault::weight_std_for_variance))
}

fn table_claim() -> Claim {
    Claim::legacy(
        "noise_loss_weights_as_listed",
        CHAPTER,
        "the weights of the noise loss on the linear schedule have the listed values and a minimum inside",
        Method::HighPrecision("values listed to six digits"),
        |_| weight_table(kl_weight, &Schedule::ddpm()),
    )
    .row("B21", || {
        let step = Schedule::ddpm().step(Timestep::new(500));
        let got = kl_weight(Prediction::Epsilon, &step, step.beta()).expect("alpha_bar > 0");
        Row { got, want: 0.005_503_43, tol: Tol::printed(8) }
    })
    .fault(fault::WEIGHT_WITHOUT_HALF, |_| weight_table(fault::weight_without_half, &Schedule::ddpm()))
    .fault(fault::WEIGHT_ALWAYS_BETA_TILDE, |_| weight_table(fault::weight_always_beta_tilde, &Schedule::ddpm()))
    .fault(fault::WEIGHT_NOISE_BEFORE, |_| weight_table(fault::weight_noise_before, &Schedule::ddpm()))
}

fn factor_claim() -> Claim {
    Claim::legacy(
        "losses_differ_by_signal_to_noise",
        CHAPTER,
        "squared errors of ε, v and the score are SNR, 1 + SNR and SNR/(1 − ᾱ) times those of x₀",
        Method::OtherPremises("errors at fixed x_t from the definitions"),
        |run| factors(run, loss_factor),
    )
    .row("B4", || factor(310, Prediction::V, |_, v| 1.0 / v))
    .fault(fault::FACTOR_INVERTED, |run| factors(run, fault::factor_inverted))
    .fault(fault::FACTOR_V_IS_SNR, |run| factors(run, fault::factor_v_is_snr))
    .fault(fault::FACTOR_NOT_SQUARED, |run| factors(run, fault::factor_not_squared))
}

fn objective_claim() -> Claim {
    Claim::legacy(
        "weightings_are_one_objective_in_every_prediction",
        CHAPTER,
        "a weighting (SNR, min-SNR, P2, EDM …) gives the same loss whichever quantity the network predicts",
        Method::OtherPremises("errors at fixed x_t from the definitions, weights from the recursion's moments"),
        |run| objectives(run, Weighting::on),
    )
    .row("S3.73", || {
        let at = Point::new(&Schedule::ddpm(), Timestep::new(820), 0.0, 0.0);
        let got = Weighting::One.on(Prediction::Epsilon, at.step.t()).expect("0 < alpha_bar < 1");
        Row { got, want: at.now.1 / at.now.0.powi(2), tol: Tol::rel(1e-12, "4t + 32 roundings, mostly of one sign") }
    })
    .fault(fault::MIN_SNR_OF_EPS_FOR_V, |run| objectives(run, fault::min_snr_of_eps_for_v))
    .fault(fault::MAX_SNR, |run| objectives(run, fault::max_snr))
    .fault(fault::P2_NOT_DIVIDED_BY_SNR, |run| objectives(run, fault::p2_not_divided_by_snr))
    .fault(fault::EDM_UNIT_DATA_WEIGHT, |run| objectives(run, fault::edm_unit_data_weight))
}

/// Points with t ≥ 2, each with β and with half its β as the reverse variance.
fn kl(run: &Run, f: fn(Prediction, &Transition, f64, &[f64]) -> Result<f64>) -> Outcome {
    sweep(run, |at| {
        if at.before.1 <= 0.0 {
            return Ok(Evidence::none());
        }
        let errors = [at.x0, at.eps, 0.25];
        let large = weighted_error_is_kl(f, at, at.beta, &errors)?;
        Ok(large.and(weighted_error_is_kl(f, at, 0.5 * at.beta, &errors)?))
    })
}

fn factors(run: &Run, f: fn(Prediction, Prediction, Level) -> Result<f64>) -> Outcome {
    sweep(run, |at| losses_differ_by_factor(f, at, at.x0))
}

fn objectives(run: &Run, f: fn(&Weighting, Prediction, Level) -> Result<f64>) -> Outcome {
    sweep(run, |at| if at.now.0 > 0.0 { one_objective(f, at, at.x0) } else { Ok(Evidence::none()) })
}

fn weighted(t: usize, prediction: Prediction, errors: &[f64]) -> Row {
    let at = Point::new(&Schedule::ddpm(), Timestep::new(t), 0.0, 0.0);
    let got = weighted_loss(prediction, &at.step, at.beta, errors).expect("alpha_bar > 0");
    let ((m_s, v_s), (m, v)) = (at.before, at.now);
    // The difference of two posterior means, in the information form.
    let of_x0 = |e: f64| if prediction == Prediction::X0 { e } else { -v.sqrt() * e / m };
    let shift = |e: f64| m_s * of_x0(e) / v_s / ((1.0 - at.beta) / at.beta + 1.0 / v_s);
    let want = errors.iter().map(|&e| shift(e).powi(2) / (2.0 * at.beta)).sum();
    Row { got, want, tol: Tol::rel(1e-12, "4t + 32 roundings, mostly of one sign") }
}

fn factor(t: usize, to: Prediction, want: fn(f64, f64) -> f64) -> Row {
    let at = Point::new(&Schedule::ddpm(), Timestep::new(t), 0.0, 0.0);
    let got = loss_factor(Prediction::X0, to, at.step.t()).expect("alpha_bar < 1");
    Row { got, want: want(at.now.0, at.now.1), tol: Tol::rel(1e-12, "4t + 32 roundings, mostly of one sign") }
}
