//! Running claims and reporting what they found: for the screen, for programs, for the book.

use std::fmt::Write as _;
use std::time::Instant;

use super::{Claim, Fault, Outcome, Row, Run};

/// Version of the JSON form.
pub const VERSION: u32 = 1;

/// What one claim found.
#[derive(Clone, Debug)]
pub struct ClaimReport {
    /// Its name.
    pub name: &'static str,
    /// Its chapter.
    pub chapter: &'static str,
    /// Its independent method in a few words.
    pub method: &'static str,
    /// On this crate's implementation.
    pub outcome: Outcome,
    /// The rows it covers, with their numbers.
    pub rows: Vec<(&'static str, Row)>,
    /// Faults that it rejected.
    pub rejected: Vec<Fault>,
    /// Faults that it let pass.
    pub accepted: Vec<Fault>,
    /// Wall time, faults included.
    pub seconds: f64,
}

impl ClaimReport {
    /// Runs a claim, its rows and its faults.
    #[must_use]
    pub fn of(claim: &Claim, run: &Run) -> Self {
        let start = Instant::now();
        let outcome = claim.run(run);
        let rows = claim.rows().collect();
        let (mut rejected, mut accepted) = (Vec::new(), Vec::new());
        for (fault, outcome) in claim.faults(run) {
            if outcome.is_err() { rejected.push(fault) } else { accepted.push(fault) }
        }
        let method = claim.method.words();
        let (name, chapter, seconds) = (claim.name, claim.chapter, start.elapsed().as_secs_f64());
        Self { name, chapter, method, outcome, rows, rejected, accepted, seconds }
    }

    /// True if the claim held, every row's numbers agree and every fault was rejected.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.outcome.is_ok() && self.accepted.is_empty() && self.wrong_rows().next().is_none()
    }

    /// Rows whose numbers do not agree.
    pub fn wrong_rows(&self) -> impl Iterator<Item = &(&'static str, Row)> {
        self.rows.iter().filter(|(_, row)| !row.tol.accepts(row.got, row.want))
    }

    /// What went wrong, one sentence a line; empty if nothing did.
    #[must_use]
    pub fn complaints(&self) -> String {
        let mut text = String::new();
        if let Err(mismatch) = &self.outcome {
            let _ = writeln!(text, "{}: {mismatch}", self.name);
        }
        for (id, Row { got, want, tol }) in self.wrong_rows() {
            let _ = writeln!(text, "{}, row {id}: got {got:?}, want {want:?}, allowed {tol}", self.name);
        }
        for fault in &self.accepted {
            let _ = writeln!(text, "{} did not reject {}: {}", self.name, fault.name, fault.sentence);
        }
        text
    }
}

/// Heading of the table on the screen.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<52} {:>4} {:>8} {:>11} {:>7} {:>7}  {}",
        "claim", "rows", "points", "worst share", "faults", "time", "method"
    )
}

/// One line of the table on the screen.
#[must_use]
pub fn line(report: &ClaimReport) -> String {
    let faults = format!("{}/{}", report.rejected.len(), report.rejected.len() + report.accepted.len());
    let (points, share) = match &report.outcome {
        Ok(evidence) => (evidence.points.to_string(), format!("{:.2e}", evidence.worst_share)),
        Err(_) => ("-".into(), "FAILED".into()),
    };
    let (name, rows, seconds, method) = (report.name, report.rows.len(), report.seconds, report.method);
    let mark = if report.ok() { "" } else { "  <-- wrong" };
    format!("{name:<52} {rows:>4} {points:>8} {share:>11} {faults:>7} {seconds:>6.2}s  {method}{mark}")
}

/// The table as Markdown, rows covered included.
#[must_use]
pub fn markdown(reports: &[ClaimReport]) -> String {
    let mut text = String::from("| claim | rows | method | points | worst share | where | faults rejected |\n");
    text += "|---|---|---|---:|---:|---|---:|\n";
    for report in reports {
        let ids: Vec<&str> = report.rows.iter().map(|(id, _)| *id).collect();
        let (points, share, at) = match &report.outcome {
            Ok(evidence) => {
                (evidence.points.to_string(), format!("{:.2e}", evidence.worst_share), evidence.at.clone())
            }
            Err(mismatch) => ("-".into(), "failed".into(), mismatch.to_string()),
        };
        let total = report.rejected.len() + report.accepted.len();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {points} | {share} | {} | {}/{total} |",
            report.name,
            ids.join(", "),
            report.method.replace('|', "\\|"),
            at.replace('|', "\\|"),
            report.rejected.len()
        );
    }
    text
}

/// The versioned JSON form; numbers that JSON cannot hold are strings.
#[must_use]
pub fn json(reports: &[ClaimReport], run: &Run, prose: &[(String, String)]) -> serde_json::Value {
    use serde_json::{Value, json};
    let number = |x: f64| serde_json::Number::from_f64(x).map_or_else(|| Value::from(x.to_string()), Value::Number);
    let row = |(id, row): &(&str, Row)| json!({"id": id, "got": number(row.got), "want": number(row.want), "tol": number(row.tol.allowance(row.want))});
    let claim = |report: &ClaimReport| {
        let (points, share, at) = match &report.outcome {
            Ok(evidence) => (evidence.points, number(evidence.worst_share), evidence.at.clone()),
            Err(mismatch) => (0, Value::Null, mismatch.to_string()),
        };
        let total = report.rejected.len() + report.accepted.len();
        json!({
            "name": report.name,
            "chapter": report.chapter,
            "method": report.method,
            "ok": report.ok(),
            "points": points,
            "worst_share": share,
            "at": at,
            "faults": {"rejected": report.rejected.len(), "total": total},
            "seconds": report.seconds,
            "rows": report.rows.iter().map(row).collect::<Vec<_>>(),
        })
    };
    let prose: Vec<Value> = prose.iter().map(|(id, text)| json!({"id": id, "text": text})).collect();
    json!({
        "version": VERSION,
        "seed": run.seed,
        "cases": run.cases,
        "claims": reports.iter().map(claim).collect::<Vec<_>>(),
        "prose": prose,
    })
}
