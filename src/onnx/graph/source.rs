//! Where a model's parts are: a pipeline folder, an `.onnx` file, or bytes in the program.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::outside::{check_pointer, regular, unreadable};
use crate::onnx::error::{Error, Result};

/// The network's weights.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Weights {
    /// A file; weights stored outside it are found beside it.
    File(PathBuf),
    /// Bytes of the program itself.
    Embedded(&'static [u8]),
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
}

/// A text and where it came from, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file, or a name for it.
    pub path: PathBuf,
    /// Its content.
    pub text: String,
}

/// The entries of `unet/config.json` that say what a graph may leave open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnetConfig {
    /// Height and width.
    pub sample_size: Option<(usize, usize)>,
    /// Channels of the sample.
    pub in_channels: Option<usize>,
    /// Channels of the output.
    pub out_channels: Option<usize>,
    /// Rows of the class embedding.
    pub num_class_embeds: Option<usize>,
}

/// A `sample_size` as diffusers writes it.
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "expected a whole number or a list of two")]
enum SampleSize {
    Square(usize),
    HeightWidth(usize, usize),
}

impl UnetConfig {
    /// Reads the JSON text of a `config.json`; keys that are absent, null or unknown are left out.
    ///
    /// ```
    /// use alphabar::onnx::{Text, UnetConfig};
    ///
    /// let text = Text { path: "config.json".into(), text: r#"{"sample_size": 32, "in_channels": 3}"#.into() };
    /// let config = UnetConfig::parse(&text)?;
    /// assert_eq!((config.sample_size, config.in_channels), (Some((32, 32)), Some(3)));
    /// # Ok::<(), alphabar::onnx::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BadConfig`] if it is not a JSON object or an entry is not a number where one belongs.
    pub fn parse(text: &Text) -> Result<Self> {
        #[derive(serde::Deserialize)]
        #[serde(expecting = "expected a JSON object")]
        struct Keys {
            sample_size: Option<SampleSize>,
            in_channels: Option<usize>,
            out_channels: Option<usize>,
            num_class_embeds: Option<usize>,
        }
        let bad = |reason: String| Error::BadConfig { path: text.path.clone(), reason };
        let json: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&text.text).map_err(|e| bad(format!("it is not a JSON object: {e}")))?;
        let keys: Keys = serde_path_to_error::deserialize(serde_json::Value::Object(json))
            .map_err(|e| bad(format!("{}: {}", e.path(), e.inner())))?;
        Ok(Self {
            sample_size: keys.sample_size.map(|size| match size {
                SampleSize::Square(n) => (n, n),
                SampleSize::HeightWidth(height, width) => (height, width),
            }),
            in_channels: keys.in_channels,
            out_channels: keys.out_channels,
            num_class_embeds: keys.num_class_embeds,
        })
    }
}

/// A model's parts, found but not yet loaded.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelSource {
    /// What to call the model in messages.
    pub name: String,
    /// The graph.
    pub weights: Weights,
    /// The text of `scheduler_config.json`, if there is one.
    pub scheduler: Option<Text>,
    /// `unet/config.json`, if there is one.
    pub config: Option<UnetConfig>,
    /// Its text.
    pub config_text: Option<Text>,
    /// What was taken that the user did not name, in sentences.
    pub notes: Vec<String>,
}

/// Configuration files are small; a larger file is something else.
const LARGEST_CONFIG: u64 = 16 << 20;

impl ModelSource {
    /// Finds the parts of the model at a path: a pipeline folder or an `.onnx` file.
    ///
    /// # Errors
    /// [`Error::ModelMissing`], [`Error::NotAModel`], [`Error::Unreadable`] or [`Error::BadConfig`].
    pub fn resolve(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::ModelMissing { path: path.to_path_buf() },
            _ => unreadable(path, &e),
        })?;
        if metadata.is_dir() { Self::from_folder(path) } else { Self::from_file(path) }
    }

    /// A model in memory, without a scheduler.
    #[must_use]
    pub fn from_bytes(name: impl Into<String>, bytes: Arc<[u8]>) -> Self {
        let weights = Weights::Bytes(bytes);
        let name = name.into();
        Self { name, weights, scheduler: None, config: None, config_text: None, notes: Vec::new() }
    }

    /// The U-Net trained on MNIST that comes with the program.
    #[cfg(feature = "fixture")]
    #[must_use]
    pub fn fixture() -> Self {
        Self {
            name: "the built-in MNIST U-Net".to_owned(),
            weights: Weights::Embedded(include_bytes!("../../../fixtures/mnist-unet/unet/model.onnx")),
            scheduler: Some(Text {
                path: PathBuf::from("mnist-unet/scheduler/scheduler_config.json"),
                text: include_str!("../../../fixtures/mnist-unet/scheduler/scheduler_config.json").to_owned(),
            }),
            config: None,
            config_text: None,
            notes: Vec::new(),
        }
    }

    fn from_folder(folder: &Path) -> Result<Self> {
        let unet = folder.join("unet");
        let graph = find_graph(&unet)?.map_or_else(|| find_graph(folder), |g| Ok(Some(g)))?;
        let Some(graph) = graph else {
            let found = if folder.join("model_index.json").is_file() {
                "a pipeline folder without unet/model.onnx (export the network to ONNX first)"
            } else {
                "a folder without model_index.json and unet/model.onnx"
            };
            return Err(Error::NotAModel {
                path: folder.to_path_buf(),
                found: found.to_owned(),
                expected: "a pipeline folder with unet/model.onnx, or an .onnx file",
            });
        };
        let index = folder.join("model_index.json");
        if let Some(text) = read_text(&index)? {
            serde_json::from_str::<serde_json::Value>(&text.text)
                .map_err(|e| Error::BadConfig { path: index, reason: format!("it is not JSON: {e}") })?;
        }
        check_graph_file(&graph)?;
        let home = graph.parent().unwrap_or(folder);
        let config_text = read_text(&home.join("config.json"))?;
        let config = config_text.as_ref().map(UnetConfig::parse).transpose()?;
        let scheduler = match read_text(&folder.join("scheduler").join("scheduler_config.json"))? {
            Some(text) => Some(text),
            None => read_text(&folder.join("scheduler_config.json"))?,
        };
        let name = folder.display().to_string();
        Ok(Self { name, weights: Weights::File(graph), scheduler, config, config_text, notes: Vec::new() })
    }

    fn from_file(path: &Path) -> Result<Self> {
        check_graph_file(path)?;
        let home = path.parent().unwrap_or(Path::new(""));
        let mut notes = Vec::new();
        let mut beside = |candidates: &[PathBuf]| -> Result<Option<Text>> {
            for candidate in candidates {
                if let Some(text) = read_text(candidate)? {
                    notes.push(format!("{} is taken for this model's", candidate.display()));
                    return Ok(Some(text));
                }
            }
            Ok(None)
        };
        let mut schedulers = vec![home.join("scheduler_config.json")];
        let mut configs = Vec::new();
        if home.file_name().is_some_and(|n| n == "unet") {
            schedulers.push(home.with_file_name("scheduler").join("scheduler_config.json"));
            configs.push(home.join("config.json"));
        }
        let scheduler = beside(&schedulers)?;
        let config_text = beside(&configs)?;
        let config = config_text.as_ref().map(UnetConfig::parse).transpose()?;
        Ok(Self {
            name: path.display().to_string(),
            weights: Weights::File(path.to_path_buf()),
            scheduler,
            config,
            config_text,
            notes,
        })
    }
}

/// The graph in a folder: `model.onnx`, or the only `.onnx` file.
fn find_graph(folder: &Path) -> Result<Option<PathBuf>> {
    let usual = folder.join("model.onnx");
    if usual.is_file() {
        return Ok(Some(usual));
    }
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) && p.is_file())
        .collect();
    found.sort();
    if found.len() > 1 {
        let names: Vec<String> =
            found.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy().into_owned()).collect();
        return Err(Error::NotAModel {
            path: folder.to_path_buf(),
            found: format!("it holds several graphs ({})", names.join(", ")),
            expected: "one of them, named as the model",
        });
    }
    Ok(found.pop())
}

/// Says what a file is that is plainly not an ONNX graph; what remains is for the runtime to judge.
fn check_graph_file(path: &Path) -> Result<()> {
    use std::io::Read as _;
    let expected = "an ONNX graph (.onnx)";
    let not = |found: &str| Error::NotAModel { path: path.to_path_buf(), found: found.to_owned(), expected };
    regular(path)?;
    check_pointer(path)?;
    let mut head = Vec::new();
    fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut head)).map_err(|e| unreadable(path, &e))?;
    let text = std::str::from_utf8(&head).ok().map(str::trim_start);
    if head.is_empty() {
        Err(not("an empty file"))
    } else if text.is_some_and(|t| t.starts_with(['{', '<', '['])) {
        Err(not("a text file"))
    } else if head.starts_with(b"PK\x03\x04") {
        Err(not("a zip archive, such as a PyTorch checkpoint; export the network to ONNX first"))
    } else if head.len() > 9 && head[8] == b'{' && path.extension().is_some_and(|e| e == "safetensors") {
        Err(not("weights without a graph; export the network to ONNX first"))
    } else {
        Ok(())
    }
}

/// A text file, or `None` if it is not there.
fn read_text(path: &Path) -> Result<Option<Text>> {
    use std::io::Read as _;
    match fs::metadata(path) {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound || e.kind() == std::io::ErrorKind::NotADirectory => {
            return Ok(None);
        }
        Err(e) => return Err(unreadable(path, &e)),
    }
    regular(path)?;
    check_pointer(path)?;
    // Whatever the file's size is said to be.
    let mut bytes = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(LARGEST_CONFIG + 1).read_to_end(&mut bytes));
    read.map_err(|e| unreadable(path, &e))?;
    if bytes.len() as u64 > LARGEST_CONFIG {
        let reason = format!("it has more than {LARGEST_CONFIG} bytes, too many for a configuration");
        return Err(Error::BadConfig { path: path.to_path_buf(), reason });
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::BadConfig { path: path.to_path_buf(), reason: "it is not UTF-8 text".to_owned() })?;
    Ok(Some(Text { path: path.to_path_buf(), text }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<UnetConfig> {
        UnetConfig::parse(&Text { path: "config.json".into(), text: text.into() })
    }

    #[test]
    fn unet_config_is_read() {
        let c =
            parse(r#"{"sample_size": 32, "in_channels": 3, "num_class_embeds": null, "act_fn": "silu"}"#).unwrap();
        assert_eq!((c.sample_size, c.in_channels, c.num_class_embeds), (Some((32, 32)), Some(3), None));
        assert_eq!(parse(r#"{"sample_size": [8, 16]}"#).unwrap().sample_size, Some((8, 16)));
        let error = parse(r#"{"in_channels": "3"}"#).unwrap_err().to_string();
        assert!(error.contains("in_channels") && error.contains("expected usize"), "{error}");
        let error = parse(r#"{"sample_size": [1, 2, 3]}"#).unwrap_err().to_string();
        assert!(error.contains("sample_size: expected a whole number or a list of two"), "{error}");
        for bad in ["", "[]", r#"{"in_channels": "3"}"#, r#"{"sample_size": [1]}"#, r#"{"in_channels": -3}"#] {
            assert!(matches!(parse(bad), Err(Error::BadConfig { .. })), "{bad}");
        }
    }

    #[test]
    fn folders_and_files_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        assert!(matches!(ModelSource::resolve(&at("none")), Err(Error::ModelMissing { .. })));
        assert!(matches!(ModelSource::resolve(dir.path()), Err(Error::NotAModel { .. })));

        fs::create_dir_all(at("pipe/unet")).unwrap();
        fs::create_dir_all(at("pipe/scheduler")).unwrap();
        fs::write(at("pipe/model_index.json"), "{}").unwrap();
        fs::write(at("pipe/unet/config.json"), r#"{"sample_size": 4}"#).unwrap();
        fs::write(at("pipe/unet/net.onnx"), b"\x08\x08 not judged here").unwrap();
        fs::write(at("pipe/scheduler/scheduler_config.json"), "{ }").unwrap();
        for path in ["pipe", "pipe/unet/net.onnx"] {
            let m = ModelSource::resolve(&at(path)).unwrap();
            assert_eq!(m.scheduler.unwrap().text, "{ }", "{path}");
            assert_eq!(m.config.unwrap().sample_size, Some((4, 4)), "{path}");
            assert_eq!(m.notes.len(), if path == "pipe" { 0 } else { 2 });
        }
        fs::write(at("pipe/unet/other.onnx"), b"\x08\x08").unwrap();
        assert!(matches!(ModelSource::resolve(&at("pipe")), Err(Error::NotAModel { .. })));
        fs::write(at("pipe/unet/model.onnx"), b"\x08\x08").unwrap();
        assert!(ModelSource::resolve(&at("pipe")).is_ok());
        fs::write(at("pipe/model_index.json"), "{").unwrap();
        assert!(matches!(ModelSource::resolve(&at("pipe")), Err(Error::BadConfig { .. })));
    }

    #[test]
    fn pointers_and_pipes_are_named_wherever_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("unet")).unwrap();
        fs::create_dir_all(at("scheduler")).unwrap();
        let files =
            ["unet/model.onnx", "unet/config.json", "scheduler/scheduler_config.json", "model_index.json"].map(at);
        let write = |file: &PathBuf| {
            let content = if file.ends_with("model.onnx") { "\x08\x08" } else { "{}" };
            fs::write(file, content).unwrap();
        };
        files.iter().for_each(write);
        ModelSource::resolve(dir.path()).unwrap();
        for file in &files {
            fs::write(file, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").unwrap();
            let error = ModelSource::resolve(dir.path()).unwrap_err();
            assert_eq!(error, Error::LfsPointer { path: file.clone() });
            assert!(error.to_string().contains("git lfs pull") && error.exit_code() == 1, "{error}");
            write(file);
        }
        #[cfg(unix)]
        for file in &files {
            fs::remove_file(file).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(file).status().unwrap().success());
            let model = if file.ends_with("model.onnx") { file } else { dir.path() };
            let error = ModelSource::resolve(model).unwrap_err();
            assert!(matches!(&error, Error::NotRegular { path, .. } if path == file), "{error}");
            fs::remove_file(file).unwrap();
            write(file);
        }
    }

    #[test]
    fn files_that_are_no_graph_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.onnx");
        for (bytes, word) in [(&b""[..], "empty"), (b"<html>", "text"), (b"PK\x03\x04", "zip")] {
            fs::write(&path, bytes).unwrap();
            let error = ModelSource::resolve(&path).unwrap_err();
            assert!(matches!(&error, Error::NotAModel { found, .. } if found.contains(word)), "{error}");
            assert_eq!(error.exit_code(), 1);
        }
    }
}
