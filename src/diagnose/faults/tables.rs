//! Wrong tables from right βs.

use super::{Chain, VARIANCE_UPSIDE_DOWN};
use crate::check::fault::{shipped, slip};
use crate::check::{Fault, Wrong, forward, posterior, schedule};
use crate::precision::Precision;
use crate::table::Quantity;

/// A wrong formula for the table of one quantity, entry by entry.
#[derive(Clone, Copy, Debug)]
pub struct TableFault {
    /// What was done.
    pub fault: Fault,
    /// Which quantity was meant.
    pub quantity: Quantity,
    /// What stands at index i instead.
    pub entry: fn(&Chain, usize) -> f64,
}

macro_rules! faults {
    ($($quantity:ident $fault:expr, $entry:expr;)*) => {
        /// Every known wrong table.
        pub const TABLE_FAULTS: &[TableFault] =
            &[$(TableFault { fault: $fault, quantity: Quantity::$quantity, entry: $entry }),*];
    };
}

faults! {
    Alpha slip("betas_for_alphas", "this is β where α = 1 − β was meant"), |c, i| c.beta(i);
    Alpha slip("alphas_rooted", "this is √α where α was meant"), |c, i| c.alpha(i).sqrt();
    Alpha slip("alphas_one_plus_beta", "1 + β where 1 − β was meant"), |c, i| 1.0 + c.beta(i);
    Alpha slip("alphas_accumulated", "this is already the cumulative product ᾱ"), |c, i| c.bar(i);

    AlphaBar slip("cumprod_not_accumulated", "this is α: the cumulative product was not taken"), |c, i| c.alpha(i);
    AlphaBar slip("cumprod_of_betas", "the cumulative product of β where that of 1 − β was meant"), |c, i| c.beta[..=i].iter().product();
    AlphaBar Wrong::fault(schedule::faults::ENTRIES, "sum_for_product"), |c, i| 1.0 - c.beta[..=i].iter().sum::<f64>();
    AlphaBar slip("cumsum_of_alphas", "Σα: a cumulative sum where a product was meant"), |c, i| c.beta[..=i].iter().map(|b| 1.0 - b).sum();
    AlphaBar Wrong::fault(schedule::faults::ENTRIES, "exponential_for_product"), |c, i| (-c.beta[..=i].iter().sum::<f64>()).exp();
    AlphaBar slip("log_not_exponentiated", "this is ln ᾱ: the sum of logarithms was not exponentiated"), |c, i| c.bar(i).ln();
    AlphaBar Wrong::fault(schedule::faults::ENTRIES, "shifted_alpha_bar"), |c, i| c.prev(i);
    AlphaBar slip("cumprod_shifted_ahead", "this is ᾱ_{t+1}: the table is shifted by one the other way"), |c, i| c.bar(i) * (1.0 - c.beta[(i + 1).min(c.steps() - 1)]);
    AlphaBar Wrong::fault(schedule::faults::ENTRIES, "first_factor_dropped"), |c, i| c.bar(i) / c.alpha(0);
    AlphaBar Wrong::fault(schedule::faults::ENTRIES, "product_of_roots"), |c, i| c.bar(i).sqrt();
    AlphaBar slip("cumprod_squared", "this is ᾱ² where ᾱ was meant"), |c, i| c.bar(i).powi(2);
    AlphaBar slip("one_minus_cumprod", "this is 1 − ᾱ where ᾱ was meant"), |c, i| 1.0 - c.bar(i);
    AlphaBar slip("cumprod_reversed_in_time", "the product runs from t to T: the chain is reversed"), |c, i| c.bar[c.steps() - 1] / c.prev(i);
    AlphaBar slip("cumprod_rounded_each_step", "ᾱ_t is α_t·α_{t−1} alone: only two factors are multiplied"), |c, i| c.alpha(i) * if i == 0 { 1.0 } else { c.alpha(i - 1) };

    AlphaBar slip("cumprod_of_bf16_alphas", "1 − β was rounded to bfloat16, which has nothing between 0.996 and 1: compute tables in f32"), |c, i| narrow_product(c, i, Precision::BF16, Precision::F64);
    AlphaBar slip("cumprod_in_bf16", "every product was rounded to bfloat16, of 8 bits: compute tables in f32"), |c, i| narrow_product(c, i, Precision::BF16, Precision::BF16);
    AlphaBar slip("cumprod_of_f16_alphas", "1 − β was rounded to f16, of 11 bits: compute tables in f32"), |c, i| narrow_product(c, i, Precision::F16, Precision::F64);

    AlphaBarPrev shipped("prev_not_shifted", "this is ᾱ_t where ᾱ_{t−1} was meant"), |c, i| c.bar(i);
    AlphaBarPrev slip("prev_starts_at_zero", "ᾱ_0 is 0 where 1 was meant"), |c, i| if i == 0 { 0.0 } else { c.prev(i) };
    AlphaBarPrev slip("prev_repeats_first", "ᾱ_0 is ᾱ_1 where 1 was meant"), |c, i| if i == 0 { c.bar(0) } else { c.prev(i) };
    AlphaBarPrev slip("prev_wraps_around", "ᾱ_0 is ᾱ_T where 1 was meant: the table was rotated, not shifted"), |c, i| if i == 0 { c.bar[c.steps() - 1] } else { c.prev(i) };
    AlphaBarPrev slip("prev_shifted_twice", "this is ᾱ_{t−2}: shifted by two"), |c, i| if i < 2 { 1.0 } else { c.bar(i - 2) };
    AlphaBarPrev slip("prev_shifted_ahead", "this is ᾱ_{t+1}: shifted the wrong way"), |c, i| if i + 1 < c.steps() { c.bar(i + 1) } else { 0.0 };

    SqrtAlphaBar Wrong::fault(forward::faults::MARGINALS, "alpha_bar_not_rooted"), |c, i| c.bar(i);
    SqrtAlphaBar slip("signal_rooted_twice", "the root was taken twice"), |c, i| c.bar(i).sqrt().sqrt();
    SqrtAlphaBar Wrong::fault(forward::faults::MARGINALS, "alpha_for_alpha_bar"), |c, i| c.alpha(i).sqrt();
    SqrtAlphaBar shipped("signal_shifted", "this is √ᾱ_{t−1}: the table is shifted by one"), |c, i| c.prev(i).sqrt();
    SqrtAlphaBar slip("signal_is_noise_std", "√(1 − ᾱ) where √ᾱ was meant"), |c, i| (1.0 - c.bar(i)).sqrt();

    SqrtOneMinusAlphaBar Wrong::fault(schedule::faults::ENTRIES, "variance_for_std"), |c, i| 1.0 - c.bar(i);
    SqrtOneMinusAlphaBar Wrong::fault(forward::faults::MARGINALS, "noise_amplitude_complement"), |c, i| 1.0 - c.bar(i).sqrt();
    SqrtOneMinusAlphaBar slip("noise_std_of_one_step", "√(1 − α) = √β where √(1 − ᾱ) was meant"), |c, i| c.beta(i).sqrt();
    SqrtOneMinusAlphaBar shipped("noise_std_shifted", "this is √(1 − ᾱ_{t−1}): the table is shifted by one"), |c, i| (1.0 - c.prev(i)).sqrt();
    SqrtOneMinusAlphaBar slip("noise_std_is_signal", "√ᾱ where √(1 − ᾱ) was meant"), |c, i| c.bar(i).sqrt();
    SqrtOneMinusAlphaBar slip("noise_std_of_squared", "√(1 − ᾱ²) where √(1 − ᾱ) was meant"), |c, i| (1.0 - c.bar(i).powi(2)).sqrt();

    LogOneMinusAlphaBar slip("log_base_ten", "the logarithm is to base 10"), |c, i| (1.0 - c.bar(i)).log10();
    LogOneMinusAlphaBar slip("log_base_two", "the logarithm is to base 2"), |c, i| (1.0 - c.bar(i)).log2();
    LogOneMinusAlphaBar slip("log_of_std", "the logarithm of the standard deviation: half of what was meant"), |c, i| 0.5 * (1.0 - c.bar(i)).ln();
    LogOneMinusAlphaBar slip("log_of_signal", "ln ᾱ where ln(1 − ᾱ) was meant"), |c, i| c.bar(i).ln();
    LogOneMinusAlphaBar slip("log_of_one_step", "ln β where ln(1 − ᾱ) was meant"), |c, i| c.beta(i).ln();
    LogOneMinusAlphaBar slip("log_not_taken", "the logarithm was forgotten"), |c, i| 1.0 - c.bar(i);

    SqrtRecipAlphaBar slip("recip_not_rooted", "1/ᾱ where 1/√ᾱ was meant"), |c, i| 1.0 / c.bar(i);
    SqrtRecipAlphaBar slip("not_reciprocal", "√ᾱ where its reciprocal was meant"), |c, i| c.bar(i).sqrt();
    SqrtRecipAlphaBar shipped("recip_of_one_step", "1/√α where 1/√ᾱ was meant"), |c, i| 1.0 / c.alpha(i).sqrt();
    SqrtRecipAlphaBar slip("recip_shifted", "this is 1/√ᾱ_{t−1}: the table is shifted by one"), |c, i| 1.0 / c.prev(i).sqrt();

    SqrtRecipM1AlphaBar slip("recipm1_without_minus_one", "the − 1 under the root is missing: this is 1/√ᾱ"), |c, i| 1.0 / c.bar(i).sqrt();
    SqrtRecipM1AlphaBar slip("recipm1_minus_one_outside", "1/√ᾱ − 1: the − 1 belongs under the root"), |c, i| 1.0 / c.bar(i).sqrt() - 1.0;
    SqrtRecipM1AlphaBar slip("recipm1_not_rooted", "1/ᾱ − 1: the root was forgotten"), |c, i| 1.0 / c.bar(i) - 1.0;
    SqrtRecipM1AlphaBar slip("recipm1_upside_down", "√(ᾱ/(1 − ᾱ)): the reciprocal of what was meant"), |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
    SqrtRecipM1AlphaBar slip("recipm1_plus_one", "√(1/ᾱ + 1): the sign of the 1 is wrong"), |c, i| (1.0 / c.bar(i) + 1.0).sqrt();

    BetaTilde Wrong::fault(posterior::faults::LAWS, "beta_for_beta_tilde"), |c, i| c.beta(i);
    BetaTilde shipped("variance_shifted", "this is β̃_{t−1}: the table is shifted by one"), |c, i| if i == 0 { 0.0 } else { c.beta_tilde(i - 1) };
    BetaTilde slip("variance_shifted_ahead", "this is β̃_{t+1}: the table is shifted by one the other way"), |c, i| c.beta_tilde((i + 1).min(c.steps() - 1));
    BetaTilde Wrong::fault(posterior::faults::LAWS, "posterior_std_for_var"), |c, i| c.beta_tilde(i).sqrt();
    BetaTilde VARIANCE_UPSIDE_DOWN, |c, i| c.beta(i) * (1.0 - c.bar(i)) / (1.0 - c.prev(i));
    BetaTilde slip("variance_without_beta", "the factor β is missing"), |c, i| (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    BetaTilde slip("variance_with_alpha", "α where β was meant"), |c, i| c.alpha(i) * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    BetaTilde slip("variance_with_signals", "ᾱ_{t−1}/ᾱ_t where (1 − ᾱ_{t−1})/(1 − ᾱ_t) was meant"), |c, i| c.beta(i) * c.prev(i) / c.bar(i);
    BetaTilde slip("variance_beta_squared", "β² where β was meant"), |c, i| c.beta(i).powi(2) * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    BetaTilde slip("variance_of_one_step_levels", "(1 − α_{t−1})/(1 − α_t): α where ᾱ was meant"), |c, i| if i == 0 { 0.0 } else { c.beta(i) * c.beta(i - 1) / c.beta(i) };
    BetaTilde slip("variance_is_logarithm", "this is ln β̃"), |c, i| c.beta_tilde(i).ln();

    LogBetaTildeClipped Wrong::fault(posterior::faults::LOG_VARIANCES, "log_beta_for_log_beta_tilde"), |c, i| c.beta(i).ln();
    LogBetaTildeClipped Wrong::fault(posterior::faults::LOG_VARIANCES, "log_variance_unclipped"), |c, i| c.beta_tilde(i).ln();
    LogBetaTildeClipped Wrong::fault(posterior::faults::LOG_VARIANCES, "log_std_for_log_variance"), |c, i| 0.5 * c.beta_tilde(i.max(1).min(c.steps() - 1)).ln();
    LogBetaTildeClipped slip("log_variance_base_ten", "the logarithm is to base 10"), |c, i| c.beta_tilde(i.max(1).min(c.steps() - 1)).log10();
    LogBetaTildeClipped shipped("log_variance_clipped_from_last", "the first entry is a copy of the last, not of the second"), |c, i| c.beta_tilde(if i == 0 { c.steps() - 1 } else { i }).ln();
    LogBetaTildeClipped slip("log_variance_clipped_from_third", "the first entry is a copy of the third, not of the second"), |c, i| c.beta_tilde(if i == 0 { 2.min(c.steps() - 1) } else { i }).ln();
    LogBetaTildeClipped Wrong::fault(posterior::faults::LOG_VARIANCES, "first_log_variance_from_beta"), |c, i| if i == 0 { c.beta(0).ln() } else { c.beta_tilde(i).ln() };
    LogBetaTildeClipped slip("log_variance_shifted", "this is ln β̃_{t−1}: the table is shifted by one"), |c, i| c.beta_tilde((i.max(2) - 1).min(c.steps() - 1)).ln();
    LogBetaTildeClipped slip("log_not_taken_of_variance", "this is β̃: the logarithm was forgotten"), |c, i| c.beta_tilde(i.max(1).min(c.steps() - 1));

    MeanX0 Wrong::fault(posterior::faults::LAWS, "swapped_mean_factors"), |c, i| c.alpha(i).sqrt() * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    MeanX0 Wrong::fault(posterior::faults::LAWS, "alpha_bar_t_for_s_on_x0"), |c, i| c.bar(i).sqrt() * c.beta(i) / (1.0 - c.bar(i));
    MeanX0 Wrong::fault(posterior::faults::LAWS, "no_root_on_alpha_bar_s"), |c, i| c.prev(i) * c.beta(i) / (1.0 - c.bar(i));
    MeanX0 slip("mean_x0_one_step_signal", "√α_t where √ᾱ_{t−1} was meant"), |c, i| c.alpha(i).sqrt() * c.beta(i) / (1.0 - c.bar(i));
    MeanX0 slip("mean_x0_without_beta", "the factor β is missing"), |c, i| c.prev(i).sqrt() / (1.0 - c.bar(i));
    MeanX0 slip("mean_x0_beta_tilde", "β̃ where β was meant"), |c, i| c.prev(i).sqrt() * c.beta_tilde(i) / (1.0 - c.bar(i));
    MeanX0 Wrong::fault(posterior::faults::LAWS, "denominator_of_s"), |c, i| c.prev(i).sqrt() * c.beta(i) / (1.0 - c.prev(i));
    MeanX0 slip("mean_x0_shifted", "this is the factor at t − 1: the table is shifted by one"), |c, i| { let j = i.max(1) - 1; c.prev(j).sqrt() * c.beta(j) / (1.0 - c.bar(j)) };

    MeanXt Wrong::fault(posterior::faults::LAWS, "swapped_mean_factors"), |c, i| c.prev(i).sqrt() * c.beta(i) / (1.0 - c.bar(i));
    MeanXt Wrong::fault(posterior::faults::LAWS, "root_alpha_bar_on_xt"), |c, i| c.bar(i).sqrt() * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    MeanXt Wrong::fault(posterior::faults::LAWS, "no_root_on_alpha"), |c, i| c.alpha(i) * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    MeanXt slip("mean_xt_previous_signal", "√ᾱ_{t−1} where √α_t was meant"), |c, i| c.prev(i).sqrt() * (1.0 - c.prev(i)) / (1.0 - c.bar(i));
    MeanXt slip("mean_xt_current_level", "1 − ᾱ_t in the numerator where 1 − ᾱ_{t−1} was meant: this is √α_t"), |c, i| c.alpha(i).sqrt();
    MeanXt slip("mean_xt_upside_down", "(1 − ᾱ_t)/(1 − ᾱ_{t−1}): the fraction is upside down"), |c, i| c.alpha(i).sqrt() * (1.0 - c.bar(i)) / (1.0 - c.prev(i));
    MeanXt slip("mean_xt_shifted", "this is the factor at t − 1: the table is shifted by one"), |c, i| { let j = i.max(1) - 1; c.alpha(j).sqrt() * (1.0 - c.prev(j)) / (1.0 - c.bar(j)) };

    Snr slip("snr_upside_down", "(1 − ᾱ)/ᾱ: noise over signal"), |c, i| (1.0 - c.bar(i)) / c.bar(i);
    Snr Wrong::fault(schedule::faults::ENTRIES, "amplitude_ratio_for_snr"), |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
    Snr slip("snr_squared", "(ᾱ/(1 − ᾱ))²: ᾱ is already a variance"), |c, i| (c.bar(i) / (1.0 - c.bar(i))).powi(2);
    Snr slip("snr_of_one_step", "α/(1 − α) where ᾱ/(1 − ᾱ) was meant"), |c, i| c.alpha(i) / c.beta(i);
    Snr slip("snr_logarithm", "this is ln SNR"), |c, i| (c.bar(i) / (1.0 - c.bar(i))).ln();
    Snr slip("snr_shifted", "this is SNR_{t−1}: the table is shifted by one"), |c, i| c.prev(i) / (1.0 - c.prev(i));
    Snr slip("snr_denominator_rooted", "ᾱ/√(1 − ᾱ): the denominator was rooted"), |c, i| c.bar(i) / (1.0 - c.bar(i)).sqrt();

    Sigma slip("sigmas_upside_down", "√(ᾱ/(1 − ᾱ)): the reciprocal of what was meant"), |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
    Sigma slip("sigmas_not_rooted", "(1 − ᾱ)/ᾱ: the root was forgotten"), |c, i| (1.0 - c.bar(i)) / c.bar(i);
    Sigma slip("sigmas_variance_preserving", "√(1 − ᾱ) where √((1 − ᾱ)/ᾱ) was meant"), |c, i| (1.0 - c.bar(i)).sqrt();
    Sigma slip("sigmas_of_one_step", "√β where √((1 − ᾱ)/ᾱ) was meant"), |c, i| c.beta(i).sqrt();
    Sigma slip("sigmas_shifted", "this is σ_{t−1}: the table is shifted by one"), |c, i| ((1.0 - c.prev(i)) / c.prev(i)).sqrt();

    LogSnr Wrong::fault(schedule::faults::ENTRIES, "half_log_snr"), |c, i| 0.5 * c.log_snr(i);
    LogSnr Wrong::fault(schedule::faults::ENTRIES, "inverted_log_snr"), |c, i| -c.log_snr(i);
    LogSnr slip("log_snr_base_ten", "the logarithm is to base 10"), |c, i| c.log_snr(i) / std::f64::consts::LN_10;
    LogSnr slip("log_snr_base_two", "the logarithm is to base 2"), |c, i| c.log_snr(i) / std::f64::consts::LN_2;
    LogSnr slip("log_snr_of_one_step", "ln(α/(1 − α)) where ᾱ was meant"), |c, i| (c.alpha(i) / c.beta(i)).ln();
    LogSnr slip("log_snr_of_signal", "ln ᾱ − ½ ln(1 − ᾱ): a variance over a standard deviation"), |c, i| c.bar(i).ln() - 0.5 * (1.0 - c.bar(i)).ln();
    LogSnr slip("log_snr_not_taken", "the logarithm was forgotten: this is the SNR"), |c, i| c.bar(i) / (1.0 - c.bar(i));

    HalfLogSnr shipped("lambda_doubled", "ln(ᾱ/(1 − ᾱ)), where half of it was meant"), |c, i| c.log_snr(i);
    HalfLogSnr slip("lambda_negated", "ln(σ/√ᾱ): noise over signal"), |c, i| -0.5 * c.log_snr(i);
    HalfLogSnr slip("lambda_of_one_step", "½ ln(α/(1 − α)) where ᾱ was meant"), |c, i| 0.5 * (c.alpha(i) / c.beta(i)).ln();
    HalfLogSnr slip("lambda_of_variances", "ln(√ᾱ/(1 − ᾱ)): the root of 1 − ᾱ was forgotten"), |c, i| 0.5 * c.bar(i).ln() - (1.0 - c.bar(i)).ln();
    HalfLogSnr slip("lambda_base_ten", "the logarithm is to base 10"), |c, i| 0.5 * c.log_snr(i) / std::f64::consts::LN_10;
    HalfLogSnr slip("lambda_not_taken", "the logarithm was forgotten: this is √ᾱ/√(1 − ᾱ)"), |c, i| (c.bar(i) / (1.0 - c.bar(i))).sqrt();
}

/// Πα up to index i with the factors rounded, and every product.
fn narrow_product(c: &Chain, i: usize, factors: Precision, products: Precision) -> f64 {
    c.beta[..=i].iter().fold(1.0, |product, beta| products.round(product * factors.round(1.0 - beta)))
}
