//! A check may know the types of the theory, and read what it was given; it may not compute with the theory's formulas.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Source, code, sources, words};

/// Modules of the theory, whose formulas the checks are about.
const THEORY: &[&str] = &[
    "distill",
    "elbo",
    "embedding",
    "forward",
    "gaussian",
    "guidance",
    "plan",
    "posterior",
    "prediction",
    "schedule",
    "score",
    "table",
    "training",
    "trajectory",
    "vae",
    "variance",
    "vdm",
    "weight",
];

/// What of the theory may be called by a path, and why it is no formula under test.
const ALLOWED: &[(&str, &str)] = &[
    ("Betas::new", "holds the βs that the check chose"),
    ("Schedule::new", "what the code under test is given; what it stores is a claim of its own"),
    ("Schedule::ddpm", "a schedule to try; its βs are a claim of the chapter on schedules"),
    ("Schedule::improved_ddpm", "a schedule to try; its βs are a claim of the chapter on schedules"),
    ("Schedule::transition", "bound where only the βs are under test"),
    ("Betas::linear", "a schedule to try; its βs are a claim of the chapter on schedules"),
    ("Timestep::new", "a number with a type"),
    ("Timestep::from_model_index", "a number with a type"),
    ("TimeDistribution::uniform", "what the code under test is given: every time equally often"),
    ("Hierarchy::new", "holds the kernels that the check chose"),
    (
        "Hierarchy::diffusion",
        "what the code under test is given: kernels, and encoders of the βs that the check chose",
    ),
    ("Level::from_alpha_bar", "holds an ᾱ that the check chose"),
    ("Level::from_log_snr", "holds a log SNR that the check chose; what it stores is a claim of its own"),
    ("Transition::between", "two levels that the check chose; what it stores is a claim of its own"),
    ("Gaussian::new", "holds a mean and a covariance that the check chose"),
    ("FactorModel::new", "holds the numbers of a model that the check chose"),
    ("Pixel::all", "the list of the 256 values"),
    ("Route::new", "holds the times that the check chose"),
    ("Route::every", "holds the times 1, 2 … T"),
    ("Grid::new", "holds the levels that the check chose"),
    ("StepCosts::new", "holds the costs that the check chose"),
    ("LogSnrRange::new", "holds the ends that the check chose"),
    ("Clock::of", "what a table's own times say, asked to be compared"),
    ("Plan::new", "holds steps that came from the code under test"),
    ("Terms::total", "a sum of the numbers that the code under test gave"),
];

/// Readers of a stored ᾱ or of what follows from it, each with the chapters of `check` that call it. A claim that leans
/// on one is blind to an ᾱ that is wrong everywhere, so the list may only shrink. Those of `schedule` and of the times
/// of `sampler` compare what they read, and those of `variance` read levels that the check made.
const READERS: &[(&str, &[&str])] = &[
    ("alpha", &["forward", "variance"]),
    ("alpha_bar", &["forward", "schedule", "trajectory"]),
    ("beta", &["elbo", "forward", "gaussian", "sampler", "variance"]),
    ("log_snr", &["sampler", "schedule"]),
    ("one_minus_alpha_bar", &["forward", "gaussian", "sampler", "schedule", "trajectory"]),
];

/// The whole paths that `use` brings in, with the name each is known by.
fn imports(words: &[&str]) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if words[at] == "use" {
            at = tree(words, at + 1, &[], &mut found);
        } else {
            at += 1;
        }
    }
    found
}

/// One branch of a `use`, from its first word; returns where it ends.
fn tree(words: &[&str], mut at: usize, before: &[String], found: &mut Vec<(Vec<String>, String)>) -> usize {
    let mut path = before.to_vec();
    while at < words.len() {
        match words[at] {
            "::" => at += 1,
            "{" => {
                at += 1;
                while words[at] != "}" {
                    at = tree(words, at, &path, found);
                    at += usize::from(words[at] == ",");
                }
                return at + 1;
            }
            "as" => {
                found.push((path, words[at + 1].to_string()));
                return at + 2;
            }
            "," | ";" | "}" => break,
            "self" if path.len() > before.len() || !before.is_empty() => at += 1,
            word => {
                path.push(word.to_string());
                at += 1;
            }
        }
    }
    let known = path.last().cloned().unwrap_or_default();
    found.push((path, known));
    at
}

fn is_type(name: &str) -> bool {
    name.starts_with(char::is_uppercase)
}

/// Every function of the theory that a text names, by import or by path, as `module::function` or `Type::function`.
fn called(words: &[&str]) -> BTreeSet<String> {
    let of_theory = |path: &[String]| {
        path.first().is_some_and(|p| p == "crate") && path.get(1).is_some_and(|p| THEORY.contains(&p.as_str()))
    };
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (path, name) in imports(words) {
        // `crate::Schedule` is `crate::schedule::Schedule`.
        let reexported =
            path.len() == 2 && path[0] == "crate" && is_type(&path[1]) && path[1] != "Error" && path[1] != "Result";
        if !of_theory(&path) && !reexported {
            continue;
        }
        let last = path.last().unwrap();
        if path.len() == 2 || is_type(last) {
            known.insert(name, last.clone());
        } else {
            let module = path[1..].join("::");
            found.insert(module);
        }
    }
    for (at, word) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |at| words[at]);
        let follows = |ahead: usize| words.get(at + ahead).copied().unwrap_or_default();
        let rooted = *word == "crate" && THEORY.contains(&follows(2)) && before != "use";
        let (name, mut next) = if rooted {
            (follows(2).to_string(), 3)
        } else if let (Some(name), false) = (known.get(*word), before == "::" || before == ".") {
            (name.clone(), 1)
        } else {
            continue;
        };
        let mut path = vec![name];
        while follows(next) == "::" && follows(next + 1).starts_with(|c: char| c.is_alphabetic()) {
            path.push(follows(next + 1).to_string());
            next += 2;
        }
        let last = path.last().unwrap().clone();
        if path.len() > 1 && !is_type(&last) && follows(next) != "{" {
            let from = path.iter().rposition(|part| is_type(part)).unwrap_or(0);
            found.insert(path[from..].join("::"));
        }
    }
    found
}

/// The readers that a text calls.
fn read(words: &[&str]) -> BTreeSet<String> {
    let calls = words.windows(3).filter(|at| at[0] == "." && at[2] == "(").map(|at| at[1]);
    calls.filter(|name| READERS.iter().any(|(reader, _)| reader == name)).map(str::to_string).collect()
}

/// The files of the claims, but for the wrong formulas and the binding to this crate, which both are of the theory.
fn claims() -> Vec<Source> {
    let is_claim = |source: &Source| {
        let parts: Vec<&str> = source.path.split('/').collect();
        parts.len() > 2 && parts[1] != "witness" && !parts[2].starts_with("faults") && !parts[2].starts_with("rows")
    };
    sources("check").into_iter().filter(is_claim).collect()
}

#[test]
fn claims_do_not_compute_with_what_they_check() {
    let files = claims();
    assert!(files.len() > 16, "{} files of claims", files.len());
    let mut wrong = Vec::new();
    let mut readers = BTreeSet::new();
    for file in &files {
        let code = code(&file.text);
        let words = words(&code);
        let chapter = file.path.split('/').nth(1).unwrap_or_default().trim_end_matches(".rs");
        for name in called(&words) {
            if !ALLOWED.iter().any(|(allowed, _)| *allowed == name) {
                wrong.push(format!("{} computes with the theory's `{name}`", file.path));
            }
        }
        for name in read(&words) {
            if !READERS.iter().any(|(reader, chapters)| *reader == name && chapters.contains(&chapter)) {
                wrong.push(format!("{} leans on the stored `{name}`; have it from the βs", file.path));
            }
            readers.insert((name, chapter.to_string()));
        }
    }
    for (name, chapters) in READERS {
        let gone = chapters.iter().filter(|chapter| !readers.contains(&(name.to_string(), chapter.to_string())));
        wrong.extend(gone.map(|chapter| format!("{chapter} does not call `{name}`: strike it off the list")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Exact worlds and numerical methods know nothing of the theory but the crate's errors.
#[test]
fn worlds_and_witnesses_know_nothing_of_the_theory() {
    let files: Vec<Source> = [sources("exact"), sources("check/witness")].into_iter().flatten().collect();
    assert!(files.len() > 8, "{} files", files.len());
    for file in files {
        let code = code(&file.text);
        let words = words(&code);
        for at in words.windows(3).filter(|at| at[0] == "crate" && at[1] == "::") {
            assert!(["error", "exact"].contains(&at[2]), "{} names crate::{}", file.path, at[2]);
        }
        let above = words.windows(5).any(|at| at[0] == "super" && at[2] == "super" && at[4] != "witness");
        assert!(!above, "{} reaches above its folder", file.path);
    }
}

#[test]
fn borrowing_is_seen_in_every_form() {
    let see = |text: &str| called(&words(&code(text))).into_iter().collect::<Vec<_>>();
    assert_eq!(see("use crate::posterior::{Moments, posterior};"), ["posterior::posterior"]);
    assert_eq!(see("use crate::{posterior, exact};\nfn f() { posterior::posterior(1) }"), ["posterior::posterior"]);
    assert_eq!(see("fn f() { crate::posterior::posterior(1) }"), ["posterior::posterior"]);
    assert_eq!(see("use crate::posterior::Posterior;\nfn f() { Posterior::new(1) }"), ["Posterior::new"]);
    assert_eq!(see("use crate::Level;\nfn f() { Level::new(1) }"), ["Level::new"]);
    assert_eq!(see("fn f() { crate::posterior::Posterior::new(1) }"), ["Posterior::new"]);
    let renamed = "use crate::schedule::{self, Level as L};\nfn f() { L::of(1); schedule::linear() }";
    assert_eq!(see(renamed), ["Level::of", "schedule::linear"]);
    let types = "use crate::posterior::{Moments, Posterior};\nfn f(m: Moments) { m.mean(); Moments { mean: 1.0 } }";
    assert!(see(types).is_empty());
    assert!(see("use super::posterior::laws;\nfn f() { laws(1) }\n// crate::posterior::posterior\n").is_empty());
    let reads = read(&words("fn f(s: &S, alpha_bar: f64) { s.alpha_bar(1); alpha_bar(2); s.beta }"));
    assert_eq!(reads.into_iter().collect::<Vec<_>>(), ["alpha_bar"]);
}
