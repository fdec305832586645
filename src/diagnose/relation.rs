//! If no known fault fits: what relation do the numbers satisfy?

use super::faults::Chain;
use super::recognise::{recognise, tolerance};
use super::{Numbers, Precision};
use crate::schedule::{Betas, Schedule};
use crate::table::{Quantity, Table};

/// Sentences on how `got` relates to `right`; at least one.
pub(crate) fn describe(
    got: &[f64],
    right: &[f64],
    array: Quantity,
    chain: Option<&Chain>,
    precision: Precision,
) -> Vec<String> {
    let tol = tolerance(precision);
    if got.len() != right.len() {
        return other_schedule(got, array, precision).into_iter().chain(lengths(got, right, tol)).collect();
    }
    if let Some(count) = Some(got.iter().filter(|v| !v.is_finite()).count()).filter(|&n| n > 0) {
        return vec![format!("{count} entries are NaN or infinite")];
    }
    let sentences = [
        swapped(got, array, chain, tol),
        shifted(got, right, tol),
        constant(got, right, tol, |g, r| g / r)
            .filter(|&k| !close(k, 1.0, tol))
            .map(|k| format!("every entry is {k:.6} times what it should be")),
        constant(got, right, tol, |g, r| g - r).map(|k| format!("every entry is what it should be plus {k:.6e}")),
        power(got, right, tol),
        same(got, right, tol, |r| 1.0 - r).then(|| "every entry is 1 minus what it should be".into()),
        same(got, right, tol, |r| -r).then(|| "the sign of every entry is wrong".into()),
        logarithm(got, right, tol),
        reversed(got, right, tol).then(|| "the table is reversed in time".into()),
        cumulative(got, right, tol).then(|| "the table is the cumulative sum of what it should be".into()),
        other_schedule(got, array, precision),
        respaced(got, array, chain),
        digits(got, right),
        decimals(got),
    ];
    let found: Vec<String> = sentences.into_iter().flatten().take(1).collect();
    if found.is_empty() { vec!["no known fault and no simple relation to the right table".into()] } else { found }
}

fn close(a: f64, b: f64, tol: f64) -> bool {
    (a - b).abs() <= tol * (b.abs() + 1e-9)
}

fn same(got: &[f64], right: &[f64], tol: f64, f: impl Fn(f64) -> f64) -> bool {
    got.iter().zip(right).all(|(&g, &r)| close(g, f(r), tol))
}

/// The value of `f(got, right)` if it is the same at every index.
fn constant(got: &[f64], right: &[f64], tol: f64, f: impl Fn(f64, f64) -> f64) -> Option<f64> {
    let values: Vec<f64> = got.iter().zip(right).map(|(&g, &r)| f(g, r)).filter(|v| v.is_finite()).collect();
    let middle = *values.get(values.len() / 2)?;
    (values.len() * 10 >= got.len() * 9 && values.iter().all(|&v| close(v, middle, tol))).then_some(middle)
}

fn power(got: &[f64], right: &[f64], tol: f64) -> Option<String> {
    let exponent = constant(got, right, tol.max(1e-7), |g, r| g.ln() / r.ln())?;
    let words = match exponent {
        e if close(e, 1.0, 1e-5) => return None,
        e if close(e, -1.0, 1e-6) => "every entry is the reciprocal of what it should be".to_owned(),
        e if close(e, 0.5, 1e-6) => "every entry is the square root of what it should be".to_owned(),
        e if close(e, 2.0, 1e-6) => "every entry is the square of what it should be".to_owned(),
        e => format!("every entry is what it should be to the power {e:.4}"),
    };
    Some(words)
}

fn logarithm(got: &[f64], right: &[f64], tol: f64) -> Option<String> {
    let ratio = constant(got, right, tol, |g, r| g / r.ln())?;
    let base = (1.0 / ratio).exp();
    let what = match ratio * std::f64::consts::LN_10 {
        _ if close(ratio, 1.0, 1e-6) => "the natural logarithm".to_owned(),
        tens if close(tens, 1.0, 1e-6) => "the logarithm to base 10".to_owned(),
        tens if close(tens, 10.0, 1e-6) => "in decibels, 10 log₁₀,".to_owned(),
        _ => format!("the logarithm to base {base:.4}"),
    };
    Some(format!("every entry is {what} of what it should be"))
}

fn shifted(got: &[f64], right: &[f64], tol: f64) -> Option<String> {
    let n = got.len();
    for by in 1..=3.min(n.saturating_sub(2)) {
        if (by..n).all(|i| close(got[i], right[i - by], tol)) {
            return Some(format!("the table is shifted by {by}: entry t holds what belongs to t − {by}"));
        }
        if (by..n).all(|i| close(got[i - by], right[i], tol)) {
            return Some(format!("the table is shifted by {by}: entry t holds what belongs to t + {by}"));
        }
    }
    None
}

fn reversed(got: &[f64], right: &[f64], tol: f64) -> bool {
    got.iter().zip(right.iter().rev()).all(|(&g, &r)| close(g, r, tol))
}

fn cumulative(got: &[f64], right: &[f64], tol: f64) -> bool {
    let mut sum = 0.0;
    got.iter().zip(right).all(|(&g, &r)| {
        sum += r;
        close(g, sum, tol)
    })
}

/// Holds the values of another array of the same chain.
fn swapped(got: &[f64], array: Quantity, chain: Option<&Chain>, tol: f64) -> Option<String> {
    let schedule = Schedule::new(Betas::new(chain?.beta.clone()).ok()?);
    let table = Table::new(&schedule);
    let other = Table::COLUMNS
        .into_iter()
        .find(|&column| column != array && got.iter().zip(table.column(column)).all(|(&g, &r)| close(g, r, tol)))?;
    Some(format!("these are the values of {}: the arrays were swapped or misnamed", other.name()))
}

fn other_schedule(got: &[f64], array: Quantity, precision: Precision) -> Option<String> {
    let numbers = Numbers { name: String::new(), values: got.to_vec(), precision };
    let found = recognise(array, &numbers)?;
    Some(format!("these belong to another schedule: {found}"))
}

/// Where the entries too many or too few are.
fn lengths(got: &[f64], right: &[f64], tol: f64) -> Option<String> {
    let words = match (got, right) {
        ([_, rest @ ..], _) if same(rest, right, tol, |r| r) && rest.len() == right.len() => {
            "one too many at the front: the first is t = 0, and tables start at t = 1"
        }
        ([rest @ .., _], _) if same(rest, right, tol, |r| r) && rest.len() == right.len() => {
            "one too many at the end; the others are right"
        }
        (_, [_, rest @ ..]) if same(got, rest, tol, |r| r) && got.len() == rest.len() => {
            "the first is missing: the table starts at t = 2"
        }
        (_, [rest @ .., _]) if same(got, rest, tol, |r| r) && got.len() == rest.len() => "the last is missing",
        _ => return None,
    };
    Some(words.into())
}

/// ᾱ of a longer chain beside the βs of kept steps, or the other way round.
fn respaced(got: &[f64], array: Quantity, chain: Option<&Chain>) -> Option<String> {
    let chain = chain.filter(|_| array == Quantity::AlphaBar && got.len() > 2)?;
    let falls = |pair: &[f64]| pair[1] > 0.0 && pair[1] < pair[0] && pair[0] <= 1.0;
    if !got.windows(2).all(falls) {
        return None;
    }
    let drops = got.windows(2).map(|pair| (pair[1] / pair[0]).ln());
    let ratios: Vec<f64> = drops.zip(&chain.beta[1..]).map(|(drop, beta)| drop / (-beta).ln_1p()).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    (least > 1.3).then(|| {
        let times = (got[got.len() - 1].ln() / chain.bar[got.len() - 1].ln()).round();
        format!(
            "ᾱ falls some {times} times as fast as these betas have it: betas of a full chain on a shortened list; \
             between kept times s < t, β is 1 − ᾱ_t/ᾱ_s"
        )
    })
}

/// Numbers that were rounded to a few decimals.
fn decimals(got: &[f64]) -> Option<String> {
    let rounded = |k: i32| {
        got.iter().all(|g| (g * 10f64.powi(k)).fract().abs().min(1.0 - (g * 10f64.powi(k)).fract().abs()) < 1e-6)
    };
    let k = (1..=5).find(|&k| rounded(k))?;
    Some(format!("every entry is rounded to {k} decimals, too few for a table"))
}

fn digits(got: &[f64], right: &[f64]) -> Option<String> {
    let off = |(&g, &r): (&f64, &f64)| ((g - r) / r).abs();
    let most = got.iter().zip(right).filter(|(_, r)| **r != 0.0).map(off).fold(0.0, f64::max);
    (most < 1e-2).then(|| {
        let digits = (-most.log10()).floor();
        format!(
            "agrees to about {digits:.0} digits everywhere: computed in a lower precision, or printed with few digits"
        )
    })
}
