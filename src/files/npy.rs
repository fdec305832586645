//! Arrays as NumPy writes them: `.npy`, and `.npz`, a zip of them.
//!
//! The header is a Python dict of three known keys. It is read by a parser that knows nothing else, so that nothing nests,
//! and its shape is held against the file's length before memory is taken.
//! Format: NumPy Enhancement Proposal 1 and `numpy.lib.format`, versions 1.0, 2.0 and 3.0.

use std::fmt;
use std::io::{self, Read, Seek};
use std::path::Path;

use zip::ZipArchive;

use super::{Unreadable, open};
use crate::diagnose::Precision;

/// The most numbers that one array may have where all of it is read: 2²⁸.
const LARGEST_ARRAY: usize = 1 << 28;
/// The longest header that is read. NumPy itself refuses longer ones than 10,000 characters.
const LARGEST_HEADER: usize = 1 << 16;

/// Why bytes are no array that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnArray(String);

impl fmt::Display for NotAnArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAnArray {}

fn bad(reason: impl Into<String>) -> NotAnArray {
    NotAnArray(reason.into())
}

/// A number's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Floating point of 2, 4 or 8 bytes.
    Float(usize),
    /// A whole number with a sign.
    Int(usize),
    /// A whole number without one.
    Uint(usize),
    /// True or false.
    Bool,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type, as written (`<f4`).
    pub descr: String,
    /// The type, if it is one of numbers.
    pub kind: Option<Kind>,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
    /// Whether the first axis varies fastest.
    pub fortran_order: bool,
    /// The sizes of the axes.
    pub shape: Vec<usize>,
}

impl Header {
    /// Reads magic, version and header.
    ///
    /// # Errors
    /// [`NotAnArray`].
    pub fn read(from: &mut impl Read) -> Result<Self, NotAnArray> {
        let cut = |_: io::Error| bad("it ends within its header");
        let mut magic = [0; 8];
        from.read_exact(&mut magic).map_err(cut)?;
        if &magic[..6] != b"\x93NUMPY" {
            return Err(bad("it does not begin as an .npy file does"));
        }
        let length = match magic[6] {
            1 => {
                let mut length = [0; 2];
                from.read_exact(&mut length).map_err(cut)?;
                usize::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                from.read_exact(&mut length).map_err(cut)?;
                usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX)
            }
            version => return Err(bad(format!("its format version is {version}; 1, 2 and 3 are known"))),
        };
        if length > LARGEST_HEADER {
            return Err(bad(format!("its header has {length} bytes; the most that is read is {LARGEST_HEADER}")));
        }
        let mut text = vec![0; length];
        from.read_exact(&mut text).map_err(cut)?;
        let text = String::from_utf8(text).map_err(|_| bad("its header is not text"))?;
        Self::parse(&text)
    }

    /// Reads the dict.
    fn parse(text: &str) -> Result<Self, NotAnArray> {
        let odd = || bad("its header is not {'descr': …, 'fortran_order': …, 'shape': (…)}");
        let body = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')).ok_or_else(odd)?;
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let mut rest = body.trim_start();
        while !rest.is_empty() {
            let (key, after) = quoted(rest).ok_or_else(odd)?;
            let value = after.trim_start().strip_prefix(':').ok_or_else(odd)?.trim_start();
            rest = match key {
                "descr" => {
                    let (text, after) = quoted(value)
                        .ok_or_else(|| bad("it holds records with fields of their own; expected plain numbers"))?;
                    descr = Some(text.to_owned());
                    after
                }
                "fortran_order" => {
                    let found = [("True", true), ("False", false)].into_iter();
                    let (after, order) = found
                        .filter_map(|(word, order)| Some((value.strip_prefix(word)?, order)))
                        .next()
                        .ok_or_else(odd)?;
                    fortran_order = Some(order);
                    after
                }
                "shape" => {
                    let (sizes, after) = value.strip_prefix('(').and_then(|t| t.split_once(')')).ok_or_else(odd)?;
                    shape = Some(axes(sizes).ok_or_else(|| bad(format!("its shape is ({})", clipped(sizes))))?);
                    after
                }
                other => return Err(bad(format!("its header has the key {:?}", clipped(other)))),
            };
            rest = rest.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(after) => after.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(odd()),
            };
        }
        let (Some(descr), Some(fortran_order), Some(shape)) = (descr, fortran_order, shape) else {
            return Err(odd());
        };
        let (order, name) = descr.split_at_checked(1).unwrap_or_default();
        let kind = match name {
            "f2" | "f4" | "f8" => Some(Kind::Float(usize::from(name.as_bytes()[1] - b'0'))),
            "i1" | "i2" | "i4" | "i8" => Some(Kind::Int(usize::from(name.as_bytes()[1] - b'0'))),
            "u1" | "u2" | "u4" | "u8" => Some(Kind::Uint(usize::from(name.as_bytes()[1] - b'0'))),
            "b1" => Some(Kind::Bool),
            _ => None,
        };
        Ok(Self { kind, big_endian: order == ">", fortran_order, shape, descr })
    }

    /// How many numbers the shape has, if that many bytes can be there.
    fn count(&self, bytes: u64) -> Result<(usize, Kind), NotAnArray> {
        let kind = self.kind.ok_or_else(|| bad(format!("it holds {:?}, not numbers", clipped(&self.descr))))?;
        let size = match kind {
            Kind::Float(size) | Kind::Int(size) | Kind::Uint(size) => size,
            Kind::Bool => 1,
        };
        let count = self.shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
        let wanted = count.and_then(|count| u64::try_from(count).ok()?.checked_mul(size as u64));
        match (count, wanted) {
            (Some(count), Some(wanted)) if wanted == bytes && count <= LARGEST_ARRAY => Ok((count, kind)),
            (Some(count), Some(wanted)) if wanted == bytes => {
                Err(bad(format!("it has {count} numbers; the most that is read is {LARGEST_ARRAY}")))
            }
            (_, wanted) => {
                let wanted =
                    wanted.map_or_else(|| "more bytes than a file can have".to_owned(), |n| format!("{n} bytes"));
                Err(bad(format!(
                    "its shape {:?} of {} needs {wanted}, and {bytes} are there",
                    self.shape, self.descr
                )))
            }
        }
    }
}

/// A text in quotes at the beginning, and what comes after it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(quote)
}

/// `3, 4`, `5,` or nothing.
fn axes(text: &str) -> Option<Vec<usize>> {
    let text = text.trim();
    let text = text.strip_suffix(',').unwrap_or(text);
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    // Python 2 wrote long numbers with an L.
    text.split(',').map(|n| n.trim().trim_end_matches('L').parse().ok()).collect()
}

fn clipped(text: &str) -> String {
    text.chars().take(40).collect()
}

/// An array of numbers, in the order of its last axis first.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers {
    /// The sizes of the axes.
    pub shape: Vec<usize>,
    /// The numbers; whole ones beyond 2⁵³ are rounded.
    pub values: Vec<f64>,
    /// In which precision they are; whole numbers count as f64.
    pub precision: Precision,
}

/// Reads header and numbers of an array that has `length` bytes in all.
///
/// # Errors
/// [`NotAnArray`].
pub fn numbers(from: &mut impl Read, length: u64) -> Result<Numbers, NotAnArray> {
    let mut from = Counted { inner: from, read: 0 };
    let header = Header::read(&mut from)?;
    numbers_after(&header, &mut from, length)
}

fn numbers_after<R: Read>(header: &Header, from: &mut Counted<'_, R>, length: u64) -> Result<Numbers, NotAnArray> {
    let (count, kind) = header.count(length.saturating_sub(from.read))?;
    let mut data = Vec::new();
    from.take(length).read_to_end(&mut data).map_err(|error| bad(error.to_string()))?;
    header.count(data.len() as u64)?;
    let big = header.big_endian;
    let (values, precision) = match kind {
        Kind::Float(2) => (each(&data, big, |b| half::f16::from_le_bytes(b).to_f64()), Precision::F16),
        Kind::Float(4) => (each(&data, big, |b| f64::from(f32::from_le_bytes(b))), Precision::F32),
        Kind::Float(_) => (each(&data, big, f64::from_le_bytes), Precision::F64),
        Kind::Int(1) => (each(&data, big, |b| f64::from(i8::from_le_bytes(b))), Precision::F64),
        Kind::Int(2) => (each(&data, big, |b| f64::from(i16::from_le_bytes(b))), Precision::F64),
        Kind::Int(4) => (each(&data, big, |b| f64::from(i32::from_le_bytes(b))), Precision::F64),
        Kind::Int(_) => (each(&data, big, |b| i64::from_le_bytes(b) as f64), Precision::F64),
        Kind::Uint(2) => (each(&data, big, |b| f64::from(u16::from_le_bytes(b))), Precision::F64),
        Kind::Uint(4) => (each(&data, big, |b| f64::from(u32::from_le_bytes(b))), Precision::F64),
        Kind::Uint(8) => (each(&data, big, |b| u64::from_le_bytes(b) as f64), Precision::F64),
        Kind::Uint(_) | Kind::Bool => (each(&data, big, |[b]: [u8; 1]| f64::from(b)), Precision::F64),
    };
    debug_assert_eq!(values.len(), count, "the count was held against the length");
    let values = if header.fortran_order { from_fortran(&header.shape, &values) } else { values };
    Ok(Numbers { shape: header.shape.clone(), values, precision })
}

fn each<const N: usize>(data: &[u8], big_endian: bool, read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (whole, _) = data.as_chunks::<N>();
    let order = |bytes: &[u8; N]| {
        let mut bytes = *bytes;
        if big_endian {
            bytes.reverse();
        }
        bytes
    };
    whole.iter().map(|bytes| read(order(bytes))).collect()
}

/// From the order in which the first axis varies fastest to that of the last.
fn from_fortran(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let mut strides = vec![1; shape.len()];
    for k in 1..shape.len() {
        strides[k] = strides[k - 1] * shape[k - 1];
    }
    let place = |mut index: usize| {
        let mut place = 0;
        for (n, stride) in shape.iter().zip(&strides).rev() {
            place += index % n * stride;
            index /= n;
        }
        place
    };
    (0..values.len()).map(|index| values[place(index)]).collect()
}

struct Counted<'r, R> {
    inner: &'r mut R,
    read: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read += n as u64;
        Ok(n)
    }
}

/// The numbers of an `.npy` file.
///
/// # Errors
/// [`Unreadable`] names the file.
pub fn read(path: &Path) -> Result<Numbers, Unreadable> {
    let (file, length) = open(path)?;
    numbers(&mut io::BufReader::new(file), length).map_err(|reason| Unreadable::new(path, reason))
}

/// One array of an `.npz`.
#[derive(Debug)]
pub struct Member {
    /// Its name, without `.npy`.
    pub name: String,
    /// Its numbers, or why there are none.
    pub numbers: Result<Numbers, NotAnArray>,
}

/// The arrays of an `.npz` in the file's order; of an array for which `wanted` says no, given its name and shape, no number is
/// read. What all members unpack to is bounded by `limit` bytes, whatever the archive says of their sizes.
///
/// # Errors
/// [`Unreadable`] if it is no zip archive or unpacks to more than the limit.
pub fn members(path: &Path, limit: u64, wanted: impl Fn(&str, &[usize]) -> bool) -> Result<Vec<Member>, Unreadable> {
    let (file, _) = open(path)?;
    members_of(io::BufReader::new(file), limit, wanted).map_err(|reason| Unreadable::new(path, reason))
}

/// [`members`] of anything that can be read.
///
/// # Errors
/// [`NotAnArray`], as [`members`].
pub fn members_of(
    from: impl Read + Seek,
    limit: u64,
    wanted: impl Fn(&str, &[usize]) -> bool,
) -> Result<Vec<Member>, NotAnArray> {
    let broken = |error: zip::result::ZipError| bad(format!("it is no .npz: {error}"));
    let mut archive = ZipArchive::new(from).map_err(broken)?;
    let (mut all, mut unpacked) = (Vec::new(), 0u64);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(broken)?;
        let Some(name) = member.name().strip_suffix(".npy").map(str::to_owned) else { continue };
        let length = member.size();
        let mut counted = Counted { inner: &mut member, read: 0 };
        let numbers = match Header::read(&mut counted) {
            Ok(header) if !wanted(&name, &header.shape) => continue,
            Ok(header) => {
                let body = header.count(length.saturating_sub(counted.read));
                unpacked = unpacked.saturating_add(if body.is_ok() { length } else { 0 });
                if unpacked > limit {
                    return Err(bad(format!("its arrays have more than {limit} bytes, the most that is read")));
                }
                body.and_then(|_| numbers_after(&header, &mut counted, length))
            }
            Err(reason) => Err(reason),
        };
        all.push(Member { name, numbers });
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn file(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY".to_vec();
        bytes.extend([version, 0]);
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    fn parsed(bytes: &[u8]) -> Result<Numbers, NotAnArray> {
        numbers(&mut &bytes[..], bytes.len() as u64)
    }

    #[test]
    fn numbers_of_every_kind_order_and_version() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n";
        let data: Vec<u8> = [0.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        for version in 1..=3 {
            let found = parsed(&file(version, header, &data)).unwrap();
            assert_eq!((found.values, found.shape, found.precision), (vec![0.5, -2.0], vec![2], Precision::F32));
        }
        let big: Vec<u8> = [1.5f64, 3.0].iter().flat_map(|x| x.to_be_bytes()).collect();
        let header = "{\"descr\": \">f8\", 'shape': (2, 1), 'fortran_order': False}";
        assert_eq!(parsed(&file(1, header, &big)).unwrap().values, [1.5, 3.0]);
        let half: Vec<u8> = half::f16::from_f64(0.25).to_be_bytes().to_vec();
        let header = "{'descr': '>f2', 'fortran_order': False, 'shape': ()}";
        let found = parsed(&file(2, header, &half)).unwrap();
        assert_eq!((found.values, found.precision), (vec![0.25], Precision::F16));
        let header = "{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3)}";
        let found = parsed(&file(1, header, &[0, 3, 1, 4, 2, 5])).unwrap();
        assert_eq!(found.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }

    #[test]
    fn a_shape_that_the_bytes_do_not_have_takes_no_memory() {
        for (shape, words) in [
            ("1000000000000,", "needs 8000000000000 bytes"),
            ("9223372036854775808, 4", "more bytes than a file can have"),
            ("3,", "needs 24 bytes, and 16 are there"),
            ("-1,", "its shape is (-1,)"),
        ] {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape})}}");
            let error = parsed(&file(1, &header, &[0; 16])).unwrap_err().to_string();
            assert!(error.contains(words), "{shape}: {error}");
        }
    }

    #[test]
    fn a_header_that_nests_is_refused_at_once() {
        let nested = format!("{{'descr': {}", "[".repeat(60_000));
        assert!(parsed(&file(2, &nested, &[])).is_err());
        let records = "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}";
        assert!(parsed(&file(1, records, &[0; 8])).unwrap_err().to_string().contains("records"));
        assert!(parsed(b"\x93NUMPY\x01\0").unwrap_err().to_string().contains("ends within its header"));
        assert!(parsed(b"\x93NUMPY\x09\0abcdef").unwrap_err().to_string().contains("version is 9"));
        assert!(parsed(b"PK").is_err() && parsed(b"").is_err());
    }
}
