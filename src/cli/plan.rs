//! `alphabar plan`: the plan as a table to read or as JSON to keep.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::failure::{Failure, Outcome, print};
use super::model;
use super::recipe_args::RecipeArgs;
use crate::plan::{Clip, Noise, Plan, Recipe, Source, Step};

/// Arguments of `alphabar plan`.
#[derive(clap::Args, Debug)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A pipeline folder or an .onnx file, for its scheduler's configuration [default: the MNIST fixture]
    model: Option<PathBuf>,
    /// Print the plan as JSON, at full precision, for `alphabar sample --plan`
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipe: RecipeArgs,
}

/// Prints the plan.
///
/// # Errors
/// Exit 1 for a bad configuration, 2 for options that do not go together.
pub fn run(args: &Args) -> Outcome {
    let source = model::resolve(args.model.as_deref())?;
    let recipe = args.recipe.recipe(source.scheduler.as_ref())?;
    let plan = args.recipe.plan(&recipe)?;
    if args.json {
        let json = serde_json::to_string_pretty(&plan).map_err(Failure::input)?;
        return print(format!("{json}\n"));
    }
    print(table(&recipe, &plan)?)
}

/// One line a step; the papers' t beside the network's timestep.
fn table(recipe: &Recipe, plan: &Plan) -> Outcome<String> {
    let mut text = heading(recipe, plan)?;
    let columns = ["t", "to", "network", "x0 from x", "x0 from out", "x", "x0", "out", "noise"];
    let _ = writeln!(
        text,
        "{:>6} {:>6} {:>8} {:>13} {:>13} {:>13} {:>13} {:>13} {:>13}{}",
        columns[0],
        columns[1],
        columns[2],
        columns[3],
        columns[4],
        columns[5],
        columns[6],
        columns[7],
        columns[8],
        if plan.registers() > 0 { "  kept" } else { "" }
    );
    for step in plan.steps() {
        let time = |t: Option<usize>| t.map_or_else(|| "-".into(), |t| t.to_string());
        let noise = match step.noise {
            Noise::None => "-".into(),
            Noise::Scaled { std } => format!("{std:.6e}"),
            Noise::Learned { log_var_low, log_var_high } => {
                format!("{:.1e}..{:.1e}", (0.5 * log_var_low).exp(), (0.5 * log_var_high).exp())
            }
        };
        let _ = writeln!(
            text,
            "{:>6} {:>6} {:>8} {:>13.6e} {:>13.6e} {:>13.6e} {:>13.6e} {:>13.6e} {noise:>13}{}",
            time(step.t),
            time(step.target),
            step.model_timestep,
            step.x0_from_x,
            step.x0_from_out,
            step.x,
            step.x0,
            step.out,
            kept(step)
        );
    }
    Ok(text)
}

/// What a step adds to x' from earlier steps, and what it keeps for later ones.
fn kept(step: &Step) -> String {
    let mut text = String::new();
    for term in &step.registers {
        let _ = write!(text, "  {:+.6e}·r{}", term.factor, term.register);
    }
    for store in &step.store {
        let source = match store.source {
            Source::X => "x",
            Source::Out => "out",
            Source::X0 => "x0",
            Source::Z => "z",
        };
        let _ = write!(text, "  r{} ← {source}", store.register);
    }
    text
}

fn heading(recipe: &Recipe, plan: &Plan) -> Outcome<String> {
    let scheduler = &recipe.scheduler;
    let count = plan.steps().len();
    let mut text = if recipe.evaluations_per_step()? > 1 {
        format!("{} · {count} evaluations, a chain of {} steps", plan.name(), scheduler.trained_steps())
    } else {
        format!("{} · {count} of {} steps", plan.name(), scheduler.trained_steps())
    };
    let _ = write!(text, " · {:?} prediction", scheduler.prediction);
    let _ = match scheduler.clip {
        Clip::None => write!(text, " · no clipping"),
        Clip::Range { bound } => write!(text, " · x̂₀ clipped to ±{bound}"),
        Clip::Quantile { fraction, max } => write!(text, " · x̂₀ clipped at its {fraction} quantile, at most {max}"),
    };
    for option in recipe.method.options {
        let _ = write!(text, " · {} {}", option.name, recipe.setting(option)?);
    }
    text += "\nx0 = clip(x0 from x · x + x0 from out · out)     x' = x·x + x0·x0 + out·out + noise·z\n";
    if plan.registers() > 0 {
        text += "kept: terms of x' from what earlier steps kept, and what this one keeps (r0, r1, …)\n";
    }
    #[expect(clippy::float_cmp, reason = "a scale of exactly 1 is no scale")]
    if plan.steps().iter().any(|step| step.input_scale != 1.0) {
        text += "x is x_t/√ᾱ_t until the last step; the network sees √ᾱ_t x\n";
    }
    Ok(text + "\n")
}
