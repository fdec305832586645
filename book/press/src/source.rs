//! The book's source files: finding them and keeping them current.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::same::same;

/// Every Markdown file below a folder, in order.
pub fn markdown(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Writes a file if what it holds differs from `fresh` by more than rounding; with `check`, names it instead.
pub fn update(path: &Path, fresh: &str, check: bool) -> Result<Option<String>> {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    match same(&old, fresh) {
        Ok(()) => Ok(None),
        Err(difference) if check => Ok(Some(format!("{}: {difference}", path.display()))),
        Err(_) => {
            let partial = path.with_extension("partial");
            std::fs::write(&partial, fresh).with_context(|| format!("writing {}", partial.display()))?;
            std::fs::rename(&partial, path)?;
            println!("wrote {}", path.display());
            Ok(None)
        }
    }
}
