//! This crate's formulas against alphabar: the right ones pass, the wrong ones fail and the message names the fault.

use alphabar::check;
use alphabar::diagnose::cases::Case;
use alphabar::diagnose::{Numbers, Report, diagnose};
use alphabar::posterior::Moments;
use alphabar::schedule::Definition;
use alphabar::{Betas, Schedule, Transition};
use downstream::{self as mine, Step, wrong};

/// Fails unless the report says what is wrong in these words.
fn names(report: &Report, words: &str) {
    assert!(!report.is_right(), "not found: {words}");
    assert!(report.to_string().contains(words), "no {words:?} in\n{report}");
}

fn posterior(f: fn(Step, f64, f64) -> (f64, f64)) -> Report {
    Case::find("posterior").unwrap().check(|p| {
        let step = Step { beta: p["beta"], bar: p["alpha_bar"], bar_prev: p["alpha_bar_prev"] };
        f(step, p["x0"], p["xt"]).into()
    })
}

#[test]
fn posterior_is_checked() {
    let report = posterior(mine::posterior);
    assert!(report.is_right(), "{report}");
    names(&posterior(wrong::posterior), "the posterior variance is β where β̃ =");
}

fn kl(f: fn(f64, f64, f64, f64) -> f64) -> Report {
    Case::find("kl").unwrap().check(|p| [f(p["mean1"], p["var1"], p["mean2"], p["var2"])])
}

#[test]
fn kl_is_checked() {
    let report = kl(mine::kl);
    assert!(report.is_right(), "{report}");
    names(&kl(wrong::kl), "variances were taken for standard deviations");
}

fn schedule(betas: Vec<f64>, alphas_cumprod: Vec<f64>) -> Report {
    let tables = [Numbers::f64("betas", betas), Numbers::f64("alphas_cumprod", alphas_cumprod)];
    diagnose(&tables, Some(&Definition::cosine(1000)))
}

#[test]
fn schedule_is_checked() {
    let betas = mine::cosine_betas(1000);
    let report = schedule(betas.clone(), mine::alphas_cumprod(&betas));
    assert!(report.is_right(), "{report}");
    names(&schedule(betas.clone(), wrong::alphas_cumprod(&betas)), "the table is shifted by one");
    let betas = wrong::cosine_betas(1000);
    names(&schedule(betas.clone(), mine::alphas_cumprod(&betas)), "integer division: t/T is 0 for every t < T");
}

fn ddim(f: fn(f64, f64, f64, f64) -> f64) -> Report {
    Case::find("ddim").unwrap().check(|p| [f(p["alpha_bar"], p["alpha_bar_prev"], p["xt"], p["pred"])])
}

#[test]
fn ddim_is_checked() {
    let report = ddim(mine::ddim);
    assert!(report.is_right(), "{report}");
    names(&ddim(wrong::ddim), "√(1 − ᾱ_t) where √(1 − ᾱ_{t−1}) was meant");
}

fn v_conversions(f: fn(f64, f64, f64, f64, f64) -> [f64; 3]) -> Report {
    Case::find("v").unwrap().check(|p| f(p["alpha_bar"], p["x0"], p["eps"], p["xt"], p["pred"]))
}

#[test]
fn v_conversions_are_checked() {
    let report = v_conversions(mine::v_conversions);
    assert!(report.is_right(), "{report}");
    names(&v_conversions(wrong::v_conversions), "the sign of σ is flipped");
}

/// A claim needs no reference formula: Bayes' rule is recomputed from the βs.
fn equals_bayes(f: fn(Step, f64, f64) -> (f64, f64)) -> check::Check<'static> {
    let code = move |step: &Transition, x0: f64, xt: f64| {
        let mine = Step { beta: step.beta(), bar: step.t().alpha_bar(), bar_prev: step.s().alpha_bar() };
        let (mean, var) = f(mine, x0, xt);
        Moments { mean, var }
    };
    check::posterior::bayes(code)
}

#[test]
fn a_claim_takes_the_code_itself() {
    // 1 − ᾱ by subtraction loses digits where ᾱ is near 1: a chain that starts with a large β.
    let schedule = Schedule::new(Betas::constant(32, 0.25).unwrap());
    let evidence = equals_bayes(mine::posterior).on(&schedule).run().unwrap();
    assert!(evidence.points >= 64);
    let failure = equals_bayes(wrong::posterior).on(&schedule).run().unwrap_err();
    assert_eq!(failure.mistake.unwrap().name, "beta_for_beta_tilde", "{failure}");
}
