//! Known wrong formulas of the chapter `embedding`.

use super::Erratum;

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[];
