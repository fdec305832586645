//! Known wrong formulas of the variational bound.

mod errata;

use crate::check::Origin;
use crate::check::elbo::World;
use crate::elbo::{
    AffineKernel, PathLogs, ProofRow, Reverse, Terms, denoising_from_eps_loss, denoising_term, expected_terms,
    importance_bound, prior_slope, terms_at,
};
use crate::error::Result;
use crate::posterior::{Moments, Posterior};
use crate::schedule::{Level, Schedule, Transition};

pub use errata::ERRATA;

faults! {
    FIRST_TERM_TWICE Origin::Erratum("E0.4"), first_term_twice:
    "the sum over transitions starts at t = 1 although that term is also written apart"
    fn(row: ProofRow, schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<f64> {
        let logs = PathLogs::new(schedule, reverse, path)?;
        let again = if row == ProofRow::FirstApart { logs.reverse[0] - logs.forward[0] } else { 0.0 };
        Ok(logs.row(row) - again)
    }

    Q_OF_X1_KEPT Origin::Erratum("E0.5"), q_of_x1_kept:
    "the last term keeps log q(x₁ | x₀), which the telescoping sum has to cancel"
    fn(row: ProofRow, schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<f64> {
        let logs = PathLogs::new(schedule, reverse, path)?;
        let late = matches!(row, ProofRow::Telescoped | ProofRow::Final);
        Ok(logs.row(row) + if late { logs.marginal[0] } else { 0.0 })
    }

    MINUS_BEFORE_THE_SUMS Origin::Erratum("E3.4"), minus_before_the_sums:
    "the log ratios of the ELBO are subtracted where they have to be added"
    fn(row: ProofRow, schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<f64> {
        let logs = PathLogs::new(schedule, reverse, path)?;
        let right = logs.row(row);
        let end = if row == ProofRow::Final { logs.marginal[logs.marginal.len() - 1] } else { 0.0 };
        let flipped = matches!(row, ProofRow::StepRatios | ProofRow::TwoSums | ProofRow::Final);
        let kept = -(logs.prior - end);
        Ok(if flipped { kept - (right - kept) } else { right })
    }

    TELESCOPED_ONE_SHORT Origin::Slip, telescoped_one_short:
    "the telescoped sum ends at q(x_{T−1} | x₀) instead of q(x_T | x₀)"
    fn(row: ProofRow, schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<f64> {
        let logs = PathLogs::new(schedule, reverse, path)?;
        let n = logs.marginal.len();
        let short = if n > 1 && row == ProofRow::Telescoped { logs.marginal[n - 2] - logs.marginal[n - 1] } else { 0.0 };
        Ok(logs.row(row) + short)
    }

    PRIOR_LEFT_OUT Origin::Slip, prior_left_out:
    "log p(x_T) is left out of the bound"
    fn(row: ProofRow, schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<f64> {
        let logs = PathLogs::new(schedule, reverse, path)?;
        Ok(logs.row(row) + if row == ProofRow::StepRatios { logs.prior } else { 0.0 })
    }

    DECODER_OVER_Q Origin::Erratum("E0.5"), decoder_over_q:
    "the reconstruction term is log q(x₁ | x₀)/p_θ(x₀ | x₁) where −log p_θ(x₀ | x₁) was meant"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<Terms> {
        let right = terms_at(schedule, reverse, path)?;
        let logs = PathLogs::new(schedule, reverse, path)?;
        Ok(Terms { decoder: right.decoder + logs.forward[0], ..right })
    }

    KL_THE_OTHER_WAY Origin::Slip, kl_the_other_way:
    "the middle terms are KL(p_θ ‖ q) where KL(q ‖ p_θ) was meant"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<Terms> {
        let right = terms_at(schedule, reverse, path)?;
        let reversed = |(t, step): (crate::Timestep, Transition)| {
            let (q, p) = (Posterior::new(&step).at(path[0], path[t.get()]), reverse(t, path[t.get()]));
            let miss = q.mean - p.mean;
            0.5 * ((q.var / p.var).ln() + (p.var + miss * miss) / q.var - 1.0)
        };
        Ok(Terms { denoising: schedule.steps().skip(1).map(reversed).collect(), ..right })
    }

    KL_WITHOUT_VARIANCES Origin::Slip, kl_without_variances:
    "the middle terms are the weighted squares of the means alone, although the variances differ"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<Terms> {
        let right = terms_at(schedule, reverse, path)?;
        let square = |(t, step): (crate::Timestep, Transition)| {
            let p = reverse(t, path[t.get()]);
            (Posterior::new(&step).at(path[0], path[t.get()]).mean - p.mean).powi(2) / (2.0 * p.var)
        };
        Ok(Terms { denoising: schedule.steps().skip(1).map(square).collect(), ..right })
    }

    DECODER_WITHOUT_TWO_PI Origin::Slip, decoder_without_two_pi:
    "the Gaussian decoder's density lacks its ½ ln 2π"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<Terms> {
        let right = terms_at(schedule, reverse, path)?;
        Ok(Terms { decoder: right.decoder - 0.5 * std::f64::consts::TAU.ln(), ..right })
    }

    PRIOR_FROM_LEVEL_BEFORE Origin::Slip, prior_from_level_before:
    "the prior term is taken at T − 1"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<Terms> {
        let right = terms_at(schedule, reverse, path)?;
        let before = crate::Timestep::new(schedule.len().max(2) - 1);
        Ok(Terms { prior: crate::elbo::prior_term(schedule.level(before), path[0]), ..right })
    }

    ONE_TERM_IS_THE_SUM Origin::Erratum("E3.10"), one_term_is_the_sum:
    "each middle term is the sum of all of them"
    fn(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
        let right = expected_terms(schedule, data, reverse)?;
        let sum = right.denoising.iter().sum();
        Ok(Terms { denoising: vec![sum; right.denoising.len()], ..right })
    }

    KL_GIVEN_EARLIER_STATE Origin::Erratum("E0.6"), kl_given_earlier_state:
    "the KL is averaged given x_{t−1} (here at 0) where it depends on (x₀, x_t) and has to be averaged over both"
    fn(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
        let right = expected_terms(schedule, data, reverse)?;
        let world = World { schedule: schedule.clone(), data, reverse: reverse.to_vec() };
        Ok(Terms { denoising: (2..=schedule.len()).map(|t| world.middle_term_given(t, 0.0)).collect(), ..right })
    }

    TERMS_TAKEN_AS_KNOWN Origin::Erratum("E0.7"), terms_taken_as_known:
    "the KL is taken as a known constant (here its value on the noise-free path) where it is a function of (x₀, x_t)"
    fn(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
        let right = expected_terms(schedule, data, reverse)?;
        Ok(Terms { denoising: terms_on_noise_free_path(schedule, data, reverse)?.denoising, ..right })
    }

    ONE_PATH_FOR_THE_MEAN Origin::Erratum("E2.7"), one_path_for_the_mean:
    "the sum of the terms on one path (here the noise-free one) is taken for the bound, without the expectation over q"
    fn(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
        terms_on_noise_free_path(schedule, data, reverse)
    }

    DATA_VARIANCE_FORGOTTEN Origin::Slip, data_variance_forgotten:
    "the expectation over the data is taken at its mean"
    fn(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
        expected_terms(schedule, Moments { var: 0.0, ..data }, reverse)
    }

    KERNELS_SHIFTED Origin::Slip, kernels_shifted:
    "the reverse kernel of t − 1 is used for t"
    fn(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
        let mut shifted = reverse.to_vec();
        shifted.rotate_right(1);
        let right = expected_terms(schedule, data, reverse)?;
        Ok(Terms { decoder: right.decoder, ..expected_terms(schedule, data, &shifted)? })
    }

    BOUND_TAKEN_FOR_NLL Origin::Erratum("E1.11"), bound_taken_for_nll:
    "the bound is taken for the negative log-likelihood itself"
    fn(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
        let right = expected_terms(schedule, data, reverse)?;
        let nll = World { schedule: schedule.clone(), data, reverse: reverse.to_vec() }.nll();
        Ok(Terms { decoder: right.decoder + nll - right.total(), ..right })
    }

    DENSITY_WITHOUT_PRIOR Origin::Slip, density_without_prior:
    "the model's density of a path lacks p(x_T)"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<[f64; 4]> {
        let logs = PathLogs::new(schedule, reverse, path)?;
        let [model, rest @ ..] = path_densities(&logs);
        Ok([model - logs.prior, rest[0], rest[1], rest[2]])
    }

    DENSITY_OF_NESTED_MEANS Origin::Erratum("E3.1"), density_of_nested_means:
    "the product is read as nesting: each kernel is evaluated at the mean of the one before, not at the path's state"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<[f64; 4]> {
        let mut state = path[schedule.len()];
        let mut nested = path.to_vec();
        for t in schedule.timesteps().rev() {
            state = reverse(t, state).mean;
            nested[t.get() - 1] = state;
        }
        let logs = PathLogs::new(schedule, reverse, path)?;
        let [_, rest @ ..] = path_densities(&logs);
        Ok([PathLogs::new(schedule, reverse, &nested)?.model(), rest[0], rest[1], rest[2]])
    }

    TELESCOPED_UPSIDE_DOWN Origin::Slip, telescoped_upside_down:
    "the telescoping ratio is q(x_T | x₀)/q(x₁ | x₀), upside down"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<[f64; 4]> {
        let [model, chain, sum, last] = path_densities(&PathLogs::new(schedule, reverse, path)?);
        Ok([model, chain, -sum, last])
    }

    KERNEL_STD_IS_BETA Origin::Slip, kernel_std_is_beta:
    "β is taken for the standard deviation of a forward step where it is the variance"
    fn(schedule: &Schedule, reverse: &Reverse, path: &[f64]) -> Result<[f64; 4]> {
        let logs = PathLogs::new(schedule, reverse, path)?;
        let [model, _, sum, last] = path_densities(&logs);
        let wrong: f64 = schedule.steps().zip(&logs.forward).map(|((_, step), log)| {
            let normal = -0.5 * (std::f64::consts::TAU * step.beta()).ln();
            (log - normal) / step.beta() + normal - 0.5 * step.beta().ln()
        }).sum();
        Ok([model, wrong, sum, last])
    }

    KL_WITHOUT_HALF Origin::Slip, kl_without_half:
    "the squared difference of the means lacks its ½"
    fn(step: &Transition, x0: f64, xt: f64, model: Moments) -> Result<f64> {
        let miss = Posterior::new(step).at(x0, xt).mean - model.mean;
        Ok(denoising_term(step, x0, xt, model)? + miss * miss / (2.0 * model.var))
    }

    KL_WITH_BETA Origin::Slip, kl_with_beta:
    "the posterior's variance in the KL is β where β̃ was meant"
    fn(step: &Transition, x0: f64, xt: f64, model: Moments) -> Result<f64> {
        let ratio = step.beta() / model.var;
        let miss = Posterior::new(step).at(x0, xt).mean - model.mean;
        Ok(0.5 * (ratio - 1.0 - ratio.ln()) + miss * miss / (2.0 * model.var))
    }

    KL_MEAN_SWAPPED Origin::Slip, kl_mean_swapped:
    "x₀ and x_t are exchanged in the posterior mean of the KL"
    fn(step: &Transition, x0: f64, xt: f64, model: Moments) -> Result<f64> {
        denoising_term(step, xt, x0, model)
    }

    PRIOR_SLOPE_ZERO Origin::Slip, prior_slope_zero:
    "the prior term is taken to be free of parameters although the schedule's end is learned"
    fn(_level: Level, _x0: f64) -> f64 { 0.0 }

    PRIOR_SLOPE_IN_ALPHA_BAR Origin::Slip, prior_slope_in_alpha_bar:
    "the slope is taken with respect to ᾱ instead of ln SNR: the factor ᾱ(1 − ᾱ) is missing"
    fn(level: Level, x0: f64) -> f64 {
        prior_slope(level, x0) / (level.alpha_bar() * level.one_minus_alpha_bar())
    }

    PRIOR_SLOPE_WITHOUT_HALF Origin::Slip, prior_slope_without_half:
    "the slope of the prior term lacks its ½"
    fn(level: Level, x0: f64) -> f64 { 2.0 * prior_slope(level, x0) }

    SIMPLE_LOSS_AS_BOUND Origin::Slip, simple_loss_as_bound:
    "the unweighted noise loss is taken for the term of the bound"
    fn(_step: &Transition, _var: f64, loss: f64) -> Result<f64> { Ok(loss) }

    VARIANCE_CONSTANT_DROPPED Origin::Slip, variance_constant_dropped:
    "the constant from the two variances is dropped although they differ"
    fn(step: &Transition, var: f64, loss: f64) -> Result<f64> { denoising_from_eps_loss(step, var, loss, 0) }

    WEIGHT_WITH_BETA_TILDE Origin::Slip, weight_with_beta_tilde:
    "the weight of the noise loss divides by β̃ whatever the model's variance"
    fn(step: &Transition, var: f64, loss: f64) -> Result<f64> {
        let ratio = var / Posterior::new(step).beta_tilde;
        denoising_from_eps_loss(step, var, ratio * loss, 1)
    }

    MEAN_OF_LOGS Origin::Slip, mean_of_logs:
    "the mean of the log-weights where the log of the mean weight was meant"
    fn(log_weights: &[f64]) -> Result<f64> {
        Ok(log_weights.iter().sum::<f64>() / log_weights.len() as f64)
    }

    LOG_OF_SUM Origin::Slip, log_of_sum:
    "the sum of the weights is not divided by their number"
    fn(log_weights: &[f64]) -> Result<f64> { Ok(importance_bound(log_weights)? + (log_weights.len() as f64).ln()) }

    LARGEST_WEIGHT_ALONE Origin::Slip, largest_weight_alone:
    "the largest weight stands for all of them"
    fn(log_weights: &[f64]) -> Result<f64> {
        Ok(log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    }
}

fn path_densities(logs: &PathLogs) -> [f64; 4] {
    [logs.model(), logs.data_chain(), logs.telescoping_sum(), logs.forward[logs.forward.len() - 1]]
}

/// The terms on the path x_t = √ᾱ_t m of the data's mean m.
fn terms_on_noise_free_path(schedule: &Schedule, data: Moments, reverse: &[AffineKernel]) -> Result<Terms> {
    let world = World { schedule: schedule.clone(), data, reverse: reverse.to_vec() };
    let times = (0..=schedule.len()).map(crate::Timestep::new);
    let path: Vec<f64> = times.map(|t| data.mean * schedule.level(t).signal()).collect();
    terms_at(schedule, &world.kernel(), &path)
}
