//! Whole trajectories: ONNX Runtime in f32 stays within a running rounding bound of the f64 executor at every step.

use alphabar::noise::Stream;
use alphabar::onnx::{Job, Sampler, StepLoop};
use alphabar::plan::{DDIM, DDPM, Method, Plan, Previous, Recipe, ReverseVariance, Spacing};
use alphabar::sample::{Executor, from_fn};
use ndarray::{Array2, ArrayView1, ArrayView2, Dim, s};

use crate::{DIM, World, plan, recipe, rounding, sampler};

const SEEDS: [u64; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1 << 32, (1 << 40) + 1, 1 << 63, u64::MAX];

/// A plan's trajectories in f64 on the exact denoiser, and how far f32 may be off after every step.
struct Reference {
    /// After every step, one row a seed.
    states: Vec<Array2<f64>>,
    /// As `states`.
    bounds: Vec<Array2<f64>>,
}

impl Reference {
    fn of(world: &World, plan: &Plan) -> Self {
        let executor = Executor::new(plan, &SEEDS);
        let initial: Array2<f64> = executor.initial(Dim((SEEDS.len(), DIM))).unwrap();
        let mut inputs = Vec::new();
        let mut denoiser = from_fn(|x: ArrayView2<'_, f64>, timestep| {
            let out = world.denoise(x, timestep);
            inputs.push((x.to_owned(), out.clone()));
            out
        });
        let mut states = Vec::new();
        executor.run_observed(initial, &mut denoiser, |_, x, _| states.push(x.to_owned())).unwrap();
        drop(denoiser);
        let mut bounds = vec![Array2::zeros((SEEDS.len(), DIM)); states.len()];
        for row in 0..SEEDS.len() {
            let mut path = inputs.iter().map(|(x, out)| (x.row(row), out.row(row)));
            running_bound(world, plan, row, &mut path, &mut bounds);
        }
        Self { states, bounds }
    }
}

/// For every step of one sample, how far each number may be off after it: every rounding so far, carried on by the
/// steps that followed it, all of them at their largest and none against another.
///
/// ```text
/// e_{n+1} = J_n e_n + δ_n        |e_n| ≤ Σ_k |J_{n−1} ⋯ J_{k+1}| |δ_k|        J = ∂x'/∂x, δ_{−1} the rounding of x_T
/// ```
///
/// δ_n is the rounding of the step and of the network at x_n. First order in e: J is taken at the f64 state, and would
/// be exact somewhere between that and the f32 state; with deviations below 10⁻⁴, which is asserted too, the two differ
/// by less than the 1 % that each δ has on top. The bound is widest on the way of a sample that hesitates between two
/// components, where one step after the other stretches every error.
fn running_bound<'a>(
    world: &World,
    plan: &Plan,
    row: usize,
    path: &mut dyn Iterator<Item = (ArrayView1<'a, f64>, ArrayView1<'a, f64>)>,
    bounds: &mut [Array2<f64>],
) {
    // Four columns for every k: the matrix product times δ_k on the diagonal.
    let mut carried = Array2::zeros((DIM, DIM * (plan.steps().len() + 1)));
    let mut z = [0.0_f64; DIM];
    for (n, (step, (x, out))) in plan.steps().iter().zip(path).enumerate() {
        if n == 0 {
            (0..DIM).for_each(|i| carried[[i, i]] = rounding::of_initial(x[i]));
        }
        if let Some(draw) = step.draw {
            Stream::new(SEEDS[row]).fill(draw, &mut z);
        }
        let used = DIM * (n + 1);
        let moved = rounding::jacobian(world, step, x).dot(&carried.slice(s![.., ..used]));
        carried.slice_mut(s![.., ..used]).assign(&moved);
        let network = rounding::of_evaluation(world, x, step.model_timestep);
        for i in 0..DIM {
            carried[[i, used + i]] = rounding::of_step(step, x[i], out[i], network[i], z[i]);
            bounds[n][[row, i]] = carried.slice(s![i, ..used + DIM]).iter().map(|e| e.abs()).sum();
        }
    }
}

/// What a comparison found.
#[derive(Debug)]
struct Comparison {
    /// For every step, the largest share of the bound over all numbers of all samples.
    shares: Vec<f64>,
    /// Largest deviation.
    deviation: f64,
    /// Largest bound.
    bound: f64,
}

impl Comparison {
    fn worst(&self) -> f64 {
        self.shares.iter().copied().fold(0.0, f64::max)
    }

    /// The share of the step that has least.
    fn least(&self) -> f64 {
        self.shares.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn last(&self) -> f64 {
        self.shares[self.shares.len() - 1]
    }

    fn summary(&self) -> String {
        let Self { deviation, bound, .. } = self;
        let (worst, least, last) = (self.worst(), self.least(), self.last());
        format!(
            "shares {worst:.3e} at most, {least:.3e} at least, {last:.3e} last; off {deviation:.2e}, bound {bound:.2e}"
        )
    }
}

/// Steps computed on the host, and on the device as part of the graph.
const LOOPS: [StepLoop; 2] = [StepLoop::Host, StepLoop::Resident];

/// The trajectories of a plan through ONNX Runtime against the reference, at every step.
fn compare(sampler: &Sampler, run: &Plan, reference: &Reference, step_loop: StepLoop) -> Comparison {
    let job = Job::new(run, &SEEDS).batch(SEEDS.len()).step_loop(step_loop);
    let mut batches = sampler.start(job).unwrap();
    let mut found = Comparison { shares: Vec::new(), deviation: 0.0, bound: 0.0 };
    let last = batches.next_observed(&mut |moment| {
        assert_eq!(moment.step, found.shares.len());
        let mut worst = 0.0_f64;
        let exact = reference.states[moment.step].iter().zip(&reference.bounds[moment.step]);
        for (x, (exact, bound)) in moment.x.iter().zip(exact) {
            let deviation = (f64::from(*x) - exact).abs();
            worst = worst.max(deviation / bound);
            found.deviation = found.deviation.max(deviation);
            found.bound = found.bound.max(*bound);
        }
        found.shares.push(worst);
    });
    last.unwrap().unwrap();
    assert_eq!(found.shares.len(), reference.states.len(), "every step is compared");
    found
}

/// At no step is the bound exceeded, and at none is it so wide that the largest share of it is below `slack`.
fn holds(method: &'static Method, steps: usize, slack: f64, largest_bound: f64) {
    let (world, sampler) = (World::load(), sampler());
    let plan = plan(&sampler, method, steps);
    assert_eq!(plan.steps().len(), steps);
    let reference = Reference::of(&world, &plan);
    for step_loop in LOOPS {
        let found = compare(&sampler, &plan, &reference, step_loop);
        let summary = found.summary();
        println!("{}, {steps} steps, {step_loop:?}: {summary}", plan.name());
        assert!(found.worst() <= 1.0, "{summary}");
        assert!(found.least() > slack, "the bound is slack: {summary}");
        assert!(found.bound < largest_bound && found.deviation < 1e-4, "{summary}");
    }
}

#[test]
fn a_thousand_steps_of_ddpm_agree_at_every_step() {
    holds(&DDPM, 1000, 0.005, 5e-3);
}

#[test]
fn fifty_steps_of_ddim_agree_at_every_step() {
    holds(&DDIM, 50, 0.005, 2e-4);
}

/// The comparison fails for a plan that is wrong in one thing.
#[test]
fn wrong_plans_are_seen() {
    let (world, sampler) = (World::load(), sampler());
    let ddpm = recipe(&sampler, &DDPM, 1000);
    let ddim = recipe(&sampler, &DDIM, 50);
    // A number of steps that divides T would make stride and list the same.
    let trailing = recipe(&sampler, &DDIM, 48).spacing(Spacing::Trailing);

    let beta = ddpm.clone().variance(ReverseVariance::Beta);
    let mut later = ddpm.clone();
    let chain = later.scheduler.chain.clone();
    later.scheduler.chain = chain.beta_end(later.scheduler.chain.end() * 1.0001);
    let stride = trailing.clone().previous(Previous::Stride);
    let stochastic = ddim.clone().eta(0.001);
    let changed = |recipe: &Recipe, step: usize, change: &dyn Fn(&mut alphabar::plan::Step)| {
        let plan = recipe.plan().unwrap();
        let mut steps = plan.steps().to_vec();
        change(&mut steps[step]);
        Plan::new(plan.name(), plan.initial_std(), steps).unwrap()
    };
    let mut late = ddpm.plan().unwrap().steps().to_vec();
    late[1..].iter_mut().for_each(|step| step.model_timestep += 1.0);
    let ddpm_cases = [
        ("beta for beta-tilde", beta.plan().unwrap()),
        ("a last beta larger by 1e-4 of itself", later.plan().unwrap()),
        ("the draw before in step 500", changed(&ddpm, 500, &|s| s.draw = s.draw.map(|d| d - 1))),
        ("t off by one in every step but the first", Plan::new("ddpm", 1.0, late).unwrap()),
        ("d off by 1e-3 in the last step", changed(&ddpm, 999, &|s| s.x0 *= 1.001)),
    ];
    let ddim_cases = [
        ("eta = 0.001 for 0", stochastic.plan().unwrap()),
        ("f off by 1e-3 in step 25", changed(&ddim, 25, &|s| s.out *= 1.001)),
    ];
    let trailing_cases = [("stride for list on trailing", stride.plan().unwrap())];
    let all = [(ddpm, &ddpm_cases[..]), (ddim, &ddim_cases[..]), (trailing, &trailing_cases[..])];
    for (right, cases) in all {
        let right = right.plan().unwrap();
        let reference = Reference::of(&world, &right);
        for step_loop in LOOPS {
            let found = compare(&sampler, &right, &reference, step_loop);
            assert!(found.worst() <= 1.0, "{}", found.summary());
            for (what, wrong) in cases {
                let found = compare(&sampler, wrong, &reference, step_loop);
                println!("{what}, {step_loop:?}: {}", found.summary());
                assert!(found.worst() > 2.0, "{what} is not seen: {}", found.summary());
            }
        }
    }
}
