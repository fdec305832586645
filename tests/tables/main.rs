//! Schedule tables against 77-digit arithmetic: every column within 1 ulp at every index.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test may panic, and infinities and zeros are exact")]

mod reference;

use alphabar::table::{Quantity, Table};
use alphabar::{Betas, Schedule};
use reference::{Reference, Worst};

const LENGTHS: [usize; 4] = [10, 100, 1000, 4000];

fn check(name: &str, make: impl Fn(usize) -> Betas, exact_beta: impl Fn(&mut Reference, usize, usize) -> Option<()>) {
    for steps in LENGTHS {
        let betas = make(steps);
        let table = Table::new(&Schedule::new(betas.clone()));
        let mut reference = Reference::new();
        let mut worst = vec![Worst::default(); Table::COLUMNS.len()];
        for t in 1..=steps {
            if exact_beta(&mut reference, t, steps).is_some() {
                let got = betas.as_slice()[t - 1];
                let ulps = reference.ulps_of_beta(got);
                assert!(ulps <= 1.0, "{name} T = {steps}: beta_{t} is {ulps} ulp off");
            }
            let row = reference.row(betas.as_slice()[t - 1]);
            for ((column, want), worst) in Table::COLUMNS.iter().zip(row).zip(&mut worst) {
                worst.see(&mut reference, table.column(*column)[t - 1], &want, t);
            }
        }
        for (column, worst) in Table::COLUMNS.iter().zip(&worst) {
            assert!(
                worst.ulps <= 1.0,
                "{name} T = {steps}, {} at t = {}: {} ulp",
                column.name(),
                worst.t,
                worst.ulps
            );
        }
        let overall = worst.iter().map(|w| w.ulps).fold(0.0, f64::max);
        println!("{name} T = {steps}: worst {overall:.3} ulp");
        assert!(overall > 0.1, "{name}: a table of doubles cannot be exact; the reference is not independent");
    }
}

fn betas(result: alphabar::Result<Betas>) -> Betas {
    result.expect("parameters inside the valid range")
}

#[test]
fn linear_table_is_within_one_ulp() {
    check(
        "linear",
        |n| betas(Betas::linear(n, 1e-4, 0.02)),
        |r, t, n| {
            r.linear(t, n, 1e-4, 0.02);
            Some(())
        },
    );
}

#[test]
fn scaled_linear_table_is_within_one_ulp() {
    check(
        "scaled_linear",
        |n| betas(Betas::scaled_linear(n, 0.00085, 0.012)),
        |r, t, n| {
            r.scaled_linear(t, n, 0.00085, 0.012);
            Some(())
        },
    );
}

#[test]
fn cosine_table_is_within_one_ulp() {
    check(
        "cosine",
        |n| betas(Betas::cosine(n)),
        |r, t, n| {
            r.cosine(t, n);
            Some(())
        },
    );
}

#[test]
fn sigmoid_table_is_within_one_ulp() {
    check(
        "sigmoid",
        |n| betas(Betas::sigmoid(n, 1e-4, 0.02)),
        |r, t, n| {
            r.sigmoid(t, n, 1e-4, 0.02);
            Some(())
        },
    );
}

#[test]
fn constant_table_is_within_one_ulp() {
    check("const", |n| betas(Betas::constant(n, 0.02)), |_, _, _| None);
}

#[test]
fn jsd_table_is_within_one_ulp_and_infinite_where_it_should_be() {
    check(
        "jsd",
        |n| betas(Betas::jsd(n)),
        |r, t, n| {
            r.jsd(t, n);
            Some(())
        },
    );
    let table = Table::new(&Schedule::new(betas(Betas::jsd(10))));
    let last = |column| table.column(column)[9];
    assert_eq!(last(Quantity::AlphaBar), 0.0);
    assert_eq!(last(Quantity::Snr), 0.0);
    assert_eq!(last(Quantity::LogSnr), f64::NEG_INFINITY);
    assert_eq!(last(Quantity::LossWeightBeta), f64::INFINITY);
    assert_eq!(table.column(Quantity::LogBetaTilde)[0], f64::NEG_INFINITY);
    assert_eq!(table.column(Quantity::LossWeightBetaTilde)[0], f64::INFINITY);
}

/// The committed rows, recomputed here: 32 indices of every table to 40 digits.
#[test]
fn committed_reference_rows_are_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tables/reference.csv");
    let fresh = reference::committed_rows(&LENGTHS);
    if std::env::var_os("ALPHABAR_WRITE_FIXTURES").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/tables")).unwrap();
        std::fs::write(path, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(path).expect("fixtures/tables/reference.csv is committed");
    let differs = stored.lines().zip(fresh.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None);
    assert_eq!(stored.lines().count(), fresh.lines().count());
}
