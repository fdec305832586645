//! Rendering with mdBook, and what must hold of the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use mdbook_driver::MDBook;
use scraper::{Html, Selector};

use crate::formula::Formulas;
use crate::{font, source};

/// Renders the book into `out`.
pub fn render(book: &Path, out: &Path) -> Result<PathBuf> {
    includes(book)?;
    paths(book)?;
    let mut press = MDBook::load(book)?;
    press.config.build.build_dir = out.to_path_buf();
    press.with_preprocessor(Formulas);
    press.build()?;
    font::install(out)?;
    Ok(out.to_path_buf())
}

/// Every path of the repository that the text names is there.
fn paths(book: &Path) -> Result<()> {
    let root = book.parent().context("the book lies in the repository")?;
    let mut wrong = Vec::new();
    for path in source::markdown(&book.join("src"))? {
        for named in std::fs::read_to_string(&path)?.split('`').skip(1).step_by(2) {
            let ours = ["src/", "tests/", "benches/", "fixtures/", "examples/", "book/"]
                .iter()
                .any(|top| named.starts_with(top));
            if ours && !named.contains([' ', '\n', '<']) && !root.join(named).exists() {
                wrong.push(format!("{}: {named}", path.display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "paths that the book names and the repository has not:\n{}", wrong.join("\n"));
    Ok(())
}

/// Every `{{#include file:anchor}}` names a file and an anchor that holds something.
fn includes(book: &Path) -> Result<()> {
    let mut wrong = Vec::new();
    for path in source::markdown(&book.join("src"))? {
        let text = std::fs::read_to_string(&path)?;
        let folder = path.parent().context("a file lies in a folder")?;
        for part in text.split("{{#").skip(1) {
            let Some((directive, _)) = part.split_once("}}") else {
                wrong.push(format!("{}: {{{{# is not closed", path.display()));
                continue;
            };
            let argument = directive.split_whitespace().nth(1).unwrap_or_default();
            let (file, anchor) = argument.split_once(':').unwrap_or((argument, ""));
            if let Err(error) = included(&folder.join(file), anchor) {
                wrong.push(format!("{}: {argument}: {error:#}", path.display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "includes that hold nothing:\n{}", wrong.join("\n"));
    Ok(())
}

fn included(file: &Path, anchor: &str) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    ensure!(!anchor.is_empty(), "an anchor is wanted");
    let word = |line: &str, mark: &str| line.split_once(mark).is_some_and(|(_, rest)| rest.trim() == anchor);
    let start = text.lines().position(|line| word(line, "ANCHOR:")).context("there is no such anchor")?;
    let end = text.lines().position(|line| word(line, "ANCHOR_END:")).context("the anchor has no end")?;
    let held =
        text.lines().skip(start + 1).take(end.saturating_sub(start + 1)).filter(|line| !line.trim().is_empty());
    ensure!(held.count() > 0, "the anchor is empty");
    Ok(())
}

/// Links lead somewhere, nothing is fetched from elsewhere, no formula is left as TeX. Returns the number of pages.
pub fn check(out: &Path) -> Result<usize> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![out.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                let html = Html::parse_document(&std::fs::read_to_string(&path)?);
                pages.insert(path, html);
            }
        }
    }
    let all = |selector: &str| Selector::parse(selector).map_err(|error| anyhow!("{error}"));
    let scripts = all("mfrac, msub, msup, munder, mover, msubsup, munderover, mroot")?;
    let (ids, links, loads, prose) = (
        all("[id]")?,
        all("a[href]")?,
        all("[src], link[href]")?,
        all("main p, main li, main td, main h1, main h2, main h3")?,
    );
    let anchors: BTreeMap<&PathBuf, BTreeSet<String>> = pages
        .iter()
        .map(|(path, html)| (path, html.select(&ids).filter_map(|e| e.attr("id")).map(str::to_string).collect()))
        .collect();
    let mut wrong = Vec::new();
    for (path, html) in &pages {
        let page = path.strip_prefix(out).unwrap_or(path).display();
        // mdBook's page for missing files has a base of its own, and the printed book repeats every page.
        if path.ends_with("404.html") || path.ends_with("print.html") || path.ends_with("toc.html") {
            continue;
        }
        for href in html.select(&links).filter_map(|e| e.attr("href")) {
            if let Some(problem) = broken(path, href, &anchors) {
                wrong.push(format!("{page}: {href}: {problem}"));
            }
        }
        for element in html.select(&loads) {
            let value = element.value();
            let loaded = value.attr("src").or_else(|| value.attr("href")).unwrap_or_default();
            if loaded.contains("//") {
                wrong.push(format!("{page}: {loaded}: nothing may be fetched from elsewhere"));
            } else if !loaded.starts_with("data:") && !exists(path, loaded) {
                wrong.push(format!("{page}: {loaded}: no such file"));
            }
        }
        for (element, children) in html.select(&scripts).map(|element| (element, element.child_elements().count())) {
            let name = element.value().name();
            let wanted = if matches!(name, "msubsup" | "munderover") { 3 } else { 2 };
            if children != wanted {
                wrong.push(format!("{page}: <{name}> with {children} parts: {}", element.text().collect::<String>()));
            }
        }
        for element in html.select(&prose) {
            let text: String = element.text().collect();
            if ["$$", "\\frac", "\\bar", "\\sqrt", "{{#", "\\alpha"].iter().any(|sign| text.contains(sign)) {
                wrong.push(format!("{page}: left unrendered: {}", text.chars().take(100).collect::<String>()));
            }
        }
    }
    ensure!(wrong.is_empty(), "in the rendered book:\n{}", wrong.join("\n"));
    Ok(pages.len())
}

fn exists(page: &Path, target: &str) -> bool {
    let file = target.split(['?', '#']).next().unwrap_or_default();
    page.parent().is_some_and(|folder| folder.join(file).exists())
}

/// Why a link leads nowhere, if it does.
fn broken(page: &Path, href: &str, anchors: &BTreeMap<&PathBuf, BTreeSet<String>>) -> Option<&'static str> {
    if href.contains("://") || href.starts_with("mailto:") {
        return None;
    }
    let (file, fragment) = href.split_once('#').unwrap_or((href, ""));
    let target = if file.is_empty() { page.to_path_buf() } else { page.parent()?.join(file) };
    let Ok(target) = target.canonicalize() else { return Some("no such file") };
    if fragment.is_empty() || target.extension().is_none_or(|extension| extension != "html") {
        return None;
    }
    let found = anchors
        .iter()
        .any(|(path, ids)| path.canonicalize().is_ok_and(|path| path == target) && ids.contains(fragment));
    (!found).then_some("no such anchor")
}
