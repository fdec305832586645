//! The rows of the ledger that the claims on guidance cover.

use super::{Point, agreement_variance, best_answer, middle, noised_tilt_score, unconditional};
use crate::check::guidance as check;
use crate::check::score::slope;
use crate::check::{Claim, Row, Tol};
use crate::exact::{Mixture1, Noising};
use crate::guidance::{GuidanceScale, GuidanceWeight, classifier_guided, guided, guided_array};
use crate::schedule::{Schedule, Timestep};
use crate::score::reverse_mean;

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![free(), with_classifier(), every_prediction(), laws(), chain(), dropout()]
}

fn scaled(scale: f64, conditional: f64, unconditional: f64) -> f64 {
    GuidanceScale::new(scale).map_or(f64::NAN, |scale| guided(scale, conditional, unconditional))
}

fn by_classifier(gamma: f64, score: f64, gradient: f64) -> f64 {
    GuidanceScale::new(gamma).map_or(f64::NAN, |gamma| classifier_guided(gamma, score, gradient))
}

fn free() -> Claim {
    Claim::new(|| check::classifier_free(scaled))
        .row("S1.81", || {
            let at = middle(3.0);
            let noised = at.data.noised(at.level);
            let got = scaled(3.0, noised.class_score(0, at.xt), noised.score(at.xt));
            Row { got, want: at.tempered_slope(3.0), tol: Tol::abs(1e-7, "differences") }
        })
        .row("S1.80", || {
            let at = middle(1.0);
            let noised = at.data.noised(at.level);
            let got = noised.class_score(0, at.xt) - scaled(0.0, noised.class_score(0, at.xt), noised.score(at.xt));
            let want = slope(|x| noised.responsibilities(x)[0].ln(), at.xt);
            Row { got, want, tol: Tol::abs(1e-7, "differences") }
        })
        .row("S1.79", || {
            // A classifier of clean data used at t = 500: its gradient is not that of the noised responsibility.
            let at = middle(1.0);
            let noised = at.data.noised(at.level);
            let clean = at.data.classifier_score(0, at.xt);
            let noisy = noised.classifier_score(0, at.xt);
            let want = slope(|x| at.data.log_class_posterior(0, x) - noised.log_class_posterior(0, x), at.xt);
            Row { got: clean - noisy, want, tol: Tol::abs(1e-6, "differences") }
        })
        .row("A1.5", || {
            // The guided score against the score of the noised tilted data.
            let at = middle(3.0);
            let noised = at.data.noised(at.level);
            let got = scaled(3.0, noised.class_score(0, at.xt), noised.score(at.xt)) - noised_tilt_score(&at);
            Row { got, want: -1.914_645 + 0.777_051, tol: Tol::abs(1e-6, "two numbers of six decimals") }
        })
}

fn with_classifier() -> Claim {
    Claim::new(|| check::classifier(by_classifier))
        .row("S1.75", || {
            let at = middle(1.0);
            let noised = at.data.noised(at.level);
            let gradient = slope(|x| noised.log_class_posterior(0, x), at.xt);
            let class = noised.components()[0];
            Row {
                got: by_classifier(1.0, noised.score(at.xt), gradient),
                want: slope(|x| class.log_pdf(x), at.xt),
                tol: Tol::abs(1e-7, "differences"),
            }
        })
        .row("S1.76", || {
            // Bayes' rule leaves ln p(y) without a gradient: what is left of the three terms does not depend on x_t.
            let at = middle(1.0);
            let noised = at.data.noised(at.level);
            let class = noised.components()[0];
            let constant = |x: f64| noised.log_pdf(x) + noised.log_class_posterior(0, x) - class.log_pdf(x);
            Row {
                got: constant(at.xt),
                want: at.data.weights()[0].ln(),
                tol: Tol::abs(1e-13, "rounding of three logarithms"),
            }
        })
        .row("S1.77", || {
            let at = middle(3.0);
            let noised = at.data.noised(at.level);
            let got = by_classifier(3.0, noised.score(at.xt), noised.classifier_score(0, at.xt));
            Row { got, want: at.tempered_slope(3.0), tol: Tol::abs(1e-7, "differences") }
        })
}

fn every_prediction() -> Claim {
    Claim::new(|| {
        let [second, third, fourth] =
            [from_weight as fn(f64, f64, f64) -> f64, by_weight, entrywise].map(check::same_in_every_prediction);
        check::same_in_every_prediction(scaled).also(second).also(third).also(fourth)
    })
    .row("S1.82", || {
        let at = middle(3.0);
        let class = at.data.components()[0];
        let (c, u) = (class.eps_hat(at.level, at.xt), at.data.eps_hat(at.level, at.xt));
        Row { got: scaled(3.0, c, u) - u, want: 3.0 * (c - u), tol: Tol::abs(1e-14, "rounding") }
    })
}

/// The scale that a weight comes to.
fn from_weight(scale: f64, conditional: f64, unconditional: f64) -> f64 {
    let scale = GuidanceWeight::new(scale - 1.0).map(GuidanceScale::from);
    scale.map_or(f64::NAN, |scale| guided(scale, conditional, unconditional))
}

/// `(1 + w) c − w u` with the weight that a scale comes to.
fn by_weight(scale: f64, conditional: f64, unconditional: f64) -> f64 {
    let weight = GuidanceScale::new(scale).map_or(f64::NAN, |scale| GuidanceWeight::from(scale).get());
    (1.0 + weight) * conditional - weight * unconditional
}

/// The second entry of arrays.
fn entrywise(scale: f64, conditional: f64, unconditional: f64) -> f64 {
    let (c, u) = (ndarray::arr1(&[0.0, conditional]), ndarray::arr1(&[1.0, unconditional]));
    GuidanceScale::new(scale).and_then(|scale| guided_array(scale, &c, &u)).map_or(f64::NAN, |all| all[1])
}

fn tempered(at: &Point, gamma: f64, x: f64) -> f64 {
    at.data.tempered_log_pdf(at.class, gamma, x)
}

fn agreement(scale: f64) -> f64 {
    let noised = middle(scale).of_noised_data();
    agreement_variance(|gamma, x| tempered(&noised, gamma, x), &noised)
}

fn laws() -> Claim {
    Claim::new(|| check::derivative_laws(tempered))
        .row("B26", || Row { got: agreement(0.0), want: 0.296_419_39, tol: Tol::printed(8) })
        .row("S1.78", || Row { got: agreement(1.0), want: 0.211_949_32, tol: Tol::printed(8) })
        .row("S1.74", || Row {
            got: 3.0 * agreement(3.0),
            want: 3.0 * 0.112_373_47,
            tol: Tol::abs(2e-8, "digits printed"),
        })
}

fn chain() -> Claim {
    Claim::new(|| check::conditional_chain(reverse_mean)).row("S1.73", || {
        let schedule = Schedule::ddpm();
        let betas = schedule.betas().as_slice();
        let class = Mixture1::reference().components()[0];
        let (s, t) = (Noising::from_betas(&betas[..499]), Noising::from_betas(&betas[..500]));
        let (s, t) = (class.noised(s.unwrap_or(Noising::NONE)), class.noised(t.unwrap_or(Noising::NONE)));
        let got = reverse_mean(&schedule.step(Timestep::new(500)), t.mean(), t.score(t.mean()));
        Row { got, want: s.mean(), tol: Tol::abs(1e-12, "levels from two routes") }
    })
}

fn dropout() -> Claim {
    Claim::new(|| check::null_token(unconditional)).row("S1.83", || {
        let level = Noising::variance_preserving(0.3).unwrap_or(Noising::NONE);
        let got = unconditional(level, 0.9, &super::POINTS);
        Row { got, want: best_answer(level, 0.9), tol: Tol::abs(1e-12, "a parabola through three values") }
    })
}
