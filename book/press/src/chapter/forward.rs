//! The forward process: densities and pictures on their way to noise, and the numbers of kernels and paths.

use std::io::BufReader;
use std::path::Path;

use alphabar::check::Wrong;
use alphabar::check::forward::faults::{COMPOSITIONS, EXPANSIONS, PATHS};
use alphabar::check::forward::{REFERENCE_MIXTURE, mixture_density, path_mass, relative_entropy_to_gaussian};
use alphabar::exact::{Mixture1, Noising};
use alphabar::forward::{Kernel, add_noise, covariance, expansion, path_log_density};
use alphabar::noise::Stream;
use alphabar::posterior::Moments;
use alphabar::{Betas, Schedule, Timestep};
use anyhow::{Context, Result, ensure};
use ndarray::Array2;

use crate::evidence::scientific;
use crate::figure::{Axis, BLUE, Figure, GREEN, GREY, Mark, ORANGE, PURPLE, Panel, RED, Series, panels, sheet};

fn at(t: usize) -> Timestep {
    Timestep::new(t)
}

fn chain(betas: &[f64]) -> Schedule {
    Schedule::new(Betas::new(betas.to_vec()).expect("numbers in (0, 1)"))
}

/// The chain of three steps that the text works out.
fn toy() -> Schedule {
    chain(&[0.1, 0.3, 0.5])
}

/// x₀ to x_t on the linear schedule; t = 0 changes nothing.
fn linear(t: usize) -> Kernel {
    Kernel::from_data(Schedule::ddpm().level(at(t)))
}

/// The density of the reference mixture at time t.
fn density(t: usize, x: f64) -> f64 {
    let kernel = linear(t);
    mixture_density(&REFERENCE_MIXTURE.map(|(weight, part)| (weight, kernel.push(part))), x)
}

/// E[ε | x_t] for the reference mixture.
fn expected_noise(t: usize, xt: f64) -> f64 {
    let kernel = linear(t);
    Noising::new(kernel.scale, kernel.var).map_or(f64::NAN, |level| Mixture1::reference().eps_hat(level, xt))
}

fn ten_times_fewer() -> Schedule {
    let kept: Vec<Timestep> = (1..=100).map(|k| at(10 * k)).collect();
    Schedule::new(Betas::respaced(&Schedule::ddpm(), &kept).expect("times that increase"))
}

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let ddpm = Schedule::ddpm();
    let own = |t: usize| relative_entropy_to_gaussian(|y| density(t, y), None);
    let standard = |t: usize| relative_entropy_to_gaussian(|y| density(t, y), Some(Moments { mean: 0.0, var: 1.0 }));
    let rolled = expansion(&toy(), at(0), at(3));
    let unscaled = ddpm
        .betas()
        .as_slice()
        .iter()
        .fold(Moments { mean: 0.0, var: 1.0 }, |x, beta| Kernel { scale: 1.0, var: *beta }.push(x));
    let four = |t: usize| linear(t).push(Moments { mean: 0.0, var: 4.0 }).var;
    let two = Kernel { scale: 1.0, var: 0.2 }.then(Kernel { scale: 1.0, var: 0.5 });
    let correlated = (Wrong::named(COMPOSITIONS, "stds_added").f)(
        Kernel { scale: 1.0, var: 0.2 },
        Kernel { scale: 1.0, var: 0.5 },
    );
    let along = [1.0, -0.5];
    let kept = expansion(&toy(), at(1), at(3)).at(0.0, &along);
    let merged = (Wrong::named(EXPANSIONS, "merged_noise").f)(&toy(), at(1), at(3)).at(0.0, &along);
    let lengthy = Wrong::named(PATHS, "density_with_q_of_x0").f;
    let short = chain(&[0.1, 0.3]);
    let few = ten_times_fewer();
    let summed: f64 = ddpm.betas().as_slice()[490..500].iter().sum();
    vec![
        ("signal_500", format!("{:.6}", linear(500).scale)),
        ("noise_500", format!("{:.5}", linear(500).var.sqrt())),
        ("root_alpha_500", format!("{:.6}", ddpm.step(at(500)).alpha().sqrt())),
        ("toy_state", format!("{:.6}", rolled.state)),
        ("toy_noise_1", format!("{:.6}", rolled.noise[0])),
        ("toy_noise_2", format!("{:.6}", rolled.noise[1])),
        ("toy_noise_3", format!("{:.6}", rolled.noise[2])),
        ("toy_var", format!("{:.3}", rolled.var())),
        (
            "toy_one_root",
            format!("{:.2}", (Wrong::named(EXPANSIONS, "one_root_forgotten").f)(&toy(), at(0), at(3)).var()),
        ),
        (
            "printed_var",
            format!("{:.4}", (Wrong::named(EXPANSIONS, "roots_over_first_factor").f)(&ddpm, at(0), at(500)).var()),
        ),
        ("noise_var_500", format!("{:.4}", linear(500).var)),
        ("toy_covariance", format!("{:.4}", covariance(&toy(), at(1), at(3), 0.6))),
        ("kept", format!("{kept:.4}")),
        ("merged", format!("{merged:.4}")),
        ("sum_var", format!("{:.1}", two.var)),
        ("correlated_var", format!("{:.4}", correlated.var)),
        ("total_var", format!("{:.2}", Kernel { scale: 0.8, var: 0.36 }.push(Moments { mean: 0.0, var: 2.5 }).var)),
        ("four_100", format!("{:.4}", four(100))),
        ("four_500", format!("{:.4}", four(500))),
        ("four_1000", format!("{:.6}", four(1000))),
        ("unscaled_var", format!("{:.2}", unscaled.var)),
        ("mass", format!("{:.4}", path_mass(|s, x| path_log_density(s, x).unwrap_or(f64::NAN), &short, 0.0))),
        ("mass_with_q", format!("{:.4}", path_mass(lengthy, &short, 0.0))),
        ("own_1", format!("{:.4}", own(1))),
        ("own_100", format!("{:.4}", own(100))),
        ("own_500", scientific(own(500), 1)),
        ("standard_500", format!("{:.4}", standard(500))),
        ("standard_1000", scientific(standard(1000), 2)),
        ("half_mean_square", scientific(0.5 * (Mixture1::reference().mean() * linear(1000).scale).powi(2), 2)),
        ("mixture_mean", format!("{:.2}", Mixture1::reference().mean())),
        ("mixture_var", format!("{:.4}", Mixture1::reference().var())),
        ("few_beta", format!("{:.6}", few.beta(at(50)))),
        ("few_sum", format!("{summed:.6}")),
        ("full_beta", format!("{:.6}", ddpm.beta(at(500)))),
        ("few_alpha_bar", format!("{:.6}", few.alpha_bar(at(50)))),
        ("expected_noise", format!("{:.4}", expected_noise(500, 2.0))),
        ("expected_noise_left", format!("{:.4}", expected_noise(500, -2.0)).replace('-', "−")),
    ]
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    vec![mixture(), digits()]
}

fn mixture() -> Figure {
    let drawn = [(0, GREY), (100, ORANGE), (250, GREEN), (500, PURPLE), (1000, BLUE)];
    let grid = || (0..=160).map(|k| -4.0 + 0.05 * f64::from(k));
    let densities = Panel {
        title: "density of xₜ".into(),
        x: Axis::linear("x", -4.0, 4.0),
        y: Axis::linear("density", 0.0, 0.8),
        series: drawn
            .iter()
            .map(|&(t, colour)| Series::line(&format!("t = {t}"), colour, grid().map(move |x| (x, density(t, x)))))
            .collect(),
    };
    let times = || (0..=100).map(|k| 10 * k).map(|t: usize| t.max(1));
    let own = times().map(|t| (t as f64, relative_entropy_to_gaussian(|y| density(t, y), None)));
    let normal = Moments { mean: 0.0, var: 1.0 };
    let standard = times().map(|t| (t as f64, relative_entropy_to_gaussian(|y| density(t, y), Some(normal))));
    // Quadrature of a number near 0 leaves rounding; what is below 10⁻⁹ is not drawn.
    let seen = |point: &(f64, f64)| point.1 > 1e-9;
    let distance = Panel {
        title: "relative entropy to a Gaussian".into(),
        x: Axis::linear("t", 0.0, 1000.0),
        y: Axis::log("nats", 1e-9, 10.0),
        series: vec![
            Series::line("to N(0, 1)", BLUE, standard.filter(seen)),
            Series::line("to its own fit", RED, own.filter(seen)).drawn(Mark::Dashes),
        ],
    };
    panels("forward", 2, vec![densities, distance])
}

/// Digits that the built-in network drew, noised in one shot; every column keeps one noise.
fn digits() -> Figure {
    let pictures = drawn_digits().expect("fixtures/pictures/samples.png is a grid of digits");
    let rows: Vec<(String, Vec<Array2<u8>>)> = [0, 100, 200, 300, 400, 1000]
        .map(|t| (format!("t = {t}"), pictures.iter().enumerate().map(|(k, x0)| noised(x0, t, k as u64)).collect()))
        .into();
    sheet("forward_digits", &rows, 3)
}

/// One digit at time t as grey values.
fn noised(x0: &Array2<f64>, t: usize, seed: u64) -> Array2<u8> {
    let mut noise = vec![0.0; x0.len()];
    Stream::new(seed).fill(0, &mut noise);
    let noise = Array2::from_shape_vec(x0.dim(), noise).expect("a number a pixel");
    let xt = add_noise(Schedule::ddpm().level(at(t)), x0, &noise).expect("equal shapes");
    xt.mapv(|x| (127.5 * (x + 1.0)).round().clamp(0.0, 255.0) as u8)
}

/// Six digits of the program's own samples, values in [−1, 1]: pixels of two by two in cells of 58 below a line of 20.
fn drawn_digits() -> Result<Vec<Array2<f64>>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/pictures/samples.png");
    let file = std::fs::File::open(&path).with_context(|| format!("opening {}", path.display()))?;
    let mut reader = png::Decoder::new(BufReader::new(file)).read_info()?;
    let mut grey = vec![0; reader.output_buffer_size().context("a picture of reasonable size")?];
    let info = reader.next_frame(&mut grey)?;
    ensure!(info.color_type == png::ColorType::Grayscale, "the samples are grey");
    let (width, height) = (info.width as usize, info.height as usize);
    [(4, 0), (1, 2), (2, 3), (3, 4), (2, 6), (0, 8)]
        .into_iter()
        .map(|(row, column)| {
            let (left, top) = (2 + 58 * column, 22 + 58 * row);
            ensure!(left + 56 <= width && top + 56 <= height, "the samples have six rows of ten digits");
            let value = |(y, x): (usize, usize)| f64::from(grey[(top + 2 * y) * width + left + 2 * x]) / 127.5 - 1.0;
            Ok(Array2::from_shape_fn((28, 28), value))
        })
        .collect()
}
