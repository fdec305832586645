//! Tensors in a device's memory, and the few copies to and from it.

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::{DynTensor, Tensor, TensorElementType};

use crate::onnx::Device;

/// Where tensors are to be: a device's own memory, and host memory that it can be copied from quickly.
#[derive(Debug)]
pub(super) struct Place {
    device: Allocator,
    host: Allocator,
}

impl Place {
    /// The memory that a session's provider uses.
    pub(super) fn of(session: &Session, device: Device) -> ort::Result<Self> {
        let Some(number) = device.gpu() else {
            return Ok(Self { device: Allocator::default(), host: Allocator::default() });
        };
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let info = |device, kind| -> ort::Result<_> { MemoryInfo::new(device, number, AllocatorType::Device, kind) };
        let own = Allocator::new(session, info(AllocationDevice::CUDA, MemoryType::Default)?)?;
        // Pageable memory serves as well, only slower.
        let pinned = info(AllocationDevice::CUDA_PINNED, MemoryType::CPUInput)
            .and_then(|pinned| Allocator::new(session, pinned))
            .unwrap_or_default();
        Ok(Self { device: own, host: pinned })
    }

    /// A tensor on the device, all zeros.
    pub(super) fn zeros(&self, element: TensorElementType, shape: &[usize]) -> ort::Result<DynTensor> {
        let mut tensor = DynTensor::new(&self.device, element, shape.to_vec())?;
        if !tensor.memory_info().is_cpu_accessible() {
            DynTensor::new(&Allocator::default(), element, shape.to_vec())?.copy_into(&mut tensor)?;
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
        tensor.copy_into(&mut placed)?;
        Ok(placed)
    }
}

/// Copies between tensors of one shape, wherever they are.
pub(super) fn copy(from: &Tensor<f32>, to: &mut Tensor<f32>) -> ort::Result<()> {
    if from.memory_info().is_cpu_accessible() && to.memory_info().is_cpu_accessible() {
        to.extract_tensor_mut().1.copy_from_slice(from.extract_tensor().1);
        return Ok(());
    }
    from.copy_into(to)
}
