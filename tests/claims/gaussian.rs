//! Relative entropies and the pixel likelihood at random Gaussians.

use alphabar::check::gaussian as check;
use alphabar::gaussian::{
    Gaussian, Pixel, Split, entropy, kl, kl_diagonal, kl_equal_variance, kl_full, kl_isotropic, kl_to_standard,
    log_pixel_probability, log_pixel_probability_sum,
};
use alphabar::posterior::Moments;
use alphabar::{Error, strategy};
use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView1, arr1, arr2};
use proptest::prelude::*;

use crate::holds;

fn law() -> impl Strategy<Value = Moments> {
    (strategy::value(), strategy::log_uniform(1e-5, 10.0)).prop_map(|(mean, var)| Moments { mean, var })
}

fn full(dims: usize) -> impl Strategy<Value = Gaussian> {
    (prop::collection::vec(-1.0..1.0, dims), prop::collection::vec(-1.0..1.0, dims * dims)).prop_map(
        move |(mean, factor)| {
            let factor = Array2::from_shape_vec((dims, dims), factor).unwrap();
            let square: Array2<f64> = factor.dot(&factor.t());
            let cov = (&square + &square.t()) * 0.5 + Array2::<f64>::eye(dims) * 0.25;
            Gaussian::new(Array1::from(mean).view(), cov.view()).unwrap()
        },
    )
}

fn view(x: &[f64]) -> ArrayView1<'_, f64> {
    ArrayView1::from(x)
}

/// Two Gaussians of one dimension and a map near the identity.
fn pair() -> impl Strategy<Value = (Gaussian, Gaussian, DMatrix<f64>)> {
    (1..=3usize).prop_flat_map(|dims| {
        let map = prop::collection::vec(-0.3..0.3, dims * dims);
        let map =
            map.prop_map(move |e| DMatrix::from_vec(dims, dims, e) / dims as f64 + DMatrix::identity(dims, dims));
        (full(dims), full(dims), map)
    })
}

proptest! {
    #[test]
    fn kl_is_the_mean_log_ratio(p in law(), q in law(), near in (-1.0..1.0, strategy::log_uniform(0.9, 1.2))) {
        holds(check::kl_is_the_mean_log_ratio(kl, p, q))?;
        let neighbour = Moments { mean: p.mean + near.0 * p.var.sqrt(), var: p.var * near.1 };
        holds(check::kl_is_the_mean_log_ratio(kl, p, neighbour))?;
    }

    #[test]
    fn bound_terms_split(
        p_var in strategy::log_uniform(1e-5, 2.0),
        ratio in strategy::log_uniform(0.3, 3.0),
        squares in strategy::log_uniform(1e-6, 4.0),
        dims in 1..=16usize,
    ) {
        let total = |p, q, s, d| Split::new(p, q, s, d).unwrap().total();
        holds(check::isotropic_kl_adds_up(total, p_var, p_var * ratio, squares * p_var, dims))?;
    }

    #[test]
    fn regulariser_is_the_relative_entropy(
        mean in prop::collection::vec(-3.0..3.0, 3),
        var in prop::collection::vec(strategy::log_uniform(1e-4, 10.0), 3),
    ) {
        holds(check::standard_kl_adds_up(|m, v| kl_to_standard(&view(m), &view(v)).unwrap(), &mean, &var))?;
        let (zeros, ones) = (Array1::<f64>::zeros(3), Array1::<f64>::ones(3));
        let diagonal = |m: &[f64], v: &[f64]| kl_diagonal(&view(m), &view(v), &zeros.view(), &ones.view()).unwrap();
        holds(check::standard_kl_adds_up(diagonal, &mean, &var))?;
    }

    #[test]
    fn full_kl_is_the_mean_log_ratio((p, q, map) in pair()) {
        holds(check::full_kl_is_the_mean_log_ratio(kl_full, &p, &q, &map))?;
    }

    #[test]
    fn entropy_is_the_mean_surprise(var in strategy::log_uniform(1e-4, 10.0), dims in 1..=9usize) {
        holds(check::entropy_is_the_mean_surprise(|v, d| entropy(v, d).unwrap(), var, dims))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pixel_likelihood_is_the_mass_of_its_bin(mean in -1.5..1.5, var in strategy::log_uniform(1e-7, 10.0)) {
        holds(check::pixels_are_integrals(log_pixel_probability, Moments { mean, var }))?;
    }
}

#[test]
fn the_isotropic_and_the_full_form_agree_with_their_special_cases() {
    let (p, q) = (arr2(&[[0.1, 0.9], [-0.4, 0.3]]), arr2(&[[0.2, 0.7], [0.1, -0.3]]));
    let isotropic = kl_isotropic(&p, 0.5, &q, 0.5).unwrap();
    assert!((isotropic - kl_equal_variance(&p, &q, 0.5).unwrap()).abs() < 1e-15);
    let law = |mean: &Array2<f64>| {
        let mean: Array1<f64> = mean.iter().copied().collect();
        Gaussian::new(mean.view(), (Array2::<f64>::eye(4) * 0.5).view()).unwrap()
    };
    assert!((isotropic - kl_full(&law(&p), &law(&q)).unwrap()).abs() < 1e-14);
    assert!((law(&p).entropy() - entropy(0.5, 4).unwrap()).abs() < 1e-14);
}

#[test]
fn images_sum_their_pixels() {
    let (pixels, mean) = (arr2(&[[0u8, 255], [17, 128]]), arr2(&[[-0.9f32, 0.8], [-0.8, 0.1]]));
    let sum = log_pixel_probability_sum(&pixels, &mean, 0.01).unwrap();
    let each = pixels
        .iter()
        .zip(&mean)
        .map(|(k, m)| log_pixel_probability(Pixel(*k), Moments { mean: f64::from(*m), var: 0.01 }).unwrap());
    assert!((sum - each.sum::<f64>()).abs() < 1e-12);
    assert!(log_pixel_probability_sum(&pixels, &arr2(&[[0.0f64]]), 0.01).is_err());
}

#[test]
fn bad_inputs_are_named() {
    let (two, three) = (arr1(&[0.1, 0.2]), arr1(&[0.1, 0.2, 0.3]));
    assert!(matches!(kl_isotropic(&two, 1.0, &three, 1.0), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(kl_isotropic(&two, -1.0, &two, 1.0), Err(Error::OutOfRange { .. })));
    assert!(matches!(kl_isotropic(&two, 1.0, &two, f64::NAN), Err(Error::OutOfRange { .. })));
    assert!(matches!(
        kl_diagonal(&two, &two, &two, &arr1(&[1.0, 0.0])),
        Err(Error::EntryOutOfRange { index: 1, .. })
    ));
    assert!(matches!(kl_to_standard(&two, &arr1(&[1.0, -1.0])), Err(Error::EntryOutOfRange { index: 1, .. })));
    assert!(matches!(entropy(0.0, 1), Err(Error::OutOfRange { .. })));
    let law = |mean, var| log_pixel_probability(Pixel(3), Moments { mean, var });
    assert!(law(f64::NAN, 1.0).is_err() && law(0.0, 0.0).is_err() && law(0.0, f64::INFINITY).is_err());
    let indefinite = arr2(&[[1.0, 2.0], [2.0, 1.0]]);
    assert!(matches!(Gaussian::new(two.view(), indefinite.view()), Err(Error::NotPositiveDefinite { .. })));
    let skewed = arr2(&[[1.0, 0.1], [0.2, 1.0]]);
    assert!(matches!(Gaussian::new(two.view(), skewed.view()), Err(Error::NotPositiveDefinite { .. })));
    assert!(matches!(Gaussian::new(three.view(), skewed.view()), Err(Error::ShapeMismatch { .. })));
    assert_eq!(kl(Moments { mean: 0.0, var: 0.0 }, Moments { mean: 0.0, var: 1.0 }), f64::INFINITY);
}
