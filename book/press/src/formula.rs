//! Formulas to MathML, figures into the page. A formula that KaTeX does not take stops the build.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use katex::{Opts, OutputType};
use mdbook_preprocessor::book::{Book, BookItem};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Renders `$…$` and `$$…$$`, and puts figures of `figures/` into the page so that they take the page's colours.
pub struct Formulas;

impl Preprocessor for Formulas {
    fn name(&self) -> &'static str {
        "formulas"
    }

    fn run(&self, ctx: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let src = ctx.root.join(&ctx.config.book.src);
        let mut failed = Vec::new();
        book.for_each_mut(|item| {
            if let BookItem::Chapter(chapter) = item
                && let Some(path) = &chapter.path
            {
                let folder = src.join(path).parent().map_or_else(|| src.clone(), Path::to_path_buf);
                match render(&chapter.content, &folder) {
                    Ok(content) => chapter.content = content,
                    Err(error) => failed.push(format!("{}: {error:#}", path.display())),
                }
            }
        });
        if failed.is_empty() { Ok(book) } else { Err(anyhow!("{}", failed.join("\n"))) }
    }
}

/// The Markdown with MathML for formulas and SVG for figures.
pub fn render(text: &str, folder: &Path) -> Result<String> {
    let options = Options::ENABLE_MATH | Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
    let mut out = String::with_capacity(2 * text.len());
    let mut done = 0;
    let mut figure: Option<(usize, String, String)> = None;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        let replacement = match event {
            Event::Start(Tag::Image { dest_url, .. }) if dest_url.ends_with(".svg") => {
                figure = Some((range.start, dest_url.to_string(), String::new()));
                continue;
            }
            Event::Text(alt) | Event::Code(alt) if figure.is_some() => {
                figure.iter_mut().for_each(|(_, _, text)| text.push_str(&alt));
                continue;
            }
            Event::InlineMath(tex) if figure.is_some() => {
                figure.iter_mut().for_each(|(_, _, text)| text.push_str(&tex));
                continue;
            }
            Event::End(TagEnd::Image) => match figure.take() {
                Some((start, dest, alt)) => {
                    debug_assert_eq!(start, range.start);
                    inline_figure(&folder.join(&dest), &alt)?
                }
                None => continue,
            },
            Event::InlineMath(tex) => {
                // Punctuation stays with its formula at the end of a line.
                let mathml = formula(&tex, false)?;
                match text[range.end..].chars().next().filter(|c| ".,;:)".contains(*c)) {
                    Some(mark) => {
                        out += &text[done..range.start];
                        out += &format!("<span class=\"keep\">{mathml}{mark}</span>");
                        done = range.end + mark.len_utf8();
                        continue;
                    }
                    None => mathml,
                }
            }
            Event::DisplayMath(tex) => formula(&tex, true)?,
            _ => continue,
        };
        out += &text[done..range.start];
        out += &replacement;
        done = range.end;
    }
    out += &text[done..];
    Ok(out)
}

/// One formula as MathML on one line, in which no character means anything to Markdown.
fn formula(tex: &str, display: bool) -> Result<String> {
    let opts = Opts::builder()
        .display_mode(display)
        .output_type(OutputType::Mathml)
        .throw_on_error(true)
        .build()
        .map_err(|error| anyhow!("{error}"))?;
    // Inside a table's cell a bar is written \|.
    let tex = tex.replace("\\|", "\\vert ");
    let html = katex::render_with_opts(&tex, &opts).map_err(|error| anyhow!("the formula {tex:?}: {error}"))?;
    let start = html.find("<math").with_context(|| format!("no MathML for {tex:?}"))?;
    let end = html.rfind("</math>").with_context(|| format!("no MathML for {tex:?}"))? + "</math>".len();
    let mathml = escape(&spaced(&letters(&without_annotation(&html[start..end]))));
    Ok(if display { format!("<span class=\"formula\">{mathml}</span>") } else { mathml })
}

/// MathML without the TeX that KaTeX repeats in it.
fn without_annotation(mathml: &str) -> String {
    match (mathml.find("<annotation"), mathml.find("</annotation>")) {
        (Some(start), Some(end)) => format!("{}{}", &mathml[..start], &mathml[end + "</annotation>".len()..]),
        _ => mathml.to_string(),
    }
}

/// Script and double-struck letters as characters: browsers draw `mathvariant` of no other value than `normal`.
fn letters(mathml: &str) -> String {
    let mut text = mathml.to_string();
    for (variant, capital_a, exceptions) in
        [("script", '𝒜', "BℬEℰFℱHℋIℐLℒMℳRℛ"), ("double-struck", '𝔸', "CℂHℍNℕPℙQℚRℝZℤ")]
    {
        for (letter, offset) in ('A'..='Z').zip(0..) {
            let plain = format!("<mi mathvariant=\"{variant}\">{letter}</mi>");
            let mut pairs = exceptions.chars();
            let special =
                std::iter::from_fn(|| Some((pairs.next()?, pairs.next()?))).find(|(from, _)| *from == letter);
            let drawn = special.map(|(_, to)| to).or_else(|| char::from_u32(u32::from(capital_a) + offset));
            if let Some(drawn) = drawn {
                text = text.replace(&plain, &format!("<mi mathvariant=\"normal\">{drawn}</mi>"));
            }
        }
    }
    text
}

/// Thin spaces around the names of functions, which browsers without a font for mathematics set as in `lnp`.
fn spaced(mathml: &str) -> String {
    const APPLY: &str = "<mo>\u{2061}</mo>";
    const THIN: &str = "<mspace width=\"0.17em\"/>";
    let mut out = String::with_capacity(mathml.len());
    let mut rest = mathml;
    while let Some((name, after)) = rest.split_once(APPLY) {
        let start = name.rfind("<mi").unwrap_or(name.len());
        let operands = ["</mi>", "</mn>", "</msub>", "</msup>", "</msubsup>", "</mfrac>"];
        let space = if operands.iter().any(|end| name[..start].ends_with(end)) { THIN } else { "" };
        out += &format!("{}{space}{}{APPLY}", &name[..start], &name[start..]);
        if !after.starts_with("<mo") && !after.starts_with("</") && !after.starts_with("<mspace") {
            out += THIN;
        }
        rest = after;
    }
    out + rest
}

/// Text between tags with entities for what Markdown would take for its own.
fn escape(mathml: &str) -> String {
    let mut out = String::with_capacity(mathml.len());
    let mut in_tag = false;
    for c in mathml.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            '\n' => {
                out.push(' ');
                continue;
            }
            '_' | '*' | '|' | '\\' | '`' | '[' | ']' | '~' | '!' | '#' | '$' if !in_tag => {
                out += &format!("&#{};", u32::from(c));
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    out
}

/// A figure's SVG, its own style left out since the page's applies.
fn inline_figure(path: &Path, alt: &str) -> Result<String> {
    let svg = std::fs::read_to_string(path).with_context(|| format!("the figure {}", path.display()))?;
    let svg = match (svg.find("<style>"), svg.find("</style>")) {
        (Some(start), Some(end)) => format!("{}{}", &svg[..start], &svg[end + "</style>".len()..]),
        _ => svg,
    };
    let start = svg.find("<svg").with_context(|| format!("no <svg> in {}", path.display()))?;
    let lines: Vec<&str> = svg[start..].lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let label = alt.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let svg =
        lines.join(" ").replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{label}\" class=\"figure\""), 1);
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::{formula, render};
    use std::path::Path;

    #[test]
    fn formulas_become_mathml_and_code_does_not() {
        let html = render("Let $x_t$ be `$5` and\n\n```text\n$y$\n```\n", Path::new(".")).unwrap();
        assert!(html.contains("<math") && html.contains("`$5`") && html.contains("$y$"), "{html}");
        assert_eq!(html.matches("<math").count(), 1);
        assert!(render("so $x$, then", Path::new(".")).unwrap().contains("</math>,</span> then"));
        assert!(!html.contains("annotation"));
    }

    #[test]
    fn a_wrong_formula_is_an_error() {
        assert!(formula("\\frac{1", false).is_err());
        assert!(formula("\\nosuchmacro", false).is_err());
    }
}
