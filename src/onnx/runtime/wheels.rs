//! The pinned ONNX Runtime builds: one wheel for each machine, with its hash.

/// The version that [`install`](super::install()) puts into the cache.
pub const PINNED: &str = "1.31.1";

/// The oldest minor version of ONNX Runtime 1.x that can be driven: the API level chosen in `Cargo.toml`.
pub const MINIMUM_MINOR: u32 = ort::MINOR_VERSION;

/// Which build of ONNX Runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Build {
    /// With the CPU provider alone.
    #[default]
    Cpu,
    /// With the providers for CUDA and TensorRT too.
    Cuda,
}

impl Build {
    /// As the folders of the cache name it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

/// One wheel that holds a build of ONNX Runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wheel {
    /// `std::env::consts::OS` of the machine.
    pub os: &'static str,
    /// `std::env::consts::ARCH` of the machine.
    pub arch: &'static str,
    /// Which build it holds.
    pub build: Build,
    /// The name of the Python package.
    pub package: &'static str,
    /// pip's platform tag.
    pub tag: &'static str,
    /// The wheel's file name.
    pub file: &'static str,
    /// SHA-256 of the wheel, as lower-case hexadecimal.
    pub sha256: &'static str,
}

/// The Python version whose wheels are pinned. The library inside does not depend on it, and neither does pip's
/// download, whatever Python runs it.
pub const PYTHON_VERSION: &str = "3.12";
/// pip's ABI tag for [`PYTHON_VERSION`].
pub const PYTHON_ABI: &str = "cp312";

/// Every build that can be installed.
pub const WHEELS: &[Wheel] = &[
    Wheel {
        os: "linux",
        arch: "x86_64",
        build: Build::Cpu,
        package: "onnxruntime",
        tag: "manylinux_2_28_x86_64",
        file: "onnxruntime-1.31.1-cp312-cp312-manylinux_2_28_x86_64.whl",
        sha256: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
    },
    Wheel {
        os: "linux",
        arch: "aarch64",
        build: Build::Cpu,
        package: "onnxruntime",
        tag: "manylinux_2_28_aarch64",
        file: "onnxruntime-1.31.1-cp312-cp312-manylinux_2_28_aarch64.whl",
        sha256: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
    },
    Wheel {
        os: "macos",
        arch: "aarch64",
        build: Build::Cpu,
        package: "onnxruntime",
        tag: "macosx_14_0_arm64",
        file: "onnxruntime-1.31.1-cp312-cp312-macosx_14_0_arm64.whl",
        sha256: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
    },
    Wheel {
        os: "windows",
        arch: "x86_64",
        build: Build::Cpu,
        package: "onnxruntime",
        tag: "win_amd64",
        file: "onnxruntime-1.31.1-cp312-cp312-win_amd64.whl",
        sha256: "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130",
    },
    Wheel {
        os: "linux",
        arch: "x86_64",
        build: Build::Cuda,
        package: "onnxruntime-gpu",
        tag: "manylinux_2_28_x86_64",
        file: "onnxruntime_gpu-1.31.1-cp312-cp312-manylinux_2_28_x86_64.whl",
        sha256: "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
    },
    Wheel {
        os: "windows",
        arch: "x86_64",
        build: Build::Cuda,
        package: "onnxruntime-gpu",
        tag: "win_amd64",
        file: "onnxruntime_gpu-1.31.1-cp312-cp312-win_amd64.whl",
        sha256: "2bb1e9373baba88f6415257f5b6a589d23e23c16004f7d89adf4344eada5749e",
    },
];

impl Wheel {
    /// The build for a machine, if there is one.
    #[must_use]
    pub fn find(os: &str, arch: &str, build: Build) -> Option<&'static Self> {
        WHEELS.iter().find(|w| w.os == os && w.arch == arch && w.build == build)
    }

    /// Name of the folder in the cache that holds this build.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("onnxruntime-{PINNED}-{}-{}-{}", self.build.name(), self.os, self.arch)
    }

    /// Whether a file of the wheel is needed at run time: the shared libraries, and the texts of their licences.
    #[must_use]
    pub fn wants(name: &str) -> Option<&str> {
        if let Some(text) =
            name.strip_prefix("onnxruntime/").filter(|n| *n == "LICENSE" || *n == "ThirdPartyNotices.txt")
        {
            return Some(text);
        }
        let file = name.strip_prefix("onnxruntime/capi/")?;
        let plain = !file.is_empty() && !file.contains(['/', '\\']);
        let library = file.contains(".so") || file.ends_with(".dylib") || file.ends_with(".dll");
        (plain && library && !file.contains("pybind")).then_some(file)
    }
}

/// The machines that have a build, for messages.
#[must_use]
pub fn known(build: Build) -> String {
    WHEELS.iter().filter(|w| w.build == build).map(|w| format!("{}-{}", w.os, w.arch)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_consistent() {
        for w in WHEELS {
            assert_eq!(w.sha256.len(), 64);
            assert!(w.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
            assert!(
                w.file.contains(PINNED) && w.file.contains(PYTHON_ABI) && w.file.ends_with(&format!("{}.whl", w.tag))
            );
            assert!(w.file.starts_with(&w.package.replace('-', "_")));
            assert_eq!(WHEELS.iter().filter(|o| o.folder() == w.folder()).count(), 1);
            assert_eq!(WHEELS.iter().filter(|o| o.sha256 == w.sha256).count(), 1);
            assert_eq!(Wheel::find(w.os, w.arch, w.build), Some(w));
        }
        for (os, arch) in [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64"), ("windows", "x86_64")] {
            assert!(Wheel::find(os, arch, Build::Cpu).is_some());
        }
        assert_eq!(Wheel::find("linux", "riscv64", Build::Cpu), None);
    }

    #[test]
    fn only_shared_libraries_and_licences_are_unpacked() {
        let keep = [
            ("onnxruntime/capi/libonnxruntime.so.1.31.1", "libonnxruntime.so.1.31.1"),
            ("onnxruntime/capi/libonnxruntime.1.31.1.dylib", "libonnxruntime.1.31.1.dylib"),
            ("onnxruntime/capi/onnxruntime.dll", "onnxruntime.dll"),
            ("onnxruntime/capi/libonnxruntime_providers_cuda.so", "libonnxruntime_providers_cuda.so"),
            ("onnxruntime/LICENSE", "LICENSE"),
            ("onnxruntime/ThirdPartyNotices.txt", "ThirdPartyNotices.txt"),
        ];
        for (name, file) in keep {
            assert_eq!(Wheel::wants(name), Some(file));
        }
        for name in [
            "onnxruntime/capi/",
            "onnxruntime/capi/onnxruntime_pybind11_state.cpython-312-x86_64-linux-gnu.so",
            "onnxruntime/capi/onnxruntime_pybind11_state.pyd",
            "onnxruntime/capi/../../x.so",
            "onnxruntime/capi/training/x.so",
            "onnxruntime/__init__.py",
            "x/capi/libonnxruntime.so",
        ] {
            assert_eq!(Wheel::wants(name), None, "{name}");
        }
    }
}
