//! `--film`: x_t and x̂₀ of the first few samples along the way, as a GIF or as one wide PNG.

use std::io::BufWriter;
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

use super::Draft;
use super::font::Canvas;
use super::pixels::{byte, color, write_png};
use crate::cli::failure::{Failure, Outcome};
use crate::plan::Plan;

const GAP: usize = 2;
const GROUND: u8 = 40;
/// Samples shown at most.
const SHOWN: usize = 8;
/// Frames of a GIF at most, and columns of a PNG.
const FRAMES: usize = 60;
const COLUMNS: usize = 12;
const FRAME_MS: u32 = 60;
const LAST_FRAME_MS: u32 = 2000;

/// Collects frames while the first batch runs.
#[derive(Debug)]
pub struct Film {
    draft: Draft,
    gif: bool,
    shape: [usize; 3],
    shown: usize,
    /// The steps that are kept, and what turns the state after each into x_t: a plan may keep it in other units.
    moments: Vec<(usize, f32)>,
    /// x_t then x̂₀ of every shown sample, for each moment.
    frames: Vec<Vec<Vec<u8>>>,
}

impl Film {
    /// Refuses a place where no film can be written.
    ///
    /// # Errors
    /// Exit 2 for an extension other than `.gif` and `.png`; exit 1 if no file can be written there.
    pub fn check(path: &Path) -> Outcome {
        is_gif(path)?;
        Draft::new(path).map(drop)
    }

    /// Starts the film of a plan that makes `count` samples; it shows those of the first batch.
    ///
    /// # Errors
    /// Exit 2 for an extension other than `.gif` and `.png`; exit 1 if the file cannot be written there.
    pub fn open(path: &Path, shape: [usize; 3], count: usize, plan: &Plan) -> Outcome<Self> {
        let steps = plan.steps().len();
        let gif = is_gif(path)?;
        color(shape[0])?;
        let wanted = if gif { FRAMES } else { COLUMNS }.min(steps);
        let scale_after = |step: usize| plan.steps().get(step + 1).map_or(1.0, |next| next.input_scale as f32);
        let kept = (1..=wanted).map(|k| (k * steps).div_ceil(wanted) - 1);
        let moments = kept.map(|step| (step, scale_after(step))).collect();
        Ok(Self { draft: Draft::new(path)?, gif, shape, shown: count.min(SHOWN), moments, frames: Vec::new() })
    }

    /// Looks at a step: x' and x̂₀ of the whole batch, NCHW.
    pub fn see(&mut self, step: usize, x: &[f32], x0: &[f32]) {
        let Some(&(_, scale)) = self.moments.get(self.frames.len()).filter(|(kept, _)| *kept == step) else { return };
        let [channels, height, width] = self.shape;
        let each = channels * height * width;
        self.shown = self.shown.min(x.len() / each);
        let tile = |values: &[f32], scale: f32| -> Vec<u8> {
            (0..each).map(|i| byte(scale * values[i % channels * height * width + i / channels])).collect()
        };
        let tiles = |values: &[f32], scale| -> Vec<_> {
            values.chunks(each).take(self.shown).map(|values| tile(values, scale)).collect()
        };
        let mut frame = tiles(x, scale);
        frame.extend(tiles(x0, 1.0));
        self.frames.push(frame);
    }

    /// Writes the film.
    ///
    /// # Errors
    /// Exit 1 if it cannot be written.
    pub fn finish(mut self) -> Outcome {
        let written = if self.gif { self.write_gif() } else { self.write_strip() };
        written.map_err(|error| self.draft.failed(&error))?;
        self.draft.keep()
    }

    fn scale(&self) -> usize {
        (56 / self.shape[1].max(self.shape[2]).max(1)).max(1)
    }

    /// Samples across, x_t above x̂₀.
    fn picture(&self, frame: &[Vec<u8>]) -> Canvas {
        let [channels, height, width] = self.shape;
        let scale = self.scale();
        let (right, down) = (width * scale + GAP, height * scale + GAP);
        let mut canvas = Canvas::new(GAP + self.shown * right, GAP + 2 * down, channels, GROUND);
        for (k, tile) in frame.iter().enumerate() {
            let (x, y) = (GAP + k % self.shown * right, GAP + k / self.shown * down);
            canvas.place(tile, [height, width], x, y, scale);
        }
        canvas
    }

    fn write_gif(&mut self) -> std::io::Result<()> {
        let pictures: Vec<Canvas> = self.frames.iter().map(|frame| self.picture(frame)).collect();
        let mut encoder = GifEncoder::new_with_speed(BufWriter::new(self.draft.file()), 10);
        encoder.set_repeat(Repeat::Infinite).map_err(std::io::Error::other)?;
        for (k, picture) in pictures.iter().enumerate() {
            let rgba = picture.bytes.chunks(picture.channels).flat_map(|pixel| match *pixel {
                [red, green, blue] => [red, green, blue, 255],
                _ => [pixel[0], pixel[0], pixel[0], 255],
            });
            let image = RgbaImage::from_raw(picture.width as u32, picture.height as u32, rgba.collect())
                .ok_or_else(|| std::io::Error::other("a frame of the wrong size"))?;
            let pause = if k + 1 == pictures.len() { LAST_FRAME_MS } else { FRAME_MS };
            let frame = Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(pause, 1));
            encoder.encode_frame(frame).map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    /// Time across; two rows a sample, x_t above x̂₀.
    fn write_strip(&mut self) -> std::io::Result<()> {
        let [channels, height, width] = self.shape;
        let scale = self.scale();
        let (right, down) = (width * scale + GAP, height * scale + GAP);
        let size = [GAP + self.frames.len() * right, GAP + 2 * self.shown * down];
        let mut canvas = Canvas::new(size[0], size[1], channels, GROUND);
        for (column, frame) in self.frames.iter().enumerate() {
            for (k, tile) in frame.iter().enumerate() {
                let row = 2 * (k % self.shown) + k / self.shown;
                canvas.place(tile, [height, width], GAP + column * right, GAP + row * down, scale);
            }
        }
        let color = if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb };
        write_png(self.draft.file(), size, color, &[], &canvas.bytes).map_err(Into::into)
    }
}

fn is_gif(path: &Path) -> Outcome<bool> {
    match path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("gif") => Ok(true),
        Some("png") => Ok(false),
        _ => Err(Failure::usage(format!("--film {}: a film is a .gif or a .png", path.display()))),
    }
}
