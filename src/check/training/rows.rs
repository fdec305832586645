//! The claims of the chapter `training`, bound to this crate.

use ndarray_rand::rand::{Rng, SeedableRng, rngs::StdRng};
use ndarray_rand::rand_distr::StandardNormal;

use crate::check::{Claim, Method, Row};
use crate::check::prediction::{Point, sweep};
use crate::check::training::{
    descent, draws, gradient_is_slope, least_variance, mean_floors, optimum, shared_optimum, unbiased,
};
use crate::check::witness::quadrature::expect_normal;
use crate::check::{Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::exact::{Mixture1, Noising};
use crate::check::training::faults as fault;
use crate::posterior::Moments;
use crate::prediction::Prediction;
use crate::schedule::{Betas, Level, Schedule, Timestep};
use crate::training::{LinearOptimum, LinearTable, TimeDistribution, draw, linear_optimum, shared_slope};
use crate::weight::loss_factor;

const CHAPTER: &str = "training";
const DATA: Moments = Moments { mean: 0.5, var: 0.25 };

type Gradient = fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable>;
type Draw = fn(&TimeDistribution, usize, &mut dyn FnMut() -> f64, &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>);

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        draw_claim(),
        gradient_claim(),
        descent_claim(),
        unbiased_claim(),
        variance_claim(),
        optimum_claim(),
        shared_claim(),
    ]
}

fn draw_claim() -> Claim {
    Claim::legacy(
        "draws_are_uniform_in_time_and_isotropic",
        CHAPTER,
        "each sample gets its own uniform time and independent standard normal noise in every coordinate",
        Method::Statistics("chi-square of 40000 times, moments and covariances within 5 standard errors"),
        |run| drawn(run, draw),
    )
    .row("S3.74", || {
        let all = draw_many(&Run::default(), draw);
        let mean = all.iter().map(|(t, _)| t.get() as f64).sum::<f64>() / all.len() as f64;
        let error = (99.0f64 / 12.0 / all.len() as f64).sqrt();
        Row { got: mean, want: 5.5, tol: Tol::abs(5.0 * error, "5 standard errors of a mean of uniform times") }
    })
    .row("S2.38", || {
        let all = draw_many(&Run::default(), draw);
        let norm = all.iter().map(|(_, eps)| eps.iter().sum::<f64>().powi(2)).sum::<f64>() / all.len() as f64;
        let error = 3.0 * (2.0 / all.len() as f64).sqrt();
        Row {
            got: norm,
            want: 3.0,
            tol: Tol::abs(5.0 * error, "5 standard errors; 9 for one number in all coordinates"),
        }
    })
    .fault(fault::NOISE_BROADCAST, |run| drawn(run, fault::noise_broadcast))
    .fault(fault::TIMES_FROM_ZERO, |run| drawn(run, fault::times_from_zero))
    .fault(fault::NOISE_UNIFORM, |run| drawn(run, fault::noise_uniform))
    .fault(fault::NOISE_FOLLOWS_TIME, |run| drawn(run, fault::noise_follows_time))
}

fn gradient_claim() -> Claim {
    Claim::legacy(
        "one_draw_trains_one_transition",
        CHAPTER,
        "the gradient at a draw is the slope of its squared error, and zero for the parameters of all other times",
        Method::Numerical("central differences exact for quadratics, targets from the definitions"),
        |run| gradients(run, LinearTable::gradient),
    )
    .row("S3.81", || {
        let table = LinearTable(vec![[0.4, -0.1]; 3]);
        let level = Level::from_alpha_bar(0.63).expect("inside [0, 1]");
        let gradient =
            table.gradient(Prediction::Epsilon, Timestep::new(2), level, 0.8, -0.3).expect("a noised level");
        let elsewhere = gradient.0[0].iter().chain(&gradient.0[2]).map(|g| g.abs()).sum();
        Row { got: elsewhere, want: 0.0, tol: Tol::exact() }
    })
    .fault(fault::GRADIENT_WITHOUT_TWO, |run| gradients(run, fault::gradient_without_two))
    .fault(fault::GRADIENT_UPHILL, |run| gradients(run, fault::gradient_uphill))
    .fault(fault::GRADIENT_OF_WHOLE_CHAIN, |run| gradients(run, fault::gradient_of_whole_chain))
    .fault(fault::GRADIENT_AT_TIME_BEFORE, |run| gradients(run, fault::gradient_at_time_before))
}

fn descent_claim() -> Claim {
    Claim::legacy(
        "descent_reaches_the_least_squares_optimum",
        CHAPTER,
        "stochastic gradient descent on single draws leads a linear model to ε* at every time",
        Method::Statistics("32 runs of 4000 draws, 5 standard errors, optimum from the normal equations"),
        |run| descended(run, LinearTable::gradient),
    )
    .row("S3.75", || {
        let (level, x0, eps) = (Level::from_alpha_bar(0.63).expect("inside [0, 1]"), 0.8, -0.3);
        let table = LinearTable(vec![[0.4, -0.1]]);
        let got =
            table.gradient(Prediction::Epsilon, Timestep::new(1), level, x0, eps).expect("a noised level").0[0][0];
        let xt = 0.63f64.sqrt() * x0 + 0.37f64.sqrt() * eps;
        let loss = |slope: f64| (eps - slope * xt + 0.1).powi(2);
        Row { got, want: (loss(1.4) - loss(-0.6)) / 2.0, tol: Tol::rel(1e-13, "a dozen roundings") }
    })
    .fault(fault::GRADIENT_UPHILL, |run| descended(run, fault::gradient_uphill))
    .fault(fault::GRADIENT_ON_CLEAN_INPUT, |run| descended(run, fault::gradient_on_clean_input))
    .fault(fault::GRADIENT_NOISE_BY_VARIANCE, |run| descended(run, fault::gradient_noise_by_variance))
}

fn unbiased_claim() -> Claim {
    Claim::legacy(
        "time_sampling_is_unbiased",
        CHAPTER,
        "the weighted loss at a drawn time averages to the mean of all terms, for any way of drawing",
        Method::Enumeration("all times; frequencies on a grid of the unit interval"),
        |run| unbiasedly(run, TimeDistribution::proportional),
    )
    .row("S3.82", || {
        let times = TimeDistribution::uniform(7).expect("seven times");
        let got = times.probabilities.iter().zip(1..).map(|(p, t)| p * f64::from(t * t)).sum();
        Row { got, want: 20.0, tol: Tol::rel(1e-14, "a dozen roundings") }
    })
    .row("S1.53", || {
        // The sum from t = 2 to T is T − 1 times the mean over t ~ U[2, T].
        let times = TimeDistribution::uniform(6).expect("six times");
        let mean: f64 = times.probabilities.iter().zip(2..).map(|(p, t)| p * f64::from(t * t)).sum();
        Row { got: 6.0 * mean, want: 139.0, tol: Tol::rel(1e-14, "a dozen roundings") }
    })
    .fault(fault::IMPORTANCE_WITHOUT_WEIGHTS, |run| unbiasedly(run, fault::importance_without_weights))
    .fault(fault::IMPORTANCE_WEIGHTS_INVERTED, |run| unbiasedly(run, fault::importance_weights_inverted))
    .fault(fault::LAST_TIME_NEVER_DRAWN, |run| unbiasedly(run, fault::last_time_never_drawn))
    .fault(fault::WEIGHTS_WITHOUT_T, |run| unbiasedly(run, fault::weights_without_t))
}

fn variance_claim() -> Claim {
    Claim::legacy(
        "loss_aware_sampling_has_least_variance",
        CHAPTER,
        "times drawn in proportion to √E[L²] give the estimator of least variance",
        Method::Enumeration("second moment over all times against Cauchy and Schwarz's bound and neighbours"),
        |run| least(run, TimeDistribution::loss_aware),
    )
    .row("S2.37", || {
        let moments = [4.0, 1.0, 0.25, 9.0];
        let times = TimeDistribution::loss_aware(&moments).expect("positive moments");
        let got = moments.iter().zip(&times.probabilities).map(|(m, p)| m / (16.0 * p)).sum();
        Row { got, want: 2.640_625, tol: Tol::rel(1e-14, "a dozen roundings") }
    })
    .fault(fault::IMPORTANCE_WITHOUT_ROOT, |run| least(run, fault::importance_without_root))
    .fault(fault::IMPORTANCE_INVERTED, |run| least(run, fault::importance_inverted))
    .fault(fault::IMPORTANCE_UNIFORM, |run| least(run, fault::importance_uniform))
}

fn optimum_claim() -> Claim {
    Claim::legacy(
        "noise_loss_floor",
        CHAPTER,
        "the best noise predictor on Gaussian data is affine and leaves the loss ᾱ s/(ᾱ s + 1 − ᾱ)",
        Method::Enumeration("normal equations and loss by a rule exact for cubics; listed means over t"),
        |run| optima(run, linear_optimum),
    )
    .row("S2.36", || {
        let unit = Moments { mean: 0.0, var: 1.0 };
        let got = linear_optimum(Schedule::ddpm().level(Timestep::new(500)), unit).floor;
        Row { got, want: 0.078_587_242_881_8, tol: Tol::printed(13) }
    })
    .row("S2.36", || {
        // The floor on a mixture: SNR times the least error in x₀, against E(ε − E[ε | x_t])² over x₀ and ε.
        let (level, data) = (Schedule::ddpm().level(Timestep::new(300)), Mixture1::reference());
        let channel = Noising::from_betas(&Schedule::ddpm().betas().as_slice()[..300]).unwrap_or(Noising::NONE);
        let (a, sigma) = (channel.signal(), channel.noise_std());
        let error = |x0: f64, eps: f64| (eps - data.eps_hat(channel, a * x0 + sigma * eps)).powi(2);
        let want = data.expect(|x0| expect_normal(120, 0.0, 1.0, |eps| error(x0, eps)).unwrap_or(f64::NAN));
        let factor = loss_factor(Prediction::X0, Prediction::Epsilon, level).unwrap_or(f64::NAN);
        Row { got: factor * data.mmse(channel), want, tol: Tol::abs(1e-12, "quadratures of smooth functions") }
    })
    .row("B23", || {
        let schedule = Schedule::ddpm();
        let unit = Moments { mean: 0.0, var: 1.0 };
        let sum: f64 = schedule.timesteps().map(|t| linear_optimum(schedule.level(t), unit).floor).sum();
        Row { got: sum / 1000.0, want: 0.275_513, tol: Tol::printed(6) }
    })
    .fault(fault::OPTIMUM_IS_NOISE_LEVEL, |run| optima(run, fault::optimum_is_noise_level))
    .fault(fault::OPTIMUM_NOT_CENTRED, |run| optima(run, fault::optimum_not_centred))
    .fault(fault::FLOOR_IS_NOISE, |run| optima(run, fault::floor_is_noise))
    .fault(fault::FLOOR_IS_ZERO, |run| optima(run, fault::floor_is_zero))
}

fn shared_claim() -> Claim {
    Claim::legacy(
        "weights_matter_for_shared_parameters",
        CHAPTER,
        "the weights leave each time's own optimum as it is and move the optimum of parameters shared by all times",
        Method::Enumeration("vertex of the weighted loss through three slopes"),
        |run| shared(run, shared_slope),
    )
    .row("S2.30", || {
        let levels: Vec<Level> = [0.9, 0.5, 0.1].map(|a| Level::from_alpha_bar(a).expect("inside [0, 1]")).to_vec();
        let slope = |weights: [f64; 3]| shared_slope(&levels, &weights, DATA).expect("three weights");
        let (plain, weighted) = (slope([1.0; 3]), slope([9.0, 1.0, 1.0 / 9.0]));
        let loss = |a: f64, weights: [f64; 3]| -> f64 {
            let term = |(level, w): (&Level, f64)| {
                let (m, s) = (level.signal(), level.noise_std());
                w * ((1.0 - a * s).powi(2) + (a * m).powi(2) * 0.5)
            };
            levels.iter().zip(weights).map(term).sum()
        };
        let vertex =
            |w: [f64; 3]| 0.5 * (loss(-1.0, w) - loss(1.0, w)) / (loss(-1.0, w) - 2.0 * loss(0.0, w) + loss(1.0, w));
        let want = vertex([1.0; 3]) - vertex([9.0, 1.0, 1.0 / 9.0]);
        Row { got: plain - weighted, want, tol: Tol::rel(1e-12, "a hundred roundings of a difference") }
    })
    .fault(fault::SHARED_WEIGHTS_IGNORED, |run| shared(run, fault::shared_weights_ignored))
    .fault(fault::SHARED_MEAN_OF_SLOPES, |run| shared(run, fault::shared_mean_of_slopes))
    .fault(fault::SHARED_DATA_MEAN_FORGOTTEN, |run| shared(run, fault::shared_data_mean_forgotten))
}

fn draw_many(run: &Run, f: Draw) -> Vec<(Timestep, Vec<f64>)> {
    let times = TimeDistribution::uniform(10).expect("ten times");
    let mut first = StdRng::seed_from_u64(run.seed);
    let mut second = StdRng::seed_from_u64(run.seed ^ 0x5851_F42D_4C95_7F2D);
    (0..40_000).map(|_| f(&times, 3, &mut || first.random(), &mut || second.sample(StandardNormal))).collect()
}

fn drawn(run: &Run, f: Draw) -> Outcome {
    draws(&draw_many(run, f), 10)
}

fn gradients(run: &Run, f: Gradient) -> Outcome {
    let schedule = Schedule::new(Betas::new(vec![0.02, 0.3, 0.1, 0.6]).expect("inside the valid range"));
    run.over(|[u, v, w, z]| {
        let t = Timestep::from_model_index((w * 4.0) as usize);
        let at = Point::new(&schedule, t, uniform(u, -2.0, 2.0), uniform(v, -2.0, 2.0));
        let table = (0..4).map(|i| [uniform(z, -1.0, 1.0), 0.3 * f64::from(i)]).collect();
        gradient_is_slope(f, &LinearTable(table), &at)
    })
}

fn descended(run: &Run, f: Gradient) -> Outcome {
    let schedule = Schedule::new(Betas::new(vec![0.4, 0.5]).expect("inside the valid range"));
    let times = TimeDistribution::uniform(2).expect("two times");
    let mut rng = StdRng::seed_from_u64(run.seed);
    let mut one = || {
        let z: f64 = rng.sample(StandardNormal);
        let t = times.at(rng.random());
        (DATA.mean + DATA.var.sqrt() * z, t, rng.sample(StandardNormal))
    };
    let runs: Vec<Vec<_>> = (0..32).map(|_| (0..4000).map(|_| one()).collect()).collect();
    descent(f, &schedule, DATA, &runs, 0.02)
}

fn unbiasedly(run: &Run, f: fn(&[f64]) -> Result<TimeDistribution>) -> Outcome {
    run.over(|[u, v]| unbiased(f, &shares(u, v)))
}

fn least(run: &Run, f: fn(&[f64]) -> Result<TimeDistribution>) -> Outcome {
    run.over(|[u, v]| least_variance(f, &shares(u, v)))
}

/// Two to twelve positive numbers over four orders of magnitude.
fn shares(u: f64, v: f64) -> Vec<f64> {
    let count = 2 + (u * 11.0) as usize;
    (0..count).map(|k| log_uniform((v + 0.618_033_989 * k as f64).fract(), 0.01, 100.0)).collect()
}

fn optima(run: &Run, f: fn(Level, Moments) -> LinearOptimum) -> Outcome {
    let pointwise = sweep(run, |at| {
        let data = Moments { mean: at.x0, var: 0.05 + at.eps * at.eps };
        optimum(f, at, data)
    })?;
    Ok(pointwise.and(mean_floors(f)?))
}

fn shared(run: &Run, f: fn(&[Level], &[f64], Moments) -> Result<f64>) -> Outcome {
    run.over(|[u, v]| {
        let weights = shares(u, v);
        let betas = weights.iter().map(|w| 0.05 + 0.5 * (w * 7.3).fract()).collect();
        let schedule = Schedule::new(Betas::new(betas).expect("inside the valid range"));
        shared_optimum(f, &schedule, &weights, Moments { mean: uniform(v, -1.0, 1.0) + 0.1, var: u + 0.1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::target;

    #[test]
    fn targets_of_arrays_are_those_of_their_entries() {
        let level = Level::from_alpha_bar(0.3).unwrap();
        let (x0, eps) = (ndarray::array![[1.0, -0.5]], ndarray::array![[0.25, 2.0]]);
        for prediction in Prediction::ALL {
            let all = crate::training::target_array(prediction, level, &x0, &eps).unwrap();
            for ((got, &x0), &eps) in all.iter().zip(&x0).zip(&eps) {
                assert!((got - target(prediction, level, x0, eps).unwrap()).abs() < 1e-15);
            }
        }
    }
}
