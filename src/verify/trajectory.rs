//! The claims of the chapter `trajectory`, bound to this crate.

use super::Claim;

pub(super) fn claims() -> Vec<Claim> {
    Vec::new()
}
