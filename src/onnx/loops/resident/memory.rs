//! Tensors in a device's memory, and the few copies to and from it.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::{DefiniteTensorValueTypeMarker, DynTensor, Tensor, TensorElementType, Value};

use crate::onnx::Device;
use crate::onnx::native::{self, CopyStream};

/// Where tensors are to be: a device's own memory, and host memory that it can be copied from quickly.
#[derive(Debug)]
pub(super) struct Place {
    device: Allocator,
    host: Allocator,
    copies: Copies,
}

/// How tensors are copied: within the host's memory, or by a GPU.
#[derive(Debug)]
pub(super) enum Copies {
    Host,
    Gpu(CopyStream),
}

impl Place {
    /// The memory that a session's provider uses.
    pub(super) fn of(session: &Session, device: Device) -> ort::Result<Self> {
        let Some(number) = device.gpu() else {
            let copies = Copies::Host;
            return Ok(Self { device: Allocator::default(), host: Allocator::default(), copies });
        };
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let info = |device, kind| -> ort::Result<_> { MemoryInfo::new(device, number, AllocatorType::Device, kind) };
        let own = Allocator::new(session, info(AllocationDevice::CUDA, MemoryType::Default)?)?;
        // Pageable memory serves as well, only slower.
        let pinned = info(AllocationDevice::CUDA_PINNED, MemoryType::CPUInput)
            .and_then(|pinned| Allocator::new(session, pinned))
            .unwrap_or_default();
        Ok(Self { device: own, host: pinned, copies: Copies::on(device)? })
    }

    /// A tensor on the device, all zeros.
    pub(super) fn zeros(&self, element: TensorElementType, shape: &[usize]) -> ort::Result<DynTensor> {
        let mut tensor = DynTensor::new(&self.device, element, shape.to_vec())?;
        if let Copies::Gpu(stream) = &self.copies {
            stream.clear(&mut tensor).map_err(ort::Error::new)?;
        }
        Ok(tensor)
    }

    /// As [`Self::zeros`], of float32.
    pub(super) fn floats(&self, shape: [usize; 4]) -> ort::Result<Tensor<f32>> {
        self.zeros(TensorElementType::Float32, &shape)?.into_dyn().downcast()
    }

    /// A tensor in host memory.
    pub(super) fn on_host(&self, shape: [usize; 4]) -> ort::Result<Tensor<f32>> {
        Tensor::new(&self.host, shape)
    }

    /// A copy of a host tensor on the device.
    pub(super) fn placed(&self, tensor: &DynTensor) -> ort::Result<DynTensor> {
        let mut placed = DynTensor::new(&self.device, *tensor.data_type(), tensor.shape().clone())?;
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

    /// Waits until the device does nothing.
    pub(super) fn settle(&self) {
        if let Copies::Gpu(stream) = &self.copies {
            stream.settle();
        }
    }
}

impl Copies {
    /// For a thread of its own.
    pub(super) fn on(device: Device) -> ort::Result<Self> {
        Ok(match device.gpu() {
            Some(number) => Self::Gpu(CopyStream::new(number).map_err(ort::Error::new)?),
            None => Self::Host,
        })
    }

    /// Copies a tensor to another one of its type and shape; it is there when this returns.
    pub(super) fn copy<A, B>(&self, from: &Value<A>, to: &mut Value<B>) -> ort::Result<()>
    where
        A: DefiniteTensorValueTypeMarker + ?Sized,
        B: DefiniteTensorValueTypeMarker + ?Sized,
    {
        match self {
            Self::Gpu(stream) => stream.copy(from, to).map_err(ort::Error::new),
            Self::Host => native::copy_on_host(from, to).map_err(ort::Error::new),
        }
    }
}
