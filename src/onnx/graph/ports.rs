//! The inputs and outputs of a graph, before they are given a meaning.

use std::{collections::BTreeMap, fmt, str::FromStr};

use ort::value::{Outlet, TensorElementType, ValueType};

use crate::onnx::error::{Error, Result};

/// Element type of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 16-bit float, 5 exponent bits.
    F16,
    /// 64-bit float.
    F64,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// Boolean.
    Bool,
    /// A type that no input or output of a denoiser may have here, by ONNX Runtime's name.
    Other(String),
}

impl Element {
    /// Whether it is one of the float types.
    #[must_use]
    pub const fn is_float(&self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::F64)
    }

    /// Whether it is one of the integer types.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        matches!(self, Self::I64 | Self::I32)
    }

    /// The runtime's type.
    pub(in crate::onnx) fn to_runtime(&self) -> TensorElementType {
        match self {
            Self::F32 => TensorElementType::Float32,
            Self::F16 => TensorElementType::Float16,
            Self::F64 => TensorElementType::Float64,
            Self::I32 => TensorElementType::Int32,
            Self::Bool => TensorElementType::Bool,
            Self::I64 | Self::Other(_) => TensorElementType::Int64,
        }
    }

    fn from_runtime(ty: TensorElementType) -> Self {
        match ty {
            TensorElementType::Float32 => Self::F32,
            TensorElementType::Float16 => Self::F16,
            TensorElementType::Float64 => Self::F64,
            TensorElementType::Int64 => Self::I64,
            TensorElementType::Int32 => Self::I32,
            TensorElementType::Bool => Self::Bool,
            other => Self::Other(other.to_string()),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::F64 => "float64",
            Self::I64 => "int64",
            Self::I32 => "int32",
            Self::Bool => "bool",
            Self::Other(name) => name,
        })
    }
}

/// One dimension of an input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A size that the graph fixes.
    Fixed(usize),
    /// A size that is chosen at run time, under the name the graph has for it (possibly empty).
    Free(String),
}

impl Dim {
    /// The size, if the graph fixes it.
    #[must_use]
    pub const fn fixed(&self) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(*n),
            Self::Free(_) => None,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(n) => write!(f, "{n}"),
            Self::Free(name) if name.is_empty() => f.write_str("?"),
            Self::Free(name) => f.write_str(name),
        }
    }
}

/// One input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Its element type.
    pub element: Element,
    /// Its dimensions; empty for a scalar.
    pub dims: Vec<Dim>,
}

impl Port {
    /// Number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// What the runtime says of an input or output.
    pub(in crate::onnx) fn from_runtime(outlet: &Outlet) -> Self {
        let (element, dims) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, dimension_symbols } => {
                let names = dimension_symbols.iter().map(String::as_str).chain(std::iter::repeat(""));
                let dim = |(&d, name): (&i64, &str)| {
                    usize::try_from(d).map_or_else(|_| Dim::Free(name.to_owned()), Dim::Fixed)
                };
                (Element::from_runtime(*ty), shape.iter().zip(names).map(dim).collect())
            }
            other => (Element::Other(other.to_string()), Vec::new()),
        };
        Self { name: outlet.name().to_owned(), element, dims }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims.iter().map(ToString::to_string).collect();
        write!(f, "{} {}[{}]", self.name, self.element, dims.join(", "))
    }
}

/// A graph's inputs, outputs and metadata, before they are given a meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The inputs without an initial value, in the graph's order.
    pub inputs: Vec<Port>,
    /// The outputs, in the graph's order.
    pub outputs: Vec<Port>,
    /// `metadata_props`.
    pub metadata: BTreeMap<String, String>,
}

/// Names of the graph's inputs and outputs, where they are not the usual ones: `sample=x,timestep=t,out_sample=eps`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IoNames {
    /// The noisy sample.
    pub sample: Option<String>,
    /// The time.
    pub timestep: Option<String>,
    /// The class labels.
    pub class_labels: Option<String>,
    /// The prediction.
    pub out_sample: Option<String>,
}

impl FromStr for IoNames {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |reason: String| Error::BadIoNames { found: text.to_owned(), reason };
        let mut names = Self::default();
        for pair in text.split(',').filter(|p| !p.trim().is_empty()) {
            let (role, name) =
                pair.split_once('=').ok_or_else(|| bad(format!("{:?} is not ROLE=NAME", pair.trim())))?;
            let (role, name) = (role.trim(), name.trim());
            let slot = match role {
                "sample" => &mut names.sample,
                "timestep" => &mut names.timestep,
                "class_labels" => &mut names.class_labels,
                "out_sample" => &mut names.out_sample,
                _ => {
                    return Err(bad(format!(
                        "{role:?} is none of sample, timestep, class_labels, out_sample (further inputs keep their \
                         own names, see --input)"
                    )));
                }
            };
            if name.is_empty() {
                return Err(bad(format!("{role} has no name")));
            }
            if slot.replace(name.to_owned()).is_some() {
                return Err(bad(format!("{role} is named twice")));
            }
        }
        Ok(names)
    }
}

/// How a graph takes the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestepPort {
    /// Its name in the graph.
    pub name: String,
    /// Its element type: `I64`, `I32`, `F32`, `F16` or `F64`.
    pub element: Element,
    /// Its shape.
    pub shape: TimestepShape,
}

/// Shape of the time input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestepShape {
    /// A scalar.
    Scalar,
    /// One value for the whole batch, as a vector of length 1.
    One,
    /// One value for each sample.
    PerSample,
}

impl TimestepShape {
    /// The tensor's shape for a batch.
    pub(in crate::onnx) fn of_batch(self, batch: usize) -> Vec<usize> {
        match self {
            Self::Scalar => vec![],
            Self::One => vec![1],
            Self::PerSample => vec![batch],
        }
    }
}

impl TimestepPort {
    /// Refuses a time that the graph's element type cannot hold.
    pub(in crate::onnx) fn check(&self, t: f64) -> Result<()> {
        let seen = self.seen(t);
        let limit = match self.element {
            Element::I32 => f64::from(i32::MAX),
            Element::I64 => 9.0e18,
            _ => f64::INFINITY,
        };
        if seen.is_finite() && seen.abs() <= limit {
            return Ok(());
        }
        Err(Error::BadInput {
            name: self.name.clone(),
            found: t.to_string(),
            expected: format!("a finite number that fits in {}", self.element),
        })
    }

    /// The time that the network sees when it is given `t`: rounded to the nearest integer where the graph takes
    /// integers, and to the graph's precision where it takes floats.
    #[must_use]
    pub fn seen(&self, t: f64) -> f64 {
        match self.element {
            Element::I64 | Element::I32 => t.round(),
            Element::F16 => half::f16::from_f64(t).to_f64(),
            #[allow(clippy::cast_possible_truncation)]
            Element::F32 => f64::from(t as f32),
            _ => t,
        }
    }
}
