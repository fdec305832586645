//! The book's press: fills it with evidence, numbers and figures from the code, runs its commands, renders and checks it.

mod chapter;
mod evidence;
mod figure;
mod font;
mod formula;
mod html;
mod region;
mod same;
mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;

/// Builds alphabar's book into target/book.
#[derive(Parser, Debug)]
struct Args {
    /// Change nothing: fail if a generated part of the book is not what the code gives now
    #[arg(long)]
    check: bool,
    /// Only chapters of these names: refresh them, then stop before the book is rendered
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Leave the commands in the book unrun
    #[arg(long)]
    no_commands: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let book = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the press lies in book/")?.to_path_buf();
    let target = target_folder()?;

    refresh(&book.join("src"), &args)?;
    if !args.only.is_empty() {
        return Ok(());
    }
    if !args.no_commands {
        commands(&book.join("src"), &target, args.check)?;
    }
    let out = html::render(&book, &target.join("book"))?;
    let pages = html::check(&out)?;
    println!("{pages} pages: {}", out.join("index.html").display());
    Ok(())
}

/// Where cargo puts what it builds for this profile's sibling programs.
fn target_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().nth(2).context("the press runs from cargo's target folder")?;
    Ok(target.to_path_buf())
}

/// Brings the generated parts and the figures up to date, or says which are not.
fn refresh(src: &Path, args: &Args) -> Result<()> {
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let mut stale = Vec::new();
    for chapter in chapter::all().into_iter().filter(|chapter| wanted(chapter.name)) {
        for figure in (chapter.figures)() {
            let path = src.join("figures").join(format!("{}.svg", figure.name));
            stale.extend(source::update(&path, &figure.svg, args.check)?);
        }
    }
    let numbers = chapter::numbers();
    // The README's counts are the code's as well.
    let pages = source::markdown(src)?.into_iter().chain([src.join("../../README.md")]);
    for path in pages {
        if path.file_stem().and_then(|stem| stem.to_str()).is_some_and(wanted) {
            let text = std::fs::read_to_string(&path)?;
            let fresh = region::fill(&text, &numbers).with_context(|| format!("in {}", path.display()))?;
            stale.extend(source::update(&path, &fresh, args.check)?);
        }
    }
    ensure!(
        stale.is_empty(),
        "not what the code gives now; run `cargo run -p alphabar-book` and look at the difference:\n{}",
        stale.join("\n")
    );
    Ok(())
}

/// Runs every ```console block with the program and compares what it prints; rewrites the blocks unless `check`.
fn commands(src: &Path, target: &Path, check: bool) -> Result<()> {
    let profile = if cfg!(debug_assertions) {
        &["build", "--bin", "alphabar"][..]
    } else {
        &["build", "--release", "--bin", "alphabar"]
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(profile).current_dir(src.join("../..")).status().context("running cargo")?;
    ensure!(built.success(), "the alphabar program does not build");
    let folder = if cfg!(debug_assertions) { "debug" } else { "release" };
    let program = target.join(folder).join(format!("alphabar{}", std::env::consts::EXE_SUFFIX));
    if !check {
        // trycmd rewrites blocks whose output has changed when it is told so by the environment alone.
        if std::env::var_os("TRYCMD").is_none() {
            let again = Command::new(std::env::current_exe()?)
                .args(std::env::args_os().skip(1))
                .env("TRYCMD", "overwrite")
                .status()?;
            std::process::exit(again.code().unwrap_or(1));
        }
    }
    let cases = trycmd::TestCases::new();
    cases.register_bin("alphabar", program.as_path());
    for path in source::markdown(src)? {
        cases.case(path);
    }
    cases.run();
    Ok(())
}
