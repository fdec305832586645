//! What published code gives where it differs, and what `alphabar check` calls it.

use alphabar::check::Wrong;
use alphabar::check::embedding::faults::EMBEDDINGS;
use alphabar::check::gaussian::faults::PIXELS;
use alphabar::check::prediction::faults::CONVERSIONS;
use alphabar::check::sampler::faults as wrong;
use alphabar::check::sampler::{Network, law};
use alphabar::check::variance::faults::LEARNED;
use alphabar::diagnose::cases::{Case, Inputs};
use alphabar::diagnose::{Numbers, Report, diagnose};
use alphabar::embedding::Sinusoidal;
use alphabar::exact::Gaussian1;
use alphabar::gaussian::{Pixel, log_pixel_probability};
use alphabar::plan::{Ancestral, Clip, ClippedEpsilon, Ddim, End, Plan, Prediction, Previous, ReverseVariance, Route, Spacing, Step};
use alphabar::posterior::{LogVarianceClip, Moments, Posterior, log_variance_clipped};
use alphabar::variance::LearnedRange;
use alphabar::weight::Weighting;
use alphabar::schedule::Definition;
use alphabar::{Betas, Level, Schedule, Timestep};

use crate::evidence::{number, scientific};
use crate::figure::Figure;

/// No figures.
pub fn figures() -> Vec<Figure> {
    Vec::new()
}

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    [schedules(), tables(), formulas(), samplers(), likelihoods()].concat()
}

type Named = Vec<(&'static str, String)>;

/// β, ᾱ, ᾱ of one step before and β̃ of the linear schedule, as plain arrays.
struct Chain {
    beta: Vec<f64>,
    bar: Vec<f64>,
    before: Vec<f64>,
    tilde: Vec<f64>,
}

impl Chain {
    fn linear() -> Self {
        let beta = Schedule::ddpm().betas().as_slice().to_vec();
        let bar: Vec<f64> = beta
            .iter()
            .scan(1.0, |product, b| {
                *product *= 1.0 - b;
                Some(*product)
            })
            .collect();
        let before: Vec<f64> = std::iter::once(1.0).chain(bar.iter().copied()).take(beta.len()).collect();
        let tilde = (0..beta.len()).map(|i| beta[i] * (1.0 - before[i]) / (1.0 - bar[i])).collect();
        Self { beta, bar, before, tilde }
    }

    /// What `alphabar check` calls an array that stands beside the right βs.
    fn called(&self, array: &str, entry: impl Fn(&Self, usize) -> f64) -> String {
        let values = (0..self.beta.len()).map(|i| entry(self, i)).collect();
        let meant = Definition::linear(self.beta.len());
        let arrays = [Numbers::f64("betas", self.beta.clone()), Numbers::f64(array, values)];
        names(&diagnose(&arrays, Some(&meant)))
    }
}

/// The faults that a report names.
fn names(report: &Report) -> String {
    let found: Vec<String> = report.faults().map(|fault| format!("`{}`", fault.name)).collect();
    match (found.is_empty(), report.is_right()) {
        (false, _) => found.join(", "),
        (true, true) => "right".into(),
        (true, false) => "wrong, without a name".into(),
    }
}

/// The first half of the first remark of a report.
fn remark(report: &Report) -> String {
    let first = report.findings.iter().flat_map(|finding| &finding.remarks).next();
    first.map_or_else(|| "nothing".into(), |words| words.split(" with ").next().unwrap_or_default().to_string())
}

fn schedules() -> Named {
    let mut broken = vec![0.0; 999];
    broken.push(0.999);
    let meant = Definition::cosine(1000);
    let roots = Betas::scaled_linear(1000, 0.000_85, 0.012).map(Schedule::new);
    let line = Betas::linear(1000, 0.000_85, 0.012).map(Schedule::new);
    let end = |schedule: alphabar::Result<Schedule>| schedule.map_or(f64::NAN, |s| s.alpha_bar(s.last()));
    let line_betas = Betas::linear(1000, 0.000_85, 0.012).map(|b| b.as_slice().to_vec()).unwrap_or_default();
    let scaled = Definition::scaled_linear(1000);
    vec![
        ("cosine", names(&diagnose(&[Numbers::f64("betas", broken)], Some(&meant)))),
        ("cosine_500", format!("{:.4}", Schedule::improved_ddpm().alpha_bar(Timestep::new(500)))),
        ("scaled_end", format!("{:.5}", end(roots))),
        ("line_end", format!("{:.5}", end(line))),
        ("scaled_linear", remark(&diagnose(&[Numbers::f64("betas", line_betas)], Some(&scaled)))),
    ]
}

fn tables() -> Named {
    let chain = Chain::linear();
    let (t2, t500) = (1, 499);
    let ratio = |a: f64, b: f64| format!("{:.4}", a / b);
    let single = {
        let beta = (1.0 - (1.0 - 1e-4f64) as f32) as f64;
        (beta - 1e-4).abs() / 1e-4
    };
    let cosine_single = {
        let bar = Schedule::improved_ddpm().alpha_bar(Timestep::new(1));
        let exact = Schedule::improved_ddpm().level(Timestep::new(1)).one_minus_alpha_bar();
        (f64::from(1.0 - bar as f32) - exact).abs() / exact
    };
    let in_single: Vec<f32> = chain.bar.iter().map(|&bar| (1.0 - bar as f32).sqrt()).collect();
    let single_report = diagnose(
        &[Numbers::f64("betas", chain.beta.clone()), Numbers::f32("sqrt_one_minus_alphas_cumprod", &in_single)],
        Some(&Definition::linear(1000)),
    );
    vec![
        ("variance_is_beta", chain.called("posterior_variance", |c, i| c.beta[i])),
        ("variance_is_beta_2", ratio(chain.beta[t2], chain.tilde[t2])),
        ("variance_is_beta_500", ratio(chain.beta[t500], chain.tilde[t500])),
        ("variance_shifted", chain.called("posterior_variance", |c, i| c.tilde[i.max(1) - 1])),
        ("variance_shifted_500", ratio(chain.tilde[t500 - 1], chain.tilde[t500])),
        ("cumprod_shifted", chain.called("alphas_cumprod", |c, i| c.before[i])),
        ("cumprod_shifted_500", ratio(chain.before[t500], chain.bar[t500])),
        ("prev_not_shifted", chain.called("alphas_cumprod_prev", |c, i| c.bar[i])),
        ("log_beta", chain.called("posterior_log_variance_clipped", |c, i| c.beta[i].ln())),
        ("log_beta_2", format!("{:.4}", chain.beta[t2].ln() - chain.tilde[t2].ln())),
        (
            "clipped_from_last",
            chain.called("posterior_log_variance_clipped", |c, i| c.tilde[if i == 0 { 999 } else { i }].ln()),
        ),
        ("clipped_from_last_1", ratio(chain.tilde[999], chain.tilde[t2])),
        ("coef1", chain.called("posterior_mean_coef1", |c, i| c.bar[i].sqrt() * c.beta[i] / (1.0 - c.bar[i]))),
        ("coef1_500", ratio(chain.bar[t500].sqrt(), chain.before[t500].sqrt())),
        ("coef1_1000", ratio(chain.bar[999].sqrt(), chain.before[999].sqrt())),
        ("recip", chain.called("sqrt_recip_alphas_cumprod", |c, i| (1.0 - c.beta[i]).sqrt().recip())),
        ("recip_wrong", format!("{:.4}", (1.0 - chain.beta[t500]).sqrt().recip())),
        ("recip_right", format!("{:.4}", chain.bar[t500].sqrt().recip())),
        ("single", scientific(single, 1)),
        ("single_cosine", scientific(cosine_single, 1)),
        ("single_called", names(&single_report)),
    ]
}

/// What `alphabar check` calls answers to a case.
fn answers<const N: usize>(case: &str, f: impl Fn(&Inputs) -> [f64; N]) -> String {
    Case::find(case).map_or_else(|| "no such case".into(), |case| names(&case.check(f)))
}

fn formulas() -> Named {
    let level = Schedule::ddpm().level(Timestep::new(500));
    let (a, sigma) = (level.signal(), level.noise_std());
    let (x0, eps) = (1.0, 0.5);
    let (xt, v) = (a * x0 + sigma * eps, a * eps - sigma * x0);
    let last = Schedule::ddpm().level(Timestep::new(1000));
    let weight = |prediction| Weighting::MinSnr { gamma: 5.0 }.on(prediction, last).unwrap_or(f64::NAN);
    let at_zero = Level::from_alpha_bar(0.0).and_then(|level| {
        (Wrong::named(CONVERSIONS, "eps_at_zero_terminal_snr").f)(Prediction::Epsilon, Prediction::X0, level)
    });
    let apart = |other: Vec<f64>| {
        let ours = Sinusoidal::new(128).map_or(Vec::new(), |form| form.embed(500.0));
        let square: f64 = ours.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum();
        format!("{:.2}", square.sqrt())
    };
    vec![
        ("guidance", answers("guidance", |p| [p["uncond"] + (1.0 + p["scale"]) * (p["cond"] - p["uncond"])])),
        (
            "v_sign",
            answers("v", |p| {
                let (a, s) = (p["alpha_bar"].sqrt(), (1.0 - p["alpha_bar"]).sqrt());
                let v = a * p["eps"] + s * p["x0"];
                [v, a * p["xt"] + s * p["pred"], a * p["pred"] - s * p["xt"]]
            }),
        ),
        ("v_right", number(a * xt - sigma * v)),
        ("v_wrong", format!("{:.4}", a * xt + sigma * v)),
        ("weight_eps", format!("{:.4}", weight(Prediction::Epsilon))),
        ("weight_v", scientific(weight(Prediction::V), 2)),
        ("zero_snr", at_zero.map_or_else(|error| error.to_string(), |map| map.at(0.3, 0.3).to_string())),
        ("embedding_divisor", apart((Wrong::named(EMBEDDINGS, "embedding_divisor_half").f)(128, 500.0))),
        ("embedding_interleaved", apart((Wrong::named(EMBEDDINGS, "embedding_interleaved").f)(128, 500.0))),
    ]
}

const DATA: Moments = Moments { mean: 0.5, var: 0.25 };
/// The cases that were compared with diffusers.
const CASES: &str = include_str!("../../../../fixtures/diffusers/cases.json");
const START: Moments = Moments { mean: 0.0, var: 1.0 };
const ANCESTRAL: Ancestral =
    Ancestral { prediction: Prediction::Epsilon, clip: Clip::None, variance: ReverseVariance::BetaTilde };
const DDIM: Ddim = Ddim {
    prediction: Prediction::Epsilon,
    clip: Clip::None,
    clipped_epsilon: ClippedEpsilon::AsPredicted,
    eta: 0.0,
};

/// Mean and standard deviation of what a plan samples with the exact denoiser of N(0.5, 0.25).
fn sampled(plan: alphabar::Result<Plan>) -> String {
    let schedule = Schedule::ddpm();
    let exact = |step: &Step| {
        let level = schedule.level(Timestep::new(step.t.unwrap_or(1)));
        let slope = level.noise_std() / (level.alpha_bar() * DATA.var + level.one_minus_alpha_bar());
        Network { slope, offset: -slope * level.signal() * DATA.mean }
    };
    let end = plan.ok().and_then(|plan| law(&plan, START, exact)).and_then(|all| all.last().copied());
    end.map_or_else(|| "NaN".into(), |end| format!("{:.3}\u{a0}±\u{a0}{:.3}", end.mean, end.var.sqrt()))
}

fn samplers() -> Named {
    let schedule = Schedule::ddpm();
    let route = |spacing: Spacing, steps: usize| {
        let times = spacing.model_timesteps(1000, steps).unwrap_or_default();
        Route::new(&schedule, &times, Previous::List, End::Data)
    };
    let on = |spacing: Spacing, steps: usize, f: fn(&Schedule, &Route) -> alphabar::Result<Plan>| {
        sampled(route(spacing, steps).and_then(|route| f(&schedule, &route)))
    };
    let leading = || Spacing::Leading { offset: 0 };
    let large: Ancestral = Ancestral { variance: ReverseVariance::Beta, ..ANCESTRAL };
    vec![
        ("ddim_20", on(Spacing::Linspace, 20, |_, route| DDIM.plan(route))),
        ("ddim_20_stride", on(Spacing::Linspace, 20, wrong::stride_that_is_not_the_lists)),
        ("first_level", format!("{:.3}", schedule.level(Timestep::new(1)).noise_std())),
        ("first_level_grey", format!("{:.1}", 127.5 * schedule.level(Timestep::new(1)).noise_std())),
        ("cases", CASES.matches("\"name\":").count().to_string()),
        ("ddpm_50", sampled(route(leading(), 50).and_then(|route| large.plan(&route)))),
        ("ddpm_50_full_beta", on(leading(), 50, wrong::full_chain_beta_on_short_list)),
        ("ddpm_50_t_minus_1", on(leading(), 50, wrong::previous_is_always_t_minus_1)),
        ("ddpm_10_small", on(leading(), 10, |_, route| ANCESTRAL.plan(route))),
        ("ddpm_10_large", on(leading(), 10, wrong::large_variance_for_small)),
        ("ddpm_10_trailing", sampled(route(Spacing::Trailing, 10).and_then(|route| large.plan(&route)))),
        ("ddpm_10_last", on(Spacing::Trailing, 10, wrong::noise_in_last_step)),
        ("ddpm_log", on(leading(), 50, wrong::log_variance_as_variance)),
        (
            "last_step",
            answers("ddpm", |p| {
                let beta = p["beta"];
                let mean = (p["xt"] - beta / (1.0 - p["alpha_bar"]).sqrt() * p["pred"]) / (1.0 - beta).sqrt();
                [mean + beta.sqrt() * p["z"]]
            }),
        ),
    ]
}

fn likelihoods() -> Named {
    let schedule = Schedule::ddpm();
    let second = schedule.step(Timestep::new(2));
    let low = log_variance_clipped(&second, &second, LogVarianceClip::CopySecond).unwrap_or(f64::NAN);
    let range = LearnedRange::new(&second, low);
    let wrong_range = |name| (Wrong::named(LEARNED, name).f)(&range, 0.5);
    let edge = Moments { mean: 0.999, var: 1e-4 };
    let nats = |x: alphabar::Result<f64>| x.map_or(f64::NAN, |x| x);
    let middle = Moments { mean: 0.1, var: 1e-6 };
    let tilde = Posterior::new(&second).beta_tilde;
    let unit = Gaussian1::new(0.0, 1.0).map_or(f64::NAN, |law| -law.log_pdf(0.0));
    vec![
        ("range", scientific(range.var(0.5), 3)),
        ("range_without_log", scientific(wrong_range("learned_range_without_log"), 3)),
        ("range_without_exp", format!("{:.2}", wrong_range("learned_range_without_exp"))),
        ("range_low", scientific(tilde, 3)),
        ("edge_right", format!("{:.3}", nats(log_pixel_probability(Pixel(255), edge)))),
        ("edge_wrong", format!("{:.3}", nats((Wrong::named(PIXELS, "density_times_width").f)(Pixel(255), edge)))),
        ("sharp_right", format!("{:.3}", nats(log_pixel_probability(Pixel(140), middle)))),
        ("sharp_wrong", format!("{:.3}", nats((Wrong::named(PIXELS, "density_times_width").f)(Pixel(140), middle)))),
        ("half_log_two_pi", format!("{unit:.4}")),
    ]
}
