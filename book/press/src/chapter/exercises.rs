//! The numbers of the exercises' rows: from the code, from the independent method, and what may lie between them.

use alphabar::check::Tol;
use alphabar::check::{Row, claims};

use crate::evidence::{number, scientific};
use crate::figure::Figure;

/// Row, and the names of its three numbers.
const ROWS: [(&str, [&str; 3]); 10] = [
    ("S1.05", ["05", "05_by", "05_within"]),
    ("S1.06", ["06", "06_by", "06_within"]),
    ("S1.10", ["10", "10_by", "10_within"]),
    ("S1.26", ["26", "26_by", "26_within"]),
    ("S1.32", ["32", "32_by", "32_within"]),
    ("S1.41", ["41", "41_by", "41_within"]),
    ("S1.47", ["47", "47_by", "47_within"]),
    ("S1.52", ["52", "52_by", "52_within"]),
    ("S1.57", ["57", "57_by", "57_within"]),
    ("S1.61", ["61", "61_by", "61_within"]),
];

/// No figures.
pub fn figures() -> Vec<Figure> {
    Vec::new()
}

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    let claims = claims();
    let find = |id: &str| {
        let holder = claims.iter().find(|claim| claim.row_ids().any(|row| row == id));
        holder.and_then(|claim| claim.rows().find(|(row, _)| *row == id)).map(|(_, row)| row)
    };
    let missing = || Row { got: f64::NAN, want: f64::NAN, tol: Tol::exact() };
    ROWS.iter()
        .flat_map(|(id, [got, by, within])| {
            let row = find(id).unwrap_or_else(missing);
            let allowed = scientific(row.tol.allowance(row.want), 0);
            [(*got, number(row.got)), (*by, number(row.want)), (*within, allowed)]
        })
        .collect()
}
