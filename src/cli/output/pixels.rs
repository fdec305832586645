//! From the model's range to bytes, and from bytes to PNG.

use std::io::Write;

use ndarray::ArrayView3;

use crate::cli::failure::{Failure, Outcome};

/// `round(255·clamp((x + 1)/2, 0, 1))`, half to even; NaN is 0.
pub fn byte(x: f32) -> u8 {
    let level = (f64::from(x) + 1.0) / 2.0;
    (255.0 * level.clamp(0.0, 1.0)).round_ties_even() as u8
}

/// One sample as bytes, channels last.
pub fn interleaved(sample: ArrayView3<'_, f32>) -> impl Iterator<Item = u8> + '_ {
    let (channels, height, width) = sample.dim();
    (0..height * width * channels).map(move |i| {
        let (pixel, channel) = (i / channels, i % channels);
        byte(sample[[channel, pixel / width, pixel % width]])
    })
}

/// PNG's name for a number of channels.
///
/// # Errors
/// Exit 1 unless there are 1 or 3.
pub fn color(channels: usize) -> Outcome<png::ColorType> {
    match channels {
        1 => Ok(png::ColorType::Grayscale),
        3 => Ok(png::ColorType::Rgb),
        _ => Err(Failure::input(format!(
            "samples have {channels} channels, and a picture has 1 or 3; write --out samples.npy or .npz instead"
        ))),
    }
}

/// Writes one picture with text chunks.
pub fn write_png(
    to: impl Write,
    [width, height]: [usize; 2],
    color: png::ColorType,
    texts: &[(&str, &str)],
    bytes: &[u8],
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(to, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    for (key, text) in texts {
        encoder.add_text_chunk((*key).into(), (*text).into())?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::byte;

    #[test]
    fn the_range_of_the_model_becomes_bytes() {
        let cases = [(-2.0, 0), (-1.0, 0), (0.0, 128), (1.0, 255), (7.0, 255), (f32::NAN, 0), (-0.5, 64)];
        for (x, want) in cases {
            assert_eq!(byte(x), want, "{x}");
        }
    }
}
