//! The claims of the chapter `embedding`, bound to this crate.

use crate::check::{Claim, Method, Row};
use crate::check::embedding as check;
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::embedding::{Divisor, Layout, Sinusoidal, TimeBlind, time_blind};
use crate::error::Result;
use crate::exact::{Mixture1, Noising};
use crate::check::embedding::faults as fault;
use crate::schedule::Schedule;

const CHAPTER: &str = "embedding";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        Claim::legacy(
            "embedding_is_rotation",
            CHAPTER,
            "embeddings turn: inner products depend on the lag alone, entries follow the angle sum; 0 … 999 stay apart",
            Method::OtherPremises("frequencies by repeated multiplication, angle sums"),
            |run| Ok(rotates(run, ours)?.and(every_convention(run)?).and(apart(ours)?)),
        )
        .row("S1.66", || {
            let (a, b) = (ours(128, 137.0), ours(128, 140.0));
            let root = 1e4f64.powf(-1.0 / 63.0);
            Row {
                got: a.iter().zip(&b).map(|(a, b)| a * b).sum(),
                want: (0..64).map(|i| (3.0 * root.powi(i)).cos()).sum(),
                tol: Tol::abs(1e-12, "ledger"),
            }
        })
        .row("B20", || Row {
            got: check::nearest_neighbours(|t| ours(128, t), 1000),
            want: 1.9393,
            tol: Tol::printed(4),
        })
        .fault(fault::EMBEDDING_DIVISOR_HALF, |run| rotates(run, fault::embedding_divisor_half))
        .fault(fault::EMBEDDING_PERIOD_1000, |run| rotates(run, fault::embedding_period_1000))
        .fault(fault::EMBEDDING_SINES_TWICE, |run| rotates(run, fault::embedding_sines_twice))
        .fault(fault::EMBEDDING_OF_FRACTION, |_| apart(fault::embedding_of_fraction))
        .fault(fault::EMBEDDING_INTERLEAVED, |run| rotates(run, fault::embedding_interleaved)),
        Claim::legacy(
            "time_blindness_costs_the_variance_over_times",
            CHAPTER,
            "the best network that is not told t answers the mean over times and loses their variance",
            Method::Numerical("quadrature of the losses themselves, finite differences"),
            |_| blind(time_blind),
        )
        .row("S2.39", || {
            let all = fault::reference_losses();
            Row { got: all.penalty, want: 0.425_211 - 0.267_663, tol: Tol::abs(1.000_001e-6, "two numbers of six digits") }
        })
        .row("S2.39", || {
            // The floor E(ε − ε*)² = ᾱ/(1 − ᾱ) E Var(x₀ | x_t), averaged over the times, from conditional variances.
            let levels = Noising::levels(Schedule::ddpm().betas().as_slice()).unwrap_or_default();
            let kept: Vec<Noising> = levels.into_iter().skip(1).step_by(10).collect();
            let floor = |level: &Noising| level.snr() * Mixture1::reference().mmse(*level);
            Row {
                got: fault::reference_losses().aware,
                want: kept.iter().map(floor).sum::<f64>() / kept.len() as f64,
                tol: Tol::abs(1e-9, "ledger"),
            }
        })
        .fault(fault::BLIND_MEAN_UNWEIGHTED, |_| blind(fault::blind_mean_unweighted))
        .fault(fault::BLIND_PENALTY_ROOTED, |_| blind(fault::blind_penalty_rooted))
        .fault(fault::BLIND_PENALTY_NOT_CENTRED, |_| blind(fault::blind_penalty_not_centred))
        .fault(fault::BLIND_ANSWER_OF_LIKELIEST_TIME, |_| blind(fault::blind_answer_of_likeliest_time)),
    ]
}

type Embed = fn(usize, f64) -> Vec<f64>;

fn ours(dim: usize, time: f64) -> Vec<f64> {
    Sinusoidal::new(dim).map_or(Vec::new(), |form| form.embed(time))
}

fn rotates(run: &Run, embed: Embed) -> Outcome {
    run.over(|[u, v, w]| {
        let dim = 2 * uniform(u, 2.0, 129.0) as usize;
        let (time, lag) = (uniform(v, 0.0, 1000.0), log_uniform(w, 0.01, 1000.0));
        let products = check::inner_products_depend_on_lag(|t| embed(dim, t), 1e4, dim / 2 - 1, time, lag)?;
        Ok(products.and(check::entries_rotate(|t| embed(dim, t), 0..dim / 2, dim / 2..dim, time, lag)?))
    })
}

fn every_convention(run: &Run) -> Outcome {
    run.over(|[u, v, w]| {
        let dim = 2 * uniform(u, 2.0, 129.0) as usize;
        let (period, time) = (log_uniform(v, 10.0, 1e5), uniform(w, 0.0, 1000.0));
        let embed = |divisor, layout| {
            move |t| Sinusoidal::with(dim, period, divisor, layout).map_or(Vec::new(), |form| form.embed(t))
        };
        let half = dim / 2;
        let cos_first = embed(Divisor::Half, Layout::CosSin);
        let products = check::inner_products_depend_on_lag(cos_first, period, half, time, 7.0 * u)?;
        Ok(products.and(check::entries_rotate(cos_first, half..dim, 0..half, time, 7.0 * u)?))
    })
}

fn apart(embed: Embed) -> Outcome {
    check::is_injective(|t| embed(64, t), 1000, 1.0)
}

fn blind(f: fn(&[f64], &[f64]) -> Result<TimeBlind>) -> Outcome {
    let levels = Noising::levels(Schedule::ddpm().betas().as_slice()).unwrap_or_default();
    let every = |step: usize| levels.iter().skip(1).step_by(step).copied().collect::<Vec<Noising>>();
    [(Mixture1::reference(), every(40)), (Mixture1::unit_variance(), every(90))].iter().try_fold(
        Evidence::none(),
        |all, (data, levels)| Ok(all.and(check::penalty_is_excess_loss(f, data, levels)?)),
    )
}
