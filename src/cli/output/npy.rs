//! NumPy's files, written as the samples come so that memory does not grow with their number.

use std::io::{BufWriter, Write};
use std::path::Path;

use ndarray::{ArrayView4, Axis};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::pixels::interleaved;
use super::{Draft, Samples, Sink};
use crate::cli::failure::{Failure, Outcome};

/// The header of a version 1.0 `.npy` file in C order: 64-byte aligned, ended by a newline.
fn header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" };
    let mut dict =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
    let padding = 63 - (10 + dict.len()) % 64;
    dict.extend(std::iter::repeat_n(' ', padding));
    dict.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dict.len() as u16).to_le_bytes());
    bytes.extend(dict.bytes());
    bytes
}

/// `.npy`: f32 [count, C, H, W] in the model's range.
#[derive(Debug)]
pub struct Npy {
    draft: Draft,
    buffer: Vec<u8>,
}

impl Npy {
    /// Starts the file.
    ///
    /// # Errors
    /// Exit 1 if it cannot be written there.
    pub fn open(path: &Path, samples: &Samples) -> Outcome<Self> {
        let mut draft = Draft::new(path)?;
        let [channels, height, width] = samples.shape;
        let bytes = header("<f4", &[samples.count, channels, height, width]);
        draft.file().write_all(&bytes).map_err(|error| draft.failed(&error))?;
        Ok(Self { draft, buffer: Vec::new() })
    }
}

impl Sink for Npy {
    fn take(&mut self, batch: ArrayView4<'_, f32>) -> Outcome {
        self.buffer.clear();
        self.buffer.extend(batch.iter().flat_map(|x| x.to_le_bytes()));
        self.draft.file().write_all(&self.buffer).map_err(|error| self.draft.failed(&error))
    }

    fn finish(self: Box<Self>) -> Outcome {
        self.draft.keep()
    }
}

/// `.npz`: uint8 [count, H, W, C] as `arr_0` and int64 labels as `arr_1`, as evaluation suites read them.
pub struct Npz {
    draft: Draft,
    archive: ZipWriter<BufWriter<std::fs::File>>,
    labels: Option<Vec<i64>>,
    buffer: Vec<u8>,
}

impl Npz {
    /// Starts the archive.
    ///
    /// # Errors
    /// Exit 1 if it cannot be written there.
    pub fn open(path: &Path, samples: &Samples) -> Outcome<Self> {
        let mut draft = Draft::new(path)?;
        let file = draft.file().try_clone().map_err(|error| draft.failed(&error))?;
        let mut archive = ZipWriter::new(BufWriter::new(file));
        let [channels, height, width] = samples.shape;
        let bytes = header("|u1", &[samples.count, height, width, channels]);
        start(&mut archive, "arr_0.npy")
            .and_then(|()| archive.write_all(&bytes))
            .map_err(|error| draft.failed(&error))?;
        Ok(Self { draft, archive, labels: samples.labels.clone(), buffer: Vec::new() })
    }
}

impl Sink for Npz {
    fn take(&mut self, batch: ArrayView4<'_, f32>) -> Outcome {
        self.buffer.clear();
        self.buffer.extend(batch.axis_iter(Axis(0)).flat_map(interleaved));
        self.archive.write_all(&self.buffer).map_err(|error| self.draft.failed(&error))
    }

    fn finish(self: Box<Self>) -> Outcome {
        let Self { draft, mut archive, labels, .. } = *self;
        let written = labels.map_or(Ok(()), |labels| {
            start(&mut archive, "arr_1.npy")?;
            archive.write_all(&header("<i8", &[labels.len()]))?;
            labels.iter().try_for_each(|label| archive.write_all(&label.to_le_bytes()))
        });
        written
            .and_then(|()| archive.finish().map_err(Into::into))
            .and_then(|mut file| file.flush())
            .map_err(|error| draft.failed(&error))?;
        draft.keep()
    }
}

/// Begins one member, stored as it is: noise does not compress.
fn start<W: Write + std::io::Seek>(archive: &mut ZipWriter<W>, name: &str) -> std::io::Result<()> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
    archive.start_file(name, options).map_err(Into::into)
}

/// Reads numbers of any shape, as f32.
///
/// # Errors
/// Exit 1 if the file is not such an array.
pub fn read_f32(path: &Path) -> Outcome<ndarray::ArrayD<f32>> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::input(format!("cannot read {} as an array of numbers (.npy): {reason}", path.display()))
    };
    let found = crate::files::npy::read(path).map_err(|error| failed(&error.reason))?;
    let values = found.values.into_iter().map(|x| x as f32).collect();
    ndarray::ArrayD::from_shape_vec(found.shape, values).map_err(|error| failed(&error))
}
