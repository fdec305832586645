//! Numbers and figures of the chapter `schedule`.

use crate::figure::Figure;

/// Numbers in the text.
pub fn numbers() -> Vec<(&'static str, String)> {
    Vec::new()
}

/// Figures.
pub fn figures() -> Vec<Figure> {
    Vec::new()
}
