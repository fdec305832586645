//! Known wrong formulas of the chapter `trajectory`.

use super::Erratum;

/// Errata of the source documents that belong here.
pub const ERRATA: &[Erratum] = &[];
