//! A grid of samples to look at, one column or block of columns for each label.

use std::path::Path;

use ndarray::{ArrayView4, Axis};

use super::font::{CELL, Canvas, draw};
use super::pixels::{color, interleaved, write_png};
use super::{Draft, Samples, Sink};
use crate::cli::failure::{Failure, Outcome};

const GAP: usize = 2;
const GROUND: u8 = 40;
/// Tiles are enlarged by a whole number until they are about this high.
const COMFORTABLE: usize = 56;
/// Largest picture, in pixels.
const MAX_PIXELS: usize = 1 << 28;

/// Collects bytes and draws them at the end.
#[derive(Debug)]
pub struct Grid {
    draft: Draft,
    samples: Samples,
    layout: Layout,
    bytes: Vec<u8>,
}

impl Grid {
    /// Starts the picture.
    ///
    /// # Errors
    /// Exit 1 if samples are not pictures, or too many for one.
    pub fn open(path: &Path, samples: &Samples) -> Outcome<Self> {
        color(samples.shape[0])?;
        let layout = Layout::new(samples);
        if layout.pixels() > MAX_PIXELS {
            let count = samples.count;
            return Err(Failure::input(format!(
                "a grid of {count} samples would have {} million pixels; write a folder, .npy or .npz instead",
                layout.pixels() / 1_000_000
            )));
        }
        let bytes = Vec::with_capacity(samples.count * samples.each());
        Ok(Self { draft: Draft::new(path)?, samples: samples.clone(), layout, bytes })
    }
}

impl Sink for Grid {
    fn take(&mut self, batch: ArrayView4<'_, f32>) -> Outcome {
        self.bytes.extend(batch.axis_iter(Axis(0)).flat_map(interleaved));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Outcome {
        let Self { mut draft, samples, layout, bytes } = *self;
        let canvas = layout.draw(&samples, &bytes);
        let size = [canvas.width, canvas.height];
        write_png(draft.file(), size, color(samples.shape[0])?, &[], &canvas.bytes)
            .map_err(|error| draft.failed(&error.into()))?;
        draft.keep()
    }
}

/// Where every tile goes.
#[derive(Debug)]
struct Layout {
    /// The label of each block, and the samples in it.
    blocks: Vec<(Option<i64>, Vec<usize>)>,
    /// Tiles across each block.
    across: usize,
    /// Tiles down.
    down: usize,
    tile: [usize; 2],
    scale: usize,
    header: usize,
}

impl Layout {
    fn new(samples: &Samples) -> Self {
        let mut blocks: Vec<(Option<i64>, Vec<usize>)> = Vec::new();
        for k in 0..samples.count {
            let label = samples.labels.as_ref().map(|labels| labels[k]);
            match blocks.iter_mut().find(|(known, _)| *known == label) {
                Some((_, members)) => members.push(k),
                None => blocks.push((label, vec![k])),
            }
        }
        blocks.sort_by_key(|(label, _)| *label);
        let largest = blocks.iter().map(|(_, members)| members.len()).max().unwrap_or(1);
        let across = ((largest as f64 / blocks.len() as f64).sqrt().ceil() as usize).max(1);
        let [_, height, width] = samples.shape;
        let scale = (COMFORTABLE / height.max(width).max(1)).max(1);
        let header = if samples.labels.is_some() { CELL * text_scale(scale) + 2 * GAP } else { 0 };
        Self { down: largest.div_ceil(across), blocks, across, tile: [height, width], scale, header }
    }

    fn cell(&self) -> [usize; 2] {
        self.tile.map(|side| side * self.scale + GAP)
    }

    fn width(&self) -> usize {
        let between = GAP * self.blocks.len().saturating_sub(1);
        GAP + self.blocks.len() * self.across * self.cell()[1] + if self.across > 1 { between } else { 0 }
    }

    fn height(&self) -> usize {
        self.header + GAP + self.down * self.cell()[0]
    }

    fn pixels(&self) -> usize {
        self.width().saturating_mul(self.height())
    }

    fn draw(&self, samples: &Samples, bytes: &[u8]) -> Canvas {
        let mut canvas = Canvas::new(self.width(), self.height(), samples.shape[0], GROUND);
        let [cell_height, cell_width] = self.cell();
        let block_width = self.across * cell_width;
        let extra = if self.across > 1 { GAP } else { 0 };
        for (b, (label, members)) in self.blocks.iter().enumerate() {
            let left = GAP + b * (block_width + extra);
            if let Some(label) = label {
                let size = text_scale(self.scale);
                let room = block_width / (CELL * size);
                let text: String = class_name(samples, *label).chars().take(room.max(1)).collect();
                let inset = (block_width - GAP).saturating_sub(text.chars().count() * CELL * size) / 2;
                draw(&mut canvas, &text, left + inset, GAP, size);
            }
            for (place, &k) in members.iter().enumerate() {
                let (row, column) = (place / self.across, place % self.across);
                let tile = &bytes[k * samples.each()..(k + 1) * samples.each()];
                let (x, y) = (left + column * cell_width, self.header + GAP + row * cell_height);
                canvas.place(tile, self.tile, x, y, self.scale);
            }
        }
        canvas
    }
}

const fn text_scale(scale: usize) -> usize {
    if scale > 1 { 2 } else { 1 }
}

fn class_name(samples: &Samples, label: i64) -> String {
    let name = usize::try_from(label).ok().and_then(|label| samples.class_names.get(label));
    name.cloned().unwrap_or_else(|| label.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Layout, Samples};

    fn samples(count: usize, labels: Option<Vec<i64>>) -> Samples {
        Samples { count, shape: [1, 28, 28], labels, class_names: Vec::new() }
    }

    #[test]
    fn every_label_has_a_column_of_its_own() {
        let layout = Layout::new(&samples(64, Some((0..64).map(|k| k % 10).collect())));
        assert_eq!((layout.blocks.len(), layout.across, layout.down), (10, 1, 7));
        assert_eq!(layout.blocks[3], (Some(3), vec![3, 13, 23, 33, 43, 53, 63]));
    }

    #[test]
    fn without_labels_the_grid_is_square() {
        let layout = Layout::new(&samples(16, None));
        assert_eq!((layout.blocks.len(), layout.across, layout.down), (1, 4, 4));
    }
}
