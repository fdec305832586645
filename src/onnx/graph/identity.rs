//! What a model is: the hash of all its bytes, and whether its files are still those that were hashed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use prost::bytes::Bytes;
use sha2::{Digest, Sha256};

use super::outside::{Home, Outside, regular, unreadable};
use super::proto::{LARGEST_MESSAGE, visit_tensors};
use super::source::{ModelSource, Weights};
use crate::onnx::error::{Error, Result};
use crate::onnx::runtime::{hash_into, hex};

/// A model whose bytes have been hashed, to be loaded with [`Network::open_identified`](crate::onnx::Network::open_identified).
#[derive(Clone, Debug)]
pub struct Identified {
    source: ModelSource,
    sha256: String,
    files: Arc<Files>,
}

impl Identified {
    /// The model.
    #[must_use]
    pub const fn source(&self) -> &ModelSource {
        &self.source
    }

    /// Its hash, as [`ModelSource::identify`] defines it.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Refuses files that are not those that were hashed.
    ///
    /// # Errors
    /// [`Error::ModelChanged`], naming the file.
    pub fn check(&self) -> Result<()> {
        self.files.check()
    }

    /// The files of the graph and its weights.
    #[cfg(feature = "cli")]
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.0.iter().map(|(path, _)| path.as_path())
    }

    pub(in crate::onnx) fn files(&self) -> Arc<Files> {
        Arc::clone(&self.files)
    }
}

impl ModelSource {
    /// Hashes all bytes of the model: of everything that determines what it computes or how it is sampled by default.
    ///
    /// The parts are `graph`; `weights/NAME`, every file that a tensor of the graph names, be it an initializer, a
    /// sparse one or an attribute of a node, in the graph, in a graph within it or in a function; `config`, the network's
    /// `config.json`; and `scheduler`, `scheduler_config.json`. The hash of a graph alone is the SHA-256 of its file. The
    /// hash of several parts is the SHA-256 of a text with a line for each, sorted by name, as `sha256sum` prints it: the
    /// SHA-256 in lower-case hexadecimal, two spaces, the name, a line feed.
    ///
    /// Names are those of roles, so that the hash does not depend on where the files lie or whether the folder or the
    /// graph was named. The scheduler counts although a plan says what it led to: whoever takes up a folder of samples
    /// again need not know which of its keys a plan depends on, and a picture that is made once more for an idle key is
    /// better than one that is kept from another model.
    ///
    /// Files are checked on the way, before any byte of theirs is taken for a weight. Of a graph with its weights in it no
    /// second copy is made, and none is kept.
    ///
    /// # Errors
    /// [`Error::BadGraph`] if the graph cannot be decoded; [`Error::Outside`], [`Error::WeightsMissing`],
    /// [`Error::WeightsShort`], [`Error::NotRegular`] and [`Error::LfsPointer`] for weights outside it;
    /// [`Error::Unreadable`].
    pub fn identify(&self) -> Result<Identified> {
        let Examined { mut hashes, files, .. } = Examined::of(self, true)?;
        hashes.sort();
        let sha256 = match &hashes[..] {
            [(_, graph)] => graph.clone(),
            several => {
                let list: String = several.iter().map(|(name, hash)| format!("{hash}  {name}\n")).collect();
                hex(&Sha256::digest(list))
            }
        };
        Ok(Identified { source: self.clone(), sha256, files: Arc::new(files) })
    }

    /// Finds and checks the model's files without hashing them.
    pub(in crate::onnx) fn files(&self) -> Result<Files> {
        Ok(Examined::of(self, false)?.files)
    }
}

/// The files that a network is loaded from, as they were before.
#[derive(Clone, Debug, Default)]
pub(in crate::onnx) struct Files(Vec<(PathBuf, Stamp)>);

impl Files {
    /// Refuses files that are no longer what they were; called when all have been read.
    pub(in crate::onnx) fn check(&self) -> Result<()> {
        let same = |(path, stamp): &&(PathBuf, Stamp)| {
            fs::metadata(path).is_ok_and(|metadata| Stamp::of(&metadata) == *stamp)
        };
        match self.0.iter().find(|file| !same(file)) {
            None => Ok(()),
            Some((path, _)) => Err(Error::ModelChanged { path: path.clone() }),
        }
    }
}

/// What tells whether a file was written to or another one put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    /// Device and inode.
    inode: Option<(u64, u64)>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt as _;
            Some((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let inode = None;
        Self { size: metadata.len(), modified: metadata.modified().ok(), inode }
    }
}

/// A model's parts, looked at one after the other.
struct Examined {
    hashing: bool,
    /// Name and SHA-256 of each part, if they are hashed.
    hashes: Vec<(String, String)>,
    files: Files,
}

impl Examined {
    fn of(source: &ModelSource, hashing: bool) -> Result<Self> {
        let mut all = Self { hashing, hashes: Vec::new(), files: Files::default() };
        let (graph, home) = match &source.weights {
            Weights::Embedded(bytes) => (Bytes::from_static(bytes), None),
            Weights::Bytes(bytes) => (Bytes::from_owner(Arc::clone(bytes)), None),
            Weights::File(path) => (all.graph(source, path)?, Some(Home::of(path)?)),
        };
        all.bytes("graph", &graph);
        for weight in weights(source, graph)? {
            let Some(home) = &home else {
                let expected = "them within, or a graph in a file beside them";
                let found = format!("in {:?}, and the graph is in memory", weight.location);
                return Err(Error::Outside { tensor: weight.tensor, found, expected });
            };
            let (path, metadata) = home.find(&weight)?;
            all.file(&format!("weights/{}", weight.location), path, &metadata)?;
        }
        // What else a pipeline comes to run (text encoders, a decoder) belongs here: its graph, weights and configuration.
        for (name, text) in [("config", &source.config_text), ("scheduler", &source.scheduler)] {
            if let Some(text) = text {
                all.bytes(name, text.text.as_bytes());
            }
        }
        Ok(all)
    }

    /// Reads the graph's file.
    fn graph(&mut self, source: &ModelSource, path: &Path) -> Result<Bytes> {
        let metadata = regular(path)?;
        if metadata.len() > LARGEST_MESSAGE as u64 {
            let reason = format!(
                "{} has {} bytes, more than the {LARGEST_MESSAGE} of a graph; larger weights belong beside it",
                path.display(),
                metadata.len()
            );
            return Err(Error::BadGraph { model: source.name.clone(), reason });
        }
        self.files.0.push((path.to_path_buf(), Stamp::of(&metadata)));
        Ok(fs::read(path).map_err(|e| unreadable(path, &e))?.into())
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        if self.hashing {
            self.hashes.push((name.to_owned(), hex(&Sha256::digest(bytes))));
        }
    }

    fn file(&mut self, name: &str, path: PathBuf, metadata: &Metadata) -> Result<()> {
        if self.hashing {
            let mut hasher = Sha256::new();
            hash_into(&mut hasher, &path).map_err(|e| unreadable(&path, &e))?;
            self.hashes.push((name.to_owned(), hex(&hasher.finalize())));
        }
        self.files.0.push((path, Stamp::of(metadata)));
        Ok(())
    }
}

/// The weights outside a graph, for each file the one that needs the most of it.
fn weights(source: &ModelSource, graph: Bytes) -> Result<impl Iterator<Item = Outside>> {
    let mut files: BTreeMap<String, Outside> = BTreeMap::new();
    let mut bad = None;
    let visited = visit_tensors(graph, |tensor| match Outside::of(tensor) {
        Ok(None) => {}
        Ok(Some(weight)) => {
            let file = files.entry(weight.location.clone()).or_insert_with(|| weight.clone());
            if file.needed() < weight.needed() {
                *file = weight;
            }
        }
        Err(error) => {
            bad.get_or_insert(error);
        }
    });
    let bad_graph = |reason: String| Error::BadGraph { model: source.name.clone(), reason };
    visited.map_err(|error| bad_graph(error.to_string()))?;
    match bad {
        None => Ok(files.into_values()),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::onnx::graph::source::Text;

    const GRAPH: &[u8] = include_bytes!("../../../fixtures/graphs/outside.onnx");
    const WEIGHTS: &[u8] = include_bytes!("../../../fixtures/graphs/outside.onnx_data");

    fn digest(bytes: &[u8]) -> String {
        hex(&Sha256::digest(bytes))
    }

    fn hash(source: &ModelSource) -> String {
        source.identify().unwrap().sha256().to_owned()
    }

    #[test]
    fn a_graph_alone_has_the_hash_of_its_file() {
        let graph: &[u8] = include_bytes!("../../../fixtures/graphs/plain.onnx");
        assert_eq!(hash(&ModelSource::from_bytes("plain", graph.into())), digest(graph));
    }

    #[test]
    fn every_part_counts_and_no_place_does() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        for folder in ["pipe", "pipe/unet", "pipe/scheduler"] {
            fs::create_dir(file(folder)).unwrap();
        }
        let parts = [
            ("pipe/unet/model.onnx", GRAPH),
            ("pipe/unet/outside.onnx_data", WEIGHTS),
            ("pipe/unet/config.json", b"{}"),
            ("pipe/scheduler/scheduler_config.json", b"{ }"),
        ];
        for (name, bytes) in parts {
            fs::write(file(name), bytes).unwrap();
        }
        let now = |path: &str| hash(&ModelSource::resolve(&file(path)).unwrap());
        let first = now("pipe");
        let lines = [
            (b"{}".as_slice(), "config"),
            (GRAPH, "graph"),
            (b"{ }", "scheduler"),
            (WEIGHTS, "weights/outside.onnx_data"),
        ];
        let list: String = lines.iter().map(|(bytes, name)| format!("{}  {name}\n", digest(bytes))).collect();
        assert_eq!(first, digest(list.as_bytes()));
        assert_eq!(now("pipe/unet/model.onnx"), first, "the graph is named, not the folder");
        fs::rename(file("pipe"), file("elsewhere")).unwrap();
        assert_eq!(now("elsewhere"), first);
        fs::rename(file("elsewhere"), file("pipe")).unwrap();
        for (name, bytes) in parts {
            let mut other = bytes.to_vec();
            match name {
                // The version of the operators' graph and the last weight; a space for JSON.
                "pipe/unet/model.onnx" => other[1] += 1,
                "pipe/unet/outside.onnx_data" => *other.last_mut().unwrap() ^= 1,
                _ => other.push(b' '),
            }
            fs::write(file(name), other).unwrap();
            assert_ne!(now("pipe"), first, "{name}");
            fs::write(file(name), bytes).unwrap();
            assert_eq!(now("pipe"), first, "{name}");
        }
        fs::write(file("pipe/unet/beside.bin"), "no weights of this graph").unwrap();
        assert_eq!(now("pipe"), first);
    }

    #[test]
    fn what_changed_since_it_was_hashed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let (graph, weights) = (dir.path().join("m.onnx"), dir.path().join("outside.onnx_data"));
        let other = dir.path().join("other");
        let write = || {
            fs::write(&graph, GRAPH).unwrap();
            fs::write(&weights, WEIGHTS).unwrap();
            fs::write(&other, WEIGHTS).unwrap();
            let model = ModelSource::resolve(&graph).unwrap().identify().unwrap();
            model.check().unwrap();
            model
        };
        let changed = |model: &Identified, file: &Path| {
            let error = model.check().unwrap_err();
            assert_eq!(error, Error::ModelChanged { path: file.to_path_buf() });
            assert_eq!(error.exit_code(), 1);
        };
        let model = write();
        fs::rename(&other, &weights).unwrap();
        changed(&model, &weights);
        let model = write();
        fs::write(&weights, [WEIGHTS, b"longer"].concat()).unwrap();
        changed(&model, &weights);
        let model = write();
        fs::remove_file(&weights).unwrap();
        changed(&model, &weights);
        let model = write();
        // Another time, all else the same.
        let file = fs::File::options().write(true).open(&graph).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        changed(&model, &graph);
    }

    #[test]
    fn what_cannot_be_identified_is_refused() {
        let in_memory = ModelSource::from_bytes("m", GRAPH.into());
        assert!(matches!(in_memory.identify(), Err(Error::Outside { .. })), "there is no folder to look in");
        let none = ModelSource::from_bytes("m", b"no graph"[..].into());
        assert!(matches!(none.identify(), Err(Error::BadGraph { .. })));
        let plain: &[u8] = include_bytes!("../../../fixtures/graphs/plain.onnx");
        let mut with = ModelSource::from_bytes("m", plain.into());
        with.scheduler = Some(Text { path: "s.json".into(), text: "{}".into() });
        let list = format!("{}  graph\n{}  scheduler\n", digest(plain), digest(b"{}"));
        assert_eq!(hash(&with), digest(list.as_bytes()));
    }
}
