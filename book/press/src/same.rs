//! Whether generated text is current: equal but for the last digits of numbers and one grey level of a picture.
//!
//! Elementary functions and matrix products may differ in the last place between machines, so generated text is not
//! compared byte by byte. Numbers agree within 10⁻³ of their size or within a twentieth of a pixel's unit in a
//! figure; the number after a `≈` is an error's share, which is itself made of roundings, and agrees within a
//! factor of ten.

use base64::Engine as _;

/// Relative difference allowed between numbers.
const RELATIVE: f64 = 1e-3;
/// Grey levels allowed between pixels.
const LEVELS: u8 = 8;
/// What precedes a picture's data.
const PICTURE: &str = "data:image/png;base64,";

/// `Ok` if both texts say the same, otherwise the first difference.
pub fn same(old: &str, new: &str) -> Result<(), String> {
    let (mut left, mut right) = (old.lines(), new.lines());
    for number in 1.. {
        match (left.next(), right.next()) {
            (None, None) => return Ok(()),
            (a, b) => {
                let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
                if !same_line(a, b) {
                    let short = |line: &str| line.chars().take(160).collect::<String>();
                    return Err(format!("line {number} is\n  {}\nand should be\n  {}", short(a), short(b)));
                }
            }
        }
    }
    unreachable!("the loop above has no end but its returns")
}

fn same_line(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if a.is_empty() != b.is_empty() {
        return false;
    }
    let (a, b) = (tokens(a), tokens(b));
    let mut before = "";
    a.len() == b.len()
        && a.iter().zip(&b).all(|(x, y)| {
            let share = before.trim_end().ends_with('≈');
            before = x;
            x == y || same_number(x, y, share) || same_picture(x, y)
        })
}

fn same_number(a: &str, b: &str, share: bool) -> bool {
    let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) else { return false };
    if share {
        return a.max(b) <= 10.0 * a.min(b);
    }
    (a - b).abs() <= RELATIVE * a.abs().max(b.abs()) || (a - b).abs() < 0.05 && a.abs().max(b.abs()) > 5.0
}

fn same_picture(a: &str, b: &str) -> bool {
    let (Some(a), Some(b)) = (pixels(a), pixels(b)) else { return false };
    a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.abs_diff(*y) <= LEVELS)
}

fn pixels(text: &str) -> Option<Vec<u8>> {
    let data = base64::engine::general_purpose::STANDARD.decode(text.strip_prefix(PICTURE)?).ok()?;
    let mut reader = png::Decoder::new(std::io::Cursor::new(data)).read_info().ok()?;
    let mut pixels = vec![0; reader.output_buffer_size()?];
    let frame = reader.next_frame(&mut pixels).ok()?;
    pixels.truncate(frame.buffer_size());
    Some(pixels)
}

/// A line as numbers, pictures and what is between them.
fn tokens(line: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = if rest.starts_with(PICTURE) {
            rest.find('"').unwrap_or(rest.len())
        } else if rest.starts_with(|c: char| c.is_ascii_digit()) {
            number_end(rest)
        } else {
            let digit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            digit.min(rest.match_indices(PICTURE).map(|(k, _)| k).find(|&k| k > 0).unwrap_or(rest.len())).max(1)
        };
        let end = (end..=rest.len()).find(|&k| rest.is_char_boundary(k)).unwrap_or(rest.len());
        tokens.push(&rest[..end]);
        rest = &rest[end..];
    }
    tokens
}

/// Where the decimal number at the start of the text ends.
fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut k: usize| {
        while bytes.get(k).is_some_and(u8::is_ascii_digit) {
            k += 1;
        }
        k
    };
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn rounding_is_no_difference_and_everything_else_is() {
        assert!(same("x = 0.12345 at t = 7", "x = 0.12346 at t = 7").is_ok());
        assert!(same("share ≈ 0.31", "share ≈ 0.12").is_ok());
        assert!(same("share 0.31", "share 0.12").is_err());
        assert!(same("x = 0.12345", "x = 0.12445").is_err());
        assert!(same("S0.51 right", "S0.52 right").is_err());
        assert!(same("1 claim", "2 claims").is_err());
        assert!(same("1e-5", "1e-6").is_err());
        assert!(same("a\nb", "a").is_err());
        assert!(same("-0.5", "0.5").is_err());
    }
}
