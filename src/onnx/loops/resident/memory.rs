//! Tensors in a device's memory, and the few copies to and from it.

use std::sync::Arc;

use ort::memory::Allocator;
use ort::session::Session;
use ort::value::{DefiniteTensorValueTypeMarker, DynTensor, Tensor, TensorElementType, Value};

use crate::onnx::runtime::Device;
use crate::onnx::runtime::capture::calling;
use crate::onnx::runtime::native::{self, Stream};

/// Where tensors are to be: a device's own memory, and host memory that it can be copied from quickly.
#[derive(Debug)]
pub(super) struct DeviceMemory {
    device: Allocator,
    host: Allocator,
    copies: Copies,
}

/// How tensors are copied: by a stream of the device, or within the host's memory if the device has none of its own.
#[derive(Debug)]
pub(super) struct Copies(Option<Arc<dyn Stream>>);

impl DeviceMemory {
    /// The memory that a session's provider uses.
    pub(super) fn of(session: &Session, device: Device) -> ort::Result<Self> {
        let memory = device.provider().and_then(|provider| provider.memory());
        let [own, host] = match memory {
            Some(memory) => memory.allocators(session, device.number())?,
            None => [Allocator::default(), Allocator::default()],
        };
        Ok(Self { device: own, host, copies: Copies::on(device)? })
    }

    /// A tensor on the device, all zeros.
    pub(super) fn zeros(&self, element: TensorElementType, shape: &[usize]) -> ort::Result<DynTensor> {
        native::zeros(&self.device, element, shape, self.copies.0.as_deref())
    }

    /// As [`Self::zeros`], of float32.
    pub(super) fn floats(&self, shape: [usize; 4]) -> ort::Result<Tensor<f32>> {
        self.zeros(TensorElementType::Float32, &shape)?.into_dyn().downcast()
    }

    /// A tensor in host memory, all zeros.
    pub(super) fn on_host(&self, shape: [usize; 4]) -> ort::Result<Tensor<f32>> {
        let tensor = native::zeros(&self.host, TensorElementType::Float32, &shape, self.copies.0.as_deref())?;
        tensor.into_dyn().downcast()
    }

    /// A copy of a host tensor on the device.
    pub(super) fn placed(&self, tensor: &DynTensor) -> ort::Result<DynTensor> {
        let shape: Vec<usize> = tensor.shape().iter().map(|&size| usize::try_from(size).unwrap_or(0)).collect();
        let mut placed = self.zeros(*tensor.data_type(), &shape)?;
        self.copy(tensor, &mut placed)?;
        Ok(placed)
    }

    /// Copies a tensor to another one of its type and shape, wherever they are.
    pub(super) fn copy<A, B>(&self, from: &Value<A>, to: &mut Value<B>) -> ort::Result<()>
    where
        A: DefiniteTensorValueTypeMarker + ?Sized,
        B: DefiniteTensorValueTypeMarker + ?Sized,
    {
        self.copies.copy(from, to)
    }

    /// Waits for the device when it is dropped, unless [`InFlight::landed`] comes first.
    pub(super) fn in_flight(&self) -> InFlight {
        InFlight(self.copies.0.clone())
    }
}

/// Runs that the device may not be done with. Dropped, after an error or by a panic, it waits until the device does
/// nothing, so that no tensor goes away under a run.
pub(super) struct InFlight(Option<Arc<dyn Stream>>);

impl InFlight {
    /// The last run has been waited for.
    pub(super) fn landed(mut self) {
        self.0 = None;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(stream) = &self.0 {
            let _calling = calling();
            stream.synchronize();
        }
    }
}

impl Copies {
    /// For a thread of its own.
    pub(super) fn on(device: Device) -> ort::Result<Self> {
        let memory = device.provider().and_then(|provider| provider.memory());
        let stream = memory.map(|memory| memory.stream(device.number())).transpose();
        Ok(Self(stream.map_err(ort::Error::new)?))
    }

    /// Copies a tensor to another one of its type and shape; it is there when this returns.
    pub(super) fn copy<A, B>(&self, from: &Value<A>, to: &mut Value<B>) -> ort::Result<()>
    where
        A: DefiniteTensorValueTypeMarker + ?Sized,
        B: DefiniteTensorValueTypeMarker + ?Sized,
    {
        native::copy(from, to, self.0.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Counted(AtomicUsize);

    #[allow(unsafe_code)]
    impl Stream for Counted {
        unsafe fn copy(&self, _: *const c_void, _: *mut c_void, _: usize) -> Result<(), String> {
            Ok(())
        }

        unsafe fn clear(&self, _: *mut c_void, _: usize) -> Result<(), String> {
            Ok(())
        }

        fn synchronize(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_panic_between_runs_waits_for_the_device() {
        let counted = Arc::new(Counted::default());
        let flight = || InFlight(Some(Arc::clone(&counted) as Arc<dyn Stream>));
        flight().landed();
        assert_eq!(counted.0.load(Ordering::Relaxed), 0);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _flight = flight();
            panic!("an observer's");
        }));
        assert!(panicked.is_err());
        assert_eq!(counted.0.load(Ordering::Relaxed), 1);
    }
}
