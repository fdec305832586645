//! Somebody's own diffusion code, as it might stand in any crate. Each formula has a wrong twin in `wrong`.

/// ᾱ of t and t − 1, and β: what a sampler of this crate knows at a step.
#[derive(Clone, Copy)]
pub struct Step {
    pub beta: f64,
    pub bar: f64,
    pub bar_prev: f64,
}

/// Mean and variance of q(x_{t−1} | x_t, x₀).
pub fn posterior(s: Step, x0: f64, xt: f64) -> (f64, f64) {
    let rest = 1.0 - s.bar;
    let mean = (s.bar_prev.sqrt() * s.beta * x0 + (1.0 - s.beta).sqrt() * (1.0 - s.bar_prev) * xt) / rest;
    (mean, s.beta * (1.0 - s.bar_prev) / rest)
}

/// KL(N(m₁, v₁) ‖ N(m₂, v₂)) in nats.
pub fn kl(m1: f64, v1: f64, m2: f64, v2: f64) -> f64 {
    0.5 * ((v2 / v1).ln() + (v1 + (m1 - m2).powi(2)) / v2 - 1.0)
}

/// βs of the cosine schedule.
pub fn cosine_betas(steps: usize) -> Vec<f64> {
    let f = |t: usize| ((t as f64 / steps as f64 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    (0..steps).map(|t| (1.0 - f(t + 1) / f(t)).min(0.999)).collect()
}

/// ᾱ: cumulative product of 1 − β.
pub fn alphas_cumprod(betas: &[f64]) -> Vec<f64> {
    let mut bar = 1.0;
    let product = |beta: &f64| {
        bar *= 1.0 - beta;
        bar
    };
    betas.iter().map(product).collect()
}

/// A DDIM step, η = 0.
pub fn ddim(bar: f64, bar_prev: f64, xt: f64, eps: f64) -> f64 {
    let x0 = (xt - (1.0 - bar).sqrt() * eps) / bar.sqrt();
    bar_prev.sqrt() * x0 + (1.0 - bar_prev).sqrt() * eps
}

/// v of (x₀, ε), then x₀ and ε of (x_t, v).
pub fn v_conversions(bar: f64, x0: f64, eps: f64, xt: f64, v: f64) -> [f64; 3] {
    let (signal, noise) = (bar.sqrt(), (1.0 - bar).sqrt());
    [signal * eps - noise * x0, signal * xt - noise * v, signal * v + noise * xt]
}

/// The same formulas, each with a mistake that has been made.
pub mod wrong {
    use super::Step;

    /// β where β̃ was meant.
    pub fn posterior(s: Step, x0: f64, xt: f64) -> (f64, f64) {
        (super::posterior(s, x0, xt).0, s.beta)
    }

    /// Standard deviations where variances come in.
    pub fn kl(m1: f64, v1: f64, m2: f64, v2: f64) -> f64 {
        super::kl(m1, v1 * v1, m2, v2 * v2)
    }

    /// t/T in whole numbers.
    pub fn cosine_betas(steps: usize) -> Vec<f64> {
        let f = |t: usize| (((t / steps) as f64 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
        (0..steps).map(|t| (1.0 - f(t + 1) / f(t)).min(0.999)).collect()
    }

    /// ᾱ_{t−1} where ᾱ_t was meant.
    pub fn alphas_cumprod(betas: &[f64]) -> Vec<f64> {
        let right = super::alphas_cumprod(betas);
        std::iter::once(1.0).chain(right).take(betas.len()).collect()
    }

    /// The noise of t where that of t − 1 was meant.
    pub fn ddim(bar: f64, bar_prev: f64, xt: f64, eps: f64) -> f64 {
        let x0 = (xt - (1.0 - bar).sqrt() * eps) / bar.sqrt();
        bar_prev.sqrt() * x0 + (1.0 - bar).sqrt() * eps
    }

    /// The sign of σ flipped.
    pub fn v_conversions(bar: f64, x0: f64, eps: f64, xt: f64, v: f64) -> [f64; 3] {
        let (signal, noise) = (bar.sqrt(), (1.0 - bar).sqrt());
        [signal * eps + noise * x0, signal * xt + noise * v, signal * v - noise * xt]
    }
}
