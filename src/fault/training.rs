//! Known wrong formulas of the chapter `training`.

use super::Erratum;

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[];
