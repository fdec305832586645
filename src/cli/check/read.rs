//! Arrays from the files that diffusion code writes: CSV, JSON, npz, npy, safetensors.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use ndarray::{ArrayD, OwnedRepr};
use ndarray_npy::{NpzReader, ReadableElement};
use safetensors::{Dtype, SafeTensors};

use crate::cli::failure::{Failure, Outcome};
use crate::diagnose::{Numbers, Precision};
use crate::python_json;
use crate::table::Quantity;

/// Every list of numbers in a file; arrays whose other axes are 1 long count as lists.
///
/// # Errors
/// Exit 2 if the file cannot be read as what its extension says, or holds no array of numbers.
pub fn arrays(path: &Path) -> Outcome<Vec<Numbers>> {
    fs::metadata(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let found = match extension.as_str() {
        "csv" => csv(path)?,
        "json" => json(path)?,
        "npz" => npz(path)?,
        "safetensors" => safetensors(path)?,
        "npy" => {
            let what = "an .npy holds one array without a name; write np.savez(\"tables.npz\", betas=...)";
            return Err(Failure::usage(format!("{}: {what}", path.display())));
        }
        _ => {
            let what = "expected .csv with a header, .json, .npz or .safetensors";
            return Err(Failure::usage(format!("{}: {what}", path.display())));
        }
    };
    if found.is_empty() {
        let what = "holds no one-dimensional array of numbers";
        return Err(Failure::usage(format!("{} {what}", path.display())));
    }
    Ok(found)
}

fn unreadable(path: &Path, what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format!("{} is not readable as {what}: {error}", path.display()))
}

fn csv(path: &Path) -> Outcome<Vec<Numbers>> {
    let bad = |error: &dyn std::fmt::Display| unreadable(path, "CSV with a header line", error);
    let text = fs::read_to_string(path).map_err(|error| bad(&error))?;
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .delimiter(delimiter(&text))
        .from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().map_err(|error| bad(&error))?.iter().map(str::to_owned).collect();
    if let Some(name) = names.iter().find(|name| name.parse::<f64>().is_ok()) {
        return Err(bad(&format!("the first line holds the number {name}, not column names")));
    }
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(|error| bad(&error))?;
        for (column, text) in columns.iter_mut().zip(&record) {
            if text.is_empty() {
                continue;
            }
            let value = text.parse().map_err(|_| {
                let hint = if text.contains(',') { " (decimals need a point)" } else { "" };
                bad(&format!("row {} holds {text:?}, not a number{hint}", row + 2))
            })?;
            column.push(value);
        }
    }
    let numbers = |(name, values): (String, Vec<f64>)| {
        let precision = Precision::of_decimals(&values);
        Numbers { name, values, precision }
    };
    let index = |n: &Numbers| matches!(n.name.as_str(), "t" | "index" | "i" | "step" | "");
    Ok(names.into_iter().zip(columns).map(numbers).filter(|n| !n.values.is_empty() && !index(n)).collect())
}

/// What separates the names in the first line that is no comment: a comma, a semicolon or a tab.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
    b",;\t".iter().copied().max_by_key(|&d| (header.bytes().filter(|&b| b == d).count(), d == b',')).unwrap_or(b',')
}

/// A JSON object of arrays, or of objects of them; NaN and Infinity as Python writes them are read as numbers.
fn json(path: &Path) -> Outcome<Vec<Numbers>> {
    use serde_json::Value;
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, "JSON", &error))?;
    let value: Value = match serde_json::from_str(&text) {
        Ok(value) => value,
        Err(error) => {
            serde_json::from_str(&python_json::quoted(&text)).map_err(|_| unreadable(path, "JSON", &error))?
        }
    };
    let Value::Object(object) = value else {
        return Err(unreadable(path, "JSON", &"expected an object whose values are arrays of numbers"));
    };
    let number = |v: &Value| match v {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" | "nan" => Some(f64::NAN),
            "Infinity" | "inf" => Some(f64::INFINITY),
            "-Infinity" | "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        Value::Null => Some(f64::NAN),
        _ => None,
    };
    let mut all = Vec::new();
    let mut open: Vec<(String, Value)> = object.into_iter().rev().collect();
    while let Some((name, value)) = open.pop() {
        match value {
            Value::Object(inner) => open.extend(inner.into_iter().rev().map(|(key, v)| (format!("{name}.{key}"), v))),
            Value::Array(list) if !list.is_empty() => match list.iter().map(number).collect::<Option<Vec<f64>>>() {
                Some(values) => {
                    let precision = Precision::of_decimals(&values);
                    all.push(Numbers { name, values, precision });
                }
                None if Quantity::kept(&name).is_some() => {
                    return Err(unreadable(path, "JSON", &format!("{name:?} is not a list of numbers alone")));
                }
                None => {}
            },
            _ => {}
        }
    }
    Ok(all)
}

fn npz(path: &Path) -> Outcome<Vec<Numbers>> {
    let bad = |error: &dyn std::fmt::Display| unreadable(path, "npz", error);
    let file = fs::File::open(path).map_err(|error| bad(&error))?;
    let mut reader = NpzReader::new(file).map_err(|error| bad(&error))?;
    let mut all = Vec::new();
    for name in reader.names().map_err(|error| bad(&error))? {
        match entry(&mut reader, &name).or_else(|| half_entry(path, &name)) {
            Some((values, precision)) => all.push(Numbers { name, values, precision }),
            None if Quantity::kept(&name).is_some() => {
                let what = "with one axis longer than 1, in f64, f32, f16, i64 or i32";
                return Err(bad(&format!("{name:?} is not an array {what}")));
            }
            None => {}
        }
    }
    Ok(all)
}

/// True if at most one axis is longer than 1, as in a buffer of shape (T, 1, 1, 1); a scalar is no table.
fn is_list(shape: &[usize]) -> bool {
    !shape.is_empty() && shape.iter().filter(|&&n| n != 1).count() <= 1
}

/// One array of an npz, if it is a list and of a numeric type.
fn entry(reader: &mut NpzReader<fs::File>, name: &str) -> Option<(Vec<f64>, Precision)> {
    fn flat<A: ReadableElement + Copy>(reader: &mut NpzReader<fs::File>, name: &str) -> Option<Vec<A>> {
        let array: ArrayD<A> = reader.by_name::<OwnedRepr<A>, _>(name).ok()?;
        is_list(array.shape()).then(|| array.iter().copied().collect())
    }
    if let Some(values) = flat::<f64>(reader, name) {
        return Some((values, Precision::F64));
    }
    if let Some(values) = flat::<f32>(reader, name) {
        return Some((values.into_iter().map(f64::from).collect(), Precision::F32));
    }
    let whole = flat::<i64>(reader, name).map(|values| values.into_iter().map(|v| v as f64).collect::<Vec<f64>>());
    let whole = whole.or_else(|| flat::<i32>(reader, name).map(|values| values.into_iter().map(f64::from).collect()));
    whole.map(|values| (values, Precision::F64))
}

/// An f16 array of an npz.
fn half_entry(path: &Path, name: &str) -> Option<(Vec<f64>, Precision)> {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).ok()?).ok()?;
    let mut bytes = Vec::new();
    archive.by_name(&format!("{name}.npy")).ok()?.read_to_end(&mut bytes).ok()?;
    let size = if *bytes.get(6)? == 1 { 10 + usize::from(u16::from_le_bytes([bytes[8], *bytes.get(9)?])) } else { 0 };
    let (header, data) = bytes.split_at_checked(size)?;
    let header = String::from_utf8_lossy(header);
    let (_, shape) = header.split_once("'shape': (")?;
    let shape: Vec<usize> = shape.split(')').next()?.split(',').filter_map(|n| n.trim().parse().ok()).collect();
    let fits = header.contains("'<f2'") && is_list(&shape) && shape.iter().product::<usize>() * 2 == data.len();
    fits.then(|| (chunks(data, |b| half::f16::from_le_bytes(b).to_f64()), Precision::F16))
}

fn safetensors(path: &Path) -> Outcome<Vec<Numbers>> {
    let bad = |error: &dyn std::fmt::Display| unreadable(path, "safetensors", error);
    let bytes = fs::read(path).map_err(|error| bad(&error))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(&error))?;
    let mut all = Vec::new();
    for (name, view) in tensors.tensors() {
        let known = Quantity::kept(&name).is_some();
        if !is_list(view.shape()) {
            if known {
                return Err(bad(&format!("{name:?} has shape {:?}, not one axis longer than 1", view.shape())));
            }
            continue;
        }
        let data = view.data();
        let (values, precision) = match view.dtype() {
            Dtype::F64 => (chunks(data, f64::from_le_bytes), Precision::F64),
            Dtype::F32 => (chunks(data, |b| f64::from(f32::from_le_bytes(b))), Precision::F32),
            Dtype::F16 => (chunks(data, |b| half::f16::from_le_bytes(b).to_f64()), Precision::F16),
            Dtype::BF16 => (chunks(data, |b| half::bf16::from_le_bytes(b).to_f64()), Precision::BF16),
            Dtype::I64 => (chunks(data, |b| i64::from_le_bytes(b) as f64), Precision::F64),
            Dtype::I32 => (chunks(data, |b| f64::from(i32::from_le_bytes(b))), Precision::F64),
            other if known => return Err(bad(&format!("{name:?} holds {other:?}; expected F64, F32, F16 or BF16"))),
            _ => continue,
        };
        all.push(Numbers { name, values, precision });
    }
    Ok(all)
}

fn chunks<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    let (whole, _) = data.as_chunks::<N>();
    whole.iter().map(|bytes| read(*bytes)).collect()
}
