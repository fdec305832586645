//! A folder of PNGs, one a seed, that an interrupted run can take up again.
//!
//! Every picture carries what it is in a text chunk: its seed, its label and a stamp, the hash of everything else that
//! determines it (model, plan, guidance, noise and inputs that were given).

use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

use ndarray::{ArrayView4, Axis};
use serde::{Deserialize, Serialize};

use super::pixels::{color, interleaved, write_png};
use super::{Draft, Sink, folder_of};
use crate::cli::failure::{Failure, Outcome};

const KEY: &str = "alphabar";

/// What one picture says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    seed: u64,
    label: Option<i64>,
    origin: String,
}

/// The folder, and the samples that it still lacks.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    shape: [usize; 3],
    origin: String,
    /// Seed and label of the samples to come, in order.
    missing: Vec<(u64, Option<i64>)>,
    taken: usize,
    /// True if the folder was made by this run.
    made: bool,
}

/// A folder that was made for nothing goes again.
impl Drop for Folder {
    fn drop(&mut self) {
        if self.made {
            // Fails, as it should, if there is anything in it.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// What lies under the name of a sample.
enum Found {
    Nothing,
    Same,
    Other,
    Foreign,
}

impl Folder {
    /// Looks at what is there. Gives the positions of the missing samples and how many pictures will be replaced
    /// because they are of another model, plan or label.
    ///
    /// # Errors
    /// Exit 1 if the folder cannot be written to, holds files that are not alphabar's under the names needed, or
    /// samples are not pictures.
    pub fn open(
        path: &Path,
        shape: [usize; 3],
        origin: String,
        samples: impl Iterator<Item = (u64, Option<i64>)>,
    ) -> Outcome<(Self, Vec<usize>, usize)> {
        color(shape[0])?;
        check_folder(path)?;
        let made = !path.exists();
        if made {
            fs::create_dir(path).map_err(|error| Failure::io("make the folder", path, &error))?;
        }
        let mut folder = Self { path: path.to_path_buf(), shape, origin, missing: Vec::new(), taken: 0, made };
        // A draft that is dropped shows that files can be made here.
        drop(Draft::new(&path.join("alphabar.json"))?);
        let (mut positions, mut replaced) = (Vec::new(), 0);
        for (position, (seed, label)) in samples.enumerate() {
            let file = file_name(path, seed);
            match found(&file, &Stamp { seed, label, origin: folder.origin.clone() }) {
                Found::Same => continue,
                Found::Nothing => {}
                Found::Other => replaced += 1,
                Found::Foreign => {
                    return Err(Failure::input(format!(
                        "{} exists and was not written by alphabar; move it or choose another folder",
                        file.display()
                    )));
                }
            }
            folder.missing.push((seed, label));
            positions.push(position);
        }
        Ok((folder, positions, replaced))
    }
}

impl Sink for Folder {
    fn take(&mut self, batch: ArrayView4<'_, f32>) -> Outcome {
        let [channels, height, width] = self.shape;
        let color = color(channels)?;
        for sample in batch.axis_iter(Axis(0)) {
            let (seed, label) = self.missing[self.taken];
            let stamp = Stamp { seed, label, origin: self.origin.clone() };
            let text = serde_json::to_string(&stamp).map_err(Failure::input)?;
            let bytes: Vec<u8> = interleaved(sample).collect();
            let mut draft = Draft::new(&file_name(&self.path, seed))?;
            let mut file = Vec::new();
            write_png(&mut file, [width, height], color, &[(KEY, &text)], &bytes)
                .map_err(std::io::Error::from)
                .and_then(|()| draft.file().write_all(&file))
                .map_err(|error| draft.failed(&error))?;
            draft.keep()?;
            self.taken += 1;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Outcome {
        Ok(())
    }
}

/// Refuses what cannot become a folder of samples, without making anything.
///
/// # Errors
/// Exit 1 if there is a file of that name, or no folder to make it in.
pub fn check_folder(path: &Path) -> Outcome {
    if path.exists() && !path.is_dir() {
        return Err(Failure::input(format!("{} is a file; --out without extension is a folder", path.display())));
    }
    let parent = folder_of(path);
    if !path.exists() && !parent.is_dir() {
        let place = parent.display();
        return Err(Failure::input(format!(
            "cannot make {}: {place} does not exist; create it first",
            path.display()
        )));
    }
    Ok(())
}

fn file_name(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("{seed:06}.png"))
}

fn found(path: &Path, wanted: &Stamp) -> Found {
    let Ok(file) = File::open(path) else { return Found::Nothing };
    let Ok(reader) = png::Decoder::new(BufReader::new(file)).read_info() else { return Found::Foreign };
    let texts = &reader.info().uncompressed_latin1_text;
    let text = texts.iter().find(|text| text.keyword == KEY);
    match text.and_then(|text| serde_json::from_str::<Stamp>(&text.text).ok()) {
        None => Found::Foreign,
        Some(stamp) if stamp == *wanted => Found::Same,
        Some(_) => Found::Other,
    }
}
