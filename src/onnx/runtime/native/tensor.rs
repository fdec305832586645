//! Tensors that begin as zeros, and copies between them, in the host's memory and in a device's.

use ort::memory::Allocator;
use ort::value::{DefiniteTensorValueTypeMarker, DynTensor, TensorElementType, Value};

use super::Stream;

/// A new tensor, all zeros. This is the only place that makes tensors: `ort` calls their memory uninitialised.
///
/// `stream` is that of the device whose allocator it is, or `None` for memory that the host reaches.
pub(in crate::onnx) fn zeros(
    allocator: &Allocator,
    element: TensorElementType,
    shape: &[usize],
    stream: Option<&dyn Stream>,
) -> ort::Result<DynTensor> {
    let mut tensor = DynTensor::new(allocator, element, shape.to_vec())?;
    let size = tensor.size().ok_or_else(|| ort::Error::new("string tensors cannot be zeroed"))?;
    if tensor.memory_info().is_cpu_accessible() {
        // SAFETY: the tensor is this function's own and has that many bytes where the host can write them. Zero bytes are
        // a value of every element type that is not text.
        unsafe { std::ptr::write_bytes(tensor.data_ptr_mut().cast::<u8>(), 0, size) };
        return Ok(tensor);
    }
    let stream = stream.ok_or_else(|| ort::Error::new("the host cannot write zeros into a device's memory"))?;
    // SAFETY: the tensor is new, so that nothing else uses it, and has that many bytes.
    unsafe { stream.clear(tensor.data_ptr_mut(), size) }.map_err(ort::Error::new)?;
    Ok(tensor)
}

/// Copies a tensor's bytes to another tensor of the same type and shape; they are there when it returns. Runs that
/// write the one or read the other must have ended.
pub(in crate::onnx) fn copy<A, B>(from: &Value<A>, to: &mut Value<B>, stream: Option<&dyn Stream>) -> ort::Result<()>
where
    A: DefiniteTensorValueTypeMarker + ?Sized,
    B: DefiniteTensorValueTypeMarker + ?Sized,
{
    let size = bytes_of(from.size(), to.size()).map_err(ort::Error::new)?;
    if let Some(stream) = stream {
        // SAFETY: both have that many bytes and are borrowed until the copy is done, one of them alone, so they are apart.
        return unsafe { stream.copy(from.data_ptr(), to.data_ptr_mut(), size) }.map_err(ort::Error::new);
    }
    if !from.memory_info().is_cpu_accessible() || !to.memory_info().is_cpu_accessible() {
        return Err(ort::Error::new("the host cannot copy a tensor that is in a device's memory"));
    }
    // SAFETY: as above, where the host can reach them.
    unsafe { std::ptr::copy_nonoverlapping(from.data_ptr().cast::<u8>(), to.data_ptr_mut().cast::<u8>(), size) };
    Ok(())
}

/// Bytes of two tensors that are of one size.
fn bytes_of(from: Option<usize>, to: Option<usize>) -> Result<usize, String> {
    match (from, to) {
        (Some(size), Some(room)) if size == room => Ok(size),
        (Some(size), Some(room)) => Err(format!("cannot copy a tensor of {size} bytes into one of {room}")),
        _ => Err("string tensors cannot be copied".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes_of;

    #[test]
    fn tensors_of_different_sizes_are_refused_in_words() {
        assert_eq!(bytes_of(Some(8), Some(8)), Ok(8));
        assert_eq!(bytes_of(Some(8), Some(16)).unwrap_err(), "cannot copy a tensor of 8 bytes into one of 16");
        assert!(bytes_of(None, Some(16)).is_err());
    }
}
