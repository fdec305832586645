//! The claims of the chapter `score`, bound to this crate, with the ledger's rows that they cover.

use super::faults::METROPOLIS;
use super::{self as check, at, curvature, posterior_average, slope, step};
use crate::check::{Claim, Row, Tol, Wrong};
use crate::exact::{FiniteData, Gaussian1, Mixture1, Noising};
use crate::score::{
    denoising_target, exploding_flow_velocity, flow_velocity, implicit_loss, langevin_step, langevin_variance,
    marginal_score_excess, metropolis_log_ratio, reverse_mean, score_from_energy, tweedie_mean, tweedie_variance,
};

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
        langevin(),
        metropolis(),
        flow(),
        likelihood(),
        entropy(),
    ]
}

fn first_order() -> Claim {
    Claim::new(|| check::tweedie_mean(tweedie_mean))
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
                data.as_ref()
                    .map_or(f64::NAN, |d| d.log_marginal(place.channel, &ndarray::array![x]).unwrap_or(f64::NAN))
            };
            Row { got: tweedie_mean(place.level, 0.9, slope(log, 0.9)), want: 0.829_363, tol: Tol::printed(6) }
        })
}

fn mean_noise() -> Claim {
    Claim::new(|| check::score_of_mean_noise(|level, mean, _| denoising_target(level, mean))).row("S1.64", || {
        let place = at(500);
        let (a, sigma) = (place.channel.signal(), place.channel.noise_std());
        let xt = place.channel.apply(-1.5, 0.6);
        let mean_eps = posterior_average(&Mixture1::reference(), place.channel, xt, |x0| (xt - a * x0) / sigma);
        let want = slope(|x| Mixture1::reference().noised(place.channel).log_pdf(x), xt);
        Row { got: denoising_target(place.level, mean_eps), want, tol: Tol::abs(1e-8, "differences") }
    })
}

fn conditional() -> Claim {
    Claim::new(|| {
        check::conditional_score_returns_x0(|level, xt, conditional, _| tweedie_mean(level, xt, conditional))
    })
    .row("S1.60", || {
        let place = at(500);
        let got = tweedie_mean(place.level, place.channel.apply(-1.5, 0.6), denoising_target(place.level, 0.6));
        Row { got, want: -1.5, tol: Tol::abs(1e-12, "division by √ᾱ") }
    })
}

fn second_order() -> Claim {
    Claim::new(|| check::tweedie_variance(tweedie_variance)).row("B31", || {
        let place = at(500);
        let noised = Mixture1::reference().noised(place.channel);
        let mean = posterior_average(&Mixture1::reference(), place.channel, 0.3, |x0| x0);
        let want = posterior_average(&Mixture1::reference(), place.channel, 0.3, |x0| (x0 - mean).powi(2));
        let got = tweedie_variance(place.level, curvature(|x| noised.log_pdf(x), 0.3));
        Row { got, want, tol: Tol::abs(1e-7, "second differences times (1 − ᾱ)²/ᾱ") }
    })
}

fn reverse() -> Claim {
    Claim::new(|| check::reverse_mean(reverse_mean)).row("S1.61", || {
        let (transition, (s, kernel)) = step(500);
        let (at_s, at_t) = (Mixture1::reference().noised(s), Mixture1::reference().noised(s.then(kernel)));
        let want = posterior_average(&at_s, kernel, 0.3, |xs| xs);
        Row { got: reverse_mean(&transition, 0.3, at_t.score(0.3)), want, tol: Tol::abs(1e-9, "sums on a grid") }
    })
}

fn excess() -> Claim {
    Claim::new(|| check::marginal_excess(marginal_score_excess)).row("S1.63", || {
        let (transition, (s, kernel)) = step(500);
        let spread = Mixture1::reference().x0_var(s.then(kernel), 0.3);
        let precision = kernel.signal().powi(2) / kernel.noise_var() + 1.0 / s.noise_var();
        let weight = s.signal() / s.noise_var() / precision;
        let want = 0.5 * precision * weight * weight * spread;
        Row { got: marginal_score_excess(&transition, spread), want, tol: Tol::rel(1e-9, "ratios of 1 − ᾱ") }
    })
}

fn denoising() -> Claim {
    Claim::new(|| check::denoising_is_explicit(denoising_target))
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
}

fn implicit() -> Claim {
    Claim::new(|| check::implicit_is_explicit(implicit_loss)).row("S2.44", || {
        let data = Mixture1::reference();
        let got = data.expect(|x| implicit_loss(0.3 - 0.8 * x, -0.8));
        let want = data.expect(|x| (0.3 - 0.8 * x - data.score(x)).powi(2)) - data.fisher();
        Row { got, want, tol: Tol::abs(1e-11, "averages") }
    })
}

fn energy() -> Claim {
    fn double_well(x: f64) -> f64 {
        x.powi(4) / 4.0 - x * x
    }
    Claim::new(|| check::energy_score(score_from_energy))
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
}

fn langevin() -> Claim {
    Claim::new(|| check::langevin_bias(langevin_step, langevin_variance))
        .row("S2.46", || Row {
            got: langevin_variance(1.0, 1.9).unwrap_or(f64::NAN),
            want: stationary(langevin_step, 1.9),
            tol: Tol::rel(1e-11, "fixed point"),
        })
        .row("A2.3", || Row { got: stationary(langevin_step, 0.5), want: 1.0667, tol: Tol::printed(4) })
        .row("S2.49", || {
            // Mean energy of N(0, 1) at σ = 1, in units where the lowest is 0.
            let got = 0.5 * langevin_variance(1.0, 1.0).unwrap_or(f64::NAN);
            Row { got, want: 0.5 * stationary(langevin_step, 1.0), tol: Tol::rel(1e-12, "fixed point") }
        })
        .row("S1.72", || {
            // The bias falls like σ²: its ratio under one halving.
            let bias = |sigma: f64| stationary(langevin_step, sigma) - 1.0;
            Row { got: (bias(0.02) / bias(0.01)).log2(), want: 2.0, tol: Tol::abs(1e-3, "next order in σ²") }
        })
}

/// Where the variance recursion of a step on N(0, 1) settles.
fn stationary(f: fn(f64, f64, f64, f64) -> f64, sigma: f64) -> f64 {
    let (gain, noise) = (f(1.0, -1.0, sigma, 0.0), f(0.0, 0.0, sigma, 1.0));
    (0..400_000).fold(1.0, |var, _| gain * gain * var + noise * noise)
}

fn metropolis() -> Claim {
    Claim::new(|| check::metropolis_invariance(metropolis_log_ratio))
        .row("S2.50", || Row {
            got: check::invariance_residual(metropolis_log_ratio, 0.3),
            want: 0.0,
            tol: Tol::abs(1e-15, "sums of 601 products"),
        })
        .row("B29", || Row {
            got: check::invariance_residual(Wrong::named(METROPOLIS, "metropolis_always").f, 0.6),
            want: 1.9e-3,
            tol: Tol::abs(5.1e-5, "two digits printed"),
        })
}

fn flow() -> Claim {
    Claim::new(|| check::continuity(flow_velocity)).row("B17", || {
        let law = |t: f64| {
            Mixture1::reference().noised(Noising::new((-0.5 * t).exp(), -(-t).exp_m1()).unwrap_or(Noising::NONE))
        };
        let now = law(0.7);
        let got = -slope(|x| now.pdf(x) * flow_velocity(1.0, x, now.score(x)), 0.3);
        Row { got, want: slope(|t| law(t).pdf(0.3), 0.7), tol: Tol::abs(1e-7, "differences") }
    })
}

fn likelihood() -> Claim {
    Claim::new(|| check::flow_likelihood(exploding_flow_velocity)).row("B13", || Row {
        got: check::flow_log_likelihood(exploding_flow_velocity, &Mixture1::reference(), -1.5),
        want: -0.918_938_87,
        tol: Tol::abs(1e-7, "Runge–Kutta with 2000 steps in ln σ"),
    })
}

fn entropy() -> Claim {
    Claim::new(|| check::de_bruijn(|fisher| 0.5 * fisher)).row("B18", || {
        let law = |v: f64| Mixture1::reference().noised(Noising::new(1.0, v).unwrap_or(Noising::NONE));
        Row { got: 0.5 * law(0.3).fisher(), want: 0.690_018_2, tol: Tol::abs(1.5e-7, "digits printed") }
    })
}
