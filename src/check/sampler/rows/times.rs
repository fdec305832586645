//! The claim on lists of times, routes and grids.

use super::{ancestral, ddim, solver};
use crate::check::sampler::faults as fault;
use crate::check::sampler::{self as check, Added};
use crate::check::{Claim, Method, Row};
use crate::check::{Evidence, Outcome, Run, Tol, log_uniform, uniform};
use crate::error::Result;
use crate::plan::{Clock, End, Grid, Order, Prediction, Previous, Route, Spacing};
use crate::schedule::{Schedule, Timestep};

pub(super) fn times_and_levels() -> Claim {
    Claim::bound(
        "lists_of_times_and_levels_are_their_formulas",
        "leading, linspace, trailing and quadratic times, the targets of their steps, and EDM's levels are as defined",
        Method::Enumeration("fractions of whole numbers, recursion on the βs"),
        |run| {
            let lists = [Spacing::Linspace, Spacing::Trailing, Spacing::Quadratic, Spacing::Leading { offset: 0 }]
                .iter()
                .try_fold(Evidence::none(), |all, spacing| Ok(all.and(listed(run, spacing, own(spacing))?)))?;
            let lists = lists.and(offset(run)?).and(routes(run, Route::new)?);
            let levels = karras(run, own_karras)?.and(uniform_levels(run)?).and(clocks(run)?);
            Ok(lists.and(levels).and(targets(run)?))
        },
    )
    .row("B11", || Row {
        got: Spacing::Trailing.model_timesteps(1000, 10).map_or(f64::NAN, |times| times[3] as f64),
        want: 699.0,
        tol: Tol::exact(),
    })
    .row("S1.85", || Row {
        got: Spacing::Linspace.model_timesteps(1000, 50).map_or(f64::NAN, |times| times.len() as f64),
        want: 50.0,
        tol: Tol::exact(),
    })
    .fault(fault::LINSPACE_WITHOUT_END, |run| {
        listed(run, &Spacing::Linspace, |t, s| Ok(fault::linspace_without_end(t, s)))
    })
    .fault(fault::TIMES_TRUNCATED, |run| listed(run, &Spacing::Linspace, |t, s| Ok(fault::times_truncated(t, s))))
    .fault(fault::TRAILING_FROM_THE_PAPERS_TIMES, |run| {
        listed(run, &Spacing::Trailing, |t, s| Ok(fault::trailing_from_the_papers_times(t, s)))
    })
    .fault(fault::STRIDE_THAT_IS_NOT_THE_LISTS, |run| {
        routes(run, |schedule, times, _, end| Route::new(schedule, times, Previous::Stride, end))
    })
    .fault(fault::ENDS_AT_FIRST_LEVEL, |run| {
        routes(run, |schedule, times, previous, _| Route::new(schedule, times, previous, End::FirstTime))
    })
    .fault(fault::KARRAS_NEVER_AT_THE_SMALLEST, |run| karras(run, fault::karras_never_at_the_smallest))
    .fault(fault::KARRAS_LOG_SIGMA, |run| karras(run, fault::karras_log_sigma))
    .fault(fault::KARRAS_WITHOUT_RHO, |run| karras(run, fault::karras_without_rho))
}

fn own(spacing: &Spacing) -> impl Fn(usize, usize) -> Result<Vec<usize>> + '_ {
    |trained, steps| spacing.model_timesteps(trained, steps)
}

/// T up to 200 and T = 1000, S from 1 to T.
fn sizes(run: &Run) -> impl Iterator<Item = (usize, usize)> + use<> {
    let drawn = run.points().map(|[u, v]| {
        let trained = 1 + (u * 200.0) as usize;
        (trained, 1 + (v * trained as f64) as usize)
    });
    let fixed = [1, 2, 3, 10, 50, 300, 999, 1000].map(|steps| (1000, steps));
    drawn.chain(fixed)
}

fn listed(run: &Run, spacing: &Spacing, f: impl Fn(usize, usize) -> Result<Vec<usize>>) -> Outcome {
    sizes(run).try_fold(Evidence::none(), |all, (trained, steps)| {
        Ok(all.and(check::spacing_is_its_formula(&f, spacing, trained, steps)?))
    })
}

/// Leading spacing with the largest offset that fits.
fn offset(run: &Run) -> Outcome {
    let mut all = Evidence::none();
    for (trained, steps) in sizes(run) {
        let offset = trained - 1 - (steps - 1) * (trained / steps);
        let spacing = Spacing::Leading { offset: 0 }.with_offset(offset);
        all = all.and(check::spacing_is_its_formula(own(&spacing), &spacing, trained, steps)?);
    }
    Ok(all)
}

fn routes(run: &Run, f: impl Fn(&Schedule, &[usize], Previous, End) -> Result<Route>) -> Outcome {
    let parts: Vec<[f64; 1]> = run.points().collect();
    let mut parts = parts.iter().cycle();
    run.over_schedules(|schedule| {
        let [u] = parts.next().copied().unwrap_or([0.5]);
        let steps = 1 + (u * u * schedule.len() as f64) as usize;
        let times = Spacing::Linspace.model_timesteps(schedule.len(), steps).unwrap_or_default();
        [Previous::List, Previous::Stride]
            .into_iter()
            .flat_map(|previous| [(previous, End::Data), (previous, End::FirstTime)])
            .try_fold(Evidence::none(), |all, (previous, end)| {
                Ok(all.and(check::route_leads_on(&f, schedule, &times, previous, end)?))
            })
    })
}

fn karras(run: &Run, f: impl Fn(usize, f64, f64, f64) -> Result<Grid>) -> Outcome {
    run.over(|[u, v, w]| {
        let (steps, rho) = (2 + (u * 20.0) as usize, uniform(v, 2.0, 9.0));
        let (smallest, largest) = (log_uniform(w, 1e-3, 1e-1), uniform(u, 10.0, 80.0));
        let ends = [largest, smallest].map(|sigma| (sigma.ln() / rho).exp());
        let straight = |log_snr: f64| (-0.5 * log_snr / rho).exp();
        check::levels_equally_spaced(f(steps, smallest, largest, rho), straight, ends, steps, true)
    })
}

fn own_karras(steps: usize, sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Grid> {
    Grid::karras(Clock::LogSnr, steps, sigma_min, sigma_max, rho)
}

fn uniform_levels(run: &Run) -> Outcome {
    run.over(|[u, v, w]| {
        let (from, to, steps) = (uniform(u, -12.0, -2.0), uniform(v, -1.0, 12.0), 1 + (w * 20.0) as usize);
        let grid = Grid::uniform_log_snr(from, to, steps);
        check::levels_equally_spaced(grid, |log_snr| log_snr, [from, to], steps, false)
    })
}

fn clocks(run: &Run) -> Outcome {
    let parts: Vec<[f64; 2]> = run.points().collect();
    let mut parts = parts.iter().cycle();
    run.over_schedules(|schedule| {
        let [u, v] = parts.next().copied().unwrap_or([0.5; 2]);
        let t = Timestep::new(1 + (u * schedule.len() as f64) as usize);
        check::clock_inverts_the_schedule(Clock::model_timestep, schedule, t, v)
    })
}

/// Every sampler on whole chains and short lists.
fn targets(run: &Run) -> Outcome {
    super::over_journeys(run, |journey, _| {
        let route = &journey.route;
        let times: Vec<usize> = route.visits().iter().map(|visit| visit.t.get()).collect();
        let along = |sampler: &dyn Fn(&Grid) -> Result<crate::plan::Plan>| {
            check::targets_are_the_times(
                Grid::along(&journey.schedule, route).and_then(|grid| sampler(&grid)),
                &times,
            )
        };
        let mut all = check::targets_are_the_times(ancestral(route, Added::Beta), &times)?;
        all = all.and(check::targets_are_the_times(ddim(route, Prediction::V, 0.5), &times)?);
        all = all.and(along(&solver::heun)?);
        for order in [Order::First, Order::Second, Order::Third] {
            all = all.and(along(&|grid| solver::solver(order, grid))?);
        }
        all = all.and(along(&solver::multistep_on_epsilon)?);
        Ok(all)
    })
}
