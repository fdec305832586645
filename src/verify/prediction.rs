//! The claims of the chapter `prediction`, bound to this crate.

use super::Claim;

pub(super) fn claims() -> Vec<Claim> {
    Vec::new()
}
