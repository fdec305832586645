//! Known wrong formulas of training.

use crate::check::{Erratum, Severity, wrong};
use crate::error::Result;
use crate::posterior::Moments;
use crate::prediction::Prediction;
use crate::schedule::{Level, Timestep};
use crate::training::{LinearOptimum, LinearTable, TimeDistribution, draw, linear_optimum, shared_slope, target};

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        id: "E2.9",
        severity: Severity::Typo,
        rows: &["S2.38", "S2.47"],
        printed: "the noise of a vector is N(0, 1)",
        correct: "N(0, I): independent in every coordinate",
        numbers: &[],
    },
    Erratum {
        id: "E3.17",
        severity: Severity::Wording,
        rows: &["S3.81"],
        printed: "each draw trains a chain of another length",
        correct: "each draw trains one transition, one term of the sum",
        numbers: &[],
    },
];

type Draw = fn(&TimeDistribution, usize, &mut dyn FnMut() -> f64, &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>);

wrong! {
    /// Wrong gradients at one draw.
    pub GRADIENTS: fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable>;

    slip gradient_without_two: "the gradient of the squared error lacks its factor 2" =>
        |table, prediction, t, level, x0, eps| {
            let right = table.gradient(prediction, t, level, x0, eps)?;
            Ok(LinearTable(right.0.iter().map(|[a, b]| [0.5 * a, 0.5 * b]).collect()))
        };
    erratum("E3.17") gradient_of_whole_chain: "a draw at t is taken to train all transitions up to t, a chain of that length" =>
        |table, prediction, t, level, x0, eps| {
            let mut right = table.gradient(prediction, t, level, x0, eps)?;
            let own = right.0[t.get() - 1];
            right.0[..t.get()].fill(own);
            Ok(right)
        };
    slip gradient_at_time_before: "the draw at t moves the parameters of t − 1: the network's index is off by one" =>
        |table, prediction, t, level, x0, eps| {
            let mut right = table.gradient(prediction, t, level, x0, eps)?;
            right.0.rotate_left(1);
            Ok(if right.0.len() == 1 { LinearTable(vec![[0.0, 0.0]]) } else { right })
        };
}

wrong! {
    /// Wrong gradients at one draw that lead descent to another optimum.
    pub GRADIENTS_ASTRAY: fn(&LinearTable, Prediction, Timestep, Level, f64, f64) -> Result<LinearTable>;

    slip gradient_uphill: "the gradient has the wrong sign: target − output for output − target" =>
        |table, prediction, t, level, x0, eps| {
            let right = table.gradient(prediction, t, level, x0, eps)?;
            Ok(LinearTable(right.0.iter().map(|[a, b]| [-a, -b]).collect()))
        };
    slip gradient_on_clean_input: "the network is shown x₀ where it has to be shown x_t" =>
        |table, prediction, t, level, x0, eps| {
            let target = target(prediction, level, x0, eps)?;
            let residual = table.output(t, x0) - target;
            let mut gradient = vec![[0.0, 0.0]; table.0.len()];
            gradient[t.get() - 1] = [2.0 * residual * x0, 2.0 * residual];
            Ok(LinearTable(gradient))
        };
    slip gradient_noise_by_variance: "the noise in x_t is scaled by 1 − ᾱ where its square root was meant" =>
        |table, prediction, t, level, x0, eps| {
            let xt = level.signal() * x0 + level.one_minus_alpha_bar() * eps;
            let residual = table.output(t, xt) - target(prediction, level, x0, eps)?;
            let mut gradient = vec![[0.0, 0.0]; table.0.len()];
            gradient[t.get() - 1] = [2.0 * residual * xt, 2.0 * residual];
            Ok(LinearTable(gradient))
        };
}

wrong! {
    /// Wrong distributions of times from shares.
    pub SAMPLING: fn(&[f64]) -> Result<TimeDistribution>;

    slip importance_without_weights: "times are drawn unevenly without the weights 1/(T p_t) that make up for it" =>
        |shares| {
            let right = TimeDistribution::proportional(shares)?;
            Ok(TimeDistribution { weights: vec![1.0; shares.len()], ..right })
        };
    slip importance_weights_inverted: "the weights of unevenly drawn times are T p_t where 1/(T p_t) was meant" =>
        |shares| {
            let right = TimeDistribution::proportional(shares)?;
            Ok(TimeDistribution { weights: right.weights.iter().map(|w| 1.0 / w).collect(), ..right })
        };
    slip last_time_never_drawn: "times are drawn from 1 to T − 1: the last one never comes up" =>
        |shares| {
            let mut right = TimeDistribution::proportional(shares)?;
            let n = shares.len();
            let last = right.probabilities[n - 1];
            right.probabilities[n - 1] = 0.0;
            right.probabilities.iter_mut().for_each(|p| *p /= 1.0 - last);
            Ok(right)
        };
    slip weights_without_t: "the weights are 1/p_t, so that the loss is a sum over the times and not their mean" =>
        |shares| {
            let right = TimeDistribution::proportional(shares)?;
            Ok(TimeDistribution { weights: right.probabilities.iter().map(|p| 1.0 / p).collect(), ..right })
        };
}

wrong! {
    /// Wrong distributions of times from second moments of the losses.
    pub LOSS_AWARE: fn(&[f64]) -> Result<TimeDistribution>;

    slip importance_without_root: "times are drawn in proportion to E(L²) where its root was meant" =>
        |second_moments| TimeDistribution::proportional(second_moments) ;
    slip importance_inverted: "times with a large loss are drawn seldom" =>
        |second_moments| TimeDistribution::proportional(&second_moments.iter().map(|m| 1.0 / m.sqrt()).collect::<Vec<_>>());
    slip importance_uniform: "times are drawn uniformly although the losses differ" =>
        |second_moments| TimeDistribution::uniform(second_moments.len()) ;
}

wrong! {
    /// Wrong least-squares noise predictors of Gaussian data.
    pub OPTIMA: fn(Level, Moments) -> LinearOptimum;

    slip optimum_is_noise_level: "the slope of the best noise predictor is √(1 − ᾱ) whatever the data's variance" =>
        |level, data| LinearOptimum { slope: level.noise_std(), ..linear_optimum(level, data) };
    slip optimum_not_centred: "the best noise predictor does not subtract the data's mean" =>
        |level, data| LinearOptimum { offset: 0.0, ..linear_optimum(level, data) };
    slip floor_is_noise: "the loss that remains is taken to be 1 − ᾱ where it is ᾱ for unit-variance data" =>
        |level, data| {
            let right = linear_optimum(level, data);
            LinearOptimum { floor: 1.0 - right.floor, ..right }
        };
    slip floor_is_zero: "training is taken to drive the noise loss to zero" =>
        |level, data| LinearOptimum { floor: 0.0, ..linear_optimum(level, data) };
}

wrong! {
    /// Wrong slopes shared by all levels: levels, weights, data.
    pub SHARED: fn(&[Level], &[f64], Moments) -> Result<f64>;

    slip shared_weights_ignored: "the weights are taken not to matter although all levels share the parameters" =>
        |levels, _, data| shared_slope(levels, &vec![1.0; levels.len()], data);
    slip shared_mean_of_slopes: "the shared slope is the weighted mean of each level's own" =>
        |levels, weights, data| {
            let each = |level: &Level| shared_slope(std::slice::from_ref(level), &[1.0], data);
            let slopes = levels.iter().map(each).collect::<Result<Vec<_>>>()?;
            let total: f64 = weights.iter().sum();
            Ok(slopes.iter().zip(weights).map(|(a, w)| a * w).sum::<f64>() / total)
        };
    slip shared_data_mean_forgotten: "E x₀² is taken for the data's variance although their mean is not 0" =>
        |levels, weights, data| shared_slope(levels, weights, Moments { mean: 0.0, ..data });
}

wrong! {
    /// Wrong draws of a time and a noise.
    pub DRAWS: Draw;

    erratum("E2.9") noise_broadcast: "one normal number serves all coordinates: N(0, 1) where N(0, I) was meant" =>
        |times, dims, uniform, normal| {
            let (t, one) = draw(times, 1, uniform, normal);
            (t, vec![one[0]; dims])
        };
    slip times_from_zero: "times are drawn from 0 to T − 1 where 1 to T was meant" =>
        |times, dims, uniform, normal| {
            let (t, eps) = draw(times, dims, uniform, normal);
            (Timestep::new(t.get() - 1), eps)
        };
    slip noise_uniform: "the noise is uniform with unit variance where it has to be normal" =>
        |times, dims, uniform, _| {
            let t = times.at(uniform());
            (t, (0..dims).map(|_| 12f64.sqrt() * (uniform() - 0.5)).collect())
        };
    slip noise_follows_time: "the noise is scaled with the time already when it is drawn" =>
        |times, dims, uniform, normal| {
            let (t, eps) = draw(times, dims, uniform, normal);
            let scale = (2.0 * t.get() as f64 / (times.probabilities.len() + 1) as f64).sqrt();
            (t, eps.into_iter().map(|e| scale * e).collect())
        };
}
