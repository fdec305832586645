//! Latent variable models and data that are refused.

use alphabar::Error;
use alphabar::vae::{FactorModel, Hierarchy, Kernel, gaussian_mle, importance_weighted_bound};
use ndarray::{Array2, arr1, arr2};

#[test]
fn bad_inputs_are_named() {
    let loading = arr2(&[[1.0], [0.5]]);
    let new = |offset: &[f64], noise| FactorModel::new(loading.view(), arr1(offset).view(), noise);
    assert!(matches!(new(&[0.0], 1.0), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(new(&[0.0, f64::NAN], 1.0), Err(Error::EntryOutOfRange { .. })));
    assert!(matches!(new(&[0.0, 0.0], 0.0), Err(Error::OutOfRange { .. })));
    let model = new(&[0.0, 0.0], 1.0).unwrap();
    assert!(matches!(model.log_evidence(arr1(&[0.0]).view()), Err(Error::ShapeMismatch { .. })));
    assert!(matches!(model.em_step(Array2::zeros((0, 2)).view()), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(importance_weighted_bound(arr1::<f64>(&[]).view()), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(importance_weighted_bound(arr1(&[f64::NAN]).view()), Err(Error::EntryOutOfRange { .. })));
    assert_eq!(importance_weighted_bound(arr1(&[f64::NEG_INFINITY]).view()), Ok(f64::NEG_INFINITY));
    assert!(matches!(gaussian_mle(arr1(&[1.0, 1.0]).view()), Err(Error::OutOfRange { .. })));
    let kernel = Kernel { slope: 1.0, offset: 0.0, var: 1.0 };
    assert!(matches!(Hierarchy::new(vec![], vec![]), Err(Error::CountOutOfRange { .. })));
    assert!(matches!(Hierarchy::new(vec![kernel], vec![]), Err(Error::ShapeMismatch { .. })));
    let point = Kernel { var: 0.0, ..kernel };
    assert!(matches!(Hierarchy::new(vec![kernel], vec![point]), Err(Error::EntryOutOfRange { .. })));
    let one = Hierarchy::new(vec![kernel], vec![kernel]).unwrap();
    assert!(matches!(one.log_joint(0.0, arr1::<f64>(&[]).view()), Err(Error::ShapeMismatch { .. })));
}
