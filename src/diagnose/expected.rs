//! What each array should hold, and how far rounding may have moved it.

use super::bounded::Bounded;
use super::{Basis, Definition, Precision};
use crate::table::{Quantity, Table};

/// One accepted reading of an array.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// Its name, where the field has several for one array.
    pub convention: Convention,
    /// The best doubles.
    pub best: Vec<f64>,
    /// How far the ordinary formula in the array's precision may lie from them.
    pub bound: Vec<f64>,
}

/// Conventions that published code follows for one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Convention {
    /// There is only one.
    Only,
    /// ln β̃ with the first entry copied from the second.
    LogVarianceCopiesSecond,
    /// ln max(β̃, 10⁻²⁰).
    LogVarianceFloor,
    /// β̃ with the first entry raised to 10⁻²⁰.
    VarianceFloor,
    /// w = 1: the simple loss.
    WeightOne,
    /// w = SNR: the x₀ loss in ε weighting.
    WeightSnr,
    /// w = SNR/(SNR + 1): the v loss in ε weighting.
    WeightSnrOverSnrPlusOne,
    /// w = min(SNR, 5)/SNR: min-SNR-5 for ε.
    WeightMinSnrEpsilon,
    /// w = min(SNR, 5): min-SNR-5 for x₀.
    WeightMinSnrX0,
    /// w = min(SNR, 5)/(SNR + 1): min-SNR-5 for v.
    WeightMinSnrV,
    /// β²/(2σ²α(1 − ᾱ)) at σ² = β.
    WeightBoundBeta,
    /// β²/(2σ²α(1 − ᾱ)) at σ² = β̃, the first entry copied from the second or infinite.
    WeightBoundBetaTilde,
    /// σ in falling order with a final 0, as samplers hold it.
    SigmasForSampling,
    /// ᾱ_T = 2⁻²⁴ where a rescaled chain ends in 0.
    TerminalFloor,
}

impl Convention {
    /// A few words for reports; empty where there is only one.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Only => "",
            Self::LogVarianceCopiesSecond => "first entry copied from the second",
            Self::LogVarianceFloor => "first entry ln 1e-20",
            Self::VarianceFloor => "first entry 1e-20",
            Self::WeightOne => "w = 1, the simple loss",
            Self::WeightSnr => "w = SNR",
            Self::WeightSnrOverSnrPlusOne => "w = SNR/(SNR + 1)",
            Self::WeightMinSnrEpsilon => "min-SNR-5 for ε",
            Self::WeightMinSnrX0 => "min-SNR-5 for x₀",
            Self::WeightMinSnrV => "min-SNR-5 for v",
            Self::WeightBoundBeta => "weight of the bound at σ² = β",
            Self::WeightBoundBetaTilde => "weight of the bound at σ² = β̃",
            Self::SigmasForSampling => "falling, with a final 0",
            Self::TerminalFloor => "last ᾱ 2⁻²⁴ where the chain ends in 0",
        }
    }
}

/// How somebody's numbers came about: each operation rounded in one precision, the results stored in another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arithmetic {
    computed: f64,
    stored: f64,
    /// Half the smallest positive number of the storage.
    least: f64,
}

impl Arithmetic {
    /// Computed in the precision it is stored in, but in f32 where that is narrower.
    pub(crate) fn stored_in(precision: Precision) -> Self {
        Self { computed: precision.max(Precision::F32).unit_roundoff(), ..Self::throughout(precision) }
    }

    /// Computed in the precision it is stored in.
    pub(crate) fn throughout(precision: Precision) -> Self {
        let least = match precision {
            Precision::BF16 => 2f64.powi(-134),
            Precision::F16 => 2f64.powi(-25),
            Precision::F32 => 2f64.powi(-150),
            Precision::F64 => 0.0,
        };
        Self { computed: precision.unit_roundoff(), stored: precision.unit_roundoff(), least }
    }

    fn bound(self, value: Bounded) -> f64 {
        2.0 * value.e + 2.0 * self.stored * value.v.abs() + self.least
    }
}

/// The βs of what was meant, computed from the definition.
pub(crate) fn definition(meant: &Definition, precision: Precision) -> Expected {
    let best = meant.values();
    let Arithmetic { computed, stored, least } = Arithmetic::stored_in(precision);
    let errors = meant.errors(computed);
    let bound = errors.iter().zip(&best).map(|(error, beta)| error + 2.0 * stored * beta + least).collect();
    Expected { convention: Convention::Only, best, bound }
}

/// Every accepted reading of an array from the βs in hand.
pub(crate) fn readings(array: Quantity, basis: &Basis, arithmetic: Arithmetic) -> Vec<Expected> {
    let u = arithmetic.stored;
    let steps = basis.chain.steps();
    let table = basis.schedule.as_ref().map(Table::new);
    let rows = rows(basis, arithmetic);
    let column = |column: Quantity, bounded: fn(&Row) -> Bounded| {
        let bound = rows.iter().map(|row| arithmetic.bound(bounded(row))).collect();
        let best = match &table {
            Some(table) => table.column(column).to_vec(),
            None => rows.iter().map(|row| bounded(row).v).collect(),
        };
        Expected { convention: Convention::Only, best, bound }
    };
    let derived = |f: fn(&Row) -> Bounded, convention: Convention| {
        let bound = rows.iter().map(|row| arithmetic.bound(f(row))).collect();
        Expected { convention, best: rows.iter().map(|row| f(row).v).collect(), bound }
    };
    match array {
        Quantity::Beta => vec![column(Quantity::Beta, |r| r.beta)],
        Quantity::Alpha => vec![column(Quantity::Alpha, |r| r.alpha)],
        Quantity::SqrtAlpha => vec![column(Quantity::SqrtAlpha, |r| r.alpha.sqrt())],
        Quantity::OneMinusAlphaBar => vec![column(Quantity::OneMinusAlphaBar, |r| r.bar.one_minus())],
        Quantity::LogBetaTilde => vec![column(Quantity::LogBetaTilde, |r| r.beta_tilde().ln())],
        Quantity::LossWeightBeta => vec![derived(Row::weight_beta, Convention::Only)],
        Quantity::LossWeightBetaTilde => vec![derived(Row::weight_beta_tilde, Convention::Only)],
        Quantity::AlphaBar => {
            let plain = column(Quantity::AlphaBar, |r| r.bar);
            let floor = terminal_floor(&plain, 0.0, TERMINAL_ALPHA_BAR);
            std::iter::once(plain).chain(floor).collect()
        }
        Quantity::AlphaBarPrev => vec![derived(|r| r.before, Convention::Only)],
        Quantity::SqrtAlphaBar => vec![column(Quantity::SqrtAlphaBar, |r| r.bar.sqrt())],
        Quantity::SqrtOneMinusAlphaBar => vec![column(Quantity::SqrtOneMinusAlphaBar, |r| r.bar.one_minus().sqrt())],
        Quantity::LogOneMinusAlphaBar => vec![derived(|r| r.bar.one_minus().ln(), Convention::Only)],
        Quantity::SqrtRecipAlphaBar => vec![derived(|r| r.bar.recip().sqrt(), Convention::Only)],
        Quantity::SqrtRecipM1AlphaBar => vec![derived(|r| r.bar.recip().minus(1.0).sqrt(), Convention::Only)],
        Quantity::BetaTilde => {
            let plain = column(Quantity::BetaTilde, Row::beta_tilde);
            let mut floor = Expected { convention: Convention::VarianceFloor, ..plain.clone() };
            floor.best[0] = 1e-20;
            floor.bound[0] = 1e-26;
            vec![plain, floor]
        }
        Quantity::LogBetaTildeClipped => {
            let log = column(Quantity::LogBetaTilde, |r| r.beta_tilde().ln());
            let mut copied = Expected { convention: Convention::LogVarianceCopiesSecond, ..log.clone() };
            let second = 1.min(steps - 1);
            (copied.best[0], copied.bound[0]) = (log.best[second], log.bound[second]);
            let mut floor = Expected { convention: Convention::LogVarianceFloor, ..log };
            floor.best[0] = 1e-20f64.ln();
            floor.bound[0] = 100.0 * u;
            vec![copied, floor]
        }
        Quantity::MeanX0 => vec![column(Quantity::MeanX0, |r| r.beta * r.before.sqrt() / r.bar.one_minus())],
        Quantity::MeanXt => {
            vec![column(Quantity::MeanXt, |r| r.before.one_minus() * r.alpha.sqrt() / r.bar.one_minus())]
        }
        Quantity::Snr => vec![column(Quantity::Snr, |r| r.bar / r.bar.one_minus())],
        Quantity::LogSnr => vec![derived(Row::log_snr, Convention::Only)],
        Quantity::HalfLogSnr => vec![derived(|r| r.log_snr().times(0.5), Convention::Only)],
        Quantity::LossWeight => weights(&derived, steps),
        Quantity::Sigma => {
            let plain = derived(|r| (r.bar.one_minus() / r.bar).sqrt(), Convention::Only);
            let fall = |v: &[f64], last| v.iter().rev().copied().chain([last]).collect();
            let falling = Expected {
                convention: Convention::SigmasForSampling,
                best: fall(&plain.best, 0.0),
                bound: fall(&plain.bound, 0.0),
            };
            let floor = terminal_floor(&plain, f64::INFINITY, (1.0 / TERMINAL_ALPHA_BAR - 1.0).sqrt());
            [plain, falling].into_iter().chain(floor).collect()
        }
    }
}

/// What several schedulers of diffusers put for ᾱ_T = 0, so that σ_T is finite.
const TERMINAL_ALPHA_BAR: f64 = 1.0 / 16_777_216.0;

/// The reading with another last entry, where that is the limit at ᾱ = 0.
#[expect(clippy::float_cmp, reason = "limits are exact")]
fn terminal_floor(plain: &Expected, limit: f64, value: f64) -> Option<Expected> {
    let last = plain.best.len().checked_sub(1).filter(|&last| plain.best[last] == limit)?;
    let mut floor = Expected { convention: Convention::TerminalFloor, ..plain.clone() };
    (floor.best[last], floor.bound[last]) = (value, 1e-3 * value);
    Some(floor)
}

fn weights(derived: &dyn Fn(fn(&Row) -> Bounded, Convention) -> Expected, steps: usize) -> Vec<Expected> {
    use Convention as C;
    let mut all = vec![
        derived(|r| r.alpha.times(0.0) + r.one(), C::WeightOne),
        derived(Row::snr, C::WeightSnr),
        derived(|r| r.snr() / (r.snr() + r.one()), C::WeightSnrOverSnrPlusOne),
        derived(|r| r.capped_snr() / r.snr(), C::WeightMinSnrEpsilon),
        derived(Row::capped_snr, C::WeightMinSnrX0),
        derived(|r| r.capped_snr() / (r.snr() + r.one()), C::WeightMinSnrV),
        derived(Row::weight_beta, C::WeightBoundBeta),
    ];
    let tilde = derived(Row::weight_beta_tilde, C::WeightBoundBetaTilde);
    let mut copied = tilde.clone();
    let second = 1.min(steps - 1);
    (copied.best[0], copied.bound[0]) = (tilde.best[second], tilde.bound[second]);
    all.extend([tilde, copied]);
    all
}

/// One index of the chain with rounding errors attached.
pub(crate) struct Row {
    beta: Bounded,
    alpha: Bounded,
    bar: Bounded,
    before: Bounded,
}

impl Row {
    fn beta_tilde(&self) -> Bounded {
        self.beta * self.before.one_minus() / self.bar.one_minus()
    }

    fn snr(&self) -> Bounded {
        self.bar / self.bar.one_minus()
    }

    /// As a difference of logarithms, which rounds more than the logarithm of the ratio.
    fn log_snr(&self) -> Bounded {
        self.bar.ln() - self.bar.one_minus().ln()
    }

    fn weight_beta(&self) -> Bounded {
        self.beta / (self.alpha * self.bar.one_minus()).times(2.0)
    }

    fn weight_beta_tilde(&self) -> Bounded {
        self.beta * self.beta / (self.beta_tilde() * self.alpha * self.bar.one_minus()).times(2.0)
    }

    fn one(&self) -> Bounded {
        self.alpha.times(0.0).minus(-1.0)
    }

    fn capped_snr(&self) -> Bounded {
        let snr = self.snr();
        if snr.v > 5.0 + snr.e { snr.times(0.0).minus(-5.0) } else { snr }
    }
}

fn rows(basis: &Basis, Arithmetic { computed: u, stored, .. }: Arithmetic) -> Vec<Row> {
    let mut before = Bounded::new(1.0, 0.0, u);
    let scale = u / Precision::F64.unit_roundoff();
    let entry = |(&beta, &error): (&f64, &f64)| {
        let beta = Bounded::new(beta, (error * scale).max(stored * beta.abs()), u);
        let alpha = beta.one_minus();
        let bar = before * alpha;
        let row = Row { beta, alpha, bar, before };
        before = bar;
        row
    };
    basis.chain.beta.iter().zip(&basis.beta_error).map(entry).collect()
}
