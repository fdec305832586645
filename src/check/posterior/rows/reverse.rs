//! Claims on the chain's joint law and on the true reverse q(x_{t−1} | x_t).

use super::{CHAPTER, after_the_first, at, at_some_times, ddpm};
use crate::check::posterior::{self as check, Point};
use crate::check::{Outcome, Run, Tol, log_uniform, uniform};
use crate::check::posterior::faults as fault;
use crate::posterior::{
    Component, Moments, conditional_information, joint_covariance, posterior, true_reverse, true_reverse_mixture,
};
use crate::schedule::{Betas, Schedule, Timestep, Transition};
use crate::check::{Claim, Method, Row};

type Mixture = fn(&Transition, &[Component], f64) -> Vec<Component>;

pub(super) fn claims() -> Vec<Claim> {
    vec![markov(), reverse(), mixture(), composition(), information()]
}

fn markov() -> Claim {
    let method = Method::Enumeration("recursion on the βs, partial covariance");
    let sentence = "x_t and x₀ are uncorrelated given x_{t−1}: the forward chain is Markov";
    Claim::legacy("forward_chain_is_markov", CHAPTER, sentence, method, |run| markovs(run, joint_covariance))
        .row("S0.42", || {
            let c = joint_covariance(&ddpm(321), 0.6);
            let got = c[0][1] * c[1][2] / c[1][1];
            let (factor, _) = at(321, 0.0, 0.0).forward(321);
            Row { got, want: 0.6 * factor, tol: Tol::rel(2e-13, "2t roundings in the recursion") }
        })
        .fault(fault::DETERMINISTIC_JOINT, |run| markovs(run, fault::deterministic_joint))
        .fault(fault::HALF_DETERMINISTIC_JOINT, |run| markovs(run, fault::half_deterministic_joint))
        .fault(fault::NO_ROOT_IN_COVARIANCE, |run| markovs(run, fault::no_root_in_covariance))
}

fn reverse() -> Claim {
    let method = Method::OtherPremises("Bayes' rule with the marginal of x_{t−1} as prior");
    let sentence = "for Gaussian data q(x_{t−1} | x_t) is the posterior averaged over x₀ given x_t";
    Claim::legacy("true_reverse_equals_bayes", CHAPTER, sentence, method, |run| reverses(run, true_reverse))
        .row("S2.14", || {
            let data = Moments { mean: 0.4, var: 0.49 };
            let point = at(222, 0.0, 0.8);
            let (beta, m, v) = point.parts();
            let prior = Moments { mean: m * data.mean, var: m * m * data.var + v };
            let want = check::precision_addition(beta, prior, 0.8).mean;
            Row { got: true_reverse(&ddpm(222), data, 0.8).mean, want, tol: Tol::rel(2e-13, "2t roundings") }
        })
        .fault(fault::REVERSE_VARIANCE_BETA_TILDE, |run| reverses(run, fault::reverse_variance_beta_tilde))
        .fault(fault::REVERSE_VARIANCE_BETA, |run| reverses(run, fault::reverse_variance_beta))
        .fault(fault::REVERSE_WITHOUT_PRIOR, |run| reverses(run, fault::reverse_without_prior))
}

fn mixture() -> Claim {
    let method = Method::Numerical("Bayes' rule normalised by trapezoidal quadrature");
    let sentence =
        "for a mixture q(x_{t−1} | x_t) is the mixture of the components' reverse kernels, reweighted by x_t";
    Claim::legacy("mixture_reverse_equals_bayes", CHAPTER, sentence, method, |run| mixtures(run, true_reverse_mixture))
        .row("S1.29", || {
            // E[x_{t−1} | x_t] as a ratio of two integrals over x_{t−1}.
            let point = at(100, 0.0, 0.3);
            let (beta, m, v) = point.parts();
            let (mut mass, mut first) = (0.0, 0.0);
            for k in -600..=600 {
                let x = 0.3 + f64::from(k) * 0.003;
                let prior: f64 =
                    gmm().iter().map(|c| c.weight * normal(x, m * c.moments.mean, m * m * c.moments.var + v)).sum();
                let joint = prior * normal(0.3, (1.0 - beta).sqrt() * x, beta);
                mass += joint;
                first += joint * x;
            }
            let got = true_reverse_mixture(&ddpm(100), &gmm(), 0.3);
            let got = got.iter().map(|c| c.weight * c.moments.mean).sum();
            Row { got, want: first / mass, tol: Tol::rel(1e-12, "2t roundings, 1200 positive terms") }
        })
        .fault(fault::MIXTURE_WEIGHTS_KEPT, |run| mixtures(run, fault::mixture_weights_kept))
        .fault(fault::MIXTURE_WEIGHTS_OF_S, |run| mixtures(run, fault::mixture_weights_of_s))
        .fault(fault::MIXTURE_AS_ONE_GAUSSIAN, |run| mixtures(run, fault::mixture_as_one_gaussian))
}

fn composition() -> Claim {
    let method = Method::Numerical("composition of the kernels on a grid, against marginals by recursion");
    let sentence = "the reverse kernels carry q(x_T) back to the data, an integral a step";
    Claim::legacy("reverse_kernels_compose_to_the_data", CHAPTER, sentence, method, |_| composed(true_reverse_mixture))
        .row("S2.15", || composition_row(3, 0.2))
        .row("S2.16", || composition_row(1, -1.4))
        .fault(fault::MIXTURE_WEIGHTS_KEPT, |_| composed(fault::mixture_weights_kept))
        .fault(fault::MIXTURE_WEIGHTS_OF_S, |_| composed(fault::mixture_weights_of_s))
        .fault(fault::MIXTURE_AS_ONE_GAUSSIAN, |_| composed(fault::mixture_as_one_gaussian))
}

fn information() -> Claim {
    let method = Method::Numerical("Gauss–Hermite over x₀ given x_t and over x_{t−1}");
    let sentence = "training against the posterior costs I(x_{t−1}; x₀ | x_t) more than against the true reverse, whatever the model";
    Claim::legacy("posterior_loss_exceeds_reverse_loss_by_information", CHAPTER, sentence, method, |run| {
        informations(run, conditional_information)
    })
    .row("B28", || {
        let (data, model) = (Moments { mean: 0.4, var: 0.49 }, Moments { mean: 0.1, var: 0.2 });
        let point = Point::new(&toy(), Timestep::new(3), 0.0, 0.7);
        let (known, unknown, _) = check::divergences(&point, data, model);
        let got = unknown + conditional_information(&toy().step(Timestep::new(3)), data.var);
        Row { got, want: known, tol: Tol::abs(4e-15, "some ten roundings of numbers of order 1") }
    })
    .fault(fault::INFORMATION_LEFT_OUT, |run| informations(run, fault::information_left_out))
    .fault(fault::INFORMATION_WITHOUT_HALF, |run| informations(run, fault::information_without_half))
    .fault(fault::INFORMATION_OF_BETA, |run| informations(run, fault::information_of_beta))
}

fn toy() -> Schedule {
    Schedule::new(Betas::new(vec![0.1, 0.3, 0.5]).expect("inside (0, 1)"))
}

/// 0.3 N(−1.5, 0.3²) + 0.7 N(1, 0.5²).
fn gmm() -> [Component; 2] {
    let part = |weight, mean, std: f64| Component { weight, moments: Moments { mean, var: std * std } };
    [part(0.3, -1.5, 0.3), part(0.7, 1.0, 0.5)]
}

fn normal(x: f64, mean: f64, var: f64) -> f64 {
    (-0.5 * (x - mean).powi(2) / var).exp() / (std::f64::consts::TAU * var).sqrt()
}

fn composition_row(t: usize, xs: f64) -> Row {
    let point = Point::new(&toy(), Timestep::new(t), 0.0, 0.0);
    let (_, m, v) = point.parts();
    let (factor, var) = point.forward(t);
    let step = 0.02;
    let marginal = |x: f64, m: f64, v: f64| -> f64 {
        gmm().iter().map(|c| c.weight * normal(x, m * c.moments.mean, m * m * c.moments.var + v)).sum()
    };
    let kernel = |xt: f64| -> f64 {
        let parts = true_reverse_mixture(&toy().step(Timestep::new(t)), &gmm(), xt);
        parts.iter().map(|c| c.weight * normal(xs, c.moments.mean, c.moments.var)).sum()
    };
    let got = (-400..=400).map(|k| step * f64::from(k)).map(|xt| step * kernel(xt) * marginal(xt, factor, var)).sum();
    Row { got, want: marginal(xs, m, v), tol: Tol::abs(1e-13, "800 positive terms of order 1") }
}

fn markovs(run: &Run, f: fn(&Transition, f64) -> [[f64; 3]; 3]) -> Outcome {
    at_some_times(run, |schedule, t, [a, ..]| {
        check::is_markov(f, &Point::new(schedule, t, 0.0, 0.0), log_uniform(a, 0.05, 5.0))
    })
}

fn reverses(run: &Run, f: fn(&Transition, Moments, f64) -> Moments) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, c, _]| {
        let data = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.05, 5.0) };
        check::reverse_equals_bayes(f, &Point::new(schedule, t, 0.0, uniform(c, -3.0, 3.0)), data)
    })
}

fn mixtures(run: &Run, f: Mixture) -> Outcome {
    at_some_times(run, |schedule, t, [a, b, ..]| {
        let at = Point::typical(schedule, t, uniform(a, -2.0, 2.0), uniform(b, -2.0, 2.0));
        check::mixture_reverses(f, &at, &gmm())
    })
}

fn composed(f: Mixture) -> Outcome {
    check::reverse_composes(f, &toy(), &gmm(), 7.0, 350)
}

fn informations(run: &Run, f: fn(&Transition, f64) -> f64) -> Outcome {
    after_the_first(run, |schedule, t, [a, b, c, d]| {
        let data = Moments { mean: uniform(a, -2.0, 2.0), var: log_uniform(b, 0.05, 5.0) };
        let at = Point::typical(schedule, t, uniform(c, -2.0, 2.0), uniform(d, -2.0, 2.0));
        let near = posterior(at.transition(), data.mean, at.xt());
        let model = Moments {
            mean: near.mean + uniform(d, -1.0, 1.0) * near.var.sqrt(),
            var: near.var * log_uniform(a, 0.5, 2.0),
        };
        check::information_is_the_difference(f, &at, data, model)
    })
}
