//! How a run of `alphabar sample` is carried out, and who looks on: the bar and the film.

use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

use super::failure::Outcome;
use super::output::Film;
use super::progress::Voice;
use crate::onnx::{Observer, StepLoop, StepView};

/// Samples in one run of the network; `None` chooses.
#[derive(Clone, Copy, Debug)]
pub struct BatchSize(pub Option<usize>);

/// Reads `--batch`.
///
/// # Errors
/// What was expected.
pub fn parse_batch(text: &str) -> Result<BatchSize, String> {
    match (text, text.parse()) {
        ("auto", _) => Ok(BatchSize(None)),
        (_, Ok(batch)) if batch > 0 => Ok(BatchSize(Some(batch))),
        _ => Err("expected auto or a whole number of at least 1".to_owned()),
    }
}

/// `--loop`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Place {
    /// Between two runs of the network.
    Host,
    /// Within the network's graph.
    Resident,
}

impl From<Place> for StepLoop {
    fn from(place: Place) -> Self {
        match place {
            Place::Host => Self::Host,
            Place::Resident => Self::Resident,
        }
    }
}

/// The bar and the film, while the samplers run.
pub struct Stage {
    bar: ProgressBar,
    /// Evaluations for one sample and step.
    each: usize,
    film: Option<Mutex<Film>>,
    voice: Voice,
}

impl Stage {
    /// With a film, if one is wanted.
    pub fn new(bar: ProgressBar, each: usize, film: Option<Film>, voice: Voice) -> Self {
        Self { bar, each, film: film.map(Mutex::new), voice }
    }

    /// Takes the bar away and writes the film.
    ///
    /// # Errors
    /// Exit 1 if it cannot be written.
    pub fn finish(self) -> Outcome {
        self.bar.finish_and_clear();
        let film = self.film.map(|film| film.into_inner().unwrap_or_else(PoisonError::into_inner));
        film.map_or(Ok(()), Film::finish)
    }
}

impl Observer for Stage {
    fn note(&self, note: &str) {
        self.voice.say(note);
    }

    fn wants(&self, first: usize) -> bool {
        first == 0 && self.film.is_some()
    }

    fn see(&self, view: StepView<'_>) {
        if let Some(film) = &self.film {
            film.lock().unwrap_or_else(PoisonError::into_inner).see(view.step, view.x, view.x0);
        }
    }

    fn step(&self, rows: usize) {
        self.bar.inc((rows * self.each) as u64);
    }
}
