//! Schedule formulas in 256-bit arithmetic, written from their definitions.

use alphabar::table::Table;
use astro_float_num::{BigFloat, Consts, Radix, RoundingMode};

const P: usize = 256;
const RM: RoundingMode = RoundingMode::ToEven;

/// The chain as far as it has been walked, and the arithmetic's constants.
pub struct Reference {
    constants: Consts,
    alpha_bar: BigFloat,
    exact_beta: BigFloat,
}

fn big(x: f64) -> BigFloat {
    BigFloat::from_f64(x, P)
}

fn add(a: &BigFloat, b: &BigFloat) -> BigFloat {
    a.add(b, P, RM)
}

fn sub(a: &BigFloat, b: &BigFloat) -> BigFloat {
    a.sub(b, P, RM)
}

fn mul(a: &BigFloat, b: &BigFloat) -> BigFloat {
    a.mul(b, P, RM)
}

fn div(a: &BigFloat, b: &BigFloat) -> BigFloat {
    a.div(b, P, RM)
}

fn sqrt(a: &BigFloat) -> BigFloat {
    a.sqrt(P, RM)
}

impl Reference {
    pub fn new() -> Self {
        let constants = Consts::new().expect("memory for constants");
        Self { constants, alpha_bar: big(1.0), exact_beta: big(0.0) }
    }

    fn ln(&mut self, x: &BigFloat) -> BigFloat {
        if x.is_zero() { BigFloat::from_f64(f64::NEG_INFINITY, P) } else { x.ln(P, RM, &mut self.constants) }
    }

    pub fn linear(&mut self, t: usize, steps: usize, start: f64, end: f64) {
        let share = div(&big((t - 1) as f64), &big((steps - 1) as f64));
        self.exact_beta = add(&big(start), &mul(&sub(&big(end), &big(start)), &share));
    }

    pub fn scaled_linear(&mut self, t: usize, steps: usize, start: f64, end: f64) {
        let share = div(&big((t - 1) as f64), &big((steps - 1) as f64));
        let (low, high) = (sqrt(&big(start)), sqrt(&big(end)));
        let root = add(&low, &mul(&sub(&high, &low), &share));
        self.exact_beta = mul(&root, &root);
    }

    pub fn sigmoid(&mut self, t: usize, steps: usize, start: f64, end: f64) {
        let share = div(&big((t - 1) as f64), &big((steps - 1) as f64));
        let u = add(&big(-6.0), &mul(&big(12.0), &share));
        let logistic = div(&big(1.0), &add(&big(1.0), &u.neg().exp(P, RM, &mut self.constants)));
        self.exact_beta = add(&big(start), &mul(&sub(&big(end), &big(start)), &logistic));
    }

    /// 1 − f(t)/f(t − 1) with f(u) = cos²((u/T + 0.008)/1.008 · π/2), the decimals taken as decimals.
    pub fn cosine(&mut self, t: usize, steps: usize) {
        let f = |u: usize, constants: &mut Consts| {
            let offset = div(&big(8.0), &big(1000.0));
            let scaled = div(&add(&div(&big(u as f64), &big(steps as f64)), &offset), &add(&big(1.0), &offset));
            let half_pi = div(&constants.pi(P, RM), &big(2.0));
            let cos = mul(&scaled, &half_pi).cos(P, RM, constants);
            mul(&cos, &cos)
        };
        let ratio = div(&f(t, &mut self.constants), &f(t - 1, &mut self.constants));
        let beta = sub(&big(1.0), &ratio);
        let cap = big(0.999);
        self.exact_beta = if beta.cmp(&cap).is_some_and(|order| order > 0) { cap } else { beta };
    }

    pub fn jsd(&mut self, t: usize, steps: usize) {
        self.exact_beta = div(&big(1.0), &big((steps - t + 1) as f64));
    }

    pub fn ulps_of_beta(&mut self, got: f64) -> f64 {
        let want = self.exact_beta.clone();
        self.ulps(got, &want)
    }

    /// One step along the chain of the stored βs: every column, in the order of [`Table::COLUMNS`].
    pub fn row(&mut self, beta: f64) -> Vec<BigFloat> {
        let one = big(1.0);
        let beta = big(beta);
        let alpha = sub(&one, &beta);
        let before = self.alpha_bar.clone();
        let bar = mul(&before, &alpha);
        let (rest, rest_before) = (sub(&one, &bar), sub(&one, &before));
        let snr = div(&bar, &rest);
        let log_snr = self.ln(&snr);
        let beta_tilde = div(&mul(&rest_before, &beta), &rest);
        let log_beta_tilde = self.ln(&beta_tilde);
        let mean_x0 = div(&mul(&sqrt(&before), &beta), &rest);
        let mean_xt = div(&mul(&sqrt(&alpha), &rest_before), &rest);
        let weight = |variance: &BigFloat| {
            let square = mul(&beta, &beta);
            div(&square, &mul(&mul(&big(2.0), variance), &mul(&alpha, &rest)))
        };
        let weights = (weight(&beta), weight(&beta_tilde));
        let row = vec![
            beta.clone(),
            alpha.clone(),
            sqrt(&alpha),
            bar.clone(),
            rest.clone(),
            sqrt(&bar),
            sqrt(&rest),
            snr,
            log_snr,
            beta_tilde,
            log_beta_tilde,
            mean_x0,
            mean_xt,
            weights.0,
            weights.1,
        ];
        assert_eq!(row.len(), Table::COLUMNS.len());
        self.alpha_bar = bar;
        row
    }

    /// Distance in units of the last place of `got`.
    pub fn ulps(&mut self, got: f64, want: &BigFloat) -> f64 {
        if got.is_infinite() || want.is_inf() || want.is_nan() {
            let same = (want.is_inf_pos() && got == f64::INFINITY) || (want.is_inf_neg() && got == f64::NEG_INFINITY);
            return if same { 0.0 } else { f64::INFINITY };
        }
        if got == 0.0 || want.is_zero() {
            return if got == 0.0 && want.is_zero() { 0.0 } else { f64::INFINITY };
        }
        let ulp = f64::from_bits(got.abs().to_bits() + 1) - got.abs();
        let share = div(&sub(&big(got), want), &big(ulp));
        self.rounded(&share).abs()
    }

    fn rounded(&mut self, x: &BigFloat) -> f64 {
        self.digits(x, 20).parse().expect("a decimal number")
    }

    /// Decimal digits, the leading `count`.
    fn digits(&mut self, x: &BigFloat, count: usize) -> String {
        if x.is_inf_pos() {
            return "inf".into();
        }
        if x.is_inf_neg() {
            return "-inf".into();
        }
        if x.is_zero() {
            return "0".into();
        }
        let all = x.format(Radix::Dec, RM, &mut self.constants).expect("a finite number has digits");
        let (mantissa, exponent) = all.split_once('e').unwrap_or((&all, "+0"));
        let keep = mantissa.len().min(count + 1 + usize::from(mantissa.starts_with('-')));
        format!("{}e{exponent}", &mantissa[..keep])
    }
}

/// The largest distance seen and where.
#[derive(Clone, Debug, Default)]
pub struct Worst {
    pub ulps: f64,
    pub t: usize,
}

impl Worst {
    pub fn see(&mut self, reference: &mut Reference, got: f64, want: &BigFloat, t: usize) {
        let ulps = reference.ulps(got, want);
        if ulps > self.ulps {
            *self = Self { ulps, t };
        }
    }
}

/// Thirty-two indices of every table as CSV: schedule, T, t, then the columns to 40 digits.
pub fn committed_rows(lengths: &[usize]) -> String {
    use alphabar::Betas;
    type Make = fn(usize) -> alphabar::Result<Betas>;
    let schedules: [(&str, Make); 6] = [
        ("linear", |n| Betas::linear(n, 1e-4, 0.02)),
        ("scaled_linear", |n| Betas::scaled_linear(n, 0.00085, 0.012)),
        ("cosine", Betas::cosine),
        ("sigmoid", |n| Betas::sigmoid(n, 1e-4, 0.02)),
        ("const", |n| Betas::constant(n, 0.02)),
        ("jsd", Betas::jsd),
    ];
    let names: Vec<&str> = Table::COLUMNS.iter().map(|column| column.name()).collect();
    let mut csv = String::from("# generated by: ALPHABAR_WRITE_FIXTURES=1 cargo test --test tables\n");
    csv += &format!("schedule,steps,t,{}\n", names.join(","));
    for (name, make) in schedules {
        for &steps in lengths {
            let betas = make(steps).expect("valid parameters");
            let mut reference = Reference::new();
            let kept = |t: usize| steps <= 32 || t == 1 || t == steps || (t * 31 / steps) != ((t - 1) * 31 / steps);
            for (i, &beta) in betas.as_slice().iter().enumerate() {
                let row = reference.row(beta);
                if kept(i + 1) {
                    let digits: Vec<String> = row.iter().map(|x| reference.digits(x, 40)).collect();
                    csv += &format!("{name},{steps},{},{}\n", i + 1, digits.join(","));
                }
            }
        }
    }
    csv
}
