//! Devices as users name them: a provider and a number.

use std::fmt;
use std::str::FromStr;

use super::native::MemoryInUse;
use super::provider::{Provider, cpu::Cpu, cuda::Cuda, tensorrt::TensorRt};
use crate::onnx::error::{Error, Result};

/// Every provider, in the order in which they are named: another one is its file and a line here.
static PROVIDERS: &[&dyn Provider] = &[&Cpu, &Cuda, &TensorRt];

/// Where a network is to run.
///
/// ```
/// use alphabar::onnx::Device;
///
/// assert_eq!("cuda:1".parse(), Ok(Device::cuda(1)));
/// assert_eq!(Device::CPU.to_string(), "cpu");
/// assert_eq!(Device::default(), Device::AUTO);
/// ```
#[derive(Clone, Copy, Default)]
pub struct Device(Option<Chosen>);

/// A provider's device.
#[derive(Clone, Copy)]
struct Chosen {
    provider: &'static dyn Provider,
    number: u32,
}

impl Device {
    /// The first device whose provider is there and works, the CPU if there is no other; a note says which.
    pub const AUTO: Self = Self(None);
    /// The CPU.
    pub const CPU: Self = Self(Some(Chosen { provider: &Cpu, number: 0 }));

    /// The GPU of that number through CUDA, or an error.
    #[must_use]
    pub const fn cuda(number: u32) -> Self {
        Self(Some(Chosen { provider: &Cuda, number }))
    }

    /// The GPU of that number through TensorRT, or an error.
    #[must_use]
    pub const fn tensorrt(number: u32) -> Self {
        Self(Some(Chosen { provider: &TensorRt, number }))
    }

    /// Memory in use on the device, by all processes; `None` for the CPU, and where the device does not tell.
    ///
    /// ```
    /// assert!(alphabar::onnx::Device::CPU.memory().is_none());
    /// ```
    #[must_use]
    pub fn memory(self) -> Option<MemoryInUse> {
        let Chosen { provider, number } = self.0?;
        provider.memory()?.in_use(number)
    }

    /// The provider, unless it is still to be chosen.
    pub(in crate::onnx) fn provider(self) -> Option<&'static dyn Provider> {
        self.0.map(|chosen| chosen.provider)
    }

    /// The device's number among those of its provider.
    pub(in crate::onnx) fn number(self) -> u32 {
        self.0.map_or(0, |chosen| chosen.number)
    }

    /// Whether it has a memory of its own, apart from the host's.
    pub(in crate::onnx) fn has_memory(self) -> bool {
        self.provider().is_some_and(|provider| provider.memory().is_some())
    }

    /// The devices that [`AUTO`](Self::AUTO) tries before the CPU.
    pub(in crate::onnx) fn automatic() -> impl Iterator<Item = (Self, &'static dyn Provider)> {
        let automatic = PROVIDERS.iter().copied().filter(|provider| provider.is_automatic());
        automatic.map(|provider| (Self(Some(Chosen { provider, number: 0 })), provider))
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        let name = |device: &Self| device.0.map(|chosen| (chosen.provider.name(), chosen.number));
        name(self) == name(other)
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({self})")
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("auto"),
            Some(Chosen { provider, number }) if provider.is_numbered() => write!(f, "{}:{number}", provider.name()),
            Some(Chosen { provider, .. }) => f.write_str(provider.name()),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        let unknown = || Error::UnknownDevice { found: text.to_owned(), expected: names() };
        if text == "auto" {
            return Ok(Self::AUTO);
        }
        let provider = PROVIDERS.iter().copied().find(|provider| provider.name() == name).ok_or_else(unknown)?;
        let number = match number {
            None => 0,
            Some(number) if provider.is_numbered() => number.parse().map_err(|_| unknown())?,
            Some(_) => return Err(unknown()),
        };
        Ok(Self(Some(Chosen { provider, number })))
    }
}

/// What users may write.
fn names() -> String {
    let of = |provider: &&dyn Provider| {
        let name = provider.name();
        if provider.is_numbered() { vec![name.to_owned(), format!("{name}:N")] } else { vec![name.to_owned()] }
    };
    let all: Vec<String> = std::iter::once("auto".to_owned()).chain(PROVIDERS.iter().flat_map(of)).collect();
    match all.split_last() {
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        for (text, device) in [
            ("auto", Device::AUTO),
            ("cpu", Device::CPU),
            ("cuda", Device::cuda(0)),
            ("cuda:3", Device::cuda(3)),
            ("tensorrt:1", Device::tensorrt(1)),
        ] {
            assert_eq!(text.parse(), Ok(device));
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", "cpu:0", "auto:"] {
            let error = text.parse::<Device>().unwrap_err();
            assert!(matches!(&error, Error::UnknownDevice { found, .. } if found == text), "{error}");
        }
        assert_eq!(Device::cuda(1).to_string(), "cuda:1");
        assert_ne!(Device::cuda(1), Device::cuda(0));
        assert_ne!(Device::cuda(1), Device::tensorrt(1));
        assert_eq!(names(), "auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N");
    }
}
