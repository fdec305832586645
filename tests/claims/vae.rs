//! Latent variable models at random parameters.

use alphabar::check::vae as check;
use alphabar::gaussian::Gaussian;
use alphabar::posterior::{Component, Moments};
use alphabar::vae::{
    FactorModel, Hierarchy, Kernel, cross_entropy, gaussian_mle, importance_weighted_bound, negative_log_likelihood,
};
use alphabar::{Error, strategy};
use ndarray::{Array1, Array2, arr1, arr2};
use proptest::prelude::*;

use crate::holds;

fn model(dims: usize, latents: usize) -> impl Strategy<Value = FactorModel> {
    let loading = prop::collection::vec(-1.2..1.2, dims * latents);
    let offset = prop::collection::vec(-1.0..1.0, dims);
    (loading, offset, strategy::log_uniform(0.3, 2.0)).prop_map(move |(loading, offset, noise)| {
        let loading = Array2::from_shape_vec((dims, latents), loading).unwrap();
        FactorModel::new(loading.view(), Array1::from(offset).view(), noise).unwrap()
    })
}

fn vector(len: usize) -> impl Strategy<Value = Array1<f64>> {
    prop::collection::vec(-2.0..2.0, len).prop_map(Array1::from)
}

fn kernel() -> impl Strategy<Value = Kernel> {
    (0.3..1.1, -0.5..0.5, strategy::log_uniform(0.05, 1.0)).prop_map(|(slope, offset, var)| Kernel {
        slope,
        offset,
        var,
    })
}

fn hierarchy() -> impl Strategy<Value = (Hierarchy, Array1<f64>)> {
    (1..=4usize).prop_flat_map(|depth| {
        let list = || prop::collection::vec(kernel(), depth);
        (list(), list(), vector(depth)).prop_map(|(p, q, z)| (Hierarchy::new(p, q).unwrap(), z))
    })
}

proptest! {
    #[test]
    fn evidence_is_the_integral(model in model(3, 1), x in vector(3)) {
        holds(check::evidence_is_the_integral(FactorModel::log_evidence, &model, x.view()))?;
    }

    #[test]
    fn posterior_is_the_conditional(model in model(3, 1), x in vector(3), z in vector(1)) {
        holds(check::posterior_is_the_conditional(FactorModel::posterior, &model, x.view(), z.view()))?;
    }

    #[test]
    fn bound_is_the_mean_log_weight(
        model in model(2, 1),
        x in vector(2),
        mean in vector(1),
        var in strategy::log_uniform(0.1, 2.0),
    ) {
        let q = Gaussian::new(mean.view(), arr2(&[[var]]).view()).unwrap();
        holds(check::bound_is_the_mean_log_weight(FactorModel::elbo, &model, x.view(), &q))?;
        holds(check::bound_is_the_mean_log_weight(FactorModel::elbo_from_gap, &model, x.view(), &q))?;
    }

    #[test]
    fn gradient_is_the_derivative(
        model in model(3, 2),
        x in vector(3),
        mean in vector(2),
        std in strategy::log_uniform(0.3, 1.5),
    ) {
        let gradient = FactorModel::encoder_gradient;
        holds(check::gradient_is_the_derivative(gradient, &model, x.view(), mean.view(), std))?;
    }

    #[test]
    fn mean_importance_weight_is_the_evidence(model in model(2, 1), x in vector(2)) {
        holds(check::importance_mean_is_the_evidence(importance_weighted_bound, &model, x.view(), 2000))?;
    }

    #[test]
    fn hierarchy_is_a_joint_gaussian((model, z) in hierarchy(), x in -2.0..2.0) {
        holds(check::log_joint_is_the_joint_density(Hierarchy::log_joint, &model, x, z.view()))?;
        holds(check::hierarchy_bound_is_the_mean_log_weight(Hierarchy::elbo, &model, x))?;
    }

    #[test]
    fn likelihood_is_highest_at_the_sample_moments(data in prop::collection::vec(-3.0..3.0, 5..60)) {
        let data = Array1::from(data);
        holds(check::likelihood_is_highest_at(gaussian_mle, data.view()))?;
        holds(check::nll_is_lowest_at(negative_log_likelihood, data.view()))?;
    }

    #[test]
    fn cross_entropy_is_entropy_plus_divergence(
        mean in -2.0..2.0,
        var in strategy::log_uniform(0.2, 5.0),
        weight in 0.05..0.95,
    ) {
        let part = |weight, mean, var| Component { weight, moments: Moments { mean, var } };
        let mixture = [part(weight, -1.5, 0.09), part(1.0 - weight, 1.0, 0.25)];
        let model = Moments { mean, var };
        holds(check::cross_entropy_is_entropy_plus_divergence(cross_entropy, &mixture, model))?;
    }
}

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
