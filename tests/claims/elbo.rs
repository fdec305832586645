//! Chains, paths and weights that the bound refuses.

use alphabar::check::elbo::World;
use alphabar::elbo::{PathLogs, denoising_from_eps_loss, denoising_term, expected_terms, importance_bound, terms_at};
use alphabar::posterior::Moments;
use alphabar::{Error, Timestep};

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
