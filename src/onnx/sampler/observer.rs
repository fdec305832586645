//! Who looks on while a job runs.

use crate::onnx::loops::StepView;

/// Who looks on while a job runs; called from the threads of the samplers.
pub trait Observer: Sync {
    /// Before the first step: what was chosen otherwise than usual, and why.
    fn note(&self, note: &str) {
        let _ = note;
    }

    /// Whether the states of the batch that begins with seed `first` are to be shown: a device fetches each for that.
    fn wants(&self, first: usize) -> bool {
        let _ = first;
        false
    }

    /// A state of a batch that was wanted.
    fn see(&self, view: StepView<'_>) {
        let _ = view;
    }

    /// A step of a batch of `rows` samples is done.
    fn step(&self, rows: usize) {
        let _ = rows;
    }
}

/// Nobody looks on.
impl Observer for () {}
