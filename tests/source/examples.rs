//! What the crate offers is shown in use: every public function has a runnable example in its documentation, or, if it
//! is a method, its type has one.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Source, chapter, sources};

/// Chapters of the theory, plans and the face of ONNX; the claims on them are found by folder.
const CHAPTERS: &[&str] = &[
    "distill",
    "elbo",
    "embedding",
    "forward",
    "gaussian",
    "guidance",
    "onnx",
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

/// What has no example today; nothing is added. `ALPHABAR_STRIKE=1 cargo test --test source` strikes off what got one.
const WITHOUT: &str = include_str!("without_example.txt");

/// A public function, as `function` or `Type::method`.
struct Function {
    name: String,
    shown: bool,
}

/// Whether documentation holds code that runs with the tests.
fn has_example(doc: &[&str]) -> bool {
    let mut open = false;
    for fence in doc.iter().filter_map(|line| line.trim().strip_prefix("```")) {
        if !open && !["text", "json", "sh", "console", "toml"].contains(&fence.trim()) && !fence.contains("ignore") {
            return true;
        }
        open = !open;
    }
    false
}

/// The word after one of these at the start of a line.
fn named<'t>(line: &'t str, starts: &[&str]) -> Option<&'t str> {
    let rest = starts.iter().find_map(|start| line.strip_prefix(start))?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// The type of an `impl` block that is of no trait.
fn implementing(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("impl")?;
    if rest.contains(" for ") {
        return None;
    }
    let mut depth = 0;
    let generics = rest.find(|c| {
        depth += match c {
            '<' => 1,
            '>' => -1,
            _ => 0,
        };
        depth == 0 && c == ' '
    })?;
    named(&rest[generics + 1..], &[""])
}

/// What a module lets out, if its files are private: the names behind `pub use`.
fn let_out(files: &[Source]) -> Option<BTreeSet<String>> {
    let root = files.iter().find(|file| file.path.ends_with("/mod.rs"))?;
    let mut names = BTreeSet::new();
    for part in root.text.split("pub use ").skip(1) {
        let list = part.split(';').next().unwrap_or_default();
        names.extend(list.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_string));
    }
    Some(names)
}

/// The public functions of some files.
fn functions(files: &[Source]) -> Vec<Function> {
    const TYPES: &[&str] = &["pub struct ", "pub enum ", "pub trait "];
    const FUNCTIONS: &[&str] = &["pub fn ", "pub const fn ", "pub async fn ", "pub unsafe fn "];
    let public = let_out(files);
    let mut shown_types = BTreeMap::new();
    let mut found: Vec<(Option<String>, String, bool)> = Vec::new();
    for file in files {
        let inner = public.as_ref().filter(|_| !file.path.ends_with("mod.rs"));
        let out = |name: &str| inner.is_none_or(|names| names.contains(name));
        let mut doc: Vec<&str> = Vec::new();
        let mut of: Option<&str> = None;
        for line in file.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines() {
            let bare = line.trim_start();
            if let Some(text) = bare.strip_prefix("///") {
                doc.push(text);
                continue;
            }
            if bare.starts_with("#[") || bare.starts_with("//") {
                continue;
            }
            if let Some(name) = named(line, TYPES) {
                shown_types.insert(name.to_string(), has_example(&doc));
            } else if let Some(name) = named(line, FUNCTIONS).filter(|name| out(name)) {
                found.push((None, name.to_string(), has_example(&doc)));
            } else if line.starts_with("impl") {
                of = implementing(line);
            } else if let (Some(kind), Some(name)) =
                (of.filter(|kind| out(kind)), line.strip_prefix("    ").and_then(|line| named(line, FUNCTIONS)))
            {
                found.push((Some(kind.to_string()), name.to_string(), has_example(&doc)));
            }
            doc.clear();
        }
    }
    let function = |(kind, name, shown): (Option<String>, String, bool)| match kind {
        Some(kind) => {
            Function { shown: shown || shown_types.get(&kind) == Some(&true), name: format!("{kind}::{name}") }
        }
        None => Function { name, shown },
    };
    found.into_iter().map(function).collect()
}

/// Files of the claims on a chapter, but for the wrong formulas and the rows.
fn claims(name: &str) -> Vec<Source> {
    let mut files = chapter(&format!("check/{name}"));
    files.retain(|file| !file.path.split('/').any(|part| part.starts_with("faults") || part.starts_with("rows")));
    files
}

#[test]
fn every_public_function_is_shown_in_use() {
    let folders: BTreeSet<String> = sources("check")
        .iter()
        .filter_map(|file| Some(file.path.split_once('/')?.1.split_once('/')?.0.to_string()))
        .filter(|folder| folder != "witness")
        .collect();
    let theory = CHAPTERS.iter().map(|name| ((*name).to_string(), chapter(name)));
    let checks = folders.iter().map(|name| (format!("check::{name}"), claims(name)));
    let (mut without, mut all) = (BTreeSet::new(), 0);
    for (module, files) in theory.chain(checks) {
        let of = functions(&files);
        let lacking: Vec<String> =
            of.iter().filter(|one| !one.shown).map(|one| format!("{module}::{}", one.name)).collect();
        println!("{module}: {} of {} without an example", lacking.len(), of.len());
        all += of.len();
        without.extend(lacking);
    }
    assert!(all > 400, "only {all} functions found");
    let listed: BTreeSet<String> = WITHOUT.lines().map(str::to_string).collect();
    if std::env::var_os("ALPHABAR_STRIKE").is_some() {
        let left: String = without.intersection(&listed).map(|name| format!("{name}\n")).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/source/without_example.txt");
        return std::fs::write(path, left).unwrap();
    }
    let new: Vec<&String> = without.difference(&listed).collect();
    assert!(new.is_empty(), "{} public functions without an example: {new:#?}", new.len());
    let gone: Vec<&String> = listed.difference(&without).collect();
    assert!(gone.is_empty(), "strike {} lines off without_example.txt: {gone:#?}", gone.len());
}

#[test]
fn examples_are_told_from_formulas() {
    assert!(has_example(&["", " ```", " f();", " ```"]) && has_example(&[" ```text", " x", " ```", " ```no_run"]));
    assert!(!has_example(&[" ```text", " x", " ```"]) && !has_example(&[" ```ignore", " ```"]));
    assert_eq!(implementing("impl Level {"), Some("Level"));
    assert_eq!(implementing("impl<A: Real, D: Dimension> Batch<A, D> {"), Some("Batch"));
    assert_eq!(implementing("impl fmt::Debug for Level {"), None);
    let text = "/// ```\n/// f();\n/// ```\npub fn f() {}\n/// g.\npub fn g() {}\nimpl T {\n    /// h.\n    pub fn h() {}\n}\n";
    let of = functions(&[Source { path: "x.rs".into(), text: text.into() }]);
    let seen: Vec<(&str, bool)> = of.iter().map(|one| (one.name.as_str(), one.shown)).collect();
    assert_eq!(seen, [("f", true), ("g", false), ("T::h", false)]);
}
