//! Known wrong formulas of training.

use crate::check::{Erratum, Origin, Severity};
use crate::error::Result;
use crate::posterior::Moments;
use crate::prediction::Prediction;
use crate::schedule::{Level, Timestep};
use crate::training::{LinearOptimum, LinearTable, TimeDistribution, draw, linear_optimum, shared_slope};

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

faults! {
    GRADIENT_WITHOUT_TWO Origin::Slip, gradient_without_two:
    "the gradient of the squared error lacks its factor 2"
    fn(table: &LinearTable, prediction: Prediction, t: Timestep, level: Level, x0: f64, eps: f64) -> Result<LinearTable> {
        let right = table.gradient(prediction, t, level, x0, eps)?;
        Ok(LinearTable(right.0.iter().map(|[a, b]| [0.5 * a, 0.5 * b]).collect()))
    }

    GRADIENT_UPHILL Origin::Slip, gradient_uphill:
    "the gradient has the wrong sign: target − output for output − target"
    fn(table: &LinearTable, prediction: Prediction, t: Timestep, level: Level, x0: f64, eps: f64) -> Result<LinearTable> {
        let right = table.gradient(prediction, t, level, x0, eps)?;
        Ok(LinearTable(right.0.iter().map(|[a, b]| [-a, -b]).collect()))
    }

    GRADIENT_OF_WHOLE_CHAIN Origin::Erratum("E3.17"), gradient_of_whole_chain:
    "a draw at t is taken to train all transitions up to t, a chain of that length"
    fn(table: &LinearTable, prediction: Prediction, t: Timestep, level: Level, x0: f64, eps: f64) -> Result<LinearTable> {
        let mut right = table.gradient(prediction, t, level, x0, eps)?;
        let own = right.0[t.get() - 1];
        right.0[..t.get()].fill(own);
        Ok(right)
    }

    GRADIENT_AT_TIME_BEFORE Origin::Slip, gradient_at_time_before:
    "the draw at t moves the parameters of t − 1: the network's index is off by one"
    fn(table: &LinearTable, prediction: Prediction, t: Timestep, level: Level, x0: f64, eps: f64) -> Result<LinearTable> {
        let mut right = table.gradient(prediction, t, level, x0, eps)?;
        right.0.rotate_left(1);
        Ok(if right.0.len() == 1 { LinearTable(vec![[0.0, 0.0]]) } else { right })
    }

    GRADIENT_ON_CLEAN_INPUT Origin::Slip, gradient_on_clean_input:
    "the network is shown x₀ where it has to be shown x_t"
    fn(table: &LinearTable, prediction: Prediction, t: Timestep, level: Level, x0: f64, eps: f64) -> Result<LinearTable> {
        let target = crate::training::target(prediction, level, x0, eps)?;
        let residual = table.output(t, x0) - target;
        let mut gradient = vec![[0.0, 0.0]; table.0.len()];
        gradient[t.get() - 1] = [2.0 * residual * x0, 2.0 * residual];
        Ok(LinearTable(gradient))
    }

    GRADIENT_NOISE_BY_VARIANCE Origin::Slip, gradient_noise_by_variance:
    "the noise in x_t is scaled by 1 − ᾱ where its square root was meant"
    fn(table: &LinearTable, prediction: Prediction, t: Timestep, level: Level, x0: f64, eps: f64) -> Result<LinearTable> {
        let xt = level.signal() * x0 + level.one_minus_alpha_bar() * eps;
        let residual = table.output(t, xt) - crate::training::target(prediction, level, x0, eps)?;
        let mut gradient = vec![[0.0, 0.0]; table.0.len()];
        gradient[t.get() - 1] = [2.0 * residual * xt, 2.0 * residual];
        Ok(LinearTable(gradient))
    }

    IMPORTANCE_WITHOUT_WEIGHTS Origin::Slip, importance_without_weights:
    "times are drawn unevenly without the weights 1/(T p_t) that make up for it"
    fn(shares: &[f64]) -> Result<TimeDistribution> {
        let right = TimeDistribution::proportional(shares)?;
        Ok(TimeDistribution { weights: vec![1.0; shares.len()], ..right })
    }

    IMPORTANCE_WEIGHTS_INVERTED Origin::Slip, importance_weights_inverted:
    "the weights of unevenly drawn times are T p_t where 1/(T p_t) was meant"
    fn(shares: &[f64]) -> Result<TimeDistribution> {
        let right = TimeDistribution::proportional(shares)?;
        Ok(TimeDistribution { weights: right.weights.iter().map(|w| 1.0 / w).collect(), ..right })
    }

    LAST_TIME_NEVER_DRAWN Origin::Slip, last_time_never_drawn:
    "times are drawn from 1 to T − 1: the last one never comes up"
    fn(shares: &[f64]) -> Result<TimeDistribution> {
        let mut right = TimeDistribution::proportional(shares)?;
        let n = shares.len();
        let last = right.probabilities[n - 1];
        right.probabilities[n - 1] = 0.0;
        right.probabilities.iter_mut().for_each(|p| *p /= 1.0 - last);
        Ok(right)
    }

    WEIGHTS_WITHOUT_T Origin::Slip, weights_without_t:
    "the weights are 1/p_t, so that the loss is a sum over the times and not their mean"
    fn(shares: &[f64]) -> Result<TimeDistribution> {
        let right = TimeDistribution::proportional(shares)?;
        Ok(TimeDistribution { weights: right.probabilities.iter().map(|p| 1.0 / p).collect(), ..right })
    }

    IMPORTANCE_WITHOUT_ROOT Origin::Slip, importance_without_root:
    "times are drawn in proportion to E(L²) where its root was meant"
    fn(second_moments: &[f64]) -> Result<TimeDistribution> { TimeDistribution::proportional(second_moments) }

    IMPORTANCE_INVERTED Origin::Slip, importance_inverted:
    "times with a large loss are drawn seldom"
    fn(second_moments: &[f64]) -> Result<TimeDistribution> {
        TimeDistribution::proportional(&second_moments.iter().map(|m| 1.0 / m.sqrt()).collect::<Vec<_>>())
    }

    IMPORTANCE_UNIFORM Origin::Slip, importance_uniform:
    "times are drawn uniformly although the losses differ"
    fn(second_moments: &[f64]) -> Result<TimeDistribution> { TimeDistribution::uniform(second_moments.len()) }

    OPTIMUM_IS_NOISE_LEVEL Origin::Slip, optimum_is_noise_level:
    "the slope of the best noise predictor is √(1 − ᾱ) whatever the data's variance"
    fn(level: Level, data: Moments) -> LinearOptimum {
        LinearOptimum { slope: level.noise_std(), ..linear_optimum(level, data) }
    }

    OPTIMUM_NOT_CENTRED Origin::Slip, optimum_not_centred:
    "the best noise predictor does not subtract the data's mean"
    fn(level: Level, data: Moments) -> LinearOptimum {
        LinearOptimum { offset: 0.0, ..linear_optimum(level, data) }
    }

    FLOOR_IS_NOISE Origin::Slip, floor_is_noise:
    "the loss that remains is taken to be 1 − ᾱ where it is ᾱ for unit-variance data"
    fn(level: Level, data: Moments) -> LinearOptimum {
        let right = linear_optimum(level, data);
        LinearOptimum { floor: 1.0 - right.floor, ..right }
    }

    FLOOR_IS_ZERO Origin::Slip, floor_is_zero:
    "training is taken to drive the noise loss to zero"
    fn(level: Level, data: Moments) -> LinearOptimum {
        LinearOptimum { floor: 0.0, ..linear_optimum(level, data) }
    }

    SHARED_WEIGHTS_IGNORED Origin::Slip, shared_weights_ignored:
    "the weights are taken not to matter although all levels share the parameters"
    fn(levels: &[Level], _weights: &[f64], data: Moments) -> Result<f64> {
        shared_slope(levels, &vec![1.0; levels.len()], data)
    }

    SHARED_MEAN_OF_SLOPES Origin::Slip, shared_mean_of_slopes:
    "the shared slope is the weighted mean of each level's own"
    fn(levels: &[Level], weights: &[f64], data: Moments) -> Result<f64> {
        let each = |level: &Level| shared_slope(std::slice::from_ref(level), &[1.0], data);
        let slopes = levels.iter().map(each).collect::<Result<Vec<_>>>()?;
        let total: f64 = weights.iter().sum();
        Ok(slopes.iter().zip(weights).map(|(a, w)| a * w).sum::<f64>() / total)
    }

    SHARED_DATA_MEAN_FORGOTTEN Origin::Slip, shared_data_mean_forgotten:
    "E x₀² is taken for the data's variance although their mean is not 0"
    fn(levels: &[Level], weights: &[f64], data: Moments) -> Result<f64> {
        shared_slope(levels, weights, Moments { mean: 0.0, ..data })
    }

    NOISE_BROADCAST Origin::Erratum("E2.9"), noise_broadcast:
    "one normal number serves all coordinates: N(0, 1) where N(0, I) was meant"
    fn(times: &TimeDistribution, dims: usize, uniform: &mut dyn FnMut() -> f64, normal: &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>) {
        let (t, one) = draw(times, 1, uniform, normal);
        (t, vec![one[0]; dims])
    }

    TIMES_FROM_ZERO Origin::Slip, times_from_zero:
    "times are drawn from 0 to T − 1 where 1 to T was meant"
    fn(times: &TimeDistribution, dims: usize, uniform: &mut dyn FnMut() -> f64, normal: &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>) {
        let (t, eps) = draw(times, dims, uniform, normal);
        (Timestep::new(t.get() - 1), eps)
    }

    NOISE_UNIFORM Origin::Slip, noise_uniform:
    "the noise is uniform with unit variance where it has to be normal"
    fn(times: &TimeDistribution, dims: usize, uniform: &mut dyn FnMut() -> f64, _normal: &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>) {
        let t = times.at(uniform());
        (t, (0..dims).map(|_| 12f64.sqrt() * (uniform() - 0.5)).collect())
    }

    NOISE_FOLLOWS_TIME Origin::Slip, noise_follows_time:
    "the noise is scaled with the time already when it is drawn"
    fn(times: &TimeDistribution, dims: usize, uniform: &mut dyn FnMut() -> f64, normal: &mut dyn FnMut() -> f64) -> (Timestep, Vec<f64>) {
        let (t, eps) = draw(times, dims, uniform, normal);
        let scale = (2.0 * t.get() as f64 / (times.probabilities.len() + 1) as f64).sqrt();
        (t, eps.into_iter().map(|e| scale * e).collect())
    }
}
