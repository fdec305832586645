//! Claims on schedules: levels from the βs, βs from their definitions, and how the chain ends.

mod columns;
pub mod faults;
#[cfg(feature = "verify")]
pub(super) mod rows;

use std::f64::consts::{FRAC_PI_2, PI};

use crate::prediction::Prediction;
use crate::schedule::{Betas, Level, Schedule, Timestep};

use super::evidence::short;
use super::{Check, Evidence, Method, Outcome, Run, Tol, Trial, log_uniform, uniform};

pub use columns::{Rounding, table};

const EPS: f64 = f64::EPSILON;

/// What a schedule's table holds at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// α_t; 1 at t = 0.
    pub alpha: f64,
    /// ᾱ_t.
    pub alpha_bar: f64,
    /// 1 − ᾱ_t.
    pub one_minus_alpha_bar: f64,
    /// √ᾱ_t.
    pub signal: f64,
    /// √(1 − ᾱ_t).
    pub noise_std: f64,
    /// ᾱ_t/(1 − ᾱ_t).
    pub snr: f64,
    /// Its natural logarithm.
    pub log_snr: f64,
}

/// ln ᾱ_0 … ln ᾱ_T as compensated sums of ln(1 − β): about one ε of the result, whatever T.
pub(in crate::check) fn log_alpha_bars(betas: &[f64]) -> Vec<f64> {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    let mut all = vec![0.0];
    for &beta in betas {
        let term = (-beta).ln_1p();
        if term.is_finite() {
            let next = sum + term;
            lost += if sum.abs() >= term.abs() { (sum - next) + term } else { (term - next) + sum };
            sum = next;
        } else {
            sum = term;
        }
        all.push(sum + lost);
    }
    all
}

/// Every column of a schedule's table is what the sum of ln(1 − β) says.
///
/// ```text
/// L_t = Σ ln(1 − β_s)      ᾱ = e^L      1 − ᾱ = −expm1(L)      SNR = 1/expm1(−L)
/// ```
///
/// Method: logarithms added with compensation, then `exp` and `expm1`; no product and no subtraction from 1; at every t of
/// hard schedules, and of one that ends in β = 1. Source: Ho et al. 2020, arXiv:2006.11239, eq. (4); SNR: Kingma et al.
/// 2021, arXiv:2107.00630, eq. (2).
///
/// ```
/// use alphabar::{Schedule, Timestep, check, check::schedule::Entry};
///
/// let mine = |schedule: &Schedule, t: Timestep| {
///     let level = schedule.level(t);
///     Entry {
///         alpha: if t == Timestep::DATA { 1.0 } else { schedule.step(t).alpha() },
///         alpha_bar: level.alpha_bar(),
///         one_minus_alpha_bar: level.one_minus_alpha_bar(),
///         signal: level.signal(),
///         noise_std: level.noise_std(),
///         snr: level.snr(),
///         log_snr: level.log_snr(),
///     }
/// };
/// check::schedule::levels(mine).assert();
/// ```
pub fn levels<'f>(f: impl Fn(&Schedule, Timestep) -> Entry + 'f) -> Check<'f> {
    let method = Method::OtherPremises("compensated sum of ln(1 − β), then exp and expm1");
    let sentence = "α, ᾱ, 1 − ᾱ, their roots, SNR and log-SNR follow from the βs as given";
    Check::new("levels_follow_from_the_betas", sentence, method, move |run| entries(run, &f))
        .rejects(faults::ENTRIES, entries)
}

fn entries(run: &Run, f: impl Fn(&Schedule, Timestep) -> Entry) -> Outcome {
    let ends_in_noise = levels_follow_from_betas(&f, &falling_in_a_line(10))?;
    Ok(ends_in_noise.and(run.over_schedules(|schedule| levels_follow_from_betas(&f, schedule))?))
}

/// The schedule with ᾱ_t = 1 − t/T.
fn falling_in_a_line(steps: usize) -> Schedule {
    Schedule::new(Betas::new(unit_fractions(steps)).expect("between 0 and 1"))
}

/// 1/T, 1/(T − 1) … 1.
fn unit_fractions(steps: usize) -> Vec<f64> {
    (1..=steps).rev().map(|left| 1.0 / left as f64).collect()
}

fn levels_follow_from_betas(f: impl Fn(&Schedule, Timestep) -> Entry, schedule: &Schedule) -> Outcome {
    let betas = schedule.betas().as_slice();
    let mut trial = Trial::new();
    for (t, log) in log_alpha_bars(betas).into_iter().enumerate() {
        let got = f(schedule, Timestep::new(t));
        let place = || format!("t = {t}");
        let steep = if log.is_finite() { log.abs() } else { 0.0 };
        let reason = "4 roundings, one more per unit of ln alpha_bar";
        let tol = Tol::roundings(4.0 + steep, 1.0, reason);
        if t > 0 {
            let one = (-betas[t - 1]).ln_1p();
            let tol = Tol::roundings(2.0 - if one.is_finite() { one } else { 0.0 }, 1.0, reason);
            trial.close("alpha", got.alpha, one.exp(), tol, place)?;
        }
        trial.close("alpha_bar", got.alpha_bar, log.exp(), tol, place)?;
        let noise_var = 0.0 - log.exp_m1();
        trial.close("one_minus_alpha_bar", got.one_minus_alpha_bar, noise_var, tol, place)?;
        trial.close("signal", got.signal, (0.5 * log).exp(), tol, place)?;
        trial.close("noise_std", got.noise_std, noise_var.sqrt(), tol, place)?;
        trial.close("snr", got.snr, 1.0 / (0.0 - log).exp_m1(), tol, place)?;
        let tol = Tol::new(tol.rel, tol.rel, reason);
        trial.close("log_snr", got.log_snr, log - noise_var.ln(), tol, place)?;
    }
    Ok(trial.evidence())
}

/// A level made from λ = ln SNR has both its parts to full accuracy, and gives λ back.
///
/// ```text
/// ᾱ = e^{λ/2}/(2 cosh(λ/2))        1 − ᾱ = e^{−λ/2}/(2 cosh(λ/2))
/// ```
///
/// Method: the hyperbolic form, symmetric in the two parts, for λ in (−40, 40). Source: Kingma et al. 2021,
/// arXiv:2107.00630, eq. (2), (3).
///
/// ```
/// use alphabar::{Level, check};
///
/// check::schedule::level_of_log_snr(|log_snr| Level::from_log_snr(log_snr).unwrap()).assert();
/// ```
pub fn level_of_log_snr<'f>(f: impl Fn(f64) -> Level + 'f) -> Check<'f> {
    let method = Method::OtherPremises("hyperbolic form, symmetric in the two parts");
    let sentence = "λ = ln SNR gives ᾱ and 1 − ᾱ with a² + σ² = 1, each with all its digits, and comes back";
    Check::new("log_snr_determines_signal_and_noise", sentence, method, move |run| from_log_snr(run, &f))
        .rejects(faults::LOG_SNRS, from_log_snr)
}

fn from_log_snr(run: &Run, f: impl Fn(f64) -> Level) -> Outcome {
    run.over(|[u]| has_both_parts(&f, uniform(u, -40.0, 40.0)))
}

fn has_both_parts(f: impl Fn(f64) -> Level, log_snr: f64) -> Outcome {
    let level = f(log_snr);
    let half = 0.5 * log_snr;
    let place = || format!("ln SNR = {}", short(log_snr));
    let tol = Tol::roundings(3.0 + log_snr.abs(), 1.0, "4 roundings, one more per unit of the exponent");
    let mut trial = Trial::new();
    trial.close("alpha_bar", level.alpha_bar(), half.exp() / (2.0 * half.cosh()), tol, place)?;
    trial.close(
        "one_minus_alpha_bar",
        level.one_minus_alpha_bar(),
        (-half).exp() / (2.0 * half.cosh()),
        tol,
        place,
    )?;
    trial.close(
        "signal² + noise²",
        level.signal().powi(2) + level.noise_std().powi(2),
        1.0,
        Tol::abs(4.0 * EPS, "4 roundings"),
        place,
    )?;
    trial.close(
        "log_snr",
        level.log_snr(),
        log_snr,
        Tol::abs(4.0 * EPS * (1.0 + log_snr.abs()), "4 roundings"),
        place,
    )?;
    Ok(trial.evidence())
}

// ANCHOR: keeps_digits
/// 1 − ᾱ_1 … 1 − ᾱ_T keep all their digits where they are small.
///
/// ```text
/// v ← (1 − β) v + β
/// ```
///
/// Method: the recursion adds positive numbers only, so it loses at most an ε a step, while `1 − Π(1 − β)` loses a factor
/// 1/(1 − ᾱ). Source: Ho et al. 2020, arXiv:2006.11239, eq. (4).
///
/// ```
/// use alphabar::check;
///
/// let mine = |betas: &[f64]| {
///     let mut log = 0.0;
///     betas.iter().map(|beta| { log += (-beta).ln_1p(); -f64::exp_m1(log) }).collect()
/// };
/// check::schedule::keeps_digits(mine).assert();
/// ```
pub fn keeps_digits<'f>(f: impl Fn(&[f64]) -> Vec<f64> + 'f) -> Check<'f> {
    let method = Method::Enumeration("recursion v ← (1 − β) v + β, positive terms only");
    let sentence = "1 − ᾱ has all its digits where it is small";
    Check::new("one_minus_alpha_bar_keeps_its_digits", sentence, method, move |run| kept_digits(run, &f))
        .rejects(faults::NOISES, kept_digits)
}

fn kept_digits(run: &Run, f: impl Fn(&[f64]) -> Vec<f64>) -> Outcome {
    run.over_schedules(|schedule| one_minus_alpha_bar_keeps_digits(&f, schedule.betas().as_slice()))
}

fn one_minus_alpha_bar_keeps_digits(f: impl Fn(&[f64]) -> Vec<f64>, betas: &[f64]) -> Outcome {
    let mut trial = Trial::new();
    let got = f(betas);
    let mut want = 0.0;
    for (i, &beta) in betas.iter().enumerate() {
        want = (1.0 - beta) * want + beta;
        let tol = Tol::roundings(i as f64 + 2.0, 1.0, "1 + t roundings of the recursion");
        let value = got.get(i).copied().unwrap_or(f64::NAN);
        trial.close("one_minus_alpha_bar", value, want, tol, || format!("t = {}", i + 1))?;
    }
    Ok(trial.evidence())
}
// ANCHOR_END: keeps_digits

fn count(trial: &mut Trial, got: &[f64], steps: usize) -> Result<(), super::Mismatch> {
    trial.close("number of betas", got.len() as f64, steps as f64, Tol::exact(), || format!("T = {steps}"))
}

/// The schedules that run between two ends: each gives its βs from T, the first and the last.
#[derive(Clone, Copy, Debug)]
pub struct Curves {
    /// βs on a straight line.
    pub linear: fn(usize, f64, f64) -> Vec<f64>,
    /// βs whose roots are on a straight line.
    pub scaled_linear: fn(usize, f64, f64) -> Vec<f64>,
    /// βs on a logistic curve over (−6, 6).
    pub sigmoid: fn(usize, f64, f64) -> Vec<f64>,
    /// βs that are all the first; the last is not used.
    pub constant: fn(usize, f64, f64) -> Vec<f64>,
}

/// Linear, scaled linear, sigmoid and constant βs are what their names say, both ends counted.
///
/// ```text
/// β = (1 − u) a + u b        √β = (1 − u) √a + u √b        β = a + (b − a)/(1 + e^{−12(u − ½)})        u = (t − 1)/(T − 1)
/// ```
///
/// Method: convex combinations of the ends, no increment; for the logistic curve the hyperbolic tangent of half the
/// argument, about the middle of the range. Source: Ho et al. 2020, arXiv:2006.11239, section 4 (linear); Rombach et al.
/// 2022, arXiv:2112.10752, whose code has the scaled one; Xu et al. 2022, arXiv:2203.02923, whose code has the sigmoid.
///
/// ```
/// use alphabar::{Betas, check, check::schedule::Curves};
///
/// let mine = Curves {
///     linear: |steps, start, end| Betas::linear(steps, start, end).unwrap().as_slice().to_vec(),
///     scaled_linear: |steps, start, end| Betas::scaled_linear(steps, start, end).unwrap().as_slice().to_vec(),
///     sigmoid: |steps, start, end| Betas::sigmoid(steps, start, end).unwrap().as_slice().to_vec(),
///     constant: |steps, beta, _| vec![beta; steps],
/// };
/// check::schedule::between_ends(mine).assert();
/// ```
pub fn between_ends(curves: Curves) -> Check<'static> {
    let method = Method::OtherPremises("convex combinations of the ends, tanh for the logistic curve");
    let sentence = "linear, scaled_linear, sigmoid and constant βs are what their names say, both ends counted";
    Check::new("betas_run_from_start_to_end", sentence, method, move |run| ends(run, curves))
        .rejects(faults::LINEARS, |run, linear| ends(run, Curves { linear, ..RIGHT }))
        .rejects(faults::SCALED_LINEARS, |run, scaled_linear| ends(run, Curves { scaled_linear, ..RIGHT }))
        .rejects(faults::SIGMOIDS, |run, sigmoid| ends(run, Curves { sigmoid, ..RIGHT }))
}

fn ends(run: &Run, f: Curves) -> Outcome {
    let all = |steps: usize, start: f64, end: f64| -> Outcome {
        let sums = [4.0 * EPS * start.max(end), 6.0 * EPS * start.max(end), 4.0 * EPS * (start + end)];
        Ok(interpolates(&(f.linear)(steps, start, end), steps, line(start, end), sums[0])?
            .and(interpolates(&(f.scaled_linear)(steps, start, end), steps, squared_line(start, end), sums[1])?)
            .and(interpolates(&(f.sigmoid)(steps, start, end), steps, logistic(start, end), sums[2])?)
            .and(interpolates(&(f.constant)(steps, start, start), steps, line(start, start), 4.0 * EPS * start)?))
    };
    let reference = all(1000, 1e-4, 0.02)?;
    let random = run.over(|[u, v, w]: [f64; 3]| {
        let start = log_uniform(v, 1e-5, 0.1);
        all(2 + (u * 100.0) as usize, start, uniform(w, start, 0.9))
    })?;
    Ok(reference.and(random))
}

/// The curves as the check has them.
const RIGHT: Curves = Curves {
    linear: |steps, start, end| curve(steps, line(start, end)),
    scaled_linear: |steps, start, end| curve(steps, squared_line(start, end)),
    sigmoid: |steps, start, end| curve(steps, logistic(start, end)),
    constant: |steps, beta, _| vec![beta; steps],
};

/// How far the first end is from the last and how far away the last is, for each time: they sum to 1.
fn fractions(steps: usize) -> impl Iterator<Item = (f64, f64)> {
    let gaps = (steps - 1).max(1) as f64;
    (0..steps).map(move |i| ((gaps - i as f64) / gaps, i as f64 / gaps))
}

fn curve(steps: usize, at: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    fractions(steps).map(|(near, far)| at(near, far)).collect()
}

fn line(start: f64, end: f64) -> impl Fn(f64, f64) -> f64 {
    move |near, far| near * start + far * end
}

fn squared_line(start: f64, end: f64) -> impl Fn(f64, f64) -> f64 {
    move |near, far| near * near * start + far * far * end + 2.0 * near * far * (start * end).sqrt()
}

fn logistic(start: f64, end: f64) -> impl Fn(f64, f64) -> f64 {
    move |near, far| f64::midpoint(start, end) + 0.5 * (end - start) * (3.0 * (far - near)).tanh()
}

fn interpolates(got: &[f64], steps: usize, want: impl Fn(f64, f64) -> f64, allowed: f64) -> Outcome {
    let mut trial = Trial::new();
    count(&mut trial, got, steps)?;
    let tol = Tol::abs(allowed, "4 to 6 roundings of the larger end");
    for (i, (&beta, (near, far))) in got.iter().zip(fractions(steps)).enumerate() {
        trial.close("beta", beta, want(near, far), tol, || format!("T = {steps}, t = {}", i + 1))?;
    }
    Ok(trial.evidence())
}

/// The schedules defined by their ᾱ, the cosine and the one that falls in a straight line, have the βs that multiply back
/// to it.
///
/// ```text
/// ᾱ_t = f(t)/f(0)        f(t) = cos²((t/T + 0.008)/1.008 · π/2)        β ≤ 0.999
/// ᾱ_t = 1 − t/T          β = 1/T, 1/(T − 1) … 1
/// ```
///
/// Both give βs from T. Method: logarithms of 1 − β are summed and compared with ln cos² of the angle (all but the last
/// step, which is clipped); the running product against the line. Source: Nichol, Dhariwal 2021, arXiv:2102.09672,
/// eq. (17); Sohl-Dickstein et al. 2015, arXiv:1503.03585, section 2.4.1.
///
/// ```
/// use alphabar::{Betas, check};
///
/// let cosine = |steps| Betas::cosine(steps).unwrap().as_slice().to_vec();
/// let jsd = |steps| Betas::jsd(steps).unwrap().as_slice().to_vec();
/// check::schedule::cosine_and_jsd(cosine, jsd).points(8).assert();
/// ```
pub fn cosine_and_jsd<'f>(
    cosine: impl Fn(usize) -> Vec<f64> + 'f,
    jsd: impl Fn(usize) -> Vec<f64> + 'f,
) -> Check<'f> {
    let method =
        Method::OtherPremises("logarithms of 1 − β summed, against ln cos²; running product against 1 − t/T");
    let sentence = "the schedules defined by ᾱ (cosine; 1 − t/T) have the βs that multiply back to it";
    Check::new("cosine_and_jsd_betas_give_their_alpha_bar", sentence, method, move |run| {
        lengths(run, |steps| multiply_back(&cosine, &jsd, steps))
    })
    .rejects(faults::COSINES, |run, f| lengths(run, |steps| multiply_back(f, unit_fractions, steps)))
    .rejects(faults::JSDS, |run, f| lengths(run, |steps| falls_in_a_line(f, steps)))
}

fn lengths(run: &Run, claim: impl Fn(usize) -> Outcome) -> Outcome {
    let fixed = [1, 2, 3, 10, 100, 1000, 4000].into_iter();
    let random = run.points::<1>().map(|[u]| 1 + (log_uniform(u, 1.0, 300.0)) as usize);
    fixed.chain(random).try_fold(Evidence::none(), |all, steps| Ok(all.and(claim(steps)?)))
}

fn multiply_back(cosine: impl Fn(usize) -> Vec<f64>, jsd: impl Fn(usize) -> Vec<f64>, steps: usize) -> Outcome {
    Ok(follows_the_cosine(cosine, steps)?.and(falls_in_a_line(jsd, steps)?))
}

fn follows_the_cosine(f: impl Fn(usize) -> Vec<f64>, steps: usize) -> Outcome {
    let got = f(steps);
    let mut trial = Trial::new();
    count(&mut trial, &got, steps)?;
    let angle = |t: usize| (t as f64 + 0.008 * steps as f64) / (1.008 * steps as f64) * FRAC_PI_2;
    let logs = log_alpha_bars(&got);
    let mut rounding = 4.0;
    for t in 1..steps {
        let place = || format!("T = {steps}, t = {t}");
        let beta = got[t - 1];
        trial.at_most("0 below beta", 0.0, beta, Tol::exact(), place)?;
        trial.at_most("beta below its clip", beta, 0.999 - EPS, Tol::exact(), place)?;
        rounding += 2.0 * beta / (1.0 - beta);
        let want = 2.0 * (angle(t).cos().ln() - angle(0).cos().ln());
        let tol = Tol::abs(EPS * (rounding + 10.0 * angle(t).tan()), "roundings of the betas and of the angle");
        trial.close("ln alpha_bar", logs[t], want, tol, place)?;
    }
    trial.close("last beta", got[steps - 1], 0.999, Tol::exact(), || format!("T = {steps}"))?;
    Ok(trial.evidence())
}

fn falls_in_a_line(f: impl Fn(usize) -> Vec<f64>, steps: usize) -> Outcome {
    let got = f(steps);
    let mut trial = Trial::new();
    count(&mut trial, &got, steps)?;
    let (mut kept, mut rounding) = (1.0, 1.0);
    for (i, &beta) in got.iter().enumerate() {
        let left = steps - i - 1;
        kept *= 1.0 - beta;
        rounding += 1.0 + if left > 0 { 0.5 * beta / (1.0 - beta) } else { 0.0 };
        let tol = Tol::roundings(rounding, 0.5, "half an ulp of each beta, difference and product");
        trial.close("alpha_bar", kept, left as f64 / steps as f64, tol, || format!("T = {steps}, t = {}", i + 1))?;
    }
    Ok(trial.evidence())
}

/// The rescaled chain keeps √ᾱ_1, ends in exactly ᾱ_T = 0 and has a √ᾱ that is an affine function of the original one;
/// and at its end x₀ has no value from a predicted ε or score, while v or x₀ give it without division.
///
/// ```text
/// √ᾱ'_t/√ᾱ'_1 = (√ᾱ_t − √ᾱ_T)/(√ᾱ_1 − √ᾱ_T)        v = −x₀ at ᾱ = 0
/// ```
///
/// `betas` gives the new βs from the old ones, `x0` takes (prediction, level, x_t, output) and is `None` where there is no
/// x₀. Method: ratios of differences, each by `expm1` of a sum of logarithms, on chains with T ≥ 2. Source: Lin et al.
/// 2023, arXiv:2305.08891, algorithm 1 and section 3.
///
/// ```
/// use alphabar::{Betas, Schedule, check, prediction::{Prediction, conversion}};
///
/// let betas = |old: &[f64]| {
///     let schedule = Schedule::new(Betas::new(old.to_vec()).unwrap());
///     Betas::zero_terminal_snr(&schedule).unwrap().as_slice().to_vec()
/// };
/// let x0 = |prediction, level, xt: f64, output: f64| {
///     conversion(prediction, Prediction::X0, level).ok().map(|map| map.at(xt, output))
/// };
/// check::schedule::zero_terminal_snr(betas, x0).assert();
/// ```
pub fn zero_terminal_snr<'f>(
    betas: impl Fn(&[f64]) -> Vec<f64> + 'f,
    x0: impl Fn(Prediction, Level, f64, f64) -> Option<f64> + 'f,
) -> Check<'f> {
    let method = Method::OtherPremises("ratios of differences of √ᾱ by expm1 of summed logarithms");
    let sentence = "the rescaled chain keeps √ᾱ_1, ends in exactly ᾱ_T = 0, and from there x₀ has no value from ε";
    Check::new("zero_terminal_snr_ends_in_pure_noise", sentence, method, move |run| {
        Ok(rescaled(run, &betas)?.and(from_noise(run, &x0)?))
    })
    .rejects(faults::RESCALINGS, |run, f| Ok(rescaled(run, f)?.and(from_noise(run, x0_from_noise)?)))
    .rejects(faults::X0_AT_NOISE, from_noise)
}

fn rescaled(run: &Run, f: impl Fn(&[f64]) -> Vec<f64>) -> Outcome {
    run.over_schedules(|schedule| match schedule.len() {
        1 => Ok(Evidence::none()),
        _ => ends_in_noise(&f, schedule.betas().as_slice()),
    })
}

fn ends_in_noise(f: impl Fn(&[f64]) -> Vec<f64>, betas: &[f64]) -> Outcome {
    let got = f(betas);
    let steps = betas.len();
    let mut trial = Trial::new();
    count(&mut trial, &got, steps)?;
    let place = |t: usize| move || format!("t = {t}");
    trial.close("last beta", got[steps - 1], 1.0, Tol::exact(), place(steps))?;
    let (old, new) = (log_alpha_bars(betas), log_alpha_bars(&got));
    let above = |t: usize| (0.5 * (old[t] - old[steps])).exp_m1();
    let tol = Tol::roundings(4.0, 1.0, "2 ulp and the witness's own 2");
    trial.close("signal at t = 1", (0.5 * new[1]).exp(), (0.5 * old[1]).exp(), tol, place(1))?;
    let mut rounding = 4.0;
    for t in 2..steps {
        rounding += got[t - 1] / (1.0 - got[t - 1]);
        let cancelled = (old[t].abs() + old[steps].abs()) * (1.0 + 1.0 / (old[t] - old[steps]));
        let tol = Tol::roundings(rounding + cancelled, 1.0, "roundings of the betas, cancelled logarithms");
        trial.close("signal", (0.5 * (new[t] - new[1])).exp(), above(t) / above(1), tol, place(t))?;
    }
    Ok(trial.evidence())
}

fn from_noise(run: &Run, x0: impl Fn(Prediction, Level, f64, f64) -> Option<f64>) -> Outcome {
    run.over(|[u, v]| x0_at_pure_noise(&x0, uniform(u, -3.0, 3.0), uniform(v, -3.0, 3.0)))
}

fn x0_from_noise(prediction: Prediction, _: Level, _: f64, output: f64) -> Option<f64> {
    match prediction {
        Prediction::V => Some(-output),
        Prediction::X0 => Some(output),
        Prediction::Epsilon | Prediction::Score => None,
    }
}

fn x0_at_pure_noise(f: impl Fn(Prediction, Level, f64, f64) -> Option<f64>, xt: f64, output: f64) -> Outcome {
    let mut trial = Trial::new();
    let place = || format!("xt = {}, output = {}", short(xt), short(output));
    for (prediction, want) in [(Prediction::V, -output), (Prediction::X0, output)] {
        let got = f(prediction, Level::NOISE, xt, output).unwrap_or(f64::NAN);
        trial.close("x0 at pure noise", got, want, Tol::exact(), place)?;
    }
    for prediction in [Prediction::Epsilon, Prediction::Score] {
        let answers = f64::from(u8::from(f(prediction, Level::NOISE, xt, output).is_some()));
        trial.close("answers for x0 at pure noise", answers, 0.0, Tol::exact(), place)?;
    }
    Ok(trial.evidence())
}

/// The relative entropy of x_t given x₀ from standard noise is the mean of ln q − ln p under q.
///
/// ```text
/// KL(N(√ᾱ x₀, 1 − ᾱ) ‖ N(0, 1)) = ½(ᾱ x₀² − ᾱ − ln(1 − ᾱ))
/// ```
///
/// `f(level, x₀)`, ln SNR in (−24, 12). Method: the trapezoidal rule on the two log densities (spectrally exact for a
/// Gaussian weight), no closed form. Source: the first term of Ho et al. 2020, arXiv:2006.11239, eq. (5).
///
/// ```
/// use alphabar::check;
///
/// check::schedule::prior_kl(|level, x0| level.prior_kl(x0)).assert();
/// ```
pub fn prior_kl<'f>(f: impl Fn(Level, f64) -> f64 + 'f) -> Check<'f> {
    let method = Method::Numerical("trapezoidal rule on the two log densities");
    let sentence =
        "the KL of x_T given x₀ to standard noise is ½(ᾱx₀² − ᾱ − ln(1 − ᾱ)); small, never 0 unless ᾱ_T is";
    Check::new("prior_kl_equals_quadrature", sentence, method, move |run| prior(run, &f))
        .rejects(faults::PRIOR_KLS, prior)
}

fn prior(run: &Run, f: impl Fn(Level, f64) -> f64) -> Outcome {
    run.over(|[u, v]: [f64; 2]| {
        let level = Level::from_log_snr(uniform(u, -24.0, 12.0)).expect("a number");
        is_the_mean_log_ratio(&f, level, uniform(v, -3.0, 3.0))
    })
}

fn is_the_mean_log_ratio(f: impl Fn(Level, f64) -> f64, level: Level, x0: f64) -> Outcome {
    let want = prior_kl_by_quadrature(level, x0);
    let scale = 1.0 + level.one_minus_alpha_bar().ln().abs() + x0 * x0;
    let tol = Tol::abs(8.0 * EPS * scale, "8 roundings of the log densities");
    let mut trial = Trial::new();
    let place = || format!("alpha_bar = {}, x0 = {}", short(level.alpha_bar()), short(x0));
    trial.close("prior KL", f(level, x0), want, tol, place)?;
    Ok(trial.evidence())
}

fn prior_kl_by_quadrature(level: Level, x0: f64) -> f64 {
    let (mean, std) = (level.alpha_bar().sqrt() * x0, level.one_minus_alpha_bar().sqrt());
    let width = 0.5;
    let term = |k: i32| {
        let z = width * f64::from(k);
        let y = mean + std * z;
        let weight = width / (2.0 * PI).sqrt() * (-0.5 * z * z).exp();
        weight * (0.5 * (y * y - z * z) - std.ln())
    };
    (1..=24).map(|k| term(k) + term(-k)).sum::<f64>() + term(0)
}

/// ᾱ_T vanishes only where the sum of the βs diverges: with fixed ends ln ᾱ_T falls in proportion to T; with β_t = c²/t²,
/// whose sum is finite, ᾱ_T stays above Euler's product, however large T.
///
/// ```text
/// Σ ln(1 − β_t) for equally spaced βs        Π (1 − c²/t²) = sin(πc)/(πc)
/// ```
///
/// `f` gives ln ᾱ_T from the βs. Method: Euler–Maclaurin with the antiderivative of ln(1 − β), neither a sum nor a product
/// of T terms; the sine product with the tail beyond T summed by Euler–Maclaurin. Source: Euler's product for the sine.
///
/// ```
/// use alphabar::check;
///
/// check::schedule::vanishing(|betas| betas.iter().map(|beta| (-beta).ln_1p()).sum()).assert();
/// ```
pub fn vanishing<'f>(f: impl Fn(&[f64]) -> f64 + 'f) -> Check<'f> {
    let method = Method::OtherPremises("Euler–Maclaurin; Euler's sine product");
    let sentence =
        "with fixed ends ln ᾱ_T falls in proportion to T; with β_t = c²/t² it converges to ln sin(πc)/(πc)";
    Check::new("alpha_bar_vanishes_only_with_a_divergent_sum_of_betas", sentence, method, move |run| limit(run, &f))
        .rejects(faults::LIMITS, limit)
}

fn limit(run: &Run, f: impl Fn(&[f64]) -> f64) -> Outcome {
    let linear = [100, 1000, 10_000].into_iter().try_fold(Evidence::none(), |all, steps| {
        Ok(all.and(log_alpha_bar_of_linear(&f, &curve(steps, line(1e-4, 0.02)))?))
    })?;
    let squares = run.over(|[u, v]: [f64; 2]| {
        let steps = log_uniform(u, 20.0, 3000.0) as usize;
        log_alpha_bar_of_inverse_squares(&f, log_uniform(v, 1e-3, 0.5), steps)
    })?;
    Ok(linear.and(squares))
}

fn log_alpha_bar_of_linear(f: impl Fn(&[f64]) -> f64, betas: &[f64]) -> Outcome {
    let (start, end) = (betas[0], betas[betas.len() - 1]);
    let want = log_alpha_bar_by_euler_maclaurin(betas.len(), start, end);
    let mut trial = Trial::new();
    let tol = Tol::rel(1e-13, "end points of the antiderivative cancel to 1e-14, remainder below");
    trial.close("ln alpha_bar", f(betas), want, tol, || format!("T = {}", betas.len()))?;
    Ok(trial.evidence())
}

fn log_alpha_bar_by_euler_maclaurin(steps: usize, start: f64, end: f64) -> f64 {
    let h = (end - start) / (steps as f64 - 1.0);
    // ∫ ln(1 − x) from 0 to x is −x²/2 − x³/6 − x⁴/12 …, added from the small end.
    let area = |x: f64| -> f64 { (2..40).rev().map(|k| -x.powi(k) / f64::from(k * (k - 1))).sum() };
    let difference = |g: &dyn Fn(f64) -> f64| g(end) - g(start);
    difference(&area) / h + 0.5 * ((-start).ln_1p() + (-end).ln_1p()) + h / 12.0 * difference(&|x| -1.0 / (1.0 - x))
        - h.powi(3) / 720.0 * difference(&|x| -2.0 / (1.0 - x).powi(3))
}

fn log_alpha_bar_of_inverse_squares(f: impl Fn(&[f64]) -> f64, c_squared: f64, steps: usize) -> Outcome {
    let betas: Vec<f64> = (1..=steps).map(|t| c_squared / (t * t) as f64).collect();
    let angle = PI * c_squared.sqrt();
    let n = steps as f64;
    let tail =
        c_squared * (1.0 / n - 0.5 / (n * n) + 1.0 / (6.0 * n.powi(3))) + c_squared.powi(2) / (6.0 * n.powi(3));
    let want = (angle.sin() / angle).ln() + tail;
    let mut trial = Trial::new();
    let tol =
        Tol::abs(4.0 * EPS + c_squared / n.powi(4), "2 roundings of the sine's logarithm, remainder of the tail");
    trial.close("ln alpha_bar", f(&betas), want, tol, || format!("c² = {}, T = {steps}", short(c_squared)))?;
    Ok(trial.evidence())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A wrong curve is tried beside these.
    #[test]
    fn the_right_curves_hold() {
        between_ends(RIGHT).assert();
        lengths(&Run::default(), |steps| falls_in_a_line(unit_fractions, steps)).unwrap();
        from_noise(&Run::default(), x0_from_noise).unwrap();
    }
}
