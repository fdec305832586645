//! The tables as ordinary code computes them.

/// Every usual array, in one precision all the way.
macro_rules! ordinary_tables {
    ($float:ty, $beta:expr) => {{
        let beta: Vec<$float> = $beta.iter().map(|&b| b as $float).collect();
        let mut bar: Vec<$float> = Vec::new();
        for &b in &beta {
            bar.push(bar.last().copied().unwrap_or(1.0) * (1.0 - b));
        }
        let prev = |i: usize| if i == 0 { 1.0 } else { bar[i - 1] };
        let tilde = |i: usize| beta[i] * (1.0 - prev(i)) / (1.0 - bar[i]);
        let table = |f: &dyn Fn(usize) -> $float| (0..beta.len()).map(|i| f64::from(f(i))).collect::<Vec<f64>>();
        vec![
            (Array::Betas, table(&|i| beta[i])),
            (Array::Alphas, table(&|i| 1.0 - beta[i])),
            (Array::AlphasCumprod, table(&|i| bar[i])),
            (Array::AlphasCumprodPrev, table(&prev)),
            (Array::SqrtAlphasCumprod, table(&|i| bar[i].sqrt())),
            (Array::SqrtOneMinusAlphasCumprod, table(&|i| (1.0 - bar[i]).sqrt())),
            (Array::LogOneMinusAlphasCumprod, table(&|i| (1.0 - bar[i]).ln())),
            (Array::SqrtRecipAlphasCumprod, table(&|i| (1.0 / bar[i]).sqrt())),
            (Array::SqrtRecipm1AlphasCumprod, table(&|i| (1.0 / bar[i] - 1.0).sqrt())),
            (Array::PosteriorVariance, table(&tilde)),
            (Array::PosteriorLogVarianceClipped, table(&|i| tilde(i.max(1)).ln())),
            (Array::PosteriorLogVarianceClipped, table(&|i| tilde(i).max(1e-20).ln())),
            (Array::PosteriorMeanCoef1, table(&|i| beta[i] * prev(i).sqrt() / (1.0 - bar[i]))),
            (Array::PosteriorMeanCoef2, table(&|i| (1.0 - prev(i)) * (1.0 - beta[i]).sqrt() / (1.0 - bar[i]))),
            (Array::Snr, table(&|i| bar[i] / (1.0 - bar[i]))),
            (Array::LossWeight, table(&|i| (bar[i] / (1.0 - bar[i])).min(5.0) / (bar[i] / (1.0 - bar[i])))),
            (Array::Sigmas, table(&|i| ((1.0 - bar[i]) / bar[i]).sqrt())),
            (Array::LogSnr, table(&|i| (bar[i] / (1.0 - bar[i])).ln())),
            (Array::LogSnr, table(&|i| bar[i].ln() - (1.0 - bar[i]).ln())),
            (Array::LambdaT, table(&|i| bar[i].sqrt().ln() - (1.0 - bar[i]).sqrt().ln())),
        ]
    }};
}
