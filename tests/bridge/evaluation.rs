//! One evaluation of the graph is the exact denoiser, to within counted roundings.

use alphabar::noise::Stream;
use ndarray::Array2;

use crate::{DIM, World, rounding, sampler};

/// Rows of one evaluation.
const ROWS: usize = 96;

/// x in f32 where samplers go and where it hurts: on the noised components, between two of them, and far out.
fn places(world: &World, timestep: f64) -> Vec<f32> {
    let level = world.level(timestep);
    let mut places = vec![0.0_f32; ROWS * DIM];
    for (row, x) in places.chunks_mut(DIM).enumerate() {
        let mut z = [0.0_f64; DIM];
        Stream::new(row as u64).fill(timestep as u32, &mut z);
        let (one, other) = (&world.parts[row % 3], &world.parts[(row + 1) % 3]);
        for i in 0..DIM {
            let spread = (level.signal().powi(2) * one.variance[i] + level.noise_var()).sqrt();
            let middle = 0.5 * (one.mean[i] + other.mean[i]);
            x[i] = match row / 32 {
                0 => level.signal() * one.mean[i] + spread * z[i],
                1 => level.signal() * middle + 0.2 * spread * z[i],
                _ => 3.0 * z[i],
            } as f32;
        }
    }
    places
}

/// The largest share of the bound over all places at a timestep, the graph being told another one.
fn worst_share(world: &World, binding: &mut alphabar::onnx::Binding, timestep: f64, told: f64) -> f64 {
    let places = places(world, timestep);
    binding.sample_mut().copy_from_slice(&places);
    binding.set_timestep(told).unwrap();
    binding.run().unwrap();
    let x = Array2::from_shape_fn((ROWS, DIM), |(row, i)| f64::from(places[row * DIM + i]));
    let want = world.denoise(x.view(), timestep);
    let mut worst = 0.0_f64;
    for (row, got) in binding.output().chunks(DIM).enumerate() {
        let bound = rounding::of_evaluation(world, x.row(row), timestep);
        for i in 0..DIM {
            worst = worst.max((f64::from(got[i]) - want[[row, i]]).abs() / bound[i]);
        }
    }
    worst
}

/// Every timestep whose level a trajectory passes, both ends among them; the bound is [`rounding::of_evaluation`].
#[test]
fn the_graph_is_the_exact_denoiser_within_its_roundings() {
    let (world, sampler) = (World::load(), sampler());
    let mut binding = sampler.network().bind(ROWS).unwrap();
    let mut worst = (0.0, 0.0);
    for timestep in (0..10).chain((10..990).step_by(7)).chain(990..1000).map(f64::from) {
        let share = worst_share(&world, &mut binding, timestep, timestep);
        assert!(share <= 1.0, "at timestep {timestep} the graph is off by {share} of what f32 explains");
        worst = if share > worst.0 { (share, timestep) } else { worst };
    }
    println!("worst share {:.3} at timestep {}", worst.0, worst.1);
    assert!(worst.0 > 0.02, "the bound is slack: worst share {:e}", worst.0);
}

/// The same comparison sees a graph that is told the neighbouring timestep, everywhere on the schedule.
#[test]
fn a_timestep_off_by_one_is_seen_everywhere() {
    let (world, sampler) = (World::load(), sampler());
    let mut binding = sampler.network().bind(ROWS).unwrap();
    for timestep in (1..1000).step_by(37).chain([999]).map(f64::from) {
        let share = worst_share(&world, &mut binding, timestep, timestep - 1.0);
        assert!(share > 10.0, "at timestep {timestep} off by one is only {share} of what f32 explains");
    }
}

/// What the rounding bound takes for granted.
#[test]
fn means_and_variances_are_exact_in_f32() {
    for part in World::load().parts {
        assert!(part.mean.iter().chain(&part.variance).all(|v| f64::from(*v as f32).to_bits() == v.to_bits()));
    }
}
