//! Schedule tables that are the best doubles there are, and the ordinary formulas in f32 and f64 to compare with.

mod quantity;

pub use quantity::Quantity;

use crate::dd::{Dd, Divisor, Logarithm, twice_product_minus_one};
use crate::schedule::Schedule;

/// A schedule's columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Vec<f64>>,
}

impl Table {
    /// What the columns hold, in the order they are printed.
    pub const COLUMNS: [Quantity; 15] = [
        Quantity::Beta,
        Quantity::Alpha,
        Quantity::SqrtAlpha,
        Quantity::AlphaBar,
        Quantity::OneMinusAlphaBar,
        Quantity::SqrtAlphaBar,
        Quantity::SqrtOneMinusAlphaBar,
        Quantity::Snr,
        Quantity::LogSnr,
        Quantity::BetaTilde,
        Quantity::LogBetaTilde,
        Quantity::MeanX0,
        Quantity::MeanXt,
        Quantity::LossWeightBeta,
        Quantity::LossWeightBetaTilde,
    ];

    /// Every column in double-double from the βs as stored, rounded once.
    ///
    /// Accuracy: within 1 ulp of the exact value at every index; measured 0.501 ulp at worst over linear,
    /// scaled_linear, cosine, sigmoid, const and jsd at T = 10, 100, 1000, 4000. Where a value is 0/0 or 1/0 in the
    /// reals (jsd's last row, β̃_1) it is the limit: 0 or ±∞.
    ///
    /// ```
    /// use alphabar::{Schedule, table::{Quantity, Table}};
    ///
    /// let table = Table::new(&Schedule::ddpm());
    /// assert_eq!(table.column(Quantity::BetaTilde)[0], 0.0);
    /// ```
    #[must_use]
    pub fn new(schedule: &Schedule) -> Self {
        let mut walk = Walk::new(schedule);
        Self::from_rows((0..schedule.len()).map(|i| walk.row(i + 1)))
    }

    /// Every column by the ordinary formulas (cumulative product, `1 − ᾱ` by subtraction) in one precision.
    ///
    /// ```
    /// use alphabar::{Schedule, table::{Quantity, Table}};
    ///
    /// let ordinary = Table::ordinary::<f32>(Schedule::ddpm().betas().as_slice());
    /// let noise = |table: &Table| table.column(Quantity::OneMinusAlphaBar)[0];
    /// assert!((noise(&ordinary) - noise(&Table::new(&Schedule::ddpm()))).abs() > 1e-9);
    /// ```
    #[must_use]
    pub fn ordinary<A: Ordinary>(betas: &[f64]) -> Self {
        let mut previous = A::from_f64(1.0);
        Self::from_rows(betas.iter().map(|&beta| {
            let (row, alpha_bar) = A::row(A::from_f64(beta), previous);
            previous = alpha_bar;
            row
        }))
    }

    fn from_rows(rows: impl ExactSizeIterator<Item = [f64; 15]>) -> Self {
        let mut columns = vec![Vec::with_capacity(rows.len()); Self::COLUMNS.len()];
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        Self { columns }
    }

    /// One column, time t at index t − 1.
    ///
    /// ```
    /// use alphabar::Schedule;
    /// use alphabar::table::{Quantity, Table};
    ///
    /// let table = Table::new(&Schedule::ddpm());
    /// assert_eq!(table.column(Quantity::OneMinusAlphaBar)[0], 1e-4);
    /// ```
    ///
    /// # Panics
    /// If the quantity is not one of [`Table::COLUMNS`].
    #[must_use]
    pub fn column(&self, quantity: Quantity) -> &[f64] {
        let column = Self::COLUMNS.iter().position(|&column| column == quantity);
        &self.columns[column.expect("the quantity is one of Table::COLUMNS")]
    }

    /// T.
    ///
    /// ```
    /// use alphabar::{Schedule, table::Table};
    ///
    /// assert_eq!(Table::new(&Schedule::ddpm()).len(), 1000);
    /// ```
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a schedule is never empty")]
    pub fn len(&self) -> usize {
        self.columns[0].len()
    }
}

/// The chain from step to step, with what a row shares with the next.
struct Walk<'a> {
    schedule: &'a Schedule,
    logarithm: &'static Logarithm,
    /// √ᾱ_{t−1}.
    root_before: Dd,
    /// 1 − ᾱ_{t−1}.
    rest_before: Divisor,
}

impl<'a> Walk<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let (root_before, rest_before) = (Dd::ONE, Divisor::new(Dd::ZERO));
        Self { schedule, logarithm: Logarithm::table(), root_before, rest_before }
    }

    /// Row t, after row t − 1.
    fn row(&mut self, t: usize) -> [f64; 15] {
        let Schedule { alpha_bar, one_minus, .. } = self.schedule;
        let beta = Dd::new(self.schedule.betas().as_slice()[t - 1]);
        let alpha = Dd::ONE - beta;
        let (bar, rest) = (alpha_bar[t], one_minus[t]);
        let (root_alpha, root, over_rest) = (alpha.sqrt(), bar.sqrt(), Divisor::new(rest));
        let kept = over_rest.of(one_minus[t - 1]);
        let snr = over_rest.of(bar);
        let beta_tilde = kept * beta;
        let (beta_share, over_alpha) = (over_rest.of(beta), Divisor::new(alpha.scaled(2.0)));
        let row = [
            beta.round(),
            alpha.round(),
            root_alpha.round(),
            bar.round(),
            rest.round(),
            root.round(),
            rest.sqrt().round(),
            snr.round(),
            self.log_snr(t, snr),
            beta_tilde.round(),
            self.logarithm.of(beta_tilde),
            (self.root_before * beta_share).round(),
            (root_alpha * kept).round(),
            over_alpha.of(beta_share).round(),
            over_alpha.of(self.rest_before.of(beta)).round(),
        ];
        (self.root_before, self.rest_before) = (root, over_rest);
        row
    }

    /// ln SNR; where ᾱ is within 10⁻⁹ of ½, `2δ(1 + δ²/3)` with δ = 2ᾱ − 1 from a longer product.
    fn log_snr(&self, t: usize, snr: Dd) -> f64 {
        if (self.schedule.alpha_bar[t].round() - 0.5).abs() > 1e-9 {
            return self.logarithm.of(snr);
        }
        let delta = twice_product_minus_one(&self.schedule.betas().as_slice()[..t]);
        (delta * Dd::new(2.0) * (Dd::ONE + delta * delta / Dd::new(3.0))).round()
    }
}

/// A precision in which the ordinary formulas can be evaluated.
pub trait Ordinary: Copy {
    /// Rounds to this precision.
    fn from_f64(value: f64) -> Self;
    /// One row from β_t and ᾱ_{t−1}, and ᾱ_t.
    fn row(beta: Self, alpha_bar_before: Self) -> ([f64; 15], Self);
}

macro_rules! ordinary {
    ($($float:ty),*) => {$(
        impl Ordinary for $float {
            fn from_f64(value: f64) -> Self {
                value as Self
            }

            fn row(beta: Self, bar_before: Self) -> ([f64; 15], Self) {
                let alpha = 1.0 - beta;
                let bar = bar_before * alpha;
                let (rest, rest_before) = (1.0 - bar, 1.0 - bar_before);
                let snr = bar / rest;
                let beta_tilde = beta * rest_before / rest;
                let row = [
                    beta,
                    alpha,
                    alpha.sqrt(),
                    bar,
                    rest,
                    bar.sqrt(),
                    rest.sqrt(),
                    snr,
                    bar.ln() - (1.0 - bar).ln(),
                    beta_tilde,
                    beta_tilde.ln(),
                    beta * bar_before.sqrt() / rest,
                    rest_before * alpha.sqrt() / rest,
                    beta * beta / (2.0 * beta * alpha * rest),
                    beta * beta / (2.0 * beta_tilde * alpha * rest),
                ];
                (row.map(f64::from), bar)
            }
        }
    )*};
}

ordinary!(f32, f64);

/// Distance between two f64 in units of the last place of `want`; 0 for equal infinities, ∞ for NaN.
///
/// ```
/// use alphabar::table::ulps;
///
/// assert_eq!(ulps(1.0 + f64::EPSILON, 1.0), 1.0);
/// ```
#[must_use]
#[expect(clippy::float_cmp, reason = "equality is a distance of zero")]
pub fn ulps(got: f64, want: f64) -> f64 {
    if got == want {
        return 0.0;
    }
    let next = f64::from_bits(want.abs().to_bits() + 1);
    let distance = (got - want).abs() / (next - want.abs());
    if distance.is_nan() { f64::INFINITY } else { distance }
}

#[cfg(test)]
mod tests {
    use super::{Quantity, Table};
    use crate::schedule::{Betas, Schedule};

    /// What the columns tend to where a divisor or a product leaves the range of f64.
    #[test]
    fn tables_of_extreme_schedules_hold_no_nan() {
        for betas in [vec![5e-324, 1e-310, 0.5], vec![1e-300, 1e-200, 1.0], vec![1.0], vec![0.5; 3000]] {
            let table = Table::new(&Schedule::new(Betas::new(betas.clone()).unwrap()));
            for column in Table::COLUMNS {
                assert!(table.column(column).iter().all(|v| !v.is_nan()), "{} of {:?}", column.name(), &betas[..1]);
            }
            assert!((table.column(Quantity::MeanX0)[0] - 1.0).abs() < 1e-15, "{:?}", &betas[..1]);
        }
    }
}
