//! What the source text itself must keep to: that checks do not lean on what they check, and that what the crate
//! offers is shown in use.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod examples;
mod independence;

use std::path::{Path, PathBuf};

/// A file of `src`, by its path from there.
struct Source {
    path: String,
    text: String,
}

/// Every file below a folder or file of `src`, in order.
fn sources(below: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![root.join(below)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(&root).unwrap();
            let parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
            found.push(Source { path: parts.join("/"), text: std::fs::read_to_string(&path).unwrap() });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The text of a chapter of the theory: `name.rs`, and the folder beside or in place of it.
fn chapter(name: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let places = [format!("{name}.rs"), name.to_string()];
    places.iter().filter(|place| root.join(place).exists()).flat_map(|place| sources(place)).collect()
}

/// The code without comments, without what strings say, and without the tests at the end of a file.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if first == '"' {
            let inner = &rest[1..];
            let mut escaped = false;
            let end = inner.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            code.push_str("\"\"");
            rest = &inner[end.map_or(inner.len(), |end| end + 1)..];
        } else if rest.starts_with("'\"'") {
            rest = &rest[3..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// The identifiers of a text and what stands between them, in order.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if is_name(first) {
            rest.find(|c| !is_name(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        if !first.is_whitespace() {
            words.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    words
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "use a::b; // c::d\nlet s = \"e::f \\\" g\"; // \"\nh('\"', \"i\")\n#[cfg(test)]\nmod tests { j }";
    assert_eq!(code(text), "use a::b; \nlet s = \"\"; \nh(, \"\")\n");
    assert_eq!(words("a::b_1 (c)"), ["a", "::", "b_1", "(", "c", ")"]);
}
