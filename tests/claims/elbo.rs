//! The bound, its terms and the rows of its proof on random chains.

use alphabar::check::elbo::{self as check, World};
use alphabar::elbo::{
    PathLogs, denoising_from_eps_loss, denoising_term, expected_terms, importance_bound, prior_slope, proof_row,
    terms_at,
};
use alphabar::posterior::Moments;
use alphabar::{Error, Schedule, Timestep, strategy};
use proptest::prelude::*;

use crate::holds;

fn world() -> impl Strategy<Value = World> {
    [0.0..1.0f64, 0.0..1.0, 0.0..1.0].prop_map(World::random)
}

fn world_and_path() -> impl Strategy<Value = (World, Vec<f64>)> {
    world().prop_flat_map(|world| {
        let states = strategy::point(world.len() + 1);
        (Just(world), states)
    })
}

proptest! {
    #[test]
    fn proof_rows_have_one_expectation(world in world()) {
        holds(check::proof_rows(proof_row, &world))?;
    }

    #[test]
    fn terms_are_divergences_and_densities_products((world, path) in world_and_path()) {
        holds(check::terms_on_path(terms_at, &world, &path))?;
        let densities = |schedule: &Schedule, reverse: &alphabar::elbo::Reverse, path: &[f64]| {
            let logs = PathLogs::new(schedule, reverse, path)?;
            let last = logs.forward[logs.forward.len() - 1];
            Ok([logs.model(), logs.data_chain(), logs.telescoping_sum(), last])
        };
        holds(check::joint_densities(densities, &world, &path))?;
    }

    #[test]
    fn expected_bound_is_nll_plus_joint_kl(world in world(), xt in strategy::value()) {
        holds(check::expected_bound(expected_terms, &world))?;
        let from_losses = |step: &_, var, loss| denoising_from_eps_loss(step, var, loss, 1);
        holds(check::bound_from_losses(from_losses, &world))?;
        for t in 2..=world.len() {
            holds(check::harmless_lie(denoising_term, &world, t, xt))?;
        }
    }

    #[test]
    fn prior_term_moves_with_the_schedule(log_snr in -12.0..2.0f64, x0 in strategy::value()) {
        holds(check::prior_slope(prior_slope, log_snr, x0))?;
    }
}

#[test]
fn chains_and_paths_that_do_not_fit_are_refused() {
    let world = World::toy();
    let short = terms_at(&world.schedule, &world.kernel(), &[0.0; 3]);
    assert!(matches!(short, Err(Error::CountOutOfRange { value: 3, min: 4, max: 4, .. })));
    assert!(PathLogs::new(&world.schedule, &world.kernel(), &[0.0; 5]).is_err());
    assert!(matches!(
        expected_terms(&world.schedule, world.data, &world.reverse[..2]),
        Err(Error::CountOutOfRange { .. })
    ));
    let first = world.schedule.step(Timestep::new(1));
    let model = Moments { mean: 0.0, var: 1.0 };
    assert!(matches!(denoising_term(&first, 0.1, 0.2, model), Err(Error::Singular { .. })));
    assert!(matches!(denoising_from_eps_loss(&first, 0.1, 1.0, 1), Err(Error::Singular { .. })));
    assert!(matches!(importance_bound(&[]), Err(Error::CountOutOfRange { .. })));
    assert!(importance_bound(&[f64::NEG_INFINITY; 2]).unwrap().is_infinite());
    assert!((importance_bound(&[1e4, 1e4]).unwrap() - 1e4).abs() < 1e-9);
}
