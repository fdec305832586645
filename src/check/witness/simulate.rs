//! Recursion over the βs, one step at a time: what a chain does, without a formula for where it gets to.

/// The states s_0, s_1, … s_T of any recursion `s_t = step(s_{t−1}, t, β_t)`.
pub fn recurse<S: Clone>(start: S, betas: &[f64], mut step: impl FnMut(&S, usize, f64) -> S) -> Vec<S> {
    let mut states = Vec::with_capacity(betas.len() + 1);
    states.push(start);
    for (t, &beta) in (1..).zip(betas) {
        states.push(step(&states[t - 1], t, beta));
    }
    states
}

/// The law of x_t given x_0 is N(coefficient · x_0, var).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Marginal {
    /// The factor on x_0.
    pub coefficient: f64,
    /// The variance of the accumulated noise.
    pub var: f64,
}

impl Marginal {
    /// t = 0: x_0 itself.
    pub const START: Self = Self { coefficient: 1.0, var: 0.0 };

    /// One step `√(1 − β) x + √β ε` further.
    #[must_use]
    pub fn then(self, beta: f64) -> Self {
        Self { coefficient: (1.0 - beta).sqrt() * self.coefficient, var: (1.0 - beta).mul_add(self.var, beta) }
    }

    /// After all of the βs: q(x_t | x_s) for those from s + 1 to t. Both relative errors are at most 2 ε a step.
    #[must_use]
    pub fn through(betas: &[f64]) -> Self {
        betas.iter().fold(Self::START, |from, &beta| from.then(beta))
    }
}

/// q(x_t | x_0) for t = 0 … T by running `x_t = √(1 − β_t) x_{t−1} + √β_t ε_t`.
///
/// The coefficient is multiplied and the variance is scaled and increased at every step; both relative errors grow by
/// at most 2 ε a step.
#[must_use]
pub fn forward_marginals(betas: &[f64]) -> Vec<Marginal> {
    recurse(Marginal::START, betas, |from, _, beta| from.then(beta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recursion_visits_every_time_once() {
        let visited = recurse(Vec::new(), &[0.1, 0.2, 0.3], |seen: &Vec<(usize, f64)>, t, beta| {
            let mut seen = seen.clone();
            seen.push((t, beta));
            seen
        });
        assert_eq!(visited.len(), 4);
        assert_eq!(visited[3], [(1, 0.1), (2, 0.2), (3, 0.3)]);
    }

    /// ᾱ_500 of the linear schedule; sums of logarithms, which never form 1 − β or 1 − ᾱ, agree at every time.
    #[test]
    fn steps_give_the_reference_levels() {
        let betas: Vec<f64> = (0..1000).map(|i| 1e-4 + (0.02 - 1e-4) * f64::from(i) / 999.0).collect();
        let (steps, logs) = (forward_marginals(&betas), recurse(0.0, &betas, |sum, _, beta| sum + (-beta).ln_1p()));
        assert!((steps[500].coefficient.powi(2) - 0.078_587_242_881_8).abs() < 1e-13);
        for (step, log) in steps.iter().zip(&logs) {
            let (coefficient, var) = ((0.5 * log).exp(), -log.exp_m1());
            assert!((step.var - var).abs() <= 1e-13 * var);
            assert!((step.coefficient - coefficient).abs() <= 1e-13 * coefficient);
        }
    }

    /// At a first step of 10⁻⁵ the variance is β itself, not what is left of a subtraction from 1.
    #[test]
    fn small_variances_keep_their_digits() {
        let beta = 1e-5;
        assert!((forward_marginals(&[beta])[1].var - beta).abs() <= 1e-20);
    }
}
