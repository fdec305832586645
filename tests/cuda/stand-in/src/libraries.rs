//! cuBLAS, cuDNN's classical functions, cuFFT and the driver: results are success, and products are counted as kernels.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::stream;

/// Functions that succeed and do nothing.
macro_rules! nothing {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> c_int {
            0
        }
    )*};
}

/// Functions that put a new handle where their first argument points.
macro_rules! handles {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(new: *mut usize) -> c_int {
            // SAFETY: the caller's pointer.
            unsafe { *new = stream::handle() };
            0
        }
    )*};
}

/// Functions that compute: counted, on a stream of their own library's.
macro_rules! computes {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(handle: usize) -> c_int {
            stream::kernel(bound(handle), stringify!($name))
        }
    )*};
}

handles! {
    cublasCreate_v2 cublasLtCreate cublasLtMatmulDescCreate cublasLtMatmulPreferenceCreate cublasLtMatrixLayoutCreate
    cublasLtMatrixTransformDescCreate
    cudnnCreate cudnnCreateActivationDescriptor cudnnCreateConvolutionDescriptor cudnnCreateDropoutDescriptor
    cudnnCreateFilterDescriptor cudnnCreateLRNDescriptor cudnnCreatePoolingDescriptor cudnnCreateRNNDataDescriptor
    cudnnCreateRNNDescriptor cudnnCreateReduceTensorDescriptor cudnnCreateTensorDescriptor
}

nothing! {
    cublasDestroy_v2 cublasSetMathMode cublasLtDestroy cublasLtMatmulAlgoConfigSetAttribute cublasLtMatmulAlgoInit
    cublasLtMatmulDescDestroy cublasLtMatmulDescSetAttribute cublasLtMatmulPreferenceDestroy
    cublasLtMatmulPreferenceSetAttribute cublasLtMatrixLayoutDestroy cublasLtMatrixLayoutSetAttribute
    cublasLtMatrixTransformDescDestroy
    cudnnDeriveBNTensorDescriptor cudnnDestroy cudnnDestroyActivationDescriptor cudnnDestroyConvolutionDescriptor
    cudnnDestroyDropoutDescriptor cudnnDestroyFilterDescriptor cudnnDestroyLRNDescriptor cudnnDestroyPoolingDescriptor
    cudnnDestroyRNNDataDescriptor cudnnDestroyRNNDescriptor cudnnDestroyReduceTensorDescriptor
    cudnnDestroyTensorDescriptor cudnnGetRNNWeightParams cudnnGetTensorNdDescriptor cudnnSetActivationDescriptor
    cudnnSetConvolutionGroupCount cudnnSetConvolutionMathType cudnnSetConvolutionNdDescriptor cudnnSetDropoutDescriptor
    cudnnSetFilterNdDescriptor cudnnSetLRNDescriptor cudnnSetPoolingNdDescriptor cudnnSetRNNDataDescriptor
    cudnnSetRNNDescriptor_v8 cudnnSetReduceTensorDescriptor cudnnSetTensorNdDescriptor cudnnGetLastErrorString
    cufftDestroy cufftSetStream cufftXtMakePlanMany
    cuTensorMapEncodeTiled
}

computes! {
    cublasDgeam cublasDgemmBatched cublasDgemmStridedBatched cublasDgemm_v2 cublasDgetrfBatched cublasDgetriBatched
    cublasGemmBatchedEx cublasGemmEx cublasGemmStridedBatchedEx cublasScopy_v2 cublasSgeam cublasSgemmBatched
    cublasSgemmStridedBatched cublasSgemm_v2 cublasSgetrfBatched cublasSgetriBatched cublasSscal_v2
    cublasLtMatrixTransform
    cudnnActivationForward cudnnAddTensor cudnnBatchNormalizationForwardInference
    cudnnBatchNormalizationForwardTraining cudnnConvolutionBiasActivationForward cudnnConvolutionForward
    cudnnLRNCrossChannelForward cudnnPoolingForward cudnnRNNForward cudnnReduceTensor cudnnSoftmaxForward cufftXtExec
}

/// Which stream the handles of cuBLAS and cuDNN are bound to.
static BOUND: std::sync::Mutex<std::collections::BTreeMap<usize, usize>> =
    std::sync::Mutex::new(std::collections::BTreeMap::new());

pub fn bound(handle: usize) -> usize {
    crate::report::lock(&BOUND).get(&handle).copied().unwrap_or(0)
}

#[unsafe(no_mangle)]
pub extern "C" fn cublasSetStream_v2(handle: usize, on: usize) -> c_int {
    crate::report::lock(&BOUND).insert(handle, on);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cudnnSetStream(handle: usize, on: usize) -> c_int {
    cublasSetStream_v2(handle, on)
}

/// The stream is its last argument.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmul(
    _handle: usize,
    _operation: usize,
    _alpha: usize,
    _a: usize,
    _a_layout: usize,
    _b: usize,
    _b_layout: usize,
    _beta: usize,
    _c: usize,
    _c_layout: usize,
    _d: usize,
    _d_layout: usize,
    _algorithm: usize,
    _workspace: usize,
    _workspace_size: usize,
    on: usize,
) -> c_int {
    stream::kernel(on, "cublasLtMatmul")
}

/// A number that a query writes, after so many other arguments.
macro_rules! writes {
    ($($name:ident($($before:ident),*) -> $kind:ty = $value:expr;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($before: usize,)* to: *mut $kind) -> c_int {
            // SAFETY: the caller's pointer.
            unsafe { *to = $value };
            0
        }
    )*};
}

writes! {
    cublasGetMathMode(_a) -> c_int = 0;
    cufftCreate() -> c_int = 1;
    cudnnGetStream(handle) -> usize = bound(handle);
    cudnnDropoutGetStatesSize(_a) -> usize = 1024;
    cudnnGetReductionIndicesSize(_a, _b, _c, _d) -> usize = 0;
    cudnnGetReductionWorkspaceSize(_a, _b, _c, _d) -> usize = 0;
    cudnnGetConvolutionForwardWorkspaceSize(_a, _b, _c, _d, _e, _f) -> usize = 0;
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnGetRNNTempSpaceSizes(
    _handle: usize,
    _network: usize,
    _mode: usize,
    _x: usize,
    work: *mut usize,
    reserve: *mut usize,
) -> c_int {
    // SAFETY: the caller's pointers.
    unsafe { (*work, *reserve) = (1024, 1024) };
    0
}

/// `cudnnConvolutionFwdAlgoPerf_t`: algorithm, status, time, memory, determinism, kind of arithmetic.
#[repr(C)]
struct Performance {
    algorithm: c_int,
    status: c_int,
    time: f32,
    memory: usize,
    rest: [c_int; 5],
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnGetConvolutionForwardAlgorithm_v7(
    _handle: usize,
    _x: usize,
    _w: usize,
    _convolution: usize,
    _y: usize,
    _asked: c_int,
    returned: *mut c_int,
    results: *mut c_void,
) -> c_int {
    // SAFETY: the caller has room for at least one result.
    unsafe {
        *returned = 1;
        let one = Performance { algorithm: 1, status: 0, time: 0.01, memory: 0, rest: [0; 5] };
        results.cast::<Performance>().write(one);
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cudnnFindConvolutionForwardAlgorithmEx(
    _handle: usize,
    _x: usize,
    _x_data: usize,
    _w: usize,
    _w_data: usize,
    _convolution: usize,
    _y: usize,
    _y_data: usize,
    asked: c_int,
    returned: *mut c_int,
    results: *mut c_void,
) -> c_int {
    // SAFETY: as there.
    unsafe { cudnnGetConvolutionForwardAlgorithm_v7(0, 0, 0, 0, 0, asked, returned, results) }
}

/// A result is 64 bytes of algorithm, a size, a status, and waste; zeros are a good one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulAlgoGetHeuristic(
    _handle: usize,
    _operation: usize,
    _a: usize,
    _b: usize,
    _c: usize,
    _d: usize,
    _preference: usize,
    asked: c_int,
    results: *mut [u8; 96],
    returned: *mut c_int,
) -> c_int {
    // SAFETY: the caller has room for as many results as were asked for.
    unsafe {
        if asked > 0 {
            *results = [0; 96];
        }
        *returned = asked.min(1);
    }
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cudnnGetVersion() -> usize {
    91_400
}

fn word(error: c_int) -> *const c_char {
    let text: &CStr = if error == 0 { c"success" } else { c"an error of the stand-in" };
    text.as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn cublasGetStatusName(error: c_int) -> *const c_char {
    word(error)
}

#[unsafe(no_mangle)]
pub extern "C" fn cublasGetStatusString(error: c_int) -> *const c_char {
    word(error)
}

#[unsafe(no_mangle)]
pub extern "C" fn cudnnGetErrorString(error: c_int) -> *const c_char {
    word(error)
}
