//! The claims of the chapter `guidance`, bound to this crate.

use crate::check::{Claim, Method, Row, Wrong};
use crate::check::guidance::{
    Point, agreement_variance, classifier, classifier_free, conditional_chain, derivative_laws, noised_tilt_score,
    same_in_every_prediction,
};
use crate::check::score::slope;
use crate::check::{Outcome, Run, Tol, log_uniform, uniform};
use crate::exact::{FiniteData, Mixture1, Noising};
use crate::check::guidance::faults as fault;
use crate::guidance::{GuidanceScale, GuidanceWeight, classifier_guided, guided, guided_array};
use crate::schedule::{Schedule, Timestep, Transition};
use crate::score::reverse_mean;

const CHAPTER: &str = "guidance";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![free(), with_classifier(), every_prediction(), laws(), chain(), dropout()]
}

fn scaled(scale: f64, conditional: f64, unconditional: f64) -> f64 {
    GuidanceScale::new(scale).map_or(f64::NAN, |scale| guided(scale, conditional, unconditional))
}

fn by_classifier(gamma: f64, score: f64, gradient: f64) -> f64 {
    GuidanceScale::new(gamma).map_or(f64::NAN, |gamma| classifier_guided(gamma, score, gradient))
}

/// Points over levels, classes and scales; scales of 0 and 1 hide faults and are left to the rows.
fn over(run: &Run, claim: impl Fn(&Point) -> Outcome) -> Outcome {
    run.over::<4>(|[a, b, c, d]| {
        let alpha_bar = uniform(a, 0.02, 0.98);
        let level = Noising::variance_preserving(alpha_bar).unwrap_or(Noising::NONE);
        let class = usize::from(b > 0.5);
        claim(&Point {
            data: Mixture1::reference(),
            level,
            class,
            xt: uniform(c, -2.0, 2.0),
            scale: log_uniform(d, 1.5, 7.5),
        })
    })
}

/// t = 500 of the linear schedule, class 0 (weight 0.3), x_t = 0.3.
fn middle(scale: f64) -> Point {
    let betas = Schedule::ddpm().betas().as_slice()[..500].to_vec();
    let level = Noising::from_betas(&betas).unwrap_or(Noising::NONE);
    Point { data: Mixture1::reference(), level, class: 0, xt: 0.3, scale }
}

fn free() -> Claim {
    Claim::legacy(
        "guidance_is_the_score_of_the_tempered_density",
        CHAPTER,
        "u + s (c − u) of scores is the score of p(x_t) p(y | x_t)^s",
        Method::Numerical("five-point differences of the log density of a mixture"),
        |run| over(run, |at| classifier_free(scaled, at)),
    )
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
    .fault(fault::SCALE_TAKEN_FOR_WEIGHT, |run| over(run, |at| classifier_free(fault::scale_taken_for_weight, at)))
    .fault(fault::CONDITIONAL_AND_UNCONDITIONAL_SWAPPED, |run| {
        over(run, |at| classifier_free(fault::conditional_and_unconditional_swapped, at))
    })
    .fault(fault::CONDITIONAL_SCALED_ALONE, |run| {
        over(run, |at| classifier_free(fault::conditional_scaled_alone, at))
    })
}

fn with_classifier() -> Claim {
    Claim::legacy(
        "classifier_guidance_adds_the_classifier_gradient",
        CHAPTER,
        "∇ ln p(x_t) + γ ∇ ln p(y | x_t) is the score of p(x_t) p(y | x_t)^γ, at γ = 1 of p(x_t | y)",
        Method::Numerical("five-point differences of responsibilities and class densities"),
        |run| over(run, |at| classifier(by_classifier, at)),
    )
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
    .fault(fault::CLASSIFIER_SIGN, |run| over(run, |at| classifier(fault::classifier_sign, at)))
    .fault(fault::CLASSIFIER_UNSCALED, |run| over(run, |at| classifier(fault::classifier_unscaled, at)))
    .fault(fault::SCORE_SCALED_FOR_CLASSIFIER, |run| {
        over(run, |at| classifier(fault::score_scaled_for_classifier, at))
    })
    .fault(fault::CLASSIFIER_SCALE_PLUS_ONE, |run| over(run, |at| classifier(fault::classifier_scale_plus_one, at)))
}

fn every_prediction() -> Claim {
    Claim::legacy(
        "guidance_commutes_with_the_choice_of_prediction",
        CHAPTER,
        "guiding the score, ε, x₀ or v gives one and the same guided prediction",
        Method::OtherPremises("posterior means of class and mixture, brought back to the score by definition"),
        |run| {
            let all = over(run, |at| same_in_every_prediction(scaled, at))?;
            let all = all.and(over(run, |at| same_in_every_prediction(from_weight, at))?);
            let all = all.and(over(run, |at| same_in_every_prediction(by_weight, at))?);
            Ok(all.and(over(run, |at| same_in_every_prediction(entrywise, at))?))
        },
    )
    .row("S1.82", || {
        let at = middle(3.0);
        let class = at.data.components()[0];
        let (c, u) = (class.eps_hat(at.level, at.xt), at.data.eps_hat(at.level, at.xt));
        Row { got: scaled(3.0, c, u) - u, want: 3.0 * (c - u), tol: Tol::abs(1e-14, "rounding") }
    })
    .fault(fault::SCALE_TAKEN_FOR_WEIGHT, |run| {
        over(run, |at| same_in_every_prediction(fault::scale_taken_for_weight, at))
    })
    .fault(fault::CONDITIONAL_AND_UNCONDITIONAL_SWAPPED, |run| {
        over(run, |at| same_in_every_prediction(fault::conditional_and_unconditional_swapped, at))
    })
    .fault(fault::CONDITIONAL_SCALED_ALONE, |run| {
        over(run, |at| same_in_every_prediction(fault::conditional_scaled_alone, at))
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

/// The laws cost sums over a grid: eight scales are enough.
fn few(run: &Run, density: fn(&Point, f64, f64) -> f64) -> Outcome {
    let run = run.at_most(4);
    run.over::<2>(|[u, v]| {
        let at = Point { class: usize::from(u > 0.5), ..middle(uniform(v, 0.2, 3.0)) };
        let noised = Point { data: at.data.noised(at.level), level: Noising::NONE, ..at.clone() };
        derivative_laws(|gamma, x| density(&noised, gamma, x), &noised)
    })
}

fn tempered(at: &Point, gamma: f64, x: f64) -> f64 {
    at.data.tempered_log_pdf(at.class, gamma, x)
}

fn agreement(scale: f64) -> f64 {
    let at = middle(scale);
    let noised = Point { data: at.data.noised(at.level), level: Noising::NONE, ..at.clone() };
    agreement_variance(|gamma, x| tempered(&noised, gamma, x), &noised)
}

fn laws() -> Claim {
    Claim::legacy(
        "guidance_trades_diversity_for_agreement",
        CHAPTER,
        "d/dγ E ln p(y | x) = Var ln p(y | x) and d/dγ KL(p_γ ‖ p) = γ Var, so both rise with γ",
        Method::Numerical("sums over 4000 cells, differences in γ"),
        |run| few(run, tempered),
    )
    .row("B26", || Row { got: agreement(0.0), want: 0.296_419_39, tol: Tol::printed(8) })
    .row("S1.78", || Row { got: agreement(1.0), want: 0.211_949_32, tol: Tol::printed(8) })
    .row("S1.74", || Row {
        got: 3.0 * agreement(3.0),
        want: 3.0 * 0.112_373_47,
        tol: Tol::abs(2e-8, "digits printed"),
    })
    .fault(fault::TEMPERED_PRIOR, |run| {
        few(run, |at, gamma, x| gamma * (at.data.log_pdf(x) + at.data.log_class_posterior(at.class, x)))
    })
    .fault(fault::TEMPERED_PLUS_ONE, |run| few(run, |at, gamma, x| tempered(at, 1.0 + gamma * gamma, x)))
    .fault(fault::TEMPERED_INVERSE, |run| few(run, |at, gamma, x| tempered(at, -gamma, x)))
}

fn classes(run: &Run, mean: fn(&Transition, f64, f64) -> f64) -> Outcome {
    let schedule = Schedule::ddpm();
    run.over::<1>(|[u]| {
        let t = 2 + (u * 998.0) as usize;
        let betas = schedule.betas().as_slice();
        let s = Noising::from_betas(&betas[..t - 1]).unwrap_or(Noising::NONE);
        let kernel = Noising::from_beta(betas[t - 1]).unwrap_or(Noising::NONE);
        let class = Mixture1::reference().components()[t % 2];
        conditional_chain(mean, &schedule.step(Timestep::new(t)), class, s, kernel)
    })
}

fn chain() -> Claim {
    Claim::legacy(
        "class_scores_carry_the_class_law",
        CHAPTER,
        "reverse steps with the score of a class carry its law at t to its law at s",
        Method::OtherPremises("marginals and conditioning of the class's Gaussian"),
        |run| classes(run, reverse_mean),
    )
    .row("S1.73", || {
        let schedule = Schedule::ddpm();
        let betas = schedule.betas().as_slice();
        let class = Mixture1::reference().components()[0];
        let (s, t) = (Noising::from_betas(&betas[..499]), Noising::from_betas(&betas[..500]));
        let (s, t) = (class.noised(s.unwrap_or(Noising::NONE)), class.noised(t.unwrap_or(Noising::NONE)));
        let got = reverse_mean(&schedule.step(Timestep::new(500)), t.mean(), t.score(t.mean()));
        Row { got, want: s.mean(), tol: Tol::abs(1e-12, "levels from two routes") }
    })
    .fault(reverse("reverse_mean_langevin").fault, |run| classes(run, reverse("reverse_mean_langevin").f))
    .fault(reverse("reverse_mean_sign").fault, |run| classes(run, reverse("reverse_mean_sign").f))
    .fault(reverse("reverse_mean_unscaled").fault, |run| classes(run, reverse("reverse_mean_unscaled").f))
    .fault(fault::CLASS_SCORE_DOUBLED, |run| classes(run, |step, xt, score| reverse_mean(step, xt, 2.0 * score)))
}

const POINTS: [f64; 3] = [-1.0, 0.5, 2.0];

/// The loss of one number predicted for the null token at x_t, labels dropped with probability ½: enumerated.
fn null_loss(level: Noising, xt: f64, prediction: f64) -> f64 {
    let weight = |x0: f64| (-(xt - level.signal() * x0).powi(2) / (2.0 * level.noise_var())).exp() * 0.5;
    POINTS.iter().map(|&x0| weight(x0) * (x0 - prediction).powi(2)).sum()
}

/// Lowest point of a parabola through three values.
fn lowest(f: impl Fn(f64) -> f64) -> f64 {
    let (a, b, c) = (f(-1.0), f(0.0), f(1.0));
    0.5 * (a - c) / (a - 2.0 * b + c)
}

fn null_optimum(run: &Run, f: fn(Noising, f64) -> f64) -> Outcome {
    run.over::<2>(|[u, v]| {
        let level = Noising::variance_preserving(uniform(u, 0.05, 0.9)).unwrap_or(Noising::NONE);
        let xt = uniform(v, -2.0, 2.0);
        let mut trial = crate::check::Trial::new();
        let tol = Tol::new(1e-14, 1e-14, "a parabola through three values");
        let place = || format!("noise variance {:.4}, xt = {xt:.4}", level.noise_var());
        trial.close("optimum for the null token", f(level, xt), lowest(|p| null_loss(level, xt, p)), tol, place)?;
        Ok(trial.evidence())
    })
}

fn unconditional(level: Noising, xt: f64) -> f64 {
    let data = FiniteData::on_line(&POINTS).and_then(|data| data.x0_hat(level, &ndarray::array![xt]));
    data.map_or(f64::NAN, |x0| x0[0])
}

fn dropout() -> Claim {
    Claim::legacy(
        "null_token_learns_the_unconditional_denoiser",
        CHAPTER,
        "with labels dropped at random, the best answer to the null token is E[x₀ | x_t] over all classes",
        Method::Enumeration("loss summed over the data set, minimised as a parabola"),
        |run| null_optimum(run, unconditional),
    )
    .row("S1.83", || {
        let level = Noising::variance_preserving(0.3).unwrap_or(Noising::NONE);
        let want = lowest(|p| null_loss(level, 0.9, p));
        Row { got: unconditional(level, 0.9), want, tol: Tol::abs(1e-12, "a parabola through three values") }
    })
    .fault(fault::NULL_IS_A_CLASS, |run| null_optimum(run, |_, _| POINTS[0]))
    .fault(fault::NULL_IS_THE_MEAN, |run| null_optimum(run, |_, _| POINTS.iter().sum::<f64>() / 3.0))
    .fault(fault::NULL_IS_HALVED, |run| null_optimum(run, |level, xt| 0.5 * unconditional(level, xt)))
}

fn reverse(name: &str) -> &'static Wrong<fn(&Transition, f64, f64) -> f64> {
    Wrong::named(crate::check::score::faults::REVERSE_MEANS, name)
}
