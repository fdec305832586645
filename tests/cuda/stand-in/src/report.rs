//! Counts of what happened, written when the process ends.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// How often something happened, and the bytes or microseconds that it was about.
pub type Counts = BTreeMap<String, [u64; 2]>;

static COUNTS: Mutex<Counts> = Mutex::new(BTreeMap::new());
static AT_END: Once = Once::new();

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number from the environment.
pub fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

pub fn count(what: &str, amount: usize) {
    AT_END.call_once(|| {
        // SAFETY: the function has the signature that is asked for and lives as long as the process, since the
        // provider that needs this library is never unloaded.
        unsafe { libc::atexit(write) };
    });
    let mut counts = lock(&COUNTS);
    if !counts.contains_key(what) {
        counts.insert(what.to_owned(), [0, 0]);
    }
    if let Some(entry) = counts.get_mut(what) {
        entry[0] += 1;
        entry[1] += amount as u64;
    }
}

/// Keeps the largest amount that was seen.
pub fn peak(what: &str, amount: usize) {
    let mut counts = lock(&COUNTS);
    let entry = counts.entry(what.to_owned()).or_default();
    entry[0] += 1;
    entry[1] = entry[1].max(amount as u64);
}

extern "C" fn write() {
    let Some(path) = std::env::var_os("STAND_IN_REPORT") else { return };
    let mut text = String::from("{");
    for (k, (what, [times, amount])) in lock(&COUNTS).iter().enumerate() {
        let comma = if k == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n  \"{what}\": [{times}, {amount}]");
    }
    text.push_str("\n}\n");
    if let Err(error) = std::fs::write(&path, text) {
        eprintln!("stand-in: {}: {error}", path.display());
    }
}
