//! Files that other programs wrote, read without trusting what they say of themselves: regular files only, up to a limit,
//! and no memory is taken for a size that the file cannot have.

pub mod npy;

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The most that a table, a configuration or a plan may have: 64 MiB.
pub const LARGEST_TEXT: u64 = 64 << 20;

/// A file that cannot be read, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// The file.
    pub path: PathBuf,
    /// What was found.
    pub reason: String,
    /// Whether the file is not there at all.
    pub missing: bool,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for Unreadable {}

impl Unreadable {
    fn new(path: &Path, reason: impl fmt::Display) -> Self {
        Self { path: path.to_path_buf(), reason: reason.to_string(), missing: false }
    }

    fn of(path: &Path, error: &io::Error) -> Self {
        Self { missing: error.kind() == io::ErrorKind::NotFound, ..Self::new(path, error) }
    }
}

/// Opens a regular file, links to one included, and says how long it is; a folder, pipe, socket or device is refused
/// before it is opened, since opening a pipe waits for its writer.
///
/// # Errors
/// [`Unreadable`].
pub fn open(path: &Path) -> Result<(File, u64), Unreadable> {
    let kind = |metadata: &fs::Metadata| {
        if metadata.is_file() {
            return Ok(metadata.len());
        }
        let found = if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" };
        Err(Unreadable::new(path, format!("it is {found}; expected a file")))
    };
    let failed = |error: io::Error| Unreadable::of(path, &error);
    kind(&fs::metadata(path).map_err(failed)?)?;
    let file = File::open(path).map_err(failed)?;
    let length = kind(&file.metadata().map_err(failed)?)?;
    Ok((file, length))
}

/// All bytes of a regular file that has at most `limit` of them, whatever its metadata say.
///
/// # Errors
/// [`Unreadable`].
pub fn bytes(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| Unreadable::of(path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Unreadable::new(path, format!("it has more than {limit} bytes, the most that is read")));
    }
    Ok(bytes)
}

/// The text of a regular file of at most [`LARGEST_TEXT`] bytes, without the byte-order mark that some editors write.
///
/// # Errors
/// [`Unreadable`].
pub fn text(path: &Path) -> Result<String, Unreadable> {
    let text = String::from_utf8(bytes(path, LARGEST_TEXT)?)
        .map_err(|_| Unreadable::new(path, "it is not text in UTF-8"))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_dropped_and_a_limit_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "\u{feff}{}").unwrap();
        assert_eq!(text(&path).unwrap(), "{}");
        assert_eq!(bytes(&path, 5).unwrap().len(), 5);
        assert!(bytes(&path, 4).unwrap_err().to_string().contains("more than 4 bytes"));
        assert!(bytes(&folder.path().join("b"), 4).unwrap_err().missing);
        assert!(open(folder.path()).unwrap_err().to_string().contains("a folder"));
    }
}
