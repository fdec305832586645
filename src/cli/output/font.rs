//! Words on pictures, in an 8×8 bitmap font.

use font8x8::legacy::BASIC_LEGACY;

/// Width and height of a character.
pub const CELL: usize = 8;

/// Draws a line of text with its top left corner at (x, y), cut off at the right edge.
pub fn draw(canvas: &mut Canvas, text: &str, x: usize, y: usize, scale: usize) {
    for (k, letter) in text.chars().enumerate() {
        let rows = BASIC_LEGACY.get(letter as usize).or_else(|| BASIC_LEGACY.get('?' as usize));
        for (dy, bits) in rows.into_iter().flatten().enumerate() {
            for dx in (0..CELL).filter(|dx| bits >> dx & 1 == 1) {
                canvas.fill(x + (k * CELL + dx) * scale, y + dy * scale, scale, INK);
            }
        }
    }
}

const INK: u8 = 255;

/// A picture under construction.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Bytes a pixel.
    pub channels: usize,
    /// Rows of pixels.
    pub bytes: Vec<u8>,
}

impl Canvas {
    /// One colour all over.
    pub fn new(width: usize, height: usize, channels: usize, level: u8) -> Self {
        Self { width, height, channels, bytes: vec![level; width * height * channels] }
    }

    /// Paints a square; what is outside is left out.
    pub fn fill(&mut self, x: usize, y: usize, side: usize, level: u8) {
        for row in y..(y + side).min(self.height) {
            let (from, to) = (x.min(self.width), (x + side).min(self.width));
            let start = (row * self.width + from) * self.channels;
            self.bytes[start..start + (to - from) * self.channels].fill(level);
        }
    }

    /// Places a tile of `height` × `width` pixels, each enlarged `scale` times.
    pub fn place(&mut self, tile: &[u8], [height, width]: [usize; 2], x: usize, y: usize, scale: usize) {
        let channels = self.channels;
        for row in 0..height * scale {
            for column in 0..width * scale {
                let from = ((row / scale) * width + column / scale) * channels;
                let to = ((y + row) * self.width + x + column) * channels;
                self.bytes[to..to + channels].copy_from_slice(&tile[from..from + channels]);
            }
        }
    }
}
