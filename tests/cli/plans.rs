//! `alphabar plan`: the table, the stored form, and carrying a stored plan out.

use ndarray::Array4;
use ndarray_npy::read_npy;

use crate::program::{Place, fixture, network};

#[test]
fn the_table_shows_the_papers_t_beside_the_networks() {
    let text = Place::new().done("plan --steps 4").stdout;
    let times = |line: &str| line.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<_> = text.lines().map(times).filter(|row| row.iter().all(|x| x.parse::<u32>().is_ok())).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| row.len() == 3).collect();
    assert_eq!(rows, [["751", "501", "750"], ["501", "251", "500"], ["251", "1", "250"], ["1", "0", "0"]]);
}

#[test]
fn a_stored_plan_gives_the_same_samples() {
    let place = Place::new();
    for options in [
        "--sampler ddim --steps 6 --eta 0.5",
        "--sampler ddpm --steps 6 --variance beta",
        "--sampler dpm++2m --steps 6",
        "--sampler heun --steps 7",
    ] {
        place.write("plan.json", place.done(&format!("plan {options} --json")).stdout);
        place.done(&format!("sample --count 3 {options} --out direct.npy"));
        place.done("sample --count 3 --plan plan.json --out stored.npy");
        let direct: Array4<f32> = read_npy(place.path("direct.npy")).unwrap();
        let stored: Array4<f32> = read_npy(place.path("stored.npy")).unwrap();
        assert_eq!(direct, stored, "{options}");
    }
}

#[test]
fn timesteps_can_be_listed() {
    let place = Place::new();
    let listed = place.done("plan --timesteps 750,500,250,0 --json").stdout;
    let spaced = place.done("plan --steps 4 --json").stdout;
    assert_eq!(listed, spaced);
}

#[test]
fn every_step_is_the_default_of_ddpm() {
    let place = Place::new();
    let plan: serde_json::Value = serde_json::from_str(&place.done("plan --sampler ddpm --json").stdout).unwrap();
    assert_eq!(plan["steps"].as_array().unwrap().len(), 1000);
    let offset = place.write("s.json", "{\"_class_name\": \"DDPMScheduler\", \"steps_offset\": 1}");
    assert!(offset.exists());
    let plan: serde_json::Value = serde_json::from_str(&place.done("plan --scheduler s.json --json").stdout).unwrap();
    assert_eq!(plan["steps"][0]["model_timestep"], 999.0);
    assert_eq!(plan["steps"][999]["noise"], "none");
}

#[test]
fn options_override_the_configuration() {
    let place = Place::new();
    place.write("s.json", "{\"clip_sample\": false, \"clip_sample_range\": 2.0, \"timestep_spacing\": \"trailing\"}");
    let step = |line: &str| -> serde_json::Value {
        let text = place.done(&format!("plan --scheduler s.json --steps 5 --json {line}")).stdout;
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["steps"][0].clone()
    };
    assert_eq!((&step("")["clip"], &step("")["model_timestep"]), (&"none".into(), &999.0.into()));
    assert_eq!(step("--clip")["clip"]["range"]["bound"], 2.0);
    assert_eq!(step("--spacing leading")["model_timestep"], 800.0);
    assert_eq!(step("--prediction v")["x"], step("--prediction v --previous list")["x"]);
    assert_ne!(step("--prediction v")["x0_from_out"], step("")["x0_from_out"]);
}

#[test]
fn info_tells_the_contract_and_the_schedule() {
    let text = Place::new().done("info").stdout;
    for word in ["1×28×28", "null label 10", "DDIMScheduler", "linear, T = 1000", "sha256"] {
        assert!(text.contains(word), "no {word:?} in {text}");
    }
    let text = Place::new().done(&format!("info {}", network("learned"))).stdout;
    assert!(text.contains("prediction and variance"), "{text}");
    let folder = fixture("mnist-unet").display().to_string();
    let json: serde_json::Value =
        serde_json::from_str(&Place::new().done(&format!("info {folder} --json")).stdout).unwrap();
    assert_eq!(json["classes"], 10);
}

#[test]
fn an_unusual_graph_says_what_was_recognised() {
    let place = Place::new();
    let ended = place.done(&format!("sample {} --count 1 --steps 2", network("renamed")));
    assert!(ended.stderr.contains("eps"), "{}", ended.stderr);
    let io = "--io sample=x,timestep=t,out_sample=eps";
    place.done(&format!("sample {} {io} --count 1 --steps 2", network("renamed")));
}

#[test]
fn bench_measures_every_batch_size() {
    let text = Place::new().done("bench --batch 1,2 --rounds 1 --steps 2 --json").stdout;
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[1]["batch"]), (2, &2.into()));
    assert!(rows[0]["image_steps_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_network_with_a_variance_serves_samplers_that_do_not_ask_for_it() {
    let place = Place::new();
    let model = network("learned");
    place.done(&format!("sample {model} --steps 4 --count 2 --out ddim.npy"));
    place.done(&format!("sample {model} --sampler ddpm --steps 4 --count 2 --variance beta --out beta.npy"));
    place.done(&format!("sample {model} --sampler ddpm --steps 4 --count 2 --variance learned --out learned.npy"));
    let read = |name: &str| -> Array4<f32> { read_npy(place.path(name)).unwrap() };
    assert_eq!(read("ddim.npy").shape(), [2, 3, 16, 16]);
    assert_ne!(read("beta.npy"), read("learned.npy"));
}

fn timesteps(place: &Place, line: &str) -> Vec<f64> {
    let plan: serde_json::Value = serde_json::from_str(&place.done(&format!("plan --json {line}")).stdout).unwrap();
    plan["steps"].as_array().unwrap().iter().map(|step| step["model_timestep"].as_f64().unwrap()).collect()
}

/// The solvers' last step leads from the last timestep to the data, so the lowest of S + 1 is left out.
#[test]
fn steps_are_evaluations_of_the_network_whatever_the_sampler() {
    let place = Place::new();
    assert_eq!(timesteps(&place, "--sampler dpm++2m --steps 4"), [999.0, 749.0, 500.0, 250.0]);
    assert_eq!(timesteps(&place, "--sampler heun --steps 7"), [999.0, 749.0, 749.0, 500.0, 500.0, 250.0, 250.0]);
    assert_eq!(timesteps(&place, "--sampler dpm++2m --steps 4 --spacing trailing"), [999.0, 749.0, 499.0, 249.0]);
    for (options, count) in [
        ("--sampler dpm++2m", 20),
        ("--sampler heun", 39),
        ("--sampler heun --steps 8", 7),
        ("--sampler dpm++2m --steps 1000", 1000),
        ("--sampler heun --steps 1999", 1999),
        ("--sampler dpm-solver --steps 8 --solver-order 1", 8),
        ("--sampler dpm-solver --steps 8", 7),
        ("--sampler dpm-solver --steps 8 --solver-order 3", 7),
    ] {
        assert_eq!(timesteps(&place, options).len(), count, "{options}");
    }
    place.fails("plan --sampler heun --steps 2000", 2, &["--steps", "1 to 1999"]);
}

/// Everything that the table of samplers says is in the help.
#[test]
fn help_follows_from_the_table() {
    let help = Place::new().done("plan --help").stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for method in alphabar::plan::METHODS {
        assert!(help.contains(&format!("- {}: ", method.name)) && help.contains(method.about), "{}", method.name);
        let usual = method.usual.map_or_else(|| "all".into(), |count| count.to_string());
        assert!(help.contains(&format!("{usual} for {}", method.name)), "{}", method.name);
        for option in method.options {
            let default = format!("{}]", option.default());
            for words in [&format!("--{} <", option.name), option.about] {
                assert!(help.contains(words), "{words} of {}: {help}", method.name);
            }
            let guided = method.guided.as_ref().is_some_and(|guided| guided.option.name == option.name);
            assert!(guided || help.contains(&default), "{default} of {}: {help}", option.name);
        }
    }
    assert!(help.contains("as-predicted; from-clipped if guided and clipped]") && !help.contains("learned-alone"));
}

#[test]
fn samplers_have_the_names_of_k_diffusion_and_diffusers() {
    let place = Place::new();
    let plan = |name: &str| place.done(&format!("plan --json --sampler {name}")).stdout;
    for method in alphabar::plan::METHODS.iter().filter(|method| method.usual.is_some()) {
        let classes = method.classes.iter().map(|class| class.name);
        for alias in method.aliases.iter().copied().chain(classes) {
            assert!(plan(alias) == plan(method.name), "{alias}");
        }
    }
}

#[test]
fn the_table_shows_what_is_kept_between_steps() {
    let text = Place::new().done("plan --sampler dpm++2m --steps 3").stdout;
    assert!(text.contains("r0 ← x0") && text.contains("·r0") && !text.contains("r1 ←"), "{text}");
    let text = Place::new().done("plan --sampler heun --steps 3").stdout;
    assert!(text.contains("x_t/√ᾱ_t") && text.contains("r0 ← x") && text.contains("r1 ←"), "{text}");
}

/// Distance to the solution of the probability-flow ODE, which Heun's method reaches with 399 evaluations.
#[test]
fn second_order_needs_fewer_evaluations() {
    let place = Place::new();
    let sample = |options: &str| -> Array4<f32> {
        place.done(&format!("sample --count 4 --no-clip --out x.npy --spacing linspace {options}"));
        read_npy(place.path("x.npy")).unwrap()
    };
    let solution = sample("--sampler heun --steps 399");
    let distance = |options: &str| {
        let difference = sample(options) - &solution;
        (difference.iter().map(|d| d * d).sum::<f32>() / difference.len() as f32).sqrt()
    };
    let (first, second) = (distance("--sampler ddim --steps 40"), distance("--sampler dpm++2m --steps 20"));
    assert!(second < 0.75 * first, "dpm++2m: {second}, ddim: {first}");
    let heun = distance("--sampler heun --steps 79");
    assert!(heun < 0.75 * first, "heun: {heun}, ddim: {first}");
}
