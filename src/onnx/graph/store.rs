//! Reading and writing: bytes, files, and weights that lie in files beside the graph.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use prost::Message as _;

use super::error::{Error, Result};
use super::outside::{Home, Outside};
use super::proto::{EXTERNAL, Entry, LARGEST_MESSAGE, Model, Tensor, Unreadable};
use super::source::{ModelSource, Weights};
use crate::onnx::error as onnx;

/// Weights of fewer bytes stay in the graph when others go beside it.
const SMALL: usize = 1024;

/// A model from its bytes.
///
/// # Errors
/// [`Error::NotOnnx`]; [`Error::Unknown`] if encoding again would lose something.
pub fn decode(name: &str, bytes: &[u8]) -> Result<Model> {
    Model::from_bytes(bytes).map_err(|error| match error {
        Unreadable::NotOnnx(reason) => Error::NotOnnx { model: name.to_owned(), reason },
        Unreadable::Unknown { message, field } => Error::Unknown { model: name.to_owned(), message, field },
    })
}

/// A model as bytes.
#[must_use]
pub fn encode(model: &Model) -> Vec<u8> {
    model.to_bytes()
}

/// A model with its weights, those beside the graph too; graphs within it, sparse weights and functions, none of which is
/// converted, keep theirs where they are.
///
/// # Errors
/// [`Error::File`], [`Error::NotOnnx`], [`Error::Unknown`]; [`Error::Runtime`] for weights beside the graph.
pub fn read(source: &ModelSource) -> Result<Model> {
    match &source.weights {
        Weights::Embedded(bytes) => decode(&source.name, bytes),
        Weights::Bytes(bytes) => decode(&source.name, bytes),
        Weights::File(path) => {
            let bytes = fs::read(path).map_err(|error| failed("read", path, error))?;
            let mut model = decode(&source.name, &bytes)?;
            let home = Home::of(path)?;
            let graph = model.graph.get_or_insert_default();
            let constants = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
            let constants = constants.flat_map(|attribute| attribute.t.iter_mut().chain(&mut attribute.tensors));
            for tensor in graph.initializer.iter_mut().chain(constants) {
                fetch(tensor, &home)?;
            }
            Ok(model)
        }
    }
}

fn failed(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { action, path: path.to_path_buf(), source }
}

/// Brings a weight that lies beside the graph into it.
fn fetch(tensor: &mut Tensor, home: &Home) -> Result<()> {
    let Some(weight) = Outside::of(tensor)? else { return Ok(()) };
    let (path, metadata) = home.find(&weight)?;
    let length = weight.length.unwrap_or_else(|| metadata.len().saturating_sub(weight.offset));
    let mut file = fs::File::open(&path).map_err(|error| failed("read", &path, error))?;
    file.seek(SeekFrom::Start(weight.offset)).map_err(|error| failed("read", &path, error))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|error| failed("read", &path, error))?;
    if bytes.len() as u64 != length {
        return Err(onnx::Error::ModelChanged { path }.into());
    }
    tensor.raw_data = Some(bytes.into());
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}

/// Writes a model into a file that must not exist; weights go beside it where one file cannot hold them.
///
/// # Errors
/// [`Error::File`].
pub fn write(mut model: Model, path: &Path) -> Result<()> {
    write_within(&mut model, path, LARGEST_MESSAGE)
}

fn write_within(model: &mut Model, path: &Path, limit: usize) -> Result<()> {
    let create = |path: &Path| fs::File::create_new(path).map_err(|error| failed("write", path, error));
    if model.encoded_len() > limit {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = format!("{name}_data");
        let beside = path.with_file_name(&name);
        let mut file = std::io::BufWriter::new(create(&beside)?);
        let mut offset = 0;
        for tensor in &mut model.graph.get_or_insert_default().initializer {
            let Some(bytes) = tensor.raw_data.take_if(|bytes| bytes.len() >= SMALL) else { continue };
            file.write_all(&bytes).map_err(|error| failed("write", &beside, error))?;
            let entries =
                [("location", name.clone()), ("offset", offset.to_string()), ("length", bytes.len().to_string())];
            let entry = |(key, value): (&str, String)| Entry { key: Some(key.to_owned()), value: Some(value) };
            tensor.external_data = entries.map(entry).into();
            tensor.data_location = Some(EXTERNAL);
            offset += bytes.len();
        }
        file.flush().map_err(|error| failed("write", &beside, error))?;
    }
    create(path)?.write_all(&encode(model)).map_err(|error| failed("write", path, error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const FIXTURE: &[u8] = include_bytes!("../../../fixtures/mnist-unet/unet/model.onnx");

    #[test]
    fn reading_and_writing_keeps_every_byte() {
        assert_eq!(encode(&decode("fixture", FIXTURE).unwrap()), FIXTURE);
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert!(matches!(decode("m", b"no"), Err(Error::NotOnnx { .. })));
        assert!(matches!(decode("m", b""), Err(Error::NotOnnx { .. })));
        // A field of the number 60, which no version of ONNX has.
        let unknown = [FIXTURE, &[0xe0, 0x03, 0x01]].concat();
        assert!(matches!(decode("m", &unknown), Err(Error::Unknown { message: "ModelProto", field: 60, .. })));
    }

    #[test]
    fn weights_that_do_not_fit_go_beside_the_graph_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.onnx");
        let whole = decode("fixture", FIXTURE).unwrap();
        write_within(&mut whole.clone(), &path, 1 << 20).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 100_000);
        let source = ModelSource::resolve(&path).unwrap();
        assert_eq!(read(&source).unwrap(), whole);
        assert!(matches!(write(whole, &path), Err(Error::File { .. })), "nothing is overwritten");

        let beside = dir.path().join("model.onnx_data");
        fs::write(&beside, b"short").unwrap();
        assert!(matches!(read(&source), Err(Error::Runtime(onnx::Error::WeightsShort { size: 5, .. }))));
        fs::remove_file(&beside).unwrap();
        assert!(matches!(read(&source), Err(Error::Runtime(onnx::Error::WeightsMissing { .. }))));
    }

    #[test]
    fn weights_are_not_fetched_from_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let graph = dir.path().join("model.onnx");
        fs::write(&graph, FIXTURE).unwrap();
        let home = Home::of(&graph).unwrap();
        for file in ["../secret", "/etc/passwd", "a/../../b"] {
            let entry = Entry { key: Some("location".into()), value: Some(file.into()) };
            let mut tensor =
                Tensor { external_data: vec![entry], data_location: Some(EXTERNAL), ..Tensor::default() };
            let error = fetch(&mut tensor, &home).unwrap_err();
            assert!(matches!(error, Error::Runtime(onnx::Error::Outside { .. })), "{file}");
        }
    }
}
