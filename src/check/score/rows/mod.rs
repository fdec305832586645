//! The claims of the chapter `score`, bound to this crate.

mod dynamics;

use crate::check::{Claim, Method, Row};
use crate::check::score::{self as check, Pair, curvature, posterior_average, slope};
use crate::check::{Outcome, Run, Tol, Trial, uniform};
use crate::exact::{FiniteData, Gaussian1, Mixture1, Noising};
use crate::check::score::faults as fault;
use crate::schedule::{Level, Schedule, Timestep, Transition};
use crate::score::{
    denoising_target, implicit_loss, langevin_step, marginal_score_excess, reverse_mean, score_from_energy,
    tweedie_mean, tweedie_variance,
};

const CHAPTER: &str = "score";

pub(in crate::check) fn claims() -> Vec<Claim> {
    vec![
        first_order(),
        mean_noise(),
        conditional(),
        second_order(),
        reverse(),
        excess(),
        denoising(),
        implicit(),
        energy(),
        dynamics::langevin(),
        dynamics::metropolis(),
        dynamics::flow(),
        dynamics::likelihood(),
        dynamics::entropy(),
    ]
}

/// A level of the linear schedule for both sides: the theory's, and a channel built from the βs one by one.
fn at(t: usize) -> Pair {
    let schedule = Schedule::ddpm();
    let channel = Noising::from_betas(&schedule.betas().as_slice()[..t]).unwrap_or(Noising::NONE);
    Pair { level: schedule.level(Timestep::new(t)), channel }
}

/// The transition t − 1 → t for both sides.
fn step(t: usize) -> (Transition, (Noising, Noising)) {
    let schedule = Schedule::ddpm();
    let betas = schedule.betas().as_slice();
    let channels = (Noising::from_betas(&betas[..t - 1]), Noising::from_beta(betas[t - 1]));
    let (s, kernel) = (channels.0.unwrap_or(Noising::NONE), channels.1.unwrap_or(Noising::NONE));
    (schedule.step(Timestep::new(t)), (s, kernel))
}

/// Times from 30, below which differences of a density of width √(1 − ᾱ) lose their digits, and x_t where data are.
fn places(run: &Run, most: usize, claim: impl Fn(usize, f64) -> Outcome) -> Outcome {
    let run = run.at_most(most);
    run.over::<2>(|[u, v]| claim(uniform(u, 30.0, 1000.0) as usize, uniform(v, -2.0, 2.0)))
}

fn first_order() -> Claim {
    fn over(run: &Run, f: fn(Level, f64, f64) -> f64) -> Outcome {
        places(run, 24, |t, xt| check::tweedie_mean(f, &Mixture1::reference(), at(t), xt))
    }
    Claim::legacy(
        "tweedie_gives_the_posterior_mean",
        CHAPTER,
        "(x_t + (1 − ᾱ) ∇ ln q(x_t))/√ᾱ is E[x₀ | x_t]",
        Method::Numerical("sums over x₀ with Bayes' weights, score by differences"),
        |run| over(run, tweedie_mean),
    )
    .row("S1.60", || {
        let place = at(500);
        let xt = place.channel.apply(-1.5, 0.6);
        let score = Mixture1::reference().noised(place.channel).score(xt);
        let want = posterior_average(&Mixture1::reference(), place.channel, xt, |x0| x0);
        Row { got: tweedie_mean(place.level, xt, score), want, tol: Tol::abs(1e-9, "sums on a grid") }
    })
    .row("S3.67", || {
        // N(0, 1) data: ε* = √(1 − ᾱ) x_t, and the score of the noised density is −x_t.
        let place = at(500);
        let law = Gaussian1::new(0.0, 1.0).map_or(f64::NAN, |law| law.eps_hat(place.channel, 1.0));
        Row { got: denoising_target(place.level, law), want: -1.0, tol: Tol::abs(1e-13, "rounding") }
    })
    .row("B19", || {
        let place = at(500);
        let data = FiniteData::on_line(&[-1.0, 0.5, 2.0]).map_err(|error| error.to_string());
        let log = |x: f64| {
            data.as_ref().map_or(f64::NAN, |d| d.log_marginal(place.channel, &ndarray::array![x]).unwrap_or(f64::NAN))
        };
        Row { got: tweedie_mean(place.level, 0.9, slope(log, 0.9)), want: 0.829_363, tol: Tol::printed(6) }
    })
    .fault(fault::TWEEDIE_SIGN, |run| over(run, fault::tweedie_sign))
    .fault(fault::TWEEDIE_STD, |run| over(run, fault::tweedie_std))
    .fault(fault::TWEEDIE_NOT_ROOTED, |run| over(run, fault::tweedie_not_rooted))
    .fault(fault::TWEEDIE_WITHOUT_SCORE, |run| over(run, fault::tweedie_without_score))
}

fn mean_noise() -> Claim {
    fn over(run: &Run, f: fn(Level, f64, f64) -> f64) -> Outcome {
        places(run, 16, |t, eps| check::score_of_mean_noise(f, &Mixture1::reference(), at(t), -1.5, eps))
    }
    Claim::legacy(
        "score_is_minus_the_mean_noise",
        CHAPTER,
        "∇ ln q(x_t) = −E[ε | x_t]/√(1 − ᾱ)",
        Method::Numerical("sums over x₀ with Bayes' weights, score by differences"),
        |run| over(run, |level, mean, _| denoising_target(level, mean)),
    )
    .row("S1.64", || {
        let place = at(500);
        let (a, sigma) = (place.channel.signal(), place.channel.noise_std());
        let xt = place.channel.apply(-1.5, 0.6);
        let mean_eps = posterior_average(&Mixture1::reference(), place.channel, xt, |x0| (xt - a * x0) / sigma);
        let want = slope(|x| Mixture1::reference().noised(place.channel).log_pdf(x), xt);
        Row { got: denoising_target(place.level, mean_eps), want, tol: Tol::abs(1e-8, "differences") }
    })
    .fault(fault::SCORE_OF_ONE_NOISE, |run| over(run, fault::score_of_one_noise))
    .fault(fault::TARGET_IS_EPS, |run| over(run, |level, mean, _| fault::target_is_eps(level, mean)))
    .fault(fault::TARGET_SIGN, |run| over(run, |level, mean, _| fault::target_sign(level, mean)))
    .fault(fault::TARGET_VARIANCE, |run| over(run, |level, mean, _| fault::target_variance(level, mean)))
}

fn conditional() -> Claim {
    type Estimate = fn(Level, f64, f64, f64) -> f64;
    fn over(run: &Run, f: Estimate) -> Outcome {
        places(run, 32, |t, eps| check::conditional_score_returns_x0(f, &Mixture1::reference(), at(t), -1.5, eps))
    }
    Claim::legacy(
        "conditional_score_returns_the_data",
        CHAPTER,
        "(x_t + (1 − ᾱ) ∇ ln q(x_t | x₀))/√ᾱ is x₀; with the marginal score it is not",
        Method::Numerical("difference quotient of ln q(x_t | x₀), x₀ known"),
        |run| over(run, |level, xt, conditional, _| tweedie_mean(level, xt, conditional)),
    )
    .row("S1.60", || {
        let place = at(500);
        let got = tweedie_mean(place.level, place.channel.apply(-1.5, 0.6), denoising_target(place.level, 0.6));
        Row { got, want: -1.5, tol: Tol::abs(1e-12, "division by √ᾱ") }
    })
    .fault(fault::X0_FROM_MARGINAL_SCORE, |run| over(run, fault::x0_from_marginal_score))
    .fault(fault::TWEEDIE_SIGN, |run| over(run, |level, xt, score, _| fault::tweedie_sign(level, xt, score)))
    .fault(fault::TWEEDIE_STD, |run| over(run, |level, xt, score, _| fault::tweedie_std(level, xt, score)))
}

fn second_order() -> Claim {
    fn over(run: &Run, f: fn(Level, f64) -> f64) -> Outcome {
        places(run, 16, |t, xt| check::tweedie_variance(f, &Mixture1::reference(), at(t), xt))
    }
    Claim::legacy(
        "curvature_gives_the_posterior_variance",
        CHAPTER,
        "(1 − ᾱ)/ᾱ (1 + (1 − ᾱ) ∇² ln q(x_t)) is Var[x₀ | x_t]",
        Method::Numerical("sums over x₀ with Bayes' weights, second differences"),
        |run| over(run, tweedie_variance),
    )
    .row("B31", || {
        let place = at(500);
        let noised = Mixture1::reference().noised(place.channel);
        let mean = posterior_average(&Mixture1::reference(), place.channel, 0.3, |x0| x0);
        let want = posterior_average(&Mixture1::reference(), place.channel, 0.3, |x0| (x0 - mean).powi(2));
        let got = tweedie_variance(place.level, curvature(|x| noised.log_pdf(x), 0.3));
        Row { got, want, tol: Tol::abs(1e-7, "second differences times (1 − ᾱ)²/ᾱ") }
    })
    .fault(fault::TWEEDIE_VARIANCE_SIGN, |run| over(run, fault::tweedie_variance_sign))
    .fault(fault::TWEEDIE_VARIANCE_ONCE, |run| over(run, fault::tweedie_variance_once))
    .fault(fault::TWEEDIE_VARIANCE_PRIOR, |run| over(run, fault::tweedie_variance_prior))
}

fn reverse() -> Claim {
    fn over(run: &Run, f: fn(&Transition, f64, f64) -> f64) -> Outcome {
        places(run, 16, |t, xt| {
            let (transition, channels) = step(t);
            check::reverse_mean(f, &Mixture1::reference(), &transition, channels, xt)
        })
    }
    Claim::legacy(
        "score_gives_the_reverse_mean",
        CHAPTER,
        "(x_t + β ∇ ln q(x_t))/√α is E[x_{t−1} | x_t]",
        Method::Numerical("sums over x_{t−1} with Bayes' weights, score by differences"),
        |run| over(run, reverse_mean),
    )
    .row("S1.61", || {
        let (transition, (s, kernel)) = step(500);
        let (at_s, at_t) = (Mixture1::reference().noised(s), Mixture1::reference().noised(s.then(kernel)));
        let want = posterior_average(&at_s, kernel, 0.3, |xs| xs);
        Row { got: reverse_mean(&transition, 0.3, at_t.score(0.3)), want, tol: Tol::abs(1e-9, "sums on a grid") }
    })
    .fault(fault::REVERSE_MEAN_LANGEVIN, |run| over(run, fault::reverse_mean_langevin))
    .fault(fault::REVERSE_MEAN_UNSCALED, |run| over(run, fault::reverse_mean_unscaled))
    .fault(fault::REVERSE_MEAN_SIGN, |run| over(run, fault::reverse_mean_sign))
    .fault(fault::REVERSE_MEAN_ACCUMULATED, |run| over(run, fault::reverse_mean_accumulated))
}

fn excess() -> Claim {
    fn over(run: &Run, f: fn(&Transition, f64) -> f64) -> Outcome {
        places(run, 12, |t, xt| {
            let (transition, channels) = step(t);
            check::marginal_excess(f, &Mixture1::reference(), &transition, channels, xt)
        })
    }
    Claim::legacy(
        "marginal_score_still_pays_the_posterior_spread",
        CHAPTER,
        "the KL term at the exact marginal score averages to ᾱ_{t−1} β²/(2β̃(1 − ᾱ)²) tr Cov[x₀ | x_t]",
        Method::OtherPremises("KL of equal variances averaged over x₀ given x_t by sums"),
        |run| over(run, marginal_score_excess),
    )
    .row("S1.63", || {
        let (transition, (s, kernel)) = step(500);
        let spread = Mixture1::reference().x0_var(s.then(kernel), 0.3);
        let precision = kernel.signal().powi(2) / kernel.noise_var() + 1.0 / s.noise_var();
        let weight = s.signal() / s.noise_var() / precision;
        let want = 0.5 * precision * weight * weight * spread;
        Row { got: marginal_score_excess(&transition, spread), want, tol: Tol::rel(1e-9, "ratios of 1 − ᾱ") }
    })
    .fault(fault::MARGINAL_SCORE_IS_FREE, |run| over(run, fault::marginal_score_is_free))
    .fault(fault::EXCESS_NOT_SQUARED, |run| over(run, fault::excess_not_squared))
    .fault(fault::EXCESS_OVER_BETA, |run| over(run, fault::excess_over_beta))
}

fn denoising() -> Claim {
    fn over(f: fn(Level, f64) -> f64) -> Outcome {
        let mut all = Trial::new();
        for t in [100, 500] {
            all.include(check::denoising_is_explicit(f, &Mixture1::reference(), at(t))?);
        }
        Ok(all.evidence())
    }
    Claim::legacy(
        "denoising_score_matching_is_explicit_up_to_a_constant",
        CHAPTER,
        "E‖s − ∇ ln q(x_t|x₀)‖² = E‖s − ∇ ln q(x_t)‖² + a constant that no model changes",
        Method::Numerical("three models, averages over data and noise, score by differences"),
        |_| over(denoising_target),
    )
    .row("S2.45", || {
        let place = at(500);
        let noised = Mixture1::reference().noised(place.channel);
        let (a, sigma) = (place.channel.signal(), place.channel.noise_std());
        let normal =
            Mixture1::new(&[(1.0, Gaussian1::new(0.0, 1.0).unwrap_or_else(|error| unreachable!("{error}")))]);
        let normal = normal.unwrap_or_else(|error| unreachable!("{error}"));
        let model = |x: f64| -(1.5 * x).tanh();
        let got = Mixture1::reference().expect(|x0| {
            normal.expect(|eps| (model(a * x0 + sigma * eps) - denoising_target(place.level, eps)).powi(2))
        });
        let want = noised.expect(|x| (model(x) - noised.score(x)).powi(2)) + sigma.powi(-2) - noised.fisher();
        Row { got, want, tol: Tol::abs(1e-10, "averages") }
    })
    .row("S3.69", || {
        // The ε loss is 1 − ᾱ times the denoising loss: both are enumerated for one wrong prediction.
        let place = at(500);
        let (eps, predicted) = (0.8, 0.1);
        let scores = denoising_target(place.level, predicted) - denoising_target(place.level, eps);
        let got = place.channel.noise_var() * scores.powi(2);
        Row { got, want: (0.8f64 - 0.1).powi(2), tol: Tol::abs(1e-14, "rounding") }
    })
    .fault(fault::TARGET_IS_EPS, |_| over(fault::target_is_eps))
    .fault(fault::TARGET_SIGN, |_| over(fault::target_sign))
    .fault(fault::TARGET_VARIANCE, |_| over(fault::target_variance))
}

fn implicit() -> Claim {
    fn over(f: fn(f64, f64) -> f64) -> Outcome {
        check::implicit_is_explicit(f, &Mixture1::reference())
    }
    Claim::legacy(
        "implicit_score_matching_needs_no_score",
        CHAPTER,
        "E(‖s‖² + 2∇·s) = E‖s − ∇ ln p‖² − E‖∇ ln p‖²",
        Method::Numerical("three models, averages over the mixture, differences"),
        |_| over(implicit_loss),
    )
    .row("S2.44", || {
        let data = Mixture1::reference();
        let got = data.expect(|x| implicit_loss(0.3 - 0.8 * x, -0.8));
        let want = data.expect(|x| (0.3 - 0.8 * x - data.score(x)).powi(2)) - data.fisher();
        Row { got, want, tol: Tol::abs(1e-11, "averages") }
    })
    .fault(fault::IMPLICIT_WITHOUT_TWO, |_| over(fault::implicit_without_two))
    .fault(fault::IMPLICIT_SIGN, |_| over(fault::implicit_sign))
    .fault(fault::IMPLICIT_HALVED, |_| over(fault::implicit_halved))
}

fn energy() -> Claim {
    fn over(run: &Run, f: fn(f64) -> f64) -> Outcome {
        let run = run.at_most(32);
        run.over::<2>(|[u, v]| check::energy_score(f, uniform(u, -2.5, 2.5), uniform(v, -20.0, 20.0)))
    }
    fn double_well(x: f64) -> f64 {
        x.powi(4) / 4.0 - x * x
    }
    Claim::legacy(
        "energy_gradient_is_minus_the_score",
        CHAPTER,
        "the score of e^{−E}/Z is −∇E whatever Z and a constant added to E",
        Method::Numerical("density normalised by sums on a grid, differences of its logarithm"),
        |run| over(run, score_from_energy),
    )
    .row("S2.41", || {
        // The lowest energy is the highest density: √2 for the double well, where −∇E changes sign.
        let (mut low, mut high) = (1.0f64, 2.0f64);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            let upward = score_from_energy(middle.powi(3) - 2.0 * middle) > 0.0;
            if upward { low = middle } else { high = middle }
        }
        let grid = (0..40_001).map(|k| f64::from(k) * 1e-4 - 0.0);
        let want = grid.fold(0.0, |best, x| if double_well(x) < double_well(best) { x } else { best });
        Row { got: low, want, tol: Tol::abs(1e-4, "spacing of the grid") }
    })
    .row("S2.42", || {
        // Z drops out: the score of e^{−E−c} at one point for c = 0 and c = 7.
        let got = score_from_energy(slope(|x| double_well(x) + 7.0, 0.7));
        Row { got, want: 2.0 * 0.7 - 0.7f64.powi(3), tol: Tol::abs(1e-10, "differences") }
    })
    .row("S2.43", || {
        let want = slope(|x: f64| (-double_well(x)).exp().ln(), -1.1);
        Row { got: score_from_energy((-1.1f64).powi(3) - 2.0 * -1.1), want, tol: Tol::abs(1e-9, "differences") }
    })
    .row("S2.48", || {
        let x = 0.4;
        let by_energy = langevin_step(x, score_from_energy(slope(double_well, x)), 0.3, 0.9);
        let by_density = langevin_step(x, slope(|x| (-double_well(x)).exp().ln(), x), 0.3, 0.9);
        Row { got: by_energy, want: by_density, tol: Tol::abs(1e-10, "differences") }
    })
    .fault(fault::ENERGY_SIGN, |run| over(run, fault::energy_sign))
    .fault(fault::ENERGY_HALVED, |run| over(run, fault::energy_halved))
    .fault(fault::ENERGY_SQUARED, |run| over(run, fault::energy_squared))
}
