//! `src/onnx` is built in floors: no file uses one of a higher floor, and no two files use each other in a circle.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up.
const FLOORS: [&str; 6] = ["error", "runtime", "graph", "session", "loops", "sampler"];

/// Module path below `onnx` and text of every file, without comments and tests.
fn files() -> BTreeMap<Vec<String>, String> {
    fn visit(folder: &Path, module: &[String], found: &mut BTreeMap<Vec<String>, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut inner = module.to_vec();
            if name != "mod" {
                inner.push(name);
            }
            if path.is_dir() {
                visit(&path, &inner, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]").next().unwrap().split("\n#[cfg(all(test").next().unwrap();
            let code: Vec<&str> =
                code.lines().map(|line| line.split("//").next().unwrap()).filter(|line| !line.is_empty()).collect();
            found.insert(inner, code.join("\n"));
        }
    }
    let mut found = BTreeMap::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/onnx"), &[], &mut found);
    assert!(found.len() > 40, "{} files", found.len());
    found
}

/// Every path that begins at `crate::onnx` or `super` in a text, as modules below `onnx`, with whether it is exported
/// again. Braces are opened.
fn paths(module: &[String], is_folder: bool, code: &str) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    let flat = code.replace('\n', " ");
    for statement in flat.split(';') {
        let exported = statement.trim_start().starts_with("pub") && statement.contains(" use ");
        for start in ["crate::onnx::", "super::"] {
            for (at, _) in statement.match_indices(start) {
                if statement[..at].ends_with("::") || statement[..at].ends_with("in ") {
                    continue;
                }
                let mut base = if start == "super::" { module.to_vec() } else { Vec::new() };
                let mut rest = &statement[at + start.len()..];
                if start == "super::" {
                    // A file's parent is its folder; a folder's parent is the folder above.
                    base.pop();
                    while let Some(further) = rest.strip_prefix("super::") {
                        base.pop();
                        rest = further;
                    }
                }
                open(&base, rest, exported, &mut found);
            }
        }
        // What a folder takes from its own children.
        if is_folder && let Some(used) = statement.trim_start().strip_prefix("use ") {
            open(module, used, exported, &mut found);
        }
    }
    found
}

/// Follows a path through its braces.
fn open(base: &[String], rest: &str, exported: bool, found: &mut Vec<(Vec<String>, bool)>) {
    let rest = rest.trim_start();
    if let Some(list) = rest.strip_prefix('{') {
        let (mut depth, mut from) = (0, 0);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    open(base, &list[from..at], exported, found);
                    from = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if name.is_empty() {
        return;
    }
    let mut path = base.to_vec();
    if name != "self" {
        path.push(name.clone());
    }
    match rest[name.len()..].strip_prefix("::") {
        Some(further) => open(&path, further, exported, found),
        None => found.push((path, exported)),
    }
}

/// The file that a path leads into: the longest beginning that is one.
fn file_of<'f>(files: &'f BTreeMap<Vec<String>, String>, path: &[String]) -> Option<&'f Vec<String>> {
    (0..=path.len()).rev().find_map(|length| files.get_key_value(&path[..length])).map(|(file, _)| file)
}

fn floor(path: &[String]) -> Option<usize> {
    FLOORS.iter().position(|floor| path.first().is_some_and(|first| first == floor))
}

fn is_folder(files: &BTreeMap<Vec<String>, String>, module: &[String]) -> bool {
    files.keys().any(|other| other.len() > module.len() && other.starts_with(module))
}

#[test]
fn no_arrow_goes_up() {
    let files = files();
    let mut seen = 0;
    for (module, code) in files.iter().filter(|(module, _)| !module.is_empty()) {
        let own = floor(module).unwrap_or_else(|| panic!("{module:?} is on no floor"));
        for (path, _) in paths(module, is_folder(&files, module), code) {
            // A child's name, or another crate's.
            let Some(other) = floor(&path) else {
                assert!(
                    !path.is_empty() && path[0].starts_with(char::is_lowercase),
                    "{module:?} takes {path:?} from the top"
                );
                continue;
            };
            assert!(other <= own, "{module:?} uses {path:?}, which is on a higher floor");
            seen += usize::from(other < own);
        }
    }
    assert!(seen > 50, "{seen} arrows down: the sources are no longer read rightly");
}

#[test]
fn no_file_depends_on_itself() {
    let files = files();
    let mut uses: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> = BTreeMap::new();
    for (module, code) in &files {
        let of = uses.entry(module).or_default();
        for (path, exported) in paths(module, is_folder(&files, module), code) {
            // Handing a child's names on is not using them.
            if exported || floor(&path).is_none() {
                continue;
            }
            of.extend(file_of(&files, &path).filter(|other| *other != module && !other.is_empty()));
        }
    }
    // Whatever uses nothing that is left is taken away; what stays is a circle.
    while let Some(free) = uses.iter().find(|(_, of)| of.iter().all(|other| !uses.contains_key(*other))) {
        let free = *free.0;
        uses.remove(free);
    }
    assert!(uses.is_empty(), "a circle among {:#?}", uses);
}

/// `ort` calls the memory of a new tensor uninitialised; one function writes the zeros, and it alone makes tensors.
#[test]
fn tensors_are_made_in_one_place() {
    for (module, code) in files() {
        let makes = ["Tensor::new(", "Tensor::<f32>::new(", "Tensor::<f16>::new(", "Tensor::<i64>::new("];
        let found = makes.iter().any(|make| code.contains(make));
        assert_eq!(found, module == ["runtime", "native", "tensor"], "{module:?}");
    }
}
