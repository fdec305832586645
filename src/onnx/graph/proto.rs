//! The messages of `onnx.proto`, as far as graphs are read and written here; what is not looked into passes through as
//! bytes, so that writing loses nothing that reading saw. They are prost's, written out: no protobuf compiler is needed.
#![allow(missing_docs, reason = "names and meanings are those of onnx.proto")]

use prost::Message as _;
use prost::bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Element types of `TensorProto.DataType`.
pub mod data_type {
    pub const FLOAT: i32 = 1;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const BOOL: i32 = 9;
    pub const FLOAT16: i32 = 10;
    pub const DOUBLE: i32 = 11;
    pub const BFLOAT16: i32 = 16;
}

/// `AttributeProto.AttributeType`, those that are written here.
pub mod attribute_type {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const INTS: i32 = 7;
}

/// The domain of ONNX Runtime's own operators.
pub const RUNTIME_DOMAIN: &str = "com.microsoft";
/// Its group normalisation.
pub const GROUP_NORM: &str = "GroupNorm";

/// Protobuf's own limit for one message, in bytes.
pub const LARGEST_MESSAGE: usize = i32::MAX as usize;

/// `TensorProto.DataLocation.EXTERNAL`.
pub const EXTERNAL: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Model {
    #[prost(int64, optional, tag = "1")]
    pub ir_version: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub producer_name: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub producer_version: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub domain: Option<String>,
    #[prost(int64, optional, tag = "5")]
    pub model_version: Option<i64>,
    #[prost(string, optional, tag = "6")]
    pub doc_string: Option<String>,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<Entry>,
    #[prost(bytes = "vec", repeated, tag = "20")]
    pub training_info: Vec<Vec<u8>>,
    #[prost(bytes = "bytes", repeated, tag = "25")]
    pub functions: Vec<Bytes>,
    #[prost(bytes = "vec", repeated, tag = "26")]
    pub configuration: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorSet {
    #[prost(string, optional, tag = "1")]
    pub domain: Option<String>,
    #[prost(int64, optional, tag = "2")]
    pub version: Option<i64>,
}

/// A `StringStringEntryProto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    #[prost(string, optional, tag = "1")]
    pub key: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<Node>,
    #[prost(string, optional, tag = "2")]
    pub name: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<Tensor>,
    #[prost(string, optional, tag = "10")]
    pub doc_string: Option<String>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfo>,
    #[prost(bytes = "vec", repeated, tag = "14")]
    pub quantization_annotation: Vec<Vec<u8>>,
    #[prost(bytes = "bytes", repeated, tag = "15")]
    pub sparse_initializer: Vec<Bytes>,
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, optional, tag = "3")]
    pub name: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub op_type: Option<String>,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<Attribute>,
    #[prost(string, optional, tag = "6")]
    pub doc_string: Option<String>,
    #[prost(string, optional, tag = "7")]
    pub domain: Option<String>,
    #[prost(string, optional, tag = "8")]
    pub overload: Option<String>,
    #[prost(message, repeated, tag = "9")]
    pub metadata_props: Vec<Entry>,
    #[prost(bytes = "vec", repeated, tag = "10")]
    pub device_configurations: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Attribute {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub t: Option<Tensor>,
    /// One graph: protobuf allows a message to come in several pieces, which count as one.
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub g: Vec<Bytes>,
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "10")]
    pub tensors: Vec<Tensor>,
    #[prost(bytes = "bytes", repeated, tag = "11")]
    pub graphs: Vec<Bytes>,
    #[prost(string, optional, tag = "13")]
    pub doc_string: Option<String>,
    #[prost(bytes = "vec", optional, tag = "14")]
    pub tp: Option<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "15")]
    pub type_protos: Vec<Vec<u8>>,
    #[prost(int32, optional, tag = "20")]
    pub r#type: Option<i32>,
    #[prost(string, optional, tag = "21")]
    pub ref_attr_name: Option<String>,
    /// One sparse tensor, perhaps in several pieces.
    #[prost(bytes = "bytes", repeated, tag = "22")]
    pub sparse_tensor: Vec<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "23")]
    pub sparse_tensors: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, optional, tag = "2")]
    pub data_type: Option<i32>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub segment: Option<Vec<u8>>,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    pub string_data: Vec<Vec<u8>>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, optional, tag = "8")]
    pub name: Option<String>,
    /// Shared: clones, and messages decoded from [`Bytes`], copy none of it.
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub raw_data: Option<Bytes>,
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    #[prost(string, optional, tag = "12")]
    pub doc_string: Option<String>,
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<Entry>,
    #[prost(int32, optional, tag = "14")]
    pub data_location: Option<i32>,
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfo {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<Type>,
    #[prost(string, optional, tag = "3")]
    pub doc_string: Option<String>,
    #[prost(message, repeated, tag = "4")]
    pub metadata_props: Vec<Entry>,
}

/// A `TypeProto`; of its alternatives only tensors are looked into.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Type {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorType>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub sequence_type: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "5")]
    pub map_type: Option<Vec<u8>>,
    #[prost(string, optional, tag = "6")]
    pub denotation: Option<String>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub opaque_type: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "8")]
    pub sparse_tensor_type: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "9")]
    pub optional_type: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorType {
    #[prost(int32, optional, tag = "1")]
    pub elem_type: Option<i32>,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<Shape>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Dimension {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub dim_param: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub denotation: Option<String>,
}

/// A `FunctionProto`, as far as it holds tensors.
#[derive(Clone, PartialEq, prost::Message)]
struct Function {
    #[prost(message, repeated, tag = "7")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "11")]
    attribute_proto: Vec<Attribute>,
}

/// A `SparseTensorProto`, as far as it holds tensors.
#[derive(Clone, PartialEq, prost::Message)]
struct SparseTensor {
    #[prost(message, optional, tag = "1")]
    values: Option<Tensor>,
    #[prost(message, optional, tag = "2")]
    indices: Option<Tensor>,
}

/// A message that is still to be looked into.
enum Unopened {
    Graph(Bytes),
    Function(Bytes),
    SparseTensor(Bytes),
}

/// Shows every tensor of a stored model: initializers, sparse ones, and the attributes of nodes, in the graph, in the
/// graphs within its nodes, and in the model's functions. Fields that are unknown are passed over, and what lies in
/// `training_info` is not shown, since no session loads it. Tensors of raw data are not copied.
///
/// # Errors
/// [`Unreadable::NotOnnx`].
pub fn visit_tensors(stored: Bytes, mut visit: impl FnMut(&Tensor)) -> Result<(), Unreadable> {
    let unreadable = |error: prost::DecodeError| Unreadable::NotOnnx(error.to_string());
    let model = Model::decode(stored).map_err(unreadable)?;
    let mut unopened: Vec<Unopened> = model.functions.into_iter().map(Unopened::Function).collect();
    if let Some(graph) = model.graph {
        graph.visit_tensors(&mut visit, &mut unopened);
    }
    // A list instead of a recursion: a hostile file nests graphs deeper than a stack is.
    while let Some(next) = unopened.pop() {
        match next {
            Unopened::Graph(bytes) => {
                Graph::decode(bytes).map_err(unreadable)?.visit_tensors(&mut visit, &mut unopened);
            }
            Unopened::Function(bytes) => {
                let Function { node, attribute_proto } = Function::decode(bytes).map_err(unreadable)?;
                for attribute in node.iter().flat_map(|node| &node.attribute).chain(&attribute_proto) {
                    attribute.visit_tensors(&mut visit, &mut unopened);
                }
            }
            Unopened::SparseTensor(bytes) => {
                let SparseTensor { values, indices } = SparseTensor::decode(bytes).map_err(unreadable)?;
                values.iter().chain(&indices).for_each(&mut visit);
            }
        }
    }
    Ok(())
}

impl Graph {
    fn visit_tensors(&self, visit: &mut impl FnMut(&Tensor), unopened: &mut Vec<Unopened>) {
        self.initializer.iter().for_each(&mut *visit);
        unopened.extend(self.sparse_initializer.iter().cloned().map(Unopened::SparseTensor));
        for attribute in self.node.iter().flat_map(|node| &node.attribute) {
            attribute.visit_tensors(visit, unopened);
        }
    }
}

impl Attribute {
    fn visit_tensors(&self, visit: &mut impl FnMut(&Tensor), unopened: &mut Vec<Unopened>) {
        self.t.iter().chain(&self.tensors).for_each(visit);
        // Pieces of a graph may be looked into one by one: what they hold is lists.
        unopened.extend(self.g.iter().chain(&self.graphs).cloned().map(Unopened::Graph));
        let sparse = joined(&self.sparse_tensor).into_iter().chain(self.sparse_tensors.iter().cloned());
        unopened.extend(sparse.map(Unopened::SparseTensor));
    }

    /// Whether it holds a graph, as those of control flow do.
    #[must_use]
    pub fn has_graphs(&self) -> bool {
        !self.g.is_empty() || !self.graphs.is_empty()
    }
}

/// The pieces of a message as one.
fn joined(pieces: &[Bytes]) -> Option<Bytes> {
    match pieces {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(several.concat().into()),
    }
}

/// Why bytes are not taken for a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// They are none; what the decoder says.
    #[error("it is not an ONNX model: {0}")]
    NotOnnx(String),
    /// A field that the standard did not have when this was written: encoding again would lose it.
    #[error("it has field {field} of {message}, which this version does not know and would lose")]
    Unknown {
        /// The message's name in `onnx.proto`.
        message: &'static str,
        /// The field's number.
        field: u32,
    },
}

/// A message of `onnx.proto` by its name, with the numbers of all its fields; those that are decoded here and not passed
/// through as bytes have a message of their own.
struct Known {
    name: &'static str,
    fields: &'static [u32],
    messages: &'static [(u32, &'static Known)],
}

const MODEL: Known = Known {
    name: "ModelProto",
    fields: &[1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26],
    messages: &[(7, &GRAPH), (8, &OPERATOR_SET), (14, &ENTRY)],
};
const OPERATOR_SET: Known = Known { name: "OperatorSetIdProto", fields: &[1, 2], messages: &[] };
const ENTRY: Known = Known { name: "StringStringEntryProto", fields: &[1, 2], messages: &[] };
const GRAPH: Known = Known {
    name: "GraphProto",
    fields: &[1, 2, 5, 10, 11, 12, 13, 14, 15, 16],
    messages: &[(1, &NODE), (5, &TENSOR), (11, &VALUE_INFO), (12, &VALUE_INFO), (13, &VALUE_INFO), (16, &ENTRY)],
};
const NODE: Known =
    Known { name: "NodeProto", fields: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], messages: &[(5, &ATTRIBUTE), (9, &ENTRY)] };
const ATTRIBUTE: Known = Known {
    name: "AttributeProto",
    fields: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 20, 21, 22, 23],
    messages: &[(5, &TENSOR), (10, &TENSOR)],
};
const TENSOR: Known = Known {
    name: "TensorProto",
    fields: &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16],
    messages: &[(13, &ENTRY), (16, &ENTRY)],
};
const VALUE_INFO: Known =
    Known { name: "ValueInfoProto", fields: &[1, 2, 3, 4], messages: &[(2, &TYPE), (4, &ENTRY)] };
const TYPE: Known = Known { name: "TypeProto", fields: &[1, 4, 5, 6, 7, 8, 9], messages: &[(1, &TENSOR_TYPE)] };
const TENSOR_TYPE: Known = Known { name: "TypeProto.Tensor", fields: &[1, 2], messages: &[(2, &SHAPE)] };
const SHAPE: Known = Known { name: "TensorShapeProto", fields: &[1], messages: &[(1, &DIMENSION)] };
const DIMENSION: Known = Known { name: "TensorShapeProto.Dimension", fields: &[1, 2, 3], messages: &[] };

impl Known {
    /// Refuses a field that is unknown, wherever it is in a stored message.
    fn check(&'static self, mut stored: &[u8]) -> Result<(), Unreadable> {
        let unreadable = |error: prost::DecodeError| Unreadable::NotOnnx(error.to_string());
        while !stored.is_empty() {
            let (field, wire) = decode_key(&mut stored).map_err(unreadable)?;
            if !self.fields.contains(&field) {
                return Err(Unreadable::Unknown { message: self.name, field });
            }
            let within = self.messages.iter().find(|(number, _)| *number == field);
            match (within, wire) {
                (Some((_, message)), WireType::LengthDelimited) => {
                    let length = decode_varint(&mut stored).map_err(unreadable)?;
                    let inner = usize::try_from(length).ok().and_then(|length| stored.split_off(..length));
                    message.check(inner.ok_or_else(|| Unreadable::NotOnnx("it is cut short".to_owned()))?)?;
                }
                _ => skip_field(wire, field, &mut stored, DecodeContext::default()).map_err(unreadable)?,
            }
        }
        Ok(())
    }
}

impl Model {
    /// A model from its bytes; weights decoded from [`Bytes`] stay where they are.
    ///
    /// # Errors
    /// [`Unreadable::NotOnnx`]; [`Unreadable::Unknown`] if encoding again would lose something.
    pub fn from_bytes(mut bytes: impl Buf) -> Result<Self, Unreadable> {
        let stored = bytes.copy_to_bytes(bytes.remaining());
        let model = Self::decode(stored.clone()).map_err(|error| Unreadable::NotOnnx(error.to_string()))?;
        if model.graph.is_none() {
            return Err(Unreadable::NotOnnx("it has no graph".to_owned()));
        }
        MODEL.check(&stored)?;
        Ok(model)
    }

    /// The model as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The version of the standard operators.
    #[must_use]
    pub fn opset(&self) -> Option<i64> {
        let standard = |set: &&OperatorSet| matches!(set.domain.as_deref(), None | Some("" | "ai.onnx"));
        self.opset_import.iter().rfind(standard)?.version
    }
}

impl Node {
    /// A node of ONNX's own domain.
    #[must_use]
    pub fn new(op: &str, input: &[&str], output: &[&str]) -> Self {
        let own = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let name = output.first().map(|name| format!("{name}/{op}"));
        Self { input: own(input), output: own(output), name, op_type: Some(op.to_owned()), ..Self::default() }
    }

    /// With an attribute that is a whole number.
    #[must_use]
    pub fn with_int(mut self, name: &str, value: i64) -> Self {
        self.attribute.push(Attribute {
            name: Some(name.to_owned()),
            i: Some(value),
            r#type: Some(attribute_type::INT),
            ..Attribute::default()
        });
        self
    }

    /// With an attribute that is a list of whole numbers.
    #[must_use]
    pub fn with_ints(mut self, name: &str, values: &[i64]) -> Self {
        self.attribute.push(Attribute {
            name: Some(name.to_owned()),
            ints: values.to_vec(),
            r#type: Some(attribute_type::INTS),
            ..Attribute::default()
        });
        self
    }

    /// The operator's name.
    #[must_use]
    pub fn op(&self) -> &str {
        self.op_type.as_deref().unwrap_or_default()
    }

    /// Whether it is ONNX Runtime's own group normalisation, which has a kernel for CUDA alone and wants channels last.
    #[must_use]
    pub fn is_group_norm(&self) -> bool {
        self.op() == GROUP_NORM && self.domain.as_deref() == Some(RUNTIME_DOMAIN)
    }

    /// An attribute by its name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attribute.iter().find(|attribute| attribute.name.as_deref() == Some(name))
    }
}

impl Tensor {
    /// A tensor of f32.
    #[must_use]
    pub fn f32(name: &str, dims: &[i64], values: &[f32]) -> Self {
        Self {
            dims: dims.to_vec(),
            data_type: Some(data_type::FLOAT),
            name: Some(name.to_owned()),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            ..Self::default()
        }
    }

    /// A list of i64.
    #[must_use]
    pub fn i64(name: &str, values: &[i64]) -> Self {
        Self {
            dims: vec![values.len() as i64],
            data_type: Some(data_type::INT64),
            name: Some(name.to_owned()),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            ..Self::default()
        }
    }

    /// The values of a tensor of i64 that lies in the graph's own file.
    #[must_use]
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        if self.data_type != Some(data_type::INT64) {
            return None;
        }
        Some(match &self.raw_data {
            Some(bytes) => bytes.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect(),
            None => self.int64_data.clone(),
        })
    }

    /// How many bytes its values take as raw data, if its element type is known here.
    #[must_use]
    pub fn stored_bytes(&self) -> Option<u64> {
        // In the order of `TensorProto.DataType`, from undefined to complex128, bfloat16 and four of float8; 0 is unknown.
        const SIZES: [u64; 21] = [0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8, 8, 16, 2, 1, 1, 1, 1];
        let size = SIZES.get(usize::try_from(self.data_type?).ok()?).copied().filter(|&size| size > 0)?;
        let entry = |bytes: u64, &dim: &i64| bytes.checked_mul(u64::try_from(dim).ok()?);
        self.dims.iter().try_fold(size, entry)
    }

    /// Whether it is a single 1, of i64 or f32.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.to_i64().is_some_and(|values| values == [1])
            || (self.is_f32() && matches!(self.to_f32()[..], [value] if (value - 1.0).abs() <= 0.0))
    }

    /// True for f32.
    #[must_use]
    pub fn is_f32(&self) -> bool {
        self.data_type == Some(data_type::FLOAT)
    }

    /// The values of a tensor of f32 that lies in the graph's own file.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match &self.raw_data {
            Some(bytes) => bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
            None => self.float_data.clone(),
        }
    }
}

impl ValueInfo {
    /// A tensor's name, element type and shape, `None` for a size that is left open.
    #[must_use]
    pub fn tensor(name: &str, elem_type: i32, dims: &[Option<i64>]) -> Self {
        let dimension = |&dim_value: &Option<i64>| Dimension { dim_value, ..Dimension::default() };
        Self::of(name, elem_type, dims.iter().map(dimension).collect())
    }

    /// A tensor's name, element type and shape.
    #[must_use]
    pub fn of(name: &str, elem_type: i32, dim: Vec<Dimension>) -> Self {
        let shape = Some(Shape { dim });
        let tensor_type = Some(TensorType { elem_type: Some(elem_type), shape });
        Self { name: Some(name.to_owned()), r#type: Some(Type { tensor_type, ..Type::default() }), ..Self::default() }
    }

    /// The element type, if it is a tensor.
    #[must_use]
    pub fn elem_type(&self) -> Option<i32> {
        self.r#type.as_ref()?.tensor_type.as_ref()?.elem_type
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn tensor(name: &str) -> Tensor {
        Tensor::f32(name, &[1], &[0.0])
    }

    fn seen(model: &Model) -> Vec<String> {
        let mut names = Vec::new();
        visit_tensors(model.to_bytes().into(), |tensor| names.push(tensor.name().to_owned())).unwrap();
        names.sort();
        names
    }

    fn within(attribute: Attribute) -> Graph {
        Graph { node: vec![Node { attribute: vec![attribute], ..Node::default() }], ..Graph::default() }
    }

    /// Files of PyTorch's exporters and of the onnx package for Python.
    #[test]
    fn what_other_programs_wrote_comes_back_as_it_was() {
        let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut read = 0;
        for folder in ["graphs", "diffusers", "mnist-unet/unet", "mixture/unet"] {
            for entry in std::fs::read_dir(fixtures.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_none_or(|extension| extension != "onnx") {
                    continue;
                }
                let stored = std::fs::read(&path).unwrap();
                let model = Model::from_bytes(&stored[..]).unwrap();
                let again = model.to_bytes();
                assert_eq!(Model::from_bytes(&again[..]).unwrap(), model, "{}", path.display());
                // All of them write fields in the order of their numbers, as this does.
                assert!(again == stored, "{}", path.display());
                read += 1;
            }
        }
        assert!(read >= 35, "{read} files");
    }

    #[test]
    fn a_field_of_a_later_standard_is_named_wherever_it_is() {
        let unknown = |bytes: &[u8]| Model::from_bytes(bytes).unwrap_err();
        let graph = |inner: Vec<u8>| {
            let stored = [vec![0x3a, u8::try_from(inner.len()).unwrap()], inner].concat();
            unknown(&stored)
        };
        // Field 60 with a number, in a model, a graph, and a node of a graph.
        let field = vec![0xe0, 0x03, 0x01];
        let at = |message| Unreadable::Unknown { message, field: 60 };
        assert_eq!(unknown(&[vec![0x3a, 0], field.clone()].concat()), at("ModelProto"));
        assert_eq!(graph(field.clone()), at("GraphProto"));
        assert_eq!(graph([vec![0x0a, 3], field.clone()].concat()), at("NodeProto"));
        // Numbers that are not packed where they could be are known, though they take more bytes than when written again.
        let tensor = vec![0x08, 2, 0x08, 3, 0x10, 7, 0x38, 1, 0x38, 2];
        let graph = [vec![0x2a, u8::try_from(tensor.len()).unwrap()], tensor].concat();
        let stored = [vec![0x3a, u8::try_from(graph.len()).unwrap()], graph].concat();
        assert_eq!(Model::from_bytes(&stored[..]).unwrap().graph.unwrap().initializer[0].int64_data, [1, 2]);
        // And they do not make up for one that is unknown.
        assert_eq!(unknown(&[stored, field].concat()), at("ModelProto"));
    }

    #[test]
    fn every_tensor_is_visited_wherever_it_lies() {
        let leaf = |name: &str| Graph { initializer: vec![tensor(name)], ..Graph::default() };
        let bytes = |graph: &Graph| Bytes::from(graph.encode_to_vec());
        let sparse = |values: &str, indices: &str| {
            let stored = SparseTensor { values: Some(tensor(values)), indices: Some(tensor(indices)) };
            Bytes::from(stored.encode_to_vec())
        };
        let nested = within(Attribute { g: vec![bytes(&leaf("nested"))], ..Attribute::default() });
        let attribute = Attribute {
            t: Some(tensor("value")),
            tensors: vec![tensor("list 0"), tensor("list 1")],
            g: vec![bytes(&leaf("first piece")), bytes(&leaf("second piece"))],
            graphs: vec![bytes(&leaf("branch")), bytes(&nested)],
            sparse_tensor: vec![sparse("sparse value", "its indices")],
            sparse_tensors: vec![sparse("sparse list", "its places")],
            ..Attribute::default()
        };
        let mut graph = within(attribute.clone());
        graph.initializer.push(tensor("initializer"));
        graph.sparse_initializer.push(sparse("sparse initializer", "its entries"));
        let of_function = Attribute { t: Some(tensor("function")), ..Attribute::default() };
        let default = Attribute { t: Some(tensor("default")), ..Attribute::default() };
        let function = Function { node: within(of_function).node, attribute_proto: vec![default] };
        let functions = vec![function.encode_to_vec().into()];
        let model = Model { graph: Some(graph), functions, ..Model::default() };
        let names = [
            "branch",
            "default",
            "first piece",
            "function",
            "initializer",
            "its entries",
            "its indices",
            "its places",
            "list 0",
            "list 1",
            "nested",
            "second piece",
            "sparse initializer",
            "sparse list",
            "sparse value",
            "value",
        ];
        assert_eq!(seen(&model), names);
        assert!(visit_tensors(Bytes::from_static(b"no"), |_| ()).is_err());
    }

    #[test]
    fn a_sparse_tensor_in_pieces_is_one() {
        let piece = |values: Tensor| SparseTensor { values: Some(values), indices: None }.encode_to_vec().into();
        let place = Tensor { data_location: Some(EXTERNAL), ..Tensor::default() };
        let sparse_tensor = vec![piece(tensor("w")), piece(place)];
        let graph = Some(within(Attribute { sparse_tensor, ..Attribute::default() }));
        let mut places = Vec::new();
        let model = Model { graph, ..Model::default() };
        visit_tensors(model.to_bytes().into(), |t| places.push((t.name().to_owned(), t.data_location))).unwrap();
        assert_eq!(places, [("w".to_owned(), Some(EXTERNAL))]);
    }

    #[test]
    fn graphs_may_be_nested_deeper_than_a_stack() {
        let mut inner = Graph { initializer: vec![tensor("deep")], ..Graph::default() };
        for _ in 0..3000 {
            inner = within(Attribute { g: vec![inner.encode_to_vec().into()], ..Attribute::default() });
        }
        assert_eq!(seen(&Model { graph: Some(inner), ..Model::default() }), ["deep"]);
    }

    #[test]
    fn sizes_follow_from_shape_and_type() {
        let size = |kind: i32, dims: &[i64]| {
            Tensor { data_type: Some(kind), dims: dims.to_vec(), ..Tensor::default() }.stored_bytes()
        };
        assert_eq!(size(data_type::FLOAT, &[2, 3]), Some(24));
        assert_eq!(size(data_type::BFLOAT16, &[5]), Some(10));
        assert_eq!(size(data_type::INT64, &[]), Some(8));
        assert_eq!(size(data_type::FLOAT, &[-1]), None);
        assert_eq!(size(data_type::DOUBLE, &[i64::MAX, 4]), None);
        assert_eq!((size(8, &[1]), size(0, &[1]), size(99, &[1])), (None, None, None));
    }
}
