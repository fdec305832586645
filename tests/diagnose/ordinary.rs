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
            (Quantity::Beta, table(&|i| beta[i])),
            (Quantity::Alpha, table(&|i| 1.0 - beta[i])),
            (Quantity::AlphaBar, table(&|i| bar[i])),
            (Quantity::AlphaBarPrev, table(&prev)),
            (Quantity::SqrtAlphaBar, table(&|i| bar[i].sqrt())),
            (Quantity::SqrtOneMinusAlphaBar, table(&|i| (1.0 - bar[i]).sqrt())),
            (Quantity::LogOneMinusAlphaBar, table(&|i| (1.0 - bar[i]).ln())),
            (Quantity::SqrtRecipAlphaBar, table(&|i| (1.0 / bar[i]).sqrt())),
            (Quantity::SqrtRecipM1AlphaBar, table(&|i| (1.0 / bar[i] - 1.0).sqrt())),
            (Quantity::BetaTilde, table(&tilde)),
            (Quantity::LogBetaTildeClipped, table(&|i| tilde(i.max(1)).ln())),
            (Quantity::LogBetaTildeClipped, table(&|i| tilde(i).max(1e-20).ln())),
            (Quantity::MeanX0, table(&|i| beta[i] * prev(i).sqrt() / (1.0 - bar[i]))),
            (Quantity::MeanXt, table(&|i| (1.0 - prev(i)) * (1.0 - beta[i]).sqrt() / (1.0 - bar[i]))),
            (Quantity::Snr, table(&|i| bar[i] / (1.0 - bar[i]))),
            (Quantity::LossWeight, table(&|i| (bar[i] / (1.0 - bar[i])).min(5.0) / (bar[i] / (1.0 - bar[i])))),
            (Quantity::Sigma, table(&|i| ((1.0 - bar[i]) / bar[i]).sqrt())),
            (Quantity::LogSnr, table(&|i| (bar[i] / (1.0 - bar[i])).ln())),
            (Quantity::LogSnr, table(&|i| bar[i].ln() - (1.0 - bar[i]).ln())),
            (Quantity::HalfLogSnr, table(&|i| bar[i].sqrt().ln() - (1.0 - bar[i]).sqrt().ln())),
        ]
    }};
}
