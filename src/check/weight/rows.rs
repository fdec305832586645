//! The rows of the ledger that the claims on loss weights cover.

use crate::check::prediction::Point;
use crate::check::weight as check;
use crate::check::{Claim, Row, Tol};
use crate::prediction::Prediction;
use crate::schedule::{Schedule, Timestep};
use crate::weight::{Weighting, kl_weight, loss_factor, weighted_loss};

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![kl_claim(), table_claim(), factor_claim(), objective_claim()]
}

fn kl_claim() -> Claim {
    Claim::new(|| check::weighted_error_is_kl(weighted_loss))
        .row("S1.52", || weighted(700, Prediction::X0, &[0.4]))
        .row("S1.59", || weighted(250, Prediction::Epsilon, &[-0.7]))
        .row("S2.29", || weighted(40, Prediction::Epsilon, &[0.5, -0.1, 0.2]))
        .row("S3.68", || weighted(500, Prediction::Epsilon, &[0.3, 0.4]))
}

fn table_claim() -> Claim {
    Claim::new(|| check::weight_table(kl_weight)).row("B21", || {
        let step = Schedule::ddpm().step(Timestep::new(500));
        let got = kl_weight(Prediction::Epsilon, &step, step.beta()).expect("alpha_bar > 0");
        Row { got, want: 0.005_503_43, tol: Tol::printed(8) }
    })
}

fn factor_claim() -> Claim {
    Claim::new(|| check::losses_differ_by_factor(loss_factor))
        .row("B4", || factor(310, Prediction::V, |_, v| 1.0 / v))
}

fn objective_claim() -> Claim {
    Claim::new(|| check::one_objective(Weighting::on)).row("S3.73", || {
        let at = Point::new(&Schedule::ddpm(), Timestep::new(820), 0.0, 0.0);
        let got = Weighting::One.on(Prediction::Epsilon, at.step.t()).expect("0 < alpha_bar < 1");
        Row { got, want: at.now.1 / at.now.0.powi(2), tol: Tol::rel(1e-12, "4t + 32 roundings, mostly of one sign") }
    })
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
