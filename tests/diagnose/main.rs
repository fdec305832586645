//! `diagnose`: every known table fault is named, and right tables pass in every precision.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test may panic; zeros and infinities are exact")]

#[macro_use]
mod ordinary;
mod alone;
mod half;
mod names;
mod zero_terminal_snr;

use alphabar::Schedule;
use alphabar::diagnose::faults::{CURVE_FAULTS, Chain, TABLE_FAULTS, TableFault};
use alphabar::diagnose::{Numbers, Precision, Report, Verdict, diagnose};
use alphabar::schedule::{Curve, Definition};
use alphabar::table::Quantity;

fn meant(curve: Curve, steps: usize) -> Definition {
    Definition::new(curve, steps)
}

/// What published code calls a quantity that it keeps.
fn published(quantity: Quantity) -> &'static str {
    quantity.published_name().unwrap()
}

fn betas(named: &Definition) -> Vec<f64> {
    named.betas().unwrap().as_slice().to_vec()
}

fn numbers(name: &str, values: Vec<f64>) -> Numbers {
    Numbers { name: name.into(), values, precision: Precision::F64 }
}

fn names(report: &Report) -> Vec<&'static str> {
    report.faults().map(|fault| fault.name).collect()
}

#[test]
fn every_faulty_schedule_is_named_when_its_schedule_was_meant() {
    for known in CURVE_FAULTS {
        for steps in [100, 1000] {
            let meant = meant(known.curve, steps);
            let values = (0..steps).map(|i| (known.beta)(&meant, i)).collect();
            let report = diagnose(&[numbers("betas", values)], Some(&meant));
            assert_eq!(names(&report), [known.fault.name], "T = {steps}: {report}");
        }
    }
}

#[test]
fn faulty_schedules_are_wrong_even_when_none_was_named() {
    for name in ["cosine_integer_division", "cosine_whole_pi", "cosine_cap_0_02", "linear_endpoint_left_out"] {
        let known = CURVE_FAULTS.iter().find(|known| known.fault.name == name).unwrap();
        let meant = meant(known.curve, 1000);
        let values = (0..1000).map(|i| (known.beta)(&meant, i)).collect();
        let report = diagnose(&[numbers("betas", values)], None);
        assert_eq!(names(&report), [name], "{report}");
    }
}

#[test]
fn integer_division_of_the_cosine_schedule_is_said_in_words() {
    let mut values = vec![0.0; 999];
    values.push(0.999);
    let report = diagnose(&[numbers("betas", values)], Some(&meant(Curve::Cosine, 1000)));
    assert!(report.to_string().contains("integer division: t/T is 0 for every t < T"), "{report}");
}

#[test]
fn every_faulty_array_is_named() {
    for known in TABLE_FAULTS {
        for meant in [meant(Curve::Linear, 1000), meant(Curve::ScaledLinear, 50)] {
            let beta = betas(&meant);
            let chain = Chain::new(beta.clone());
            let values: Vec<f64> = (0..meant.steps()).map(|i| (known.entry)(&chain, i)).collect();
            let report = diagnose(&[numbers("betas", beta), numbers(published(known.quantity), values)], None);
            let found = names(&report);
            assert_eq!(found.len(), 1, "{} on {}: {report}", known.fault.name, meant);
            let called = |other: &&TableFault| other.fault.name == found[0] && other.quantity == known.quantity;
            let same = TABLE_FAULTS.iter().find(called).unwrap();
            let alike = (0..meant.steps()).all(|i| {
                let (a, b) = ((known.entry)(&chain, i), (same.entry)(&chain, i));
                a == b || (a - b).abs() <= 1e-9 * a.abs() + 1e-12 || (a.is_nan() && b.is_nan())
            });
            assert!(alike, "{} was taken for {}", known.fault.name, found[0]);
        }
    }
}

#[test]
fn a_fault_upstream_is_named_with_the_one_it_met() {
    let meant = meant(Curve::Cosine, 1000);
    let whole = CURVE_FAULTS.iter().find(|known| known.fault.name == "cosine_without_offset").unwrap();
    let chain = Chain::new((0..1000).map(|i| (whole.beta)(&meant, i)).collect());
    let variances = chain.bar.iter().map(|bar| 1.0 - bar).collect();
    let report = diagnose(&[numbers("sqrt_one_minus_alphas_cumprod", variances)], Some(&meant));
    assert_eq!(names(&report), ["cosine_without_offset", "variance_for_std"], "{report}");
}

#[test]
fn tables_of_ordinary_code_are_right_in_f64_and_f32() {
    for kind in [Curve::Linear, Curve::ScaledLinear, Curve::Cosine, Curve::Sigmoid] {
        for steps in [10, 1000] {
            let meant = meant(kind, steps);
            let beta = betas(&meant);
            for (precision, tables) in
                [(Precision::F64, ordinary_tables!(f64, beta)), (Precision::F32, ordinary_tables!(f32, beta))]
            {
                let own = Numbers { name: "betas".into(), values: tables[0].1.clone(), precision };
                for (array, values) in tables {
                    let mine = Numbers { name: published(array).into(), values, precision };
                    let arrays = if array == Quantity::Beta { vec![mine] } else { vec![own.clone(), mine] };
                    for meant in [None, Some(&meant)] {
                        let report = diagnose(&arrays, meant);
                        assert!(report.is_right(), "{} {steps} {precision:?}:\n{report}", kind.published_name());
                    }
                }
            }
        }
    }
}

#[test]
fn one_wrong_digit_in_the_middle_of_a_table_is_found() {
    let beta = betas(&meant(Curve::Linear, 1000));
    for array in [Quantity::AlphaBar, Quantity::BetaTilde, Quantity::Snr] {
        let chain = Chain::new(beta.clone());
        let right = |i: usize| {
            let (bar, prev) = (chain.bar[i], if i == 0 { 1.0 } else { chain.bar[i - 1] });
            match array {
                Quantity::AlphaBar => bar,
                Quantity::Snr => bar / (1.0 - bar),
                _ => beta[i] * (1.0 - prev) / (1.0 - bar),
            }
        };
        let mut values: Vec<f64> = (0..1000).map(right).collect();
        values[437] *= 1.0 + 1e-9;
        let report = diagnose(&[numbers("betas", beta.clone()), numbers(published(array), values)], None);
        let finding = report.findings.iter().find(|finding| finding.name == published(array)).unwrap();
        assert_eq!(finding.verdict, Verdict::Wrong, "{report}");
        assert_eq!((finding.first.unwrap().index, finding.off), (437, 1));
        assert!(finding.faults.is_empty());
    }
}

#[test]
fn relations_are_said_where_no_fault_fits() {
    let beta = betas(&meant(Curve::Linear, 1000));
    let chain = Chain::new(beta.clone());
    let cases: [(&str, &dyn Fn(usize) -> f64); 4] = [
        ("1.700000 times", &|i| 1.7 * chain.bar[i]),
        ("to the power 3.0000", &|i| chain.bar[i].powi(3)),
        ("plus 2.5", &|i| chain.bar[i] + 0.25),
        ("reciprocal", &|i| 1.0 / chain.bar[i]),
    ];
    for (words, f) in cases {
        let values = (0..1000).map(f).collect();
        let report = diagnose(&[numbers("betas", beta.clone()), numbers("alphas_cumprod", values)], None);
        assert!(report.to_string().contains(words), "{words}: {report}");
    }
}

#[test]
fn another_schedule_than_the_one_named_is_recognised() {
    let report =
        diagnose(&[numbers("betas", betas(&meant(Curve::ScaledLinear, 1000)))], Some(&meant(Curve::Linear, 1000)));
    assert!(!report.is_right());
    assert!(report.to_string().contains("scaled_linear with T = 1000"), "{report}");
}

#[test]
fn the_cosine_schedule_as_everybody_writes_it_is_right() {
    let curves: [fn(f64) -> f64; 3] = [
        |u| ((u + 0.008) / 1.008 * std::f64::consts::PI / 2.0).cos().powi(2),
        |u| ((u + 0.008) / (1.0 + 0.008) * std::f64::consts::FRAC_PI_2).cos().powi(2),
        |u| (((u + 0.008) / 1.008) * std::f64::consts::PI * 0.5).cos().powi(2) / 0.999_845_3,
    ];
    for (steps, curve) in [10, 100, 1000, 4000].into_iter().flat_map(|steps| curves.map(|curve| (steps, curve))) {
        let f = |t: usize| curve(t as f64 / steps as f64);
        let mine = (0..steps).map(|t| (1.0 - f(t + 1) / f(t)).min(0.999)).collect();
        let report = diagnose(&[numbers("betas", mine)], Some(&meant(Curve::Cosine, steps)));
        assert!(report.is_right(), "T = {steps}: {report}");
    }
}

#[test]
fn digits_lost_on_the_right_curve_are_not_called_another_curve() {
    let mine = betas(&meant(Curve::Cosine, 1000)).iter().map(|b| format!("{b:.6e}").parse().unwrap()).collect();
    let report = diagnose(&[numbers("betas", mine)], Some(&meant(Curve::Cosine, 1000)));
    assert!(!report.is_right());
    assert!(report.to_string().contains("agrees to about 6 digits"), "{report}");
}

#[test]
fn layers_of_a_network_are_not_taken_for_timesteps() {
    let mut arrays = vec![numbers("model.betas", betas(&meant(Curve::Linear, 1000)))];
    arrays.extend((0..200).map(|k| numbers(&format!("model.timestep_embedder.{k}.bias"), vec![0.5, -0.5, 0.25])));
    let report = diagnose(&arrays, None);
    assert!(report.is_right(), "{report}");
    assert_eq!(report.notes.len(), 1, "{report}");
    assert!(report.notes[0].contains("and 196 more"), "{report}");
}

#[test]
fn nan_and_betas_outside_the_range_are_findings() {
    let mut beta = betas(&meant(Curve::Linear, 1000));
    beta[7] = f64::NAN;
    let report = diagnose(&[numbers("betas", beta)], None);
    assert!(!report.is_right());
    assert_eq!(report.findings[0].first.unwrap().index, 7);
}

#[test]
fn the_library_agrees_with_itself_only_where_it_may() {
    let schedule = Schedule::ddpm();
    let table = alphabar::table::Table::new(&schedule);
    let bar = table.column(Quantity::AlphaBar).to_vec();
    let report = diagnose(
        &[numbers("betas", schedule.betas().as_slice().to_vec()), numbers("alphas_cumprod", bar)],
        Some(&meant(Curve::Linear, 1000)),
    );
    assert!(report.is_right(), "{report}");
    assert_eq!(report.findings[1].ulps, Some(0.0));
}

#[test]
fn tables_that_no_betas_give_are_wrong_and_said_to_be_reversed() {
    let mut bar = Chain::new(betas(&meant(Curve::Linear, 1000))).bar;
    bar.reverse();
    let report = diagnose(&[numbers("alphas_cumprod", bar)], None);
    assert_eq!(report.findings[0].verdict, Verdict::Wrong, "{report}");
    assert!(report.to_string().contains("reversed in time: backwards it is linear"), "{report}");
}

#[test]
fn what_people_hand_in_by_mistake_is_said_in_words() {
    let beta = betas(&meant(Curve::Linear, 1000));
    let bar = Chain::new(beta.clone()).bar;
    let every = |list: &[f64], n: usize| list.iter().skip(n - 1).step_by(n).copied().collect::<Vec<f64>>();
    let with = |first: f64, list: &[f64]| [&[first], list].concat();
    let decibels = bar.iter().map(|bar| 10.0 * (bar / (1.0 - bar)).log10()).collect();
    let pair = |name: &str, values| vec![numbers("betas", beta.clone()), numbers(name, values)];
    let cases = [
        (
            "betas of a full chain",
            vec![numbers("betas", every(&beta, 20)), numbers("alphas_cumprod", every(&bar, 20))],
        ),
        ("the first is t = 0", pair("alphas_cumprod", with(1.0, &bar))),
        ("the first is missing", pair("alphas_cumprod", bar[1..].to_vec())),
        ("in decibels", pair("snr", decibels)),
        ("where there is no beta", vec![numbers("betas", with(0.0, &beta))]),
        ("100 times the betas of linear", vec![numbers("betas", beta.iter().map(|b| 100.0 * b).collect())]),
        ("these are the alphas", vec![numbers("betas", beta.iter().map(|b| 1.0 - b).collect())]),
        ("rounded to 4 decimals", pair("alphas_cumprod", bar.iter().map(|b| (b * 1e4).round() / 1e4).collect())),
    ];
    for (words, arrays) in cases {
        let report = diagnose(&arrays, None);
        assert!(!report.is_right(), "{words}: {report}");
        assert!(report.to_string().contains(words), "{words}: {report}");
    }
}
