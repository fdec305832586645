//! Tables that the claims, the ledger and the catalogue of faults give.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use alphabar::check::Run;
use alphabar::check::ledger::{self, LedgerRow};
use alphabar::check::{self, Erratum, Fault, Origin, Severity};
use alphabar::check::{ClaimReport, Row, claims};
use alphabar::diagnose::faults::{CURVE_FAULTS, NOT_RESCALED, RESCALED_UNASKED, RESCALING_FAULTS, TABLE_FAULTS};
use anyhow::{Result, ensure};

/// What the claims of a chapter found.
fn reports(chapter: &str) -> Result<Vec<ClaimReport>> {
    let run = Run::default();
    let claims = claims();
    let found: Vec<ClaimReport> =
        claims.iter().filter(|claim| claim.chapter == chapter).map(|claim| ClaimReport::of(claim, &run)).collect();
    ensure!(!found.is_empty(), "no claim belongs to chapter {chapter:?}");
    let complaints: String = found.iter().map(ClaimReport::complaints).collect();
    ensure!(complaints.is_empty(), "{complaints}");
    Ok(found)
}

fn sentences() -> &'static BTreeMap<&'static str, &'static str> {
    static SENTENCES: OnceLock<BTreeMap<&'static str, &'static str>> = OnceLock::new();
    SENTENCES.get_or_init(|| claims().iter().map(|claim| (claim.name, claim.sentence)).collect())
}

/// Text inside a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ").replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")
}

/// One line a claim: what holds, by which method, at how many points, how closely; below it the faults rejected.
pub fn evidence(chapter: &str) -> Result<String> {
    let reports = reports(chapter)?;
    let mut text = String::from(
        "| claim | independent method | points | worst error, as a share of what is allowed | faults rejected |\n|---|---|---:|---|---:|\n",
    );
    for report in &reports {
        let Ok(found) = &report.outcome else { continue };
        let _ = writeln!(
            text,
            "| {}<br>`{}` | {} | {} | ≈ {} at {} | {} of {} |",
            cell(sentences()[report.name]),
            report.name,
            cell(report.method),
            found.points,
            share(found.worst_share),
            cell(&place(&found.at)),
            report.rejected.len(),
            report.rejected.len() + report.accepted.len(),
        );
    }
    text += "\n<details><summary>The faults that these claims reject</summary>\n\n";
    for report in &reports {
        let names: Vec<String> =
            report.rejected.iter().map(|fault| format!("`{}`: {}", fault.name, cell(fault.sentence))).collect();
        let _ = writeln!(text, "- `{}`\n  - {}", report.name, names.join("\n  - "));
    }
    text += "\n</details>\n";
    Ok(text)
}

/// A share to two digits.
fn share(x: f64) -> String {
    let decimals = if x >= 0.01 || x <= 0.0 { 2 } else { (1.0 - x.log10().floor()) as usize };
    format!("{x:.decimals$}")
}

/// Where the worst error was, short enough for a table.
fn place(at: &str) -> String {
    let line = at.lines().next().unwrap_or_default();
    if line.chars().count() <= 72 {
        return line.to_string();
    }
    let cut: String = line.chars().take(72).collect();
    let end = cut.rfind(", ").unwrap_or(cut.len());
    format!("{} …", &cut[..end])
}

/// A number with enough digits to be compared.
pub fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e6).contains(&size) => {
            let text = format!("{x:.9}");
            text.trim_end_matches('0').trim_end_matches('.').to_string()
        }
        size if size.is_finite() => scientific(x, 9),
        _ => x.to_string().replace("inf", "∞"),
    }
}

/// A number as `1.20·10⁻⁴`, with so many decimals at most.
pub fn scientific(x: f64, decimals: usize) -> String {
    let text = format!("{x:.decimals$e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let power = crate::figure::superscript(power.parse().unwrap_or(0));
    if digits == "1" { format!("10{power}") } else { format!("{digits}·10{power}") }
}

/// Every row of the ledger that the chapter's claims cover, with its own numbers.
pub fn rows(chapter: &str) -> Result<String> {
    let ledger: BTreeMap<String, LedgerRow> =
        ledger::rows().into_iter().map(|(_, row)| (row.id.clone(), row)).collect();
    let mut text = String::from(
        "<details><summary>Row by row: what this code gives and what the independent method gives</summary>\n\n",
    );
    text += "| row | statement | this code | independent | difference allowed |\n|---|---|---:|---:|---:|\n";
    for report in reports(chapter)? {
        for (id, Row { got, want, tol }) in &report.rows {
            let statement = ledger.get(*id).map_or("", |row| row.statement.as_str());
            let allowed = tol.allowance(*want);
            let _ = writeln!(
                text,
                "| {id} | {} | {} | {} | {} |",
                cell(statement),
                number(*got),
                number(*want),
                scientific(allowed, 0)
            );
        }
    }
    text += "\n</details>\n";
    Ok(text)
}

/// How much there is: claims, pairs of numbers, statements covered, trials of faults.
pub fn counts() -> [(&'static str, usize); 4] {
    let claims = claims();
    let rows: std::collections::BTreeSet<&str> = claims.iter().flat_map(|claim| claim.row_ids()).collect();
    [
        ("claims", claims.len()),
        ("pairs", claims.iter().map(|claim| claim.row_ids().count()).sum()),
        ("statements", rows.len()),
        ("trials", claims.iter().map(|claim| claim.fault_list().len()).sum()),
    ]
}

/// The same in a sentence.
pub fn summary() -> String {
    let [claims, pairs, statements, trials] = counts().map(|(_, count)| count);
    format!("{claims} claims, {pairs} pairs of numbers for {statements} statements, {trials} trials of faults.")
}

/// The errata of one source document (`0` to `3`), with the numbers that both forms give.
pub fn errata(document: &str) -> Result<String> {
    let prefix = format!("E{document}.");
    let found: Vec<_> = check::errata().into_iter().filter(|erratum| erratum.id.starts_with(&prefix)).collect();
    ensure!(!found.is_empty(), "no errata of document {document}");
    Ok(errata_table(&found))
}

/// The errata on the rows of one chapter.
pub fn errata_of(chapter: &str) -> Result<String> {
    let home: BTreeMap<String, &str> = ledger::rows().into_iter().map(|(chapter, row)| (row.id, chapter)).collect();
    let on = |erratum: &Erratum| erratum.rows.iter().any(|row| home.get(*row) == Some(&chapter));
    let found: Vec<_> = check::errata().into_iter().filter(on).collect();
    ensure!(!found.is_empty(), "no errata on the rows of {chapter}");
    Ok(errata_table(&found))
}

fn errata_table(found: &[Erratum]) -> String {
    let mut text = String::from("| | rows | as printed | corrected | numbers |\n|---|---|---|---|---|\n");
    for erratum in found {
        let weight = match erratum.severity {
            Severity::Result => "result",
            Severity::Intermediate => "step",
            Severity::Typo => "typo",
            Severity::Wording => "wording",
        };
        let numbers: Vec<String> = erratum
            .numbers
            .iter()
            .map(|n| {
                format!("{}: printed {}, corrected {}", cell(n.at), number((n.printed)()), number((n.correct)()))
            })
            .collect();
        let _ = writeln!(
            text,
            "| **{}** {weight} | {} | {} | {} | {} |",
            erratum.id,
            erratum.rows.join(", "),
            cell(erratum.printed),
            cell(erratum.correct),
            numbers.join("<br>"),
        );
    }
    text
}

/// Every fault of every claim: name, sentence, where it is from, and the claims that reject it.
pub fn faults() -> String {
    let claims = claims();
    let mut text = String::new();
    let mut chapter = "";
    let mut seen: BTreeMap<&str, (Fault, &str, Vec<&str>)> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for claim in &claims {
        for fault in claim.fault_list() {
            let entry = seen.entry(fault.name).or_insert_with(|| {
                order.push(fault.name);
                (fault, claim.chapter, Vec::new())
            });
            entry.2.push(claim.name);
        }
    }
    for name in order {
        let (fault, home, rejected_by) = &seen[name];
        if *home != chapter {
            chapter = home;
            let _ = writeln!(
                text,
                "\n### {chapter}\n\n| fault | what is wrong | from | rejected by |\n|---|---|---|---|"
            );
        }
        let from = match fault.origin {
            Origin::Erratum(id) => id,
            Origin::Shipped => "shipped",
            Origin::Slip => "a slip",
        };
        let by: Vec<String> = rejected_by.iter().map(|claim| format!("`{claim}`")).collect();
        let _ = writeln!(text, "| `{name}` | {} | {from} | {} |", cell(fault.sentence), by.join("<br>"));
    }
    text
}

/// Faults that show in a schedule's table, as `alphabar check` names them.
pub fn table_faults() -> String {
    let mut text = String::from("| array | fault | what is wrong |\n|---|---|---|\n");
    for known in CURVE_FAULTS {
        let _ = writeln!(
            text,
            "| the {} schedule | `{}` | {} |",
            known.curve.published_name(),
            known.fault.name,
            cell(known.fault.sentence)
        );
    }
    let rescalings = RESCALING_FAULTS.iter().map(|known| known.fault);
    for fault in [NOT_RESCALED, RESCALED_UNASKED].into_iter().chain(rescalings) {
        let _ = writeln!(text, "| zero terminal SNR | `{}` | {} |", fault.name, cell(fault.sentence));
    }
    for known in TABLE_FAULTS {
        let _ = writeln!(
            text,
            "| `{}` | `{}` | {} |",
            known.quantity.published_name().unwrap_or_default(),
            known.fault.name,
            cell(known.fault.sentence)
        );
    }
    text
}

/// Statements that hold under an assumption their source does not state.
pub fn assumptions() -> Result<String> {
    let mut text = String::from("| | assumption | chapter |\n|---|---|---|\n");
    let rows: Vec<_> = ledger::rows().into_iter().filter(|(_, row)| row.status == "assumption").collect();
    ensure!(!rows.is_empty(), "the ledger holds no assumptions");
    for (chapter, row) in rows {
        let _ = writeln!(text, "| {} | {} | [{chapter}](../{chapter}.md) |", row.id, cell(&row.statement));
    }
    Ok(text)
}
