//! Special cases of the relative entropy, images, and what is refused.

use alphabar::Error;
use alphabar::gaussian::{
    Gaussian, Pixel, entropy, kl, kl_diagonal, kl_equal_variance, kl_full, kl_isotropic, kl_to_standard,
    log_pixel_probability, log_pixel_probability_sum,
};
use alphabar::posterior::Moments;
use ndarray::{Array1, Array2, arr1, arr2};

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
