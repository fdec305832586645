//! Tables in f16 and bf16: right ones are right, wrong ones are named as far as 11 bits can tell.

use alphabar::Schedule;
use alphabar::diagnose::faults::{CURVE_FAULTS, Chain, TABLE_FAULTS, TableFault};
use alphabar::diagnose::{Precision, diagnose};
use alphabar::schedule::Curve;
use alphabar::table::Quantity;

use super::{Numbers, betas, meant, names, numbers, published};

/// To the nearest number of 11 bits, by the spacing of its binade.
fn half(value: f64) -> f64 {
    let spacing = 2f64.powi((value.abs().log2().floor() as i32).max(-14) - 10);
    let near = (value / spacing).round_ties_even() * spacing;
    if !value.is_finite() || value == 0.0 {
        value
    } else if near.abs() > 65_504.0 {
        f64::INFINITY.copysign(value)
    } else {
        near
    }
}

/// To the upper half of an f32.
fn bfloat(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    if value.is_finite() {
        f64::from(f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000))
    } else {
        value
    }
}

fn stored(name: &str, values: impl IntoIterator<Item = f64>) -> Numbers {
    Numbers { name: name.into(), values: values.into_iter().map(half).collect(), precision: Precision::F16 }
}

#[test]
fn tables_stored_in_f16_are_right() {
    for (kind, steps) in
        [Curve::Linear, Curve::ScaledLinear, Curve::Cosine].into_iter().flat_map(|k| [(k, 50), (k, 1000)])
    {
        let beta = betas(&meant(kind, steps));
        for (array, values) in ordinary_tables!(f32, beta) {
            let mut arrays = vec![stored("betas", beta.clone())];
            if array != Quantity::Beta {
                arrays.push(stored(published(array), values));
            }
            for meant in [None, Some(&meant(kind, steps))] {
                let report = diagnose(&arrays, meant);
                assert!(report.is_right(), "{} {steps}:\n{report}", kind.published_name());
            }
        }
    }
}

#[test]
fn tables_computed_in_f16_at_every_step_are_right_with_a_word_of_warning() {
    let beta = betas(&meant(Curve::Linear, 1000));
    let mut bar = 1.0;
    let cumprod: Vec<f64> = beta
        .iter()
        .map(|&b| {
            bar = half(bar * half(1.0 - half(b)));
            bar
        })
        .collect();
    let report = diagnose(&[stored("betas", beta), stored("alphas_cumprod", cumprod)], None);
    assert!(report.is_right(), "{report}");
    assert!(report.to_string().contains("compute tables in f32"), "{report}");
}

/// A fault is either named (or one that is the same to 3 %), or too small for f16 to show.
#[test]
fn wrong_tables_in_f16_are_named_unless_f16_hides_the_fault() {
    let mut hidden = Vec::new();
    for (known, curve) in TABLE_FAULTS
        .iter()
        .flat_map(|known| [(known, meant(Curve::Linear, 1000)), (known, meant(Curve::ScaledLinear, 50))])
    {
        let beta = betas(&curve);
        let chain = Chain::new(beta.clone());
        let wrong =
            |entry: fn(&Chain, usize) -> f64| (0..curve.steps()).map(|i| entry(&chain, i)).collect::<Vec<f64>>();
        let report = diagnose(&[stored("betas", beta), stored(published(known.quantity), wrong(known.entry))], None);
        if report.is_right() {
            hidden.push(known.fault.name);
            continue;
        }
        let found = names(&report);
        assert!(!found.is_empty(), "{} on {}: {report}", known.fault.name, curve);
        let called = |other: &&TableFault| other.fault.name == found[0] && other.quantity == known.quantity;
        let same = TABLE_FAULTS.iter().find(called).unwrap();
        let alike = wrong(known.entry).into_iter().zip(wrong(same.entry)).all(|(a, b)| {
            let (a, b) = (half(a), half(b));
            a == b || (a - b).abs() <= 0.07 * a.abs() + 1e-5 || (a.is_nan() && b.is_nan())
        });
        assert!(alike, "{} was taken for {}:\n{report}", known.fault.name, found[0]);
    }
    hidden.sort_unstable();
    hidden.dedup();
    println!("{} of {} hidden: {hidden:?}", hidden.len(), TABLE_FAULTS.len());
    assert!(hidden.len() * 10 <= TABLE_FAULTS.len(), "{hidden:?}");
}

#[test]
fn faulty_schedules_in_f16_are_named() {
    let mut missed = Vec::new();
    for known in CURVE_FAULTS {
        let curve = meant(known.curve, 1000);
        let values = (0..1000).map(|i| (known.beta)(&curve, i));
        let report = diagnose(&[stored("betas", values)], Some(&curve));
        if names(&report) != [known.fault.name] {
            missed.push((known.fault.name, report.to_string()));
        }
    }
    println!("{missed:#?}");
    assert!(missed.len() * 10 <= CURVE_FAULTS.len(), "{missed:?}");
}

#[test]
fn what_overflows_f16_is_infinite_and_right() {
    let schedule = Schedule::new(alphabar::Betas::constant(20, 1e-5).unwrap());
    let beta = schedule.betas().as_slice().to_vec();
    let chain = Chain::new(beta.clone());
    let snr = stored("snr", chain.bar.iter().map(|bar| bar / (1.0 - bar)));
    assert_eq!(snr.values[0], f64::INFINITY);
    let report = diagnose(&[numbers("betas", beta), snr], None);
    assert!(report.is_right(), "{report}");
}

#[test]
fn f32_in_a_file_of_f64_is_judged_as_f32() {
    for kind in [Curve::Linear, Curve::Cosine, Curve::ScaledLinear] {
        let beta = betas(&meant(kind, 1000));
        for (array, values) in ordinary_tables!(f32, beta) {
            let own: Vec<f64> = beta.iter().map(|&b| f64::from(b as f32)).collect();
            let report = diagnose(&[numbers("betas", own), numbers(published(array), values)], None);
            assert!(report.is_right(), "{array:?}: {report}");
            assert!(report.notes[0].contains("stored in f64, but every entry is a number of f32, and"), "{report}");
        }
    }
}

#[test]
fn a_chain_multiplied_in_bfloat16_is_named_whatever_it_is_stored_in() {
    let beta: Vec<f64> = betas(&meant(Curve::Linear, 1000)).iter().map(|&b| bfloat(b)).collect();
    let mut bar = [1.0, 1.0];
    let steps = beta.iter().map(|&b| {
        bar = [bar[0] * bfloat(1.0 - b), bfloat(bar[1] * bfloat(1.0 - b))];
        [bfloat(bar[0]), bar[1]]
    });
    let [once, each]: [Vec<f64>; 2] = steps.fold(<[Vec<f64>; 2]>::default(), |[mut once, mut each], [a, b]| {
        once.push(a);
        each.push(b);
        [once, each]
    });
    for (values, fault) in [(once, "cumprod_of_bf16_alphas"), (each, "cumprod_in_bf16")] {
        for precision in [Precision::BF16, Precision::F32] {
            let [mut own, mut bars] = [numbers("betas", beta.clone()), numbers("alphas_cumprod", values.clone())];
            (own.precision, bars.precision) = (precision, precision);
            let report = diagnose(&[own, bars], None);
            assert_eq!(names(&report), [fault], "{report}");
            assert!(!report.is_right() && report.to_string().contains("compute tables in f32"), "{report}");
        }
    }
}

#[test]
fn tables_stored_in_bfloat16_are_right() {
    let beta = betas(&meant(Curve::Linear, 1000));
    for (array, values) in ordinary_tables!(f32, beta) {
        let mut stored = numbers(published(array), values.into_iter().map(bfloat).collect());
        stored.precision = Precision::BF16;
        let arrays =
            if array == Quantity::Beta { vec![stored] } else { vec![numbers("betas", beta.clone()), stored] };
        let report = diagnose(&arrays, Some(&meant(Curve::Linear, 1000)));
        assert!(report.is_right(), "{array:?}: {report}");
    }
}
