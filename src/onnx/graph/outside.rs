//! Weights that lie outside their graph: where a tensor says that it is, and which file that is.

use std::fs::{self, Metadata};
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use super::proto::{EXTERNAL, Tensor};
use crate::onnx::error::{Error, Result};

/// Where a tensor lies that is stored outside its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outside {
    /// The tensor's name.
    pub(crate) tensor: String,
    /// The file, relative to the graph's folder, its parts separated by `/`.
    pub(crate) location: String,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    /// How many bytes it has; `None` if neither the entry nor shape and element type say so.
    pub(crate) length: Option<u64>,
}

impl Outside {
    /// Reads the entries of a tensor; `None` if it lies in the graph itself.
    ///
    /// # Errors
    /// [`Error::Outside`] if they are missing, said twice or not understood, or name what can be no file in the graph's
    /// folder.
    pub(crate) fn of(tensor: &Tensor) -> Result<Option<Self>> {
        if tensor.data_location != Some(EXTERNAL) {
            return Ok(None);
        }
        let bad = |found: String, expected| Error::Outside { tensor: tensor.name().to_owned(), found, expected };
        let entry = |key: &str| {
            let mut values = tensor.external_data.iter().filter(|entry| entry.key() == key);
            match (values.next(), values.next()) {
                (_, Some(_)) => Err(bad(format!("with two entries {key:?}"), "one")),
                (first, None) => Ok(first.map(|entry| entry.value().to_owned())),
            }
        };
        let number = |key: &str| -> Result<Option<u64>> {
            let parse = |text: String| text.parse().map_err(|_| bad(format!("{key} {text:?}"), "a whole number"));
            entry(key)?.map(parse).transpose()
        };
        let named = entry("location")?.ok_or_else(|| bad("without a location".to_owned(), "the name of a file"))?;
        let elsewhere = || bad(format!("in {named:?}"), "a file in the graph's own folder");
        let mut parts = Vec::new();
        for part in Path::new(&named).components() {
            match part {
                Component::Normal(name) => parts.push(name.to_str().ok_or_else(elsewhere)?),
                Component::CurDir => {}
                _ => return Err(elsewhere()),
            }
        }
        // ONNX Runtime ends a name at the first NUL, and takes one name for an address in its own memory.
        if parts.is_empty() || named.contains(char::is_control) || named.contains("_ORT_MEM_ADDR_") {
            return Err(elsewhere());
        }
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let length = length.or_else(|| tensor.stored_bytes());
        Ok(Some(Self { tensor: tensor.name().to_owned(), location: parts.join("/"), offset, length }))
    }

    /// How many bytes the file must have.
    pub(crate) fn needed(&self) -> u64 {
        self.offset.saturating_add(self.length.unwrap_or(0))
    }
}

/// The folder of a graph, in which its weights are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    folder: PathBuf,
    /// What a file must lie in, links followed.
    within: [PathBuf; 2],
}

impl Home {
    /// The home of a graph. Weights may be links, but only to files within this folder or, where the graph itself is a
    /// link, within the folder that it leads to: this is ONNX Runtime's own rule (1.31), and what a snapshot of the
    /// Hugging Face cache needs, whose files are links into `blobs`.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub(crate) fn of(graph: &Path) -> Result<Self> {
        let folder = match graph.parent() {
            Some(folder) if folder != Path::new("") => folder.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let real = |path: &Path| fs::canonicalize(path).map_err(|e| unreadable(path, &e));
        let mut target = real(graph)?;
        target.pop();
        Ok(Self { within: [real(&folder)?, target], folder })
    }

    /// The file of a weight: there, in the graph's folder, a regular file that is long enough, and no pointer of Git LFS.
    ///
    /// # Errors
    /// [`Error::WeightsMissing`], [`Error::Outside`], [`Error::NotRegular`], [`Error::LfsPointer`],
    /// [`Error::WeightsShort`], [`Error::Unreadable`].
    pub(crate) fn find(&self, weight: &Outside) -> Result<(PathBuf, Metadata)> {
        let path = self.folder.join(&weight.location);
        let real = fs::canonicalize(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                Error::WeightsMissing { path: path.clone(), tensor: weight.tensor.clone() }
            }
            _ => unreadable(&path, &e),
        })?;
        if !self.within.iter().any(|folder| real.starts_with(folder)) {
            return Err(Error::Outside {
                tensor: weight.tensor.clone(),
                found: format!("in {:?}, a link to {}", weight.location, real.display()),
                expected: "a file in the graph's own folder",
            });
        }
        let metadata = regular(&path)?;
        check_pointer(&path)?;
        let (size, needed) = (metadata.len(), weight.needed());
        if size < needed {
            return Err(Error::WeightsShort { path, size, needed });
        }
        Ok((path, metadata))
    }
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::Unreadable { path: path.to_path_buf(), reason: error.to_string() }
}

/// Refuses what is no regular file, or no link to one: to open a pipe is to wait, and a device has no end.
///
/// # Errors
/// [`Error::NotRegular`], [`Error::Unreadable`].
pub(super) fn regular(path: &Path) -> Result<Metadata> {
    let metadata = fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    let found = if metadata.is_dir() { "a folder" } else { "a pipe, a device or a socket" };
    Err(Error::NotRegular { path: path.to_path_buf(), found })
}

/// Refuses the text that Git leaves in place of a large file that was not fetched.
///
/// # Errors
/// [`Error::LfsPointer`], [`Error::Unreadable`].
pub(super) fn check_pointer(path: &Path) -> Result<()> {
    const POINTER: &[u8] = b"version https://git-lfs";
    let mut head = Vec::new();
    let opened = fs::File::open(path).and_then(|file| file.take(POINTER.len() as u64).read_to_end(&mut head));
    opened.map_err(|e| unreadable(path, &e))?;
    if head == POINTER { Err(Error::LfsPointer { path: path.to_path_buf() }) } else { Ok(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::onnx::graph::proto::Entry;

    fn tensor(entries: &[(&str, &str)]) -> Tensor {
        let entry = |&(key, value): &(&str, &str)| Entry { key: Some(key.into()), value: Some(value.into()) };
        Tensor {
            external_data: entries.iter().map(entry).collect(),
            data_location: Some(EXTERNAL),
            ..Tensor::f32("w", &[2, 3], &[])
        }
    }

    fn at(location: &str) -> Outside {
        Outside::of(&tensor(&[("location", location)])).unwrap().unwrap()
    }

    #[test]
    fn entries_are_read_or_refused() {
        assert_eq!(Outside::of(&Tensor::f32("w", &[1], &[1.0])).unwrap(), None);
        let w = at("./a/./w.bin");
        assert_eq!((w.location.as_str(), w.offset, w.length, w.needed()), ("a/w.bin", 0, Some(24), 24));
        let given = [("location", "w"), ("offset", "8"), ("length", "5"), ("checksum", "00")];
        assert_eq!(Outside::of(&tensor(&given)).unwrap().unwrap().needed(), 13);
        let huge = [("location", "w"), ("offset", "18446744073709551615"), ("length", "5")];
        assert_eq!(Outside::of(&tensor(&huge)).unwrap().unwrap().needed(), u64::MAX);
        for entries in [
            &[][..],
            &[("offset", "0")],
            &[("location", "")],
            &[("location", ".")],
            &[("location", "/etc/passwd")],
            &[("location", "../w")],
            &[("location", "a/../../w")],
            &[("location", "w\0")],
            &[("location", "w\nv")],
            &[("location", "*/_ORT_MEM_ADDR_/*")],
            &[("location", "w"), ("location", "v")],
            &[("location", "w"), ("offset", "-4")],
            &[("location", "w"), ("length", "four")],
        ] {
            let error = Outside::of(&tensor(entries)).unwrap_err();
            assert!(matches!(&error, Error::Outside { tensor, .. } if tensor == "w"), "{entries:?}: {error}");
            assert_eq!(error.exit_code(), 1);
        }
    }

    #[test]
    fn files_are_checked_before_they_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        fs::write(file("m.onnx"), "").unwrap();
        let home = Home::of(&file("m.onnx")).unwrap();
        let refused = |location: &str| home.find(&at(location)).unwrap_err();
        assert!(matches!(refused("w"), Error::WeightsMissing { tensor, .. } if tensor == "w"));
        fs::write(file("w"), [0; 23]).unwrap();
        assert!(matches!(refused("w"), Error::WeightsShort { size: 23, needed: 24, .. }));
        assert!(matches!(refused("w/v"), Error::WeightsMissing { .. }), "a file is no folder");
        fs::write(file("w"), [0; 24]).unwrap();
        assert_eq!(home.find(&at("w")).unwrap().0, file("w"));
        fs::create_dir(file("folder")).unwrap();
        assert!(matches!(refused("folder"), Error::NotRegular { found: "a folder", .. }));
        fs::write(file("p"), "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 24\n").unwrap();
        assert!(matches!(refused("p"), Error::LfsPointer { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere_else() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        for folder in ["blobs", "snapshots", "snapshots/r"] {
            fs::create_dir(file(folder)).unwrap();
        }
        fs::write(file("secret"), [0; 24]).unwrap();
        fs::write(file("blobs/1"), "the graph").unwrap();
        fs::write(file("blobs/2"), [0; 24]).unwrap();
        symlink("../../blobs/2", file("snapshots/r/w")).unwrap();
        symlink("../../secret", file("snapshots/r/s")).unwrap();
        symlink("../..", file("snapshots/r/up")).unwrap();
        symlink("here", file("snapshots/r/near")).unwrap();
        symlink("/dev/zero", file("snapshots/r/zero")).unwrap();
        fs::write(file("snapshots/r/here"), [0; 24]).unwrap();

        fs::write(file("snapshots/r/m.onnx"), "the graph").unwrap();
        let home = Home::of(&file("snapshots/r/m.onnx")).unwrap();
        home.find(&at("near")).unwrap();
        for location in ["w", "s", "up/secret", "zero"] {
            let error = home.find(&at(location)).unwrap_err();
            assert!(matches!(error, Error::Outside { .. }), "{location}: {error}");
        }
        // As the Hugging Face cache has it: the graph is a link, too.
        fs::remove_file(file("snapshots/r/m.onnx")).unwrap();
        symlink("../../blobs/1", file("snapshots/r/m.onnx")).unwrap();
        let home = Home::of(&file("snapshots/r/m.onnx")).unwrap();
        home.find(&at("w")).unwrap();
        home.find(&at("near")).unwrap();
        assert!(matches!(home.find(&at("s")).unwrap_err(), Error::Outside { .. }));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("w");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::write(dir.path().join("m.onnx"), "").unwrap();
        let home = Home::of(&dir.path().join("m.onnx")).unwrap();
        let error = home.find(&at("w")).unwrap_err();
        assert!(matches!(error, Error::NotRegular { .. }), "{error}");
    }
}
