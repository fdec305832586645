//! Chains that were to be rescaled to zero terminal SNR: the right one is right in every precision, and each slip is
//! named.

use alphabar::diagnose::faults::{Chain, RESCALING_FAULTS};
use alphabar::diagnose::{Precision, diagnose};
use alphabar::schedule::{Curve, Definition};

use super::{Numbers, betas, meant, names, numbers};

/// Algorithm 1 of Lin et al. 2023 as diffusers has it, in one precision all the way; then ᾱ from the βs.
macro_rules! rescaled {
    ($float:ty, $beta:expr) => {{
        let cumprod = |beta: &[$float]| -> Vec<$float> {
            beta.iter()
                .scan(1.0, |product, b| {
                    *product *= 1.0 - b;
                    Some(*product)
                })
                .collect()
        };
        let beta: Vec<$float> = $beta.iter().map(|&b| b as $float).collect();
        let mut root: Vec<$float> = cumprod(&beta).into_iter().map(<$float>::sqrt).collect();
        let (first, last) = (root[0], root[root.len() - 1]);
        for r in &mut root {
            *r = (*r - last) * (first / (first - last));
        }
        let squared = |i: usize| root[i] * root[i];
        let alpha = |i: usize| if i == 0 { squared(0) } else { squared(i) / squared(i - 1) };
        let beta: Vec<$float> = (0..beta.len()).map(|i| 1.0 - alpha(i)).collect();
        let wide = |values: &[$float]| values.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
        (wide(&beta), wide(&cumprod(&beta)))
    }};
}

const KINDS: [Curve; 4] = [Curve::Linear, Curve::ScaledLinear, Curve::Cosine, Curve::Sigmoid];

fn zero(kind: Curve, steps: usize) -> Definition {
    meant(kind, steps).with_zero_terminal_snr()
}

#[test]
fn rescaled_chains_of_ordinary_code_are_right() {
    for (kind, steps) in KINDS.into_iter().flat_map(|kind| [10, 50, 1000].map(|steps| (kind, steps))) {
        let plain = betas(&meant(kind, steps));
        for (precision, (beta, bar)) in
            [(Precision::F64, rescaled!(f64, plain)), (Precision::F32, rescaled!(f32, plain))]
        {
            let as_named =
                |name: &str, values: &[f64]| Numbers { name: name.into(), values: values.to_vec(), precision };
            let (beta, bar) = (as_named("betas", &beta), as_named("alphas_cumprod", &bar));
            for arrays in [vec![beta.clone()], vec![bar.clone()], vec![beta, bar.clone()]] {
                let report = diagnose(&arrays, Some(&zero(kind, steps)));
                assert!(report.is_right(), "{} {steps} {precision:?}:\n{report}", kind.published_name());
            }
        }
    }
}

#[test]
fn a_rescaled_chain_is_recognised_without_a_name() {
    let (beta, bar) = rescaled!(f32, betas(&meant(Curve::ScaledLinear, 1000)));
    let single = |name: &str, values: Vec<f64>| Numbers { name: name.into(), values, precision: Precision::F32 };
    let report = diagnose(&[single("betas", beta), single("alphas_cumprod", bar)], None);
    assert!(report.is_right(), "{report}");
    assert!(report.to_string().contains("scaled_linear with T = 1000"), "{report}");
    assert!(report.to_string().contains("rescaled to zero terminal SNR"), "{report}");
}

#[test]
fn the_last_alpha_bar_of_some_schedulers_is_a_named_convention() {
    let (beta, mut bar) = rescaled!(f64, betas(&meant(Curve::Linear, 1000)));
    bar[999] = 2f64.powi(-24);
    let sigmas = bar.iter().map(|bar| ((1.0 - bar) / bar).sqrt()).collect();
    let arrays = [numbers("betas", beta), numbers("alphas_cumprod", bar), numbers("sigmas", sigmas)];
    let report = diagnose(&arrays, Some(&zero(Curve::Linear, 1000)));
    assert!(report.is_right(), "{report}");
    assert_eq!(report.to_string().matches("last ᾱ 2⁻²⁴").count(), 2, "{report}");
}

#[test]
fn a_chain_left_alone_or_rescaled_unasked_is_named_in_betas_and_in_what_follows_from_them() {
    for kind in KINDS {
        let plain = betas(&meant(kind, 1000));
        for (precision, (beta, bar)) in
            [(Precision::F64, rescaled!(f64, plain)), (Precision::F32, rescaled!(f32, plain))]
        {
            let narrow = |v: f64| if precision == Precision::F32 { f64::from(v as f32) } else { v };
            let plain_bar = Chain::new(plain.clone()).bar;
            let cases = [
                (zero(kind, 1000), "zero_snr_not_rescaled", "betas", plain.clone()),
                (zero(kind, 1000), "zero_snr_not_rescaled", "alphas_cumprod", plain_bar),
                (meant(kind, 1000), "zero_snr_rescaled_unasked", "betas", beta),
                (meant(kind, 1000), "zero_snr_rescaled_unasked", "alphas_cumprod", bar),
            ];
            for (meant, fault, name, values) in cases {
                let values = values.into_iter().map(narrow).collect();
                let report = diagnose(&[Numbers { name: name.into(), values, precision }], Some(&meant));
                assert_eq!(names(&report), [fault], "{} {name} {precision:?}:\n{report}", kind.published_name());
            }
        }
    }
}

#[test]
fn every_wrong_rescaling_is_named() {
    for (known, kind) in RESCALING_FAULTS.iter().flat_map(|known| KINDS.map(|kind| (known, kind))) {
        let wrong = (known.betas)(&betas(&meant(kind, 1000)));
        let bar = Chain::new(wrong.clone()).bar;
        for (name, values) in [("betas", wrong), ("alphas_cumprod", bar)] {
            let report = diagnose(&[numbers(name, values)], Some(&zero(kind, 1000)));
            // Two slips in β are slips in ᾱ that have names of their own.
            let want = match (name, known.fault.name) {
                ("alphas_cumprod", "rescaled_root_not_squared") => "product_of_roots",
                ("alphas_cumprod", "rescaled_alphas_for_betas") => "cumprod_of_betas",
                (_, name) => name,
            };
            assert_eq!(names(&report), [want], "{} {name}: {report}", kind.published_name());
        }
    }
}

#[test]
fn a_wrong_curve_is_named_behind_a_right_rescaling() {
    let known =
        alphabar::diagnose::faults::CURVE_FAULTS.iter().find(|known| known.fault.name == "linear_endpoint_left_out");
    let curve = meant(Curve::Linear, 1000);
    let plain: Vec<f64> = (0..1000).map(|i| (known.unwrap().beta)(&curve, i)).collect();
    let (beta, _) = rescaled!(f64, plain);
    let report = diagnose(&[numbers("betas", beta)], Some(&zero(Curve::Linear, 1000)));
    assert_eq!(names(&report), ["linear_endpoint_left_out"], "{report}");
}

#[test]
fn given_betas_are_judged_entry_by_entry() {
    let given = alphabar::Betas::new(vec![0.1, 0.2, 0.4]).unwrap();
    let meant = Definition::from(given);
    assert!(diagnose(&[numbers("betas", vec![0.1, 0.2, 0.4])], Some(&meant)).is_right());
    let report = diagnose(&[numbers("betas", vec![0.1, 0.2, 0.3])], Some(&meant));
    assert_eq!(report.findings[0].first.unwrap().index, 2, "{report}");
    let (beta, _) = rescaled!(f64, [0.1, 0.2, 0.4]);
    let report = diagnose(&[numbers("betas", beta.clone())], Some(&meant));
    assert_eq!(names(&report), ["zero_snr_rescaled_unasked"], "{report}");
    let meant = meant.with_zero_terminal_snr();
    assert!(diagnose(&[numbers("betas", beta)], Some(&meant)).is_right());
    assert!(meant.to_string().contains("3 betas that were given, rescaled"), "{}", meant.to_string());
}
