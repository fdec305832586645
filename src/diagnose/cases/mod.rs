//! Beyond tables: inputs for one step of somebody's code, and a judgement of its answers.
//!
//! A case is a formula at 64 points of the linear schedule of T = 1000. Whoever wants to test code in another
//! language reads the inputs, computes the outputs with it, and hands them back. In Rust it is one call:
//!
//! ```
//! use alphabar::diagnose::cases::Case;
//!
//! // Somebody's DDIM step, with the noise of t where that of t − 1 was meant.
//! let report = Case::find("ddim").unwrap().check(|p| {
//!     let x0 = (p["xt"] - (1.0 - p["alpha_bar"]).sqrt() * p["pred"]) / p["alpha_bar"].sqrt();
//!     [p["alpha_bar_prev"].sqrt() * x0 + (1.0 - p["alpha_bar"]).sqrt() * p["pred"]]
//! });
//! assert!(!report.is_right());
//! assert!(report.to_string().contains("√(1 − ᾱ_t) where √(1 − ᾱ_{t−1}) was meant"));
//! ```

mod catalogue;
mod point;

use std::ops::Index;

pub use catalogue::CASES;
use point::{Point, points};

use super::report::{Finding, Place, Verdict};
use super::{Numbers, Report};
use crate::check::Fault;

type Answer = fn(&Point) -> f64;

/// One output of a case: its accepted readings and its known faults.
struct Output {
    name: &'static str,
    right: &'static [(&'static str, Answer)],
    faults: &'static [(Fault, Answer)],
}

/// A formula to be tested.
pub struct Case {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What has to be computed, in a sentence.
    pub asks: &'static str,
    inputs: &'static [&'static str],
    outputs: &'static [Output],
}

impl Case {
    /// The case of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        CASES.iter().find(|case| case.name == name)
    }

    /// Names of the arrays that answers must hold.
    pub fn outputs(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.outputs.iter().map(|output| output.name)
    }

    /// The known faults of all its outputs.
    ///
    /// ```
    /// let case = alphabar::diagnose::cases::Case::find("posterior").unwrap();
    /// assert!(case.faults().any(|fault| fault.name == "beta_for_beta_tilde"));
    /// ```
    pub fn faults(&self) -> impl Iterator<Item = Fault> + '_ {
        self.outputs.iter().flat_map(|output| output.faults.iter().map(|(fault, _)| *fault))
    }

    /// The inputs by name, one entry a point.
    #[must_use]
    pub fn inputs(&self) -> Vec<(&'static str, Vec<f64>)> {
        let points = points();
        self.inputs.iter().map(|&name| (name, points.iter().map(|point| point.input(name)).collect())).collect()
    }

    /// Runs somebody's code at every point and judges what it answers.
    ///
    /// `f` finds its inputs by name (`p["alpha_bar"]`) and answers in the order of [`Case::outputs`].
    ///
    /// # Panics
    /// If `f` asks for an input that the case does not have, or gives another number of answers than it asks for.
    #[must_use]
    pub fn check<const N: usize>(&self, f: impl Fn(&Inputs) -> [f64; N]) -> Report {
        let asked = self.outputs.len();
        assert!(
            N == asked,
            "the case {:?} asks for {asked} answers: {:?}",
            self.name,
            self.outputs().collect::<Vec<_>>()
        );
        let answer = |point: &Point| f(&Inputs(self.inputs.iter().map(|&name| (name, point.input(name))).collect()));
        let rows: Vec<[f64; N]> = points().iter().map(answer).collect();
        let column = |(k, name)| Numbers::f64(name, rows.iter().map(|row| row[k]).collect());
        self.judge(&self.outputs().enumerate().map(column).collect::<Vec<_>>())
    }

    /// Judges answers.
    #[must_use]
    pub fn judge(&self, answers: &[Numbers]) -> Report {
        let points = points();
        let mut report = Report { findings: Vec::new(), notes: Vec::new() };
        for output in self.outputs {
            match answers.iter().find(|numbers| numbers.name == output.name) {
                Some(numbers) => report.findings.push(output.judge(numbers, &points)),
                None => {
                    let missing =
                        Numbers { name: output.name.into(), values: Vec::new(), precision: super::Precision::F64 };
                    report.findings.push(Finding::new(&missing, "", Verdict::Undecided));
                    report.notes.push(format!("the answers hold no array {:?}", output.name));
                }
            }
        }
        report
    }
}

/// The inputs of a case at one point, by name.
pub struct Inputs(Vec<(&'static str, f64)>);

impl Index<&str> for Inputs {
    type Output = f64;

    /// # Panics
    /// If the case has no input of that name.
    fn index(&self, name: &str) -> &f64 {
        let known = || self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| panic!("the case has no input {name:?}; it has {:?}", known()), |(_, value)| value)
    }
}

impl Output {
    fn judge(&self, numbers: &Numbers, points: &[Point]) -> Finding {
        let mut finding = Finding::new(numbers, "", Verdict::Right);
        if numbers.values.len() != points.len() {
            finding.verdict = Verdict::Wrong;
            let (found, wanted) = (numbers.values.len(), points.len());
            finding.remarks.push(format!("{found} answers where {wanted} were asked for"));
            return finding;
        }
        if let Some((convention, _)) = self.right.iter().find(|(_, f)| fits(*f, numbers, points)) {
            if !convention.is_empty() {
                finding.remarks.push(format!("convention: {convention}"));
            }
            return finding;
        }
        finding.verdict = Verdict::Wrong;
        let (_, right) = self.right[0];
        let tolerance = tolerance(numbers);
        for (index, (point, &got)) in points.iter().zip(&numbers.values).enumerate() {
            let want = right(point);
            if (got - want).abs() <= tolerance * magnitude(point, want) {
                continue;
            }
            let place = Place { index, got, want };
            finding.off += 1;
            finding.first = finding.first.or(Some(place));
            let worse = |w: Place| (got - want).abs() > (w.got - w.want).abs() || got.is_nan();
            if finding.worst.is_none_or(worse) {
                finding.worst = Some(place);
            }
        }
        finding.faults.extend(self.faults.iter().find(|(_, f)| fits(*f, numbers, points)).map(|(fault, _)| *fault));
        finding
    }
}

fn fits(f: Answer, numbers: &Numbers, points: &[Point]) -> bool {
    let tolerance = tolerance(numbers);
    points.iter().zip(&numbers.values).all(|(point, &got)| {
        let want = f(point);
        (got - want).abs() <= tolerance * magnitude(point, want)
            || (got.is_nan() && want.is_nan())
            || (got.is_infinite() && want.is_infinite())
    })
}

/// Rounding of a dozen operations on numbers that were rounded themselves: 1 − ᾱ loses up to 13 bits at t = 1.
fn tolerance(numbers: &Numbers) -> f64 {
    numbers.precision.unit_roundoff() * 2f64.powi(14)
}

/// The size of the terms that the answer is a sum of.
fn magnitude(point: &Point, want: f64) -> f64 {
    let level = point.level();
    let amplified = (point.xt().abs() + point.out.abs()) * 1e-2 / level.signal().max(1e-2);
    want.abs() + amplified.min(1.0) * 1e-2
}

#[cfg(test)]
mod tests {
    use super::{CASES, points};
    use crate::diagnose::{Numbers, Precision};

    fn numbers(name: &str, values: Vec<f64>) -> Numbers {
        Numbers { name: name.into(), values, precision: Precision::F64 }
    }

    #[test]
    fn right_answers_are_right_and_every_fault_is_named() {
        let points = points();
        for case in CASES {
            for output in case.outputs {
                for (_, right) in output.right {
                    let finding = output.judge(&numbers(output.name, points.iter().map(right).collect()), &points);
                    assert_eq!(finding.verdict, crate::diagnose::Verdict::Right, "{}: {finding}", case.name);
                }
                for (fault, wrong) in output.faults {
                    let finding = output.judge(&numbers(output.name, points.iter().map(wrong).collect()), &points);
                    assert_eq!(finding.verdict, crate::diagnose::Verdict::Wrong, "{}: {}", case.name, fault.name);
                    let found = finding.faults.first().map(|found| found.name);
                    assert_eq!(found, Some(fault.name), "{}: {finding}", case.name);
                }
            }
        }
    }

    #[test]
    fn inputs_are_finite_and_named() {
        for case in CASES {
            for (name, values) in case.inputs() {
                assert!(values.iter().all(|v| v.is_finite()), "{} {name}", case.name);
            }
        }
    }
}
