//! Wrong arrays from right βs.

use super::super::{Fault, Origin};
use super::{Array, Chain};
use crate::precision::Precision;

/// A wrong formula for one array, entry by entry.
#[derive(Clone, Copy, Debug)]
pub struct ArrayFault {
    /// What was done.
    pub fault: Fault,
    /// Which array was meant.
    pub array: Array,
    /// What stands at index i instead.
    pub entry: fn(&Chain, usize) -> f64,
}

macro_rules! faults {
    ($($origin:ident $array:ident $name:literal $sentence:literal $entry:expr;)*) => {
        /// Every known wrong array.
        pub const ARRAY_FAULTS: &[ArrayFault] = &[$(ArrayFault {
            fault: Fault { name: $name, sentence: $sentence, origin: Origin::$origin },
            array: Array::$array,
            entry: $entry,
        }),*];
    };
}

faults! {
    Slip Alphas "betas_for_alphas" "this is β where α = 1 − β was meant" |c, i| c.beta(i);
    Slip Alphas "alphas_rooted" "this is √α where α was meant" |c, i| c.alpha(i).sqrt();
    Slip Alphas "alphas_one_plus_beta" "1 + β where 1 − β was meant" |c, i| 1.0 + c.beta(i);
    Slip Alphas "alphas_accumulated" "this is already the cumulative product ᾱ" |c, i| c.bar(i);

    Slip AlphasCumprod "cumprod_not_accumulated" "this is α: the cumulative product was not taken" |c, i| c.alpha(i);
    Slip AlphasCumprod "cumprod_of_betas" "the cumulative product of β where that of 1 − β was meant"
        |c, i| c.beta[..=i].iter().product();
    Slip AlphasCumprod "cumsum_for_cumprod" "1 − Σβ: a cumulative sum where a product was meant"
        |c, i| 1.0 - c.beta[..=i].iter().sum::<f64>();
    Slip AlphasCumprod "cumsum_of_alphas" "Σα: a cumulative sum where a product was meant"
        |c, i| c.beta[..=i].iter().map(|b| 1.0 - b).sum();
    Slip AlphasCumprod "exp_of_minus_cumsum" "exp(−Σβ), the continuous limit, where the product was meant"
        |c, i| (-c.beta[..=i].iter().sum::<f64>()).exp();
    Slip AlphasCumprod "log_not_exponentiated" "this is ln ᾱ: the sum of logarithms was not exponentiated"
        |c, i| c.bar(i).ln();
    Shipped AlphasCumprod "cumprod_shifted" "this is ᾱ_{t−1}: the table is shifted by one" |c, i| c.prev(i);
    Slip AlphasCumprod "cumprod_shifted_ahead" "this is ᾱ_{t+1}: the table is shifted by one the other way"
        |c, i| c.bar(i) * (1.0 - c.beta[(i + 1).min(c.steps() - 1)]);
    Slip AlphasCumprod "cumprod_without_first" "the product leaves α_1 out" |c, i| c.bar(i) / c.alpha(0);
    Slip AlphasCumprod "cumprod_rooted" "this is √ᾱ where ᾱ was meant" |c, i| c.bar(i).sqrt();
    Slip AlphasCumprod "cumprod_squared" "this is ᾱ² where ᾱ was meant" |c, i| c.bar(i).powi(2);
    Slip AlphasCumprod "one_minus_cumprod" "this is 1 − ᾱ where ᾱ was meant" |c, i| 1.0 - c.bar(i);
    Slip AlphasCumprod "cumprod_reversed_in_time" "the product runs from t to T: the chain is reversed"
        |c, i| c.bar[c.steps() - 1] / c.prev(i);
    Slip AlphasCumprod "cumprod_rounded_each_step" "ᾱ_t is α_t·α_{t−1} alone: only two factors are multiplied"
        |c, i| c.alpha(i) * if i == 0 { 1.0 } else { c.alpha(i - 1) };

    Slip AlphasCumprod "cumprod_of_bf16_alphas"
        "1 − β was rounded to bfloat16, which has nothing between 0.996 and 1: compute tables in f32"
        |c, i| narrow_product(c, i, Precision::BF16, Precision::F64);
    Slip AlphasCumprod "cumprod_in_bf16" "every product was rounded to bfloat16, of 8 bits: compute tables in f32"
        |c, i| narrow_product(c, i, Precision::BF16, Precision::BF16);
    Slip AlphasCumprod "cumprod_of_f16_alphas" "1 − β was rounded to f16, of 11 bits: compute tables in f32"
        |c, i| narrow_product(c, i, Precision::F16, Precision::F64);

    Shipped AlphasCumprodPrev "prev_not_shifted" "this is ᾱ_t where ᾱ_{t−1} was meant" |c, i| c.bar(i);
    Slip AlphasCumprodPrev "prev_starts_at_zero" "ᾱ_0 is 0 where 1 was meant"
        |c, i| if i == 0 { 0.0 } else { c.prev(i) };
    Slip AlphasCumprodPrev "prev_repeats_first" "ᾱ_0 is ᾱ_1 where 1 was meant" |c, i| if i == 0 { c.bar(0) } else { c.prev(i) };
    Slip AlphasCumprodPrev "prev_wraps_around" "ᾱ_0 is ᾱ_T where 1 was meant: the table was rotated, not shifted"
        |c, i| if i == 0 { c.bar[c.steps() - 1] } else { c.prev(i) };
    Slip AlphasCumprodPrev "prev_shifted_twice" "this is ᾱ_{t−2}: shifted by two"
        |c, i| if i < 2 { 1.0 } else { c.bar(i - 2) };
    Slip AlphasCumprodPrev "prev_shifted_ahead" "this is ᾱ_{t+1}: shifted the wrong way"
        |c, i| if i + 1 < c.steps() { c.bar(i + 1) } else { 0.0 };

    Slip SqrtAlphasCumprod "signal_not_rooted" "this is ᾱ: the root was forgotten" |c, i| c.bar(i);
    Slip SqrtAlphasCumprod "signal_rooted_twice" "the root was taken twice" |c, i| c.bar(i).sqrt().sqrt();
    Slip SqrtAlphasCumprod "signal_not_accumulated" "√α where √ᾱ was meant" |c, i| c.alpha(i).sqrt();
    Shipped SqrtAlphasCumprod "signal_shifted" "this is √ᾱ_{t−1}: the table is shifted by one" |c, i| c.prev(i).sqrt();
    Slip SqrtAlphasCumprod "signal_is_noise_std" "√(1 − ᾱ) where √ᾱ was meant" |c, i| (1.0 - c.bar(i)).sqrt();

    Slip SqrtOneMinusAlphasCumprod "noise_std_not_rooted" "this is the variance 1 − ᾱ: the root was forgotten"
        |c, i| 1.0 - c.bar(i);
    Slip SqrtOneMinusAlphasCumprod "one_minus_signal" "1 − √ᾱ where √(1 − ᾱ) was meant" |c, i| 1.0 - c.bar(i).sqrt();
    Slip SqrtOneMinusAlphasCumprod "noise_std_of_one_step" "√(1 − α) = √β where √(1 − ᾱ) was meant"
        |c, i| c.beta(i).sqrt();
    Shipped SqrtOneMinusAlphasCumprod "noise_std_shifted" "this is √(1 − ᾱ_{t−1}): the table is shifted by one"
        |c, i| (1.0 - c.prev(i)).sqrt();
    Slip SqrtOneMinusAlphasCumprod "noise_std_is_signal" "√ᾱ where √(1 − ᾱ) was meant" |c, i| c.bar(i).sqrt();
    Slip SqrtOneMinusAlphasCumprod "noise_std_of_squared" "√(1 − ᾱ²) where √(1 − ᾱ) was meant"
        |c, i| (1.0 - c.bar(i).powi(2)).sqrt();

    Slip LogOneMinusAlphasCumprod "log_base_ten" "the logarithm is to base 10" |c, i| (1.0 - c.bar(i)).log10();
    Slip LogOneMinusAlphasCumprod "log_base_two" "the logarithm is to base 2" |c, i| (1.0 - c.bar(i)).log2();
    Slip LogOneMinusAlphasCumprod "log_of_std" "the logarithm of the standard deviation: half of what was meant"
        |c, i| 0.5 * (1.0 - c.bar(i)).ln();
    Slip LogOneMinusAlphasCumprod "log_of_signal" "ln ᾱ where ln(1 − ᾱ) was meant" |c, i| c.bar(i).ln();
    Slip LogOneMinusAlphasCumprod "log_of_one_step" "ln β where ln(1 − ᾱ) was meant" |c, i| c.beta(i).ln();
    Slip LogOneMinusAlphasCumprod "log_not_taken" "the logarithm was forgotten" |c, i| 1.0 - c.bar(i);

    Slip SqrtRecipAlphasCumprod "recip_not_rooted" "1/ᾱ where 1/√ᾱ was meant" |c, i| 1.0 / c.bar(i);
    Slip SqrtRecipAlphasCumprod "not_reciprocal" "√ᾱ where its reciprocal was meant" |c, i| c.bar(i).sqrt();
    Shipped SqrtRecipAlphasCumprod "recip_of_one_step" "1/√α where 1/√ᾱ was meant" |c, i| 1.0 / c.alpha(i).sqrt();
    Slip SqrtRecipAlphasCumprod "recip_shifted" "this is 1/√ᾱ_{t−1}: the table is shifted by one"
        |c, i| 1.0 / c.prev(i).sqrt();

    Slip SqrtRecipm1AlphasCumprod "recipm1_without_minus_one" "the − 1 under the root is missing: this is 1/√ᾱ"
        |c, i| 1.0 / c.bar(i).sqrt();
    Slip SqrtRecipm1AlphasCumprod "recipm1_minus_one_outside" "1/√ᾱ − 1: the − 1 belongs under the root"
        |c, i| 1.0 / c.bar(i).sqrt() - 1.0;
    Slip SqrtRecipm1AlphasCumprod "recipm1_not_rooted" "1/ᾱ − 1: the root was forgotten" |c, i| 1.0 / c.bar(i) - 1.0;
    Slip SqrtRecipm1AlphasCumprod "recipm1_upside_down" "√(ᾱ/(1 − ᾱ)): the reciprocal of what was meant"
        |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
    Slip SqrtRecipm1AlphasCumprod "recipm1_plus_one" "√(1/ᾱ + 1): the sign of the 1 is wrong"
        |c, i| (1.0 / c.bar(i) + 1.0).sqrt();

    Shipped PosteriorVariance "variance_is_beta" "β where β̃ was meant" |c, i| c.beta(i);
    Shipped PosteriorVariance "variance_shifted" "this is β̃_{t−1}: the table is shifted by one"
        |c, i| if i == 0 { 0.0 } else { c.beta_tilde(i - 1) };
    Slip PosteriorVariance "variance_shifted_ahead" "this is β̃_{t+1}: the table is shifted by one the other way"
        |c, i| c.beta_tilde((i + 1).min(c.steps() - 1));
    Slip PosteriorVariance "variance_is_std" "this is √β̃, the standard deviation" |c, i| c.beta_tilde(i).sqrt();
    Slip PosteriorVariance "variance_fraction_upside_down" "(1 − ᾱ_t)/(1 − ᾱ_{t−1}): the fraction is upside down"
        |c, i| c.beta(i) * (1.0 - c.bar(i)) / (1.0 - c.prev(i));
    Slip PosteriorVariance "variance_without_beta" "the factor β is missing" |c, i| (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    Slip PosteriorVariance "variance_with_alpha" "α where β was meant"
        |c, i| c.alpha(i) * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    Slip PosteriorVariance "variance_with_signals" "ᾱ_{t−1}/ᾱ_t where (1 − ᾱ_{t−1})/(1 − ᾱ_t) was meant"
        |c, i| c.beta(i) * c.prev(i) / c.bar(i);
    Slip PosteriorVariance "variance_beta_squared" "β² where β was meant"
        |c, i| c.beta(i).powi(2) * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    Slip PosteriorVariance "variance_of_one_step_levels" "(1 − α_{t−1})/(1 − α_t): α where ᾱ was meant"
        |c, i| if i == 0 { 0.0 } else { c.beta(i) * c.beta(i - 1) / c.beta(i) };
    Slip PosteriorVariance "variance_is_logarithm" "this is ln β̃" |c, i| c.beta_tilde(i).ln();

    Shipped PosteriorLogVarianceClipped "log_variance_is_log_beta" "ln β where ln β̃ was meant" |c, i| c.beta(i).ln();
    Slip PosteriorLogVarianceClipped "log_variance_not_clipped" "the first entry is −∞: ln β̃_1 was not replaced"
        |c, i| c.beta_tilde(i).ln();
    Slip PosteriorLogVarianceClipped "log_std_for_log_variance" "ln √β̃: half of what was meant"
        |c, i| 0.5 * c.beta_tilde(i.max(1).min(c.steps() - 1)).ln();
    Slip PosteriorLogVarianceClipped "log_variance_base_ten" "the logarithm is to base 10"
        |c, i| c.beta_tilde(i.max(1).min(c.steps() - 1)).log10();
    Shipped PosteriorLogVarianceClipped "log_variance_clipped_from_last" "the first entry is a copy of the last, not of the second"
        |c, i| c.beta_tilde(if i == 0 { c.steps() - 1 } else { i }).ln();
    Slip PosteriorLogVarianceClipped "log_variance_clipped_from_third" "the first entry is a copy of the third, not of the second"
        |c, i| c.beta_tilde(if i == 0 { 2.min(c.steps() - 1) } else { i }).ln();
    Slip PosteriorLogVarianceClipped "log_variance_clipped_to_beta" "the first entry is ln β_1, not ln β̃_2"
        |c, i| if i == 0 { c.beta(0).ln() } else { c.beta_tilde(i).ln() };
    Slip PosteriorLogVarianceClipped "log_variance_shifted" "this is ln β̃_{t−1}: the table is shifted by one"
        |c, i| c.beta_tilde((i.max(2) - 1).min(c.steps() - 1)).ln();
    Slip PosteriorLogVarianceClipped "log_not_taken_of_variance" "this is β̃: the logarithm was forgotten"
        |c, i| c.beta_tilde(i.max(1).min(c.steps() - 1));

    Slip PosteriorMeanCoef1 "mean_coefs_swapped" "the factors of x₀ and x_t are exchanged: this is coef2"
        |c, i| c.alpha(i).sqrt() * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    Shipped PosteriorMeanCoef1 "mean_x0_not_previous" "√ᾱ_t where √ᾱ_{t−1} was meant"
        |c, i| c.bar(i).sqrt() * c.beta(i) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef1 "mean_x0_not_rooted" "ᾱ_{t−1} where √ᾱ_{t−1} was meant"
        |c, i| c.prev(i) * c.beta(i) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef1 "mean_x0_one_step_signal" "√α_t where √ᾱ_{t−1} was meant"
        |c, i| c.alpha(i).sqrt() * c.beta(i) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef1 "mean_x0_without_beta" "the factor β is missing" |c, i| c.prev(i).sqrt() / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef1 "mean_x0_beta_tilde" "β̃ where β was meant"
        |c, i| c.prev(i).sqrt() * c.beta_tilde(i) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef1 "mean_x0_previous_denominator" "1 − ᾱ_{t−1} in the denominator where 1 − ᾱ_t was meant"
        |c, i| c.prev(i).sqrt() * c.beta(i) / (1.0 - c.prev(i));
    Slip PosteriorMeanCoef1 "mean_x0_shifted" "this is the factor at t − 1: the table is shifted by one"
        |c, i| { let j = i.max(1) - 1; c.prev(j).sqrt() * c.beta(j) / (1.0 - c.bar(j)) };

    Slip PosteriorMeanCoef2 "mean_coefs_exchanged" "the factors of x₀ and x_t are exchanged: this is coef1"
        |c, i| c.prev(i).sqrt() * c.beta(i) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef2 "mean_xt_accumulated" "√ᾱ_t where √α_t was meant"
        |c, i| c.bar(i).sqrt() * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef2 "mean_xt_not_rooted" "α_t where √α_t was meant"
        |c, i| c.alpha(i) * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef2 "mean_xt_previous_signal" "√ᾱ_{t−1} where √α_t was meant"
        |c, i| c.prev(i).sqrt() * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    Slip PosteriorMeanCoef2 "mean_xt_current_level" "1 − ᾱ_t in the numerator where 1 − ᾱ_{t−1} was meant: this is √α_t"
        |c, i| c.alpha(i).sqrt();
    Slip PosteriorMeanCoef2 "mean_xt_upside_down" "(1 − ᾱ_t)/(1 − ᾱ_{t−1}): the fraction is upside down"
        |c, i| c.alpha(i).sqrt() * (1.0 - c.bar(i)) / (1.0 - c.prev(i));
    Slip PosteriorMeanCoef2 "mean_xt_shifted" "this is the factor at t − 1: the table is shifted by one"
        |c, i| { let j = i.max(1) - 1; c.alpha(j).sqrt() * (1.0 - c.prev(j)) / (1.0 - c.bar(j)) };

    Slip Snr "snr_upside_down" "(1 − ᾱ)/ᾱ: noise over signal" |c, i| (1.0 - c.bar(i)) / c.bar(i);
    Slip Snr "snr_rooted" "√(ᾱ/(1 − ᾱ)): a ratio of amplitudes, not of variances"
        |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
    Slip Snr "snr_squared" "(ᾱ/(1 − ᾱ))²: ᾱ is already a variance" |c, i| (c.bar(i) / (1.0 - c.bar(i))).powi(2);
    Slip Snr "snr_of_one_step" "α/(1 − α) where ᾱ/(1 − ᾱ) was meant" |c, i| c.alpha(i) / c.beta(i);
    Slip Snr "snr_logarithm" "this is ln SNR" |c, i| (c.bar(i) / (1.0 - c.bar(i))).ln();
    Slip Snr "snr_shifted" "this is SNR_{t−1}: the table is shifted by one" |c, i| c.prev(i) / (1.0 - c.prev(i));
    Slip Snr "snr_denominator_rooted" "ᾱ/√(1 − ᾱ): the denominator was rooted" |c, i| c.bar(i) / (1.0 - c.bar(i)).sqrt();

    Slip Sigmas "sigmas_upside_down" "√(ᾱ/(1 − ᾱ)): the reciprocal of what was meant"
        |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
    Slip Sigmas "sigmas_not_rooted" "(1 − ᾱ)/ᾱ: the root was forgotten" |c, i| (1.0 - c.bar(i)) / c.bar(i);
    Slip Sigmas "sigmas_variance_preserving" "√(1 − ᾱ) where √((1 − ᾱ)/ᾱ) was meant" |c, i| (1.0 - c.bar(i)).sqrt();
    Slip Sigmas "sigmas_of_one_step" "√β where √((1 − ᾱ)/ᾱ) was meant" |c, i| c.beta(i).sqrt();
    Slip Sigmas "sigmas_shifted" "this is σ_{t−1}: the table is shifted by one"
        |c, i| ((1.0 - c.prev(i)) / c.prev(i)).sqrt();

    Shipped LogSnr "log_snr_halved" "½ ln(ᾱ/(1 − ᾱ)) = ln(√ᾱ/√(1 − ᾱ)): half of what was meant"
        |c, i| 0.5 * c.log_snr(i);
    Slip LogSnr "log_snr_negated" "ln((1 − ᾱ)/ᾱ): noise over signal" |c, i| -c.log_snr(i);
    Slip LogSnr "log_snr_base_ten" "the logarithm is to base 10" |c, i| c.log_snr(i) / std::f64::consts::LN_10;
    Slip LogSnr "log_snr_base_two" "the logarithm is to base 2" |c, i| c.log_snr(i) / std::f64::consts::LN_2;
    Slip LogSnr "log_snr_of_one_step" "ln(α/(1 − α)) where ᾱ was meant" |c, i| (c.alpha(i) / c.beta(i)).ln();
    Slip LogSnr "log_snr_of_signal" "ln ᾱ − ½ ln(1 − ᾱ): a variance over a standard deviation"
        |c, i| c.bar(i).ln() - 0.5 * (1.0 - c.bar(i)).ln();
    Slip LogSnr "log_snr_not_taken" "the logarithm was forgotten: this is the SNR" |c, i| c.bar(i) / (1.0 - c.bar(i));

    Shipped LambdaT "lambda_doubled" "ln(ᾱ/(1 − ᾱ)), where half of it was meant" |c, i| c.log_snr(i);
    Slip LambdaT "lambda_negated" "ln(σ/√ᾱ): noise over signal" |c, i| -0.5 * c.log_snr(i);
    Slip LambdaT "lambda_of_one_step" "½ ln(α/(1 − α)) where ᾱ was meant" |c, i| 0.5 * (c.alpha(i) / c.beta(i)).ln();
    Slip LambdaT "lambda_of_variances" "ln(√ᾱ/(1 − ᾱ)): the root of 1 − ᾱ was forgotten"
        |c, i| 0.5 * c.bar(i).ln() - (1.0 - c.bar(i)).ln();
    Slip LambdaT "lambda_base_ten" "the logarithm is to base 10" |c, i| 0.5 * c.log_snr(i) / std::f64::consts::LN_10;
    Slip LambdaT "lambda_not_taken" "the logarithm was forgotten: this is √ᾱ/√(1 − ᾱ)"
        |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
}

/// Πα up to index i with the factors rounded, and every product.
fn narrow_product(c: &Chain, i: usize, factors: Precision, products: Precision) -> f64 {
    c.beta[..=i].iter().fold(1.0, |product, beta| products.round(product * factors.round(1.0 - beta)))
}
