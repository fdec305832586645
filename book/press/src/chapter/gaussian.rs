//! Relative entropy of Gaussians in both directions, and the mass of a pixel's bin.

use alphabar::check::Wrong;
use alphabar::check::gaussian::faults::{BOUND_TERMS, PIXELS};
use alphabar::gaussian::{Gaussian, Pixel, Split, entropy, kl, kl_full, log_pixel_probability};
use alphabar::posterior::{Moments, Posterior};
use alphabar::{Schedule, Timestep};
use ndarray::{arr1, arr2};

use crate::evidence::scientific;
use crate::figure::{Axis, BLUE, Figure, GREY, Mark, ORANGE, Panel, Series, panels};

const fn law(mean: f64, var: f64) -> Moments {
    Moments { mean, var }
}

/// C of one coordinate at σ² = β_t.
fn constant(t: usize) -> f64 {
    let step = Schedule::ddpm().step(Timestep::new(t));
    Split::new(Posterior::new(&step).beta_tilde, step.beta(), 0.0, 1).map_or(f64::NAN, |split| split.constant)
}

/// Bins whose mass the difference of two cumulative probabilities gives as 0 or as less than the least normal double.
fn underflown(mean: f64) -> usize {
    let law = law(mean, 1e-4);
    let lost = |k: &Pixel| wrong("naive_cdf_difference")(*k, law).is_ok_and(|log| log < f64::MIN_POSITIVE.ln());
    Pixel::all().filter(lost).count()
}

fn signed(x: f64, decimals: usize) -> String {
    format!("{x:.decimals$}").replace('-', "−")
}

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let (narrow, wide) = (law(0.0, 1.0), law(1.5, 4.0));
    let near = (law(0.0, 1.0), law(0.0, 1.0 + 1e-6));
    let textbook = |p: Moments, q: Moments| {
        (q.var / p.var).sqrt().ln() + (p.var + (p.mean - q.mean).powi(2)) / (2.0 * q.var) - 0.5
    };
    let dense = |mean: [f64; 2], cov: [[f64; 2]; 2]| {
        Gaussian::new(arr1(&mean).view(), arr2(&cov).view()).expect("positive definite")
    };
    let p = dense([0.0, 0.0], [[1.0, 0.9], [0.9, 1.0]]);
    let q = dense([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]);
    let full = |p: &Gaussian, q: &Gaussian| kl_full(p, q).unwrap_or(f64::NAN);
    let far = Pixel(0);
    let pixel = |k: Pixel, mean: f64, var: f64| log_pixel_probability(k, law(mean, var)).unwrap_or(f64::NAN);
    let ratio = |t: usize| {
        let step = Schedule::ddpm().step(Timestep::new(t));
        Posterior::new(&step).beta_tilde / step.beta()
    };
    let total: f64 = Pixel::all().map(|k| pixel(k, 0.1, 1e-4).exp()).sum();
    let middle = Pixel(140);
    vec![
        ("narrow_wide", format!("{:.4}", kl(narrow, wide))),
        ("wide_narrow", format!("{:.4}", kl(wide, narrow))),
        ("near", scientific(kl(near.0, near.1), 6)),
        ("near_textbook", scientific(textbook(near.0, near.1), 6)),
        ("ratio_2", format!("{:.4}", ratio(2))),
        ("ratio_500", format!("{:.6}", ratio(500))),
        ("constant_2", format!("{:.6}", constant(2))),
        ("constant_500", scientific(constant(500), 2)),
        ("constant_2_cifar", format!("{:.1}", 3072.0 * constant(2))),
        ("printed_2", signed((Wrong::named(BOUND_TERMS, "half_log_and_no_dimension").f)(ratio(2), 1.0, 0.0, 1), 4)),
        ("correlated", format!("{:.4}", full(&p, &q))),
        ("correlated_reversed", format!("{:.4}", full(&q, &p))),
        ("entropy_standard", format!("{:.6}", entropy(1.0, 1).unwrap_or(f64::NAN))),
        (
            "entropy_bin",
            format!("{:.4}", entropy((2.0f64 / 255.0).powi(2) / 12.0, 1).unwrap_or(f64::NAN)).replace('-', "−"),
        ),
        ("underflown", underflown(0.1).to_string()),
        ("underflown_right", underflown(0.999).to_string()),
        ("far", format!("{:.1}", pixel(far, 0.1, 1e-4)).replace('-', "−")),
        ("far_999", format!("{:.1}", pixel(far, 0.999, 1e-4)).replace('-', "−")),
        ("least", format!("{:.1}", f64::from_bits(1).ln()).replace('-', "−")),
        ("total_off", if (total - 1.0).abs() < 1e-14 { "10⁻¹⁴".into() } else { scientific((total - 1.0).abs(), 0) }),
        ("peak", format!("{:.4}", pixel(middle, middle.value(), 4e-6).exp())),
        (
            "peak_by_density",
            format!(
                "{:.4}",
                wrong("density_times_width")(middle, law(middle.value(), 4e-6)).map_or(f64::NAN, f64::exp)
            ),
        ),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    vec![directions(), pixels()]
}

fn directions() -> Figure {
    let both = |of: &dyn Fn(f64) -> Moments, xs: &[f64]| {
        let fixed = law(0.0, 1.0);
        let forth: Vec<(f64, f64)> = xs.iter().map(|&x| (x, kl(of(x), fixed))).collect();
        let back: Vec<(f64, f64)> = xs.iter().map(|&x| (x, kl(fixed, of(x)))).collect();
        vec![Series::line("D(p ‖ q)", BLUE, forth), Series::line("D(q ‖ p)", ORANGE, back).drawn(Mark::Dashes)]
    };
    let across: Vec<f64> = (0..=100).map(|k| -2.0 + 0.04 * f64::from(k)).collect();
    let logs: Vec<f64> = (0..=100).map(|k| -1.6 + 0.032 * f64::from(k)).collect();
    let means = Panel {
        title: "p = N(m, ¼), q = N(0, 1)".into(),
        x: Axis::linear("m", -2.0, 2.0),
        y: Axis::linear("nats", 0.0, 14.0),
        series: both(&|m| law(m, 0.25), &across),
    };
    let spreads = Panel {
        title: "p = N(0, s²), q = N(0, 1)".into(),
        x: Axis::linear("ln s", -1.6, 1.6),
        y: Axis::linear("nats", 0.0, 14.0),
        series: both(&|log| law(0.0, (2.0 * log).exp()), &logs),
    };
    panels("gaussian", 2, vec![means, spreads])
}

fn pixels() -> Figure {
    let at = law(0.1, 1e-4);
    let log = |form: fn(Pixel, Moments) -> alphabar::Result<f64>| {
        Pixel::all().map(move |k| (k.value(), 1e-3 * form(k, at).unwrap_or(f64::NAN)))
    };
    let far = Panel {
        title: "all bins at μ = 0.1, σ = 0.01".into(),
        x: Axis::linear("value of the pixel", -1.0, 1.0),
        y: Axis::linear("ln of the mass, in thousands", -6.5, 2.0),
        series: vec![
            Series::line("through the tail", BLUE, log(log_pixel_probability)),
            Series::line("ln(Φ(b) − Φ(a))", ORANGE, log(wrong("naive_cdf_difference"))).drawn(Mark::Dots),
        ],
    };
    let middle = Pixel(140);
    let width = 2.0 / 255.0;
    let offsets = || (0..=120).map(|k| -1.5 + 0.025 * f64::from(k));
    let mass = |form: fn(Pixel, Moments) -> alphabar::Result<f64>| {
        offsets().map(move |x| (x, form(middle, law(middle.value() + x * width, 4e-6)).map_or(f64::NAN, f64::exp)))
    };
    let narrow = Panel {
        title: "one bin at σ = 0.002".into(),
        x: Axis::linear("offset of the mean in bins", -1.5, 1.5),
        y: Axis::linear("mass", 0.0, 2.0),
        series: vec![
            Series::line("integral", BLUE, mass(log_pixel_probability)),
            Series::line("density × width", ORANGE, mass(wrong("density_times_width"))).drawn(Mark::Dashes),
            Series::line("", GREY, [(-1.5, 1.0), (1.5, 1.0)]),
        ],
    };
    panels("gaussian_pixels", 2, vec![far, narrow])
}

/// The logarithm of a mass with a known mistake.
fn wrong(name: &str) -> fn(Pixel, Moments) -> alphabar::Result<f64> {
    Wrong::named(PIXELS, name).f
}
