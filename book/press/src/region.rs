//! The parts of a chapter that the code writes: regions between comments, and numbers in the text.
//!
//! ```text
//! <!-- begin evidence posterior -->      a table, written anew by the press
//! <!-- end -->
//! ᾱ_T is <!--n posterior.alpha_bar-->4.0360e-5<!--/n-->
//! ```
//!
//! Both are comments to every reader of Markdown, so that a chapter reads the same on a forge as in the book.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use crate::evidence;

const BEGIN: &str = "<!-- begin ";
const END: &str = "<!-- end -->";
const NUMBER: &str = "<!--n ";
const NUMBER_END: &str = "<!--/n-->";

/// The text with its regions and numbers written anew.
pub fn fill(text: &str, numbers: &BTreeMap<String, String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let (before, region) = rest.split_at(start);
        out += &fill_numbers(before, numbers)?;
        let opening = region.find("-->").context("a region's comment is not closed")? + 3;
        let words: Vec<&str> = region[BEGIN.len()..opening - 3].split_whitespace().collect();
        let Some(end) = region.find(END) else { bail!("no {END} after {}", &region[..opening]) };
        out += &region[..opening];
        out += "\n\n";
        out += generated(&words)?.trim_end();
        out += "\n\n";
        out += END;
        rest = &region[end + END.len()..];
    }
    out += &fill_numbers(rest, numbers)?;
    Ok(out)
}

fn generated(words: &[&str]) -> Result<String> {
    match words {
        ["evidence", chapter] => evidence::evidence(chapter),
        ["rows", chapter] => evidence::rows(chapter),
        ["summary"] => Ok(evidence::summary()),
        ["errata-of", chapter] => evidence::errata_of(chapter),
        ["errata", document] => evidence::errata(document),
        ["faults"] => Ok(evidence::faults()),
        ["table-faults"] => Ok(evidence::table_faults()),
        ["assumptions"] => evidence::assumptions(),
        _ => bail!("no region {:?}; src/region.rs lists what there is", words.join(" ")),
    }
}

fn fill_numbers(text: &str, numbers: &BTreeMap<String, String>) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(NUMBER) {
        let opening = start + rest[start..].find("-->").context("a number's comment is not closed")? + 3;
        let name = rest[start + NUMBER.len()..opening - 3].trim();
        out += &rest[..start];
        let line = out.rsplit('\n').next().unwrap_or_default();
        ensure!(
            !line.trim().is_empty(),
            "{name} stands first on its line, where a comment would end the paragraph; move it"
        );
        let value = numbers.get(name).with_context(|| {
            let chapter = name.split('.').next().unwrap_or_default();
            let near: Vec<&String> = numbers.keys().filter(|key| key.starts_with(chapter)).collect();
            format!("no number {name:?}; there are {near:?}")
        })?;
        let end = rest[opening..].find(NUMBER_END).with_context(|| format!("no {NUMBER_END} after {name}"))?;
        out += &rest[start..opening];
        out += value;
        out += NUMBER_END;
        rest = &rest[opening + end + NUMBER_END.len()..];
    }
    out += rest;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn numbers_are_filled_in_and_unknown_ones_refused() {
        let numbers = [("a.x".to_string(), "2.5".to_string())].into();
        assert_eq!(fill("x = <!--n a.x-->?<!--/n--> m", &numbers).unwrap(), "x = <!--n a.x-->2.5<!--/n--> m");
        assert!(fill("two\n<!--n a.x-->?<!--/n-->", &numbers).is_err());
        assert!(fill("y = <!--n a.y-->?<!--/n-->", &numbers).is_err());
        assert!(fill("<!-- begin nonsense -->\n<!-- end -->", &numbers).is_err());
        assert!(fill("<!-- begin summary -->", &numbers).is_err());
    }
}
