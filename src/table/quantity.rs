//! What tables of a schedule hold, and what it is called: here, in published code, and on paper.

/// The names of a quantity.
struct About {
    name: &'static str,
    published: Option<&'static str>,
    aliases: &'static [&'static str],
    symbol: &'static str,
}

macro_rules! quantities {
    ($($(#[$doc:meta])* $quantity:ident $name:literal $published:expr, $aliases:expr, $symbol:literal;)*) => {
        /// A quantity that a schedule's tables hold at every time t; entry t − 1 belongs to t.
        ///
        /// ```
        /// use alphabar::table::Quantity;
        ///
        /// let quantity = Quantity::from_name("model.alphas_cumprod").unwrap();
        /// assert_eq!(quantity, Quantity::AlphaBar);
        /// assert_eq!((quantity.name(), quantity.symbol()), ("alpha_bar", "ᾱ_t"));
        /// assert_eq!(quantity.published_name(), Some("alphas_cumprod"));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Quantity {
            $($(#[$doc])* $quantity,)*
        }

        impl Quantity {
            /// Every quantity.
            pub const ALL: &[Self] = &[$(Self::$quantity),*];

            const fn about(self) -> &'static About {
                match self {
                    $(Self::$quantity => &About {
                        name: $name,
                        published: $published,
                        aliases: &$aliases,
                        symbol: $symbol,
                    },)*
                }
            }
        }
    };
}

quantities! {
    /// β_t, the variance of the noise that step t adds.
    Beta "beta" Some("betas"), [], "β_t";
    /// α_t = 1 − β_t.
    Alpha "alpha" Some("alphas"), [], "α_t";
    /// √α_t.
    SqrtAlpha "sqrt_alpha" None, [], "√α_t";
    /// ᾱ_t = α_1 ⋯ α_t.
    AlphaBar "alpha_bar" Some("alphas_cumprod"),
        ["alphas_bar", "alpha_bars", "alpha_cumprod", "alphas_cum_prod"], "ᾱ_t";
    /// ᾱ_{t−1}, 1 at t = 1.
    AlphaBarPrev "alpha_bar_prev" Some("alphas_cumprod_prev"), ["alphas_bar_prev", "alpha_cumprod_prev"], "ᾱ_{t−1}";
    /// 1 − ᾱ_t.
    OneMinusAlphaBar "one_minus_alpha_bar" None, [], "1 − ᾱ_t";
    /// √ᾱ_t, the factor of x₀ in x_t.
    SqrtAlphaBar "sqrt_alpha_bar" Some("sqrt_alphas_cumprod"), ["sqrt_alphas_bar", "sqrt_alpha_cumprod"], "√ᾱ_t";
    /// √(1 − ᾱ_t), the factor of ε in x_t.
    SqrtOneMinusAlphaBar "sqrt_one_minus_alpha_bar" Some("sqrt_one_minus_alphas_cumprod"),
        ["sqrt_one_minus_alphas_bar", "sqrt_one_minus_alpha_cumprod"], "√(1 − ᾱ_t)";
    /// ln(1 − ᾱ_t).
    LogOneMinusAlphaBar "log_one_minus_alpha_bar" Some("log_one_minus_alphas_cumprod"), [], "ln(1 − ᾱ_t)";
    /// 1/√ᾱ_t, the factor of x_t in x₀ from ε.
    SqrtRecipAlphaBar "sqrt_recip_alpha_bar" Some("sqrt_recip_alphas_cumprod"), [], "1/√ᾱ_t";
    /// √(1/ᾱ_t − 1), the factor of −ε in x₀ from ε.
    SqrtRecipM1AlphaBar "sqrt_recipm1_alpha_bar" Some("sqrt_recipm1_alphas_cumprod"), [], "√(1/ᾱ_t − 1)";
    /// SNR_t = ᾱ_t/(1 − ᾱ_t).
    Snr "snr" Some("snr"), [], "ᾱ_t/(1 − ᾱ_t)";
    /// ln SNR_t.
    LogSnr "log_snr" Some("log_snr"), ["logsnr", "log_snrs"], "ln(ᾱ_t/(1 − ᾱ_t))";
    /// ½ ln SNR_t, the λ of DPM-Solver.
    HalfLogSnr "half_log_snr" Some("lambda_t"), ["lambdas", "lambda"], "½ ln(ᾱ_t/(1 − ᾱ_t))";
    /// √((1 − ᾱ_t)/ᾱ_t), the noise level where the signal is not scaled.
    Sigma "sigmas" Some("sigmas"), [], "√((1 − ᾱ_t)/ᾱ_t)";
    /// β̃_t = (1 − ᾱ_{t−1})/(1 − ᾱ_t) β_t, the variance of q(x_{t−1} | x_t, x₀).
    BetaTilde "beta_tilde" Some("posterior_variance"), ["posterior_var"], "β̃_t";
    /// ln β̃_t, −∞ at t = 1.
    LogBetaTilde "log_beta_tilde" None, [], "ln β̃_t";
    /// ln β̃_t with another number at t = 1, by one of several conventions.
    LogBetaTildeClipped "log_beta_tilde_clipped" Some("posterior_log_variance_clipped"),
        ["posterior_log_variance", "posterior_log_var_clipped"], "ln β̃_t";
    /// √ᾱ_{t−1} β_t/(1 − ᾱ_t), the factor of x₀ in the mean of q(x_{t−1} | x_t, x₀).
    MeanX0 "posterior_mean_x0" Some("posterior_mean_coef1"), [], "√ᾱ_{t−1} β_t/(1 − ᾱ_t)";
    /// √α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t), the factor of x_t there.
    MeanXt "posterior_mean_xt" Some("posterior_mean_coef2"), [], "√α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t)";
    /// The weight of the loss at t, by one of several conventions.
    LossWeight "loss_weight" Some("loss_weight"), ["loss_weights"], "w_t";
    /// β_t²/(2σ²α_t(1 − ᾱ_t)) at σ² = β_t: the weight of the ε loss in the bound.
    LossWeightBeta "loss_weight_beta" None, [], "β_t/(2α_t(1 − ᾱ_t))";
    /// The same at σ² = β̃_t; ∞ at t = 1.
    LossWeightBetaTilde "loss_weight_beta_tilde" None, [], "β_t²/(2β̃_tα_t(1 − ᾱ_t))";
}

impl Quantity {
    /// What this crate and the files it writes call it (`alpha_bar`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.about().name
    }

    /// What published implementations call it (`alphas_cumprod` in diffusers), if they keep a table of it.
    #[must_use]
    pub const fn published_name(self) -> Option<&'static str> {
        self.about().published
    }

    /// Further names that [`Quantity::from_name`] takes.
    #[must_use]
    pub const fn aliases(self) -> &'static [&'static str] {
        self.about().aliases
    }

    /// What it is on paper (`ᾱ_t`).
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        self.about().symbol
    }

    /// The quantity of a name as found in files: case and a leading path up to the last dot do not matter.
    ///
    /// ```
    /// use alphabar::table::Quantity;
    ///
    /// assert_eq!(Quantity::from_name("model.Alphas_Cumprod"), Some(Quantity::AlphaBar));
    /// assert_eq!(Quantity::from_name("weights"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.rsplit('.').next().unwrap_or(name).trim().to_ascii_lowercase();
        Self::ALL.iter().copied().find(|quantity| {
            let About { name: own, published, aliases, .. } = quantity.about();
            *own == name || *published == Some(&name) || aliases.contains(&&*name)
        })
    }

    /// The quantity that published code keeps under a name, which need not be its published one.
    pub(crate) fn kept(name: &str) -> Option<Self> {
        Self::from_name(name).filter(|quantity| quantity.published_name().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity::{self, *};

    /// Every name that is read, with what it means.
    const MEANINGS: &[(Quantity, &[&str])] = &[
        (Beta, &["beta", "betas"]),
        (Alpha, &["alpha", "alphas"]),
        (SqrtAlpha, &["sqrt_alpha"]),
        (AlphaBar, &["alpha_bar", "alphas_cumprod", "alphas_bar", "alpha_bars", "alpha_cumprod", "alphas_cum_prod"]),
        (AlphaBarPrev, &["alpha_bar_prev", "alphas_cumprod_prev", "alphas_bar_prev", "alpha_cumprod_prev"]),
        (OneMinusAlphaBar, &["one_minus_alpha_bar"]),
        (SqrtAlphaBar, &["sqrt_alpha_bar", "sqrt_alphas_cumprod", "sqrt_alphas_bar", "sqrt_alpha_cumprod"]),
        (
            SqrtOneMinusAlphaBar,
            &[
                "sqrt_one_minus_alpha_bar",
                "sqrt_one_minus_alphas_cumprod",
                "sqrt_one_minus_alphas_bar",
                "sqrt_one_minus_alpha_cumprod",
            ],
        ),
        (LogOneMinusAlphaBar, &["log_one_minus_alpha_bar", "log_one_minus_alphas_cumprod"]),
        (SqrtRecipAlphaBar, &["sqrt_recip_alpha_bar", "sqrt_recip_alphas_cumprod"]),
        (SqrtRecipM1AlphaBar, &["sqrt_recipm1_alpha_bar", "sqrt_recipm1_alphas_cumprod"]),
        (Snr, &["snr"]),
        (LogSnr, &["log_snr", "logsnr", "log_snrs"]),
        (HalfLogSnr, &["half_log_snr", "lambda_t", "lambdas", "lambda"]),
        (Sigma, &["sigmas"]),
        (BetaTilde, &["beta_tilde", "posterior_variance", "posterior_var"]),
        (LogBetaTilde, &["log_beta_tilde"]),
        (
            LogBetaTildeClipped,
            &[
                "log_beta_tilde_clipped",
                "posterior_log_variance_clipped",
                "posterior_log_variance",
                "posterior_log_var_clipped",
            ],
        ),
        (MeanX0, &["posterior_mean_x0", "posterior_mean_coef1"]),
        (MeanXt, &["posterior_mean_xt", "posterior_mean_coef2"]),
        (LossWeight, &["loss_weight", "loss_weights"]),
        (LossWeightBeta, &["loss_weight_beta"]),
        (LossWeightBetaTilde, &["loss_weight_beta_tilde"]),
    ];

    #[test]
    fn every_name_means_one_quantity() {
        assert_eq!(MEANINGS.iter().map(|(quantity, _)| *quantity).collect::<Vec<_>>(), Quantity::ALL);
        for &(quantity, names) in MEANINGS {
            for name in names {
                assert_eq!(Quantity::from_name(name), Some(quantity), "{name}");
            }
            let own = [quantity.name()].into_iter().chain(quantity.published_name());
            let mut all: Vec<&str> = own.chain(quantity.aliases().iter().copied()).collect();
            let mut listed = names.to_vec();
            all.sort_unstable();
            all.dedup();
            listed.sort_unstable();
            assert_eq!(all, listed, "{quantity:?}");
        }
        let mut names: Vec<&str> = MEANINGS.iter().flat_map(|(_, names)| *names).copied().collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name has two meanings");
    }
}
