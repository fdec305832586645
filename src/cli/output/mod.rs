//! Where samples go: a picture, an array, an archive or a folder, by the extension of `--out`.
//!
//! Every file is written under a temporary name in its own folder and renamed when it is whole.

mod film;
mod folder;
mod font;
mod grid;
mod npy;
mod pixels;
mod record;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ndarray::ArrayView4;
use tempfile::NamedTempFile;

pub use film::Film;
pub use folder::{Folder, check_folder};
pub use npy::read_f32;
pub use record::{ModelId, Origin, Record, record_path, sha256, write_record};

use super::failure::{Failure, Outcome};

/// What the samples of one run have in common.
#[derive(Clone, Debug)]
pub struct Samples {
    /// How many there are.
    pub count: usize,
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// One label a sample, if there are labels.
    pub labels: Option<Vec<i64>>,
    /// Names of the classes, if the model has them.
    pub class_names: Vec<String>,
}

impl Samples {
    /// Numbers in one sample.
    pub fn each(&self) -> usize {
        self.shape.iter().product()
    }
}

/// What the extension of `--out` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.png`: a grid to look at.
    Grid,
    /// `.npy`: f32 NCHW in the model's range.
    Npy,
    /// `.npz`: uint8 NHWC as `arr_0`, labels as `arr_1`.
    Npz,
    /// No extension or a trailing slash: one PNG a sample.
    Folder,
}

impl Format {
    /// By extension.
    ///
    /// # Errors
    /// Exit 2 for any other extension.
    pub fn of(path: &Path) -> Outcome<Self> {
        let slashed = path.as_os_str().to_string_lossy().ends_with(['/', std::path::MAIN_SEPARATOR]);
        match path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase).as_deref() {
            _ if slashed => Ok(Self::Folder),
            None if path.extension().is_none() => Ok(Self::Folder),
            Some("png") => Ok(Self::Grid),
            Some("npy") => Ok(Self::Npy),
            Some("npz") => Ok(Self::Npz),
            _ => Err(Failure::usage(format!(
                "--out {}: the extension decides the format, and this one is none of .png (a grid), .npy, .npz or \
                 none at all (a folder of PNGs)",
                path.display()
            ))),
        }
    }
}

/// Receives samples batch by batch, in order.
pub trait Sink {
    /// Takes the next samples: f32, NCHW, in the model's range.
    ///
    /// # Errors
    /// Exit 1 if they cannot be written.
    fn take(&mut self, batch: ArrayView4<'_, f32>) -> Outcome;

    /// Puts the finished output in its place.
    ///
    /// # Errors
    /// Exit 1 if it cannot be written.
    fn finish(self: Box<Self>) -> Outcome;
}

/// Opens an output that is one file; everything that can be refused is refused here.
///
/// # Errors
/// Exit 1 if the file cannot be created there, or the samples cannot be drawn.
pub fn open(path: &Path, format: Format, samples: &Samples) -> Outcome<Box<dyn Sink>> {
    match format {
        Format::Grid => Ok(Box::new(grid::Grid::open(path, samples)?)),
        Format::Npy => Ok(Box::new(npy::Npy::open(path, samples)?)),
        Format::Npz => Ok(Box::new(npy::Npz::open(path, samples)?)),
        Format::Folder => Err(Failure::input(format!("{} is a folder", path.display()))),
    }
}

/// Refuses places where no file can be written, leaving nothing there.
///
/// # Errors
/// Exit 1, naming the first.
pub fn check_files(paths: &[&Path]) -> Outcome {
    paths.iter().try_for_each(|path| Draft::new(path).map(drop))
}

/// A file that appears under its name only when it is whole.
#[derive(Debug)]
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// Starts one beside its final place.
    ///
    /// # Errors
    /// Exit 1 if the folder is missing or cannot be written to, or the place is taken by a folder.
    pub fn new(path: &Path) -> Outcome<Self> {
        if path.is_dir() {
            return Err(Failure::input(format!("cannot write {}: it is a folder; give a file name", path.display())));
        }
        let folder = folder_of(path);
        if !folder.is_dir() {
            let found = if folder.exists() { "is not a folder" } else { "does not exist; create it first" };
            return Err(Failure::input(format!("cannot write {}: {} {found}", path.display(), folder.display())));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".alphabar-").suffix(".tmp");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file =
            builder.tempfile_in(folder).map_err(|error| Failure::io("write to the folder of", path, &error))?;
        Ok(Self { file, path: path.to_path_buf() })
    }

    /// The open file.
    pub fn file(&mut self) -> &mut fs::File {
        self.file.as_file_mut()
    }

    /// A write that failed.
    pub fn failed(&self, error: &io::Error) -> Failure {
        Failure::io("write", &self.path, error)
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// Exit 1 if the last bytes or the name cannot be written.
    pub fn keep(self) -> Outcome {
        let Self { file, path } = self;
        file.persist(&path).map(drop).map_err(|error| Failure::io("write", &path, &error.error))
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}
