"""How running out of memory is said, in the words of every framework."""

import pytest

from limelens.errors import InvalidInputError, is_out_of_memory


class ResourceExhaustedError(Exception):
    """TensorFlow's is no RuntimeError."""


class InferenceError(Exception):
    """ONNX Runtime's is none either."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhaustedError("OOM when allocating tensor with shape[64,3,224,224]"),
        InferenceError("Failed to allocate memory for requested buffer of size 9000000000"),
        InferenceError("Available memory of 1024 is smaller than requested bytes of 4096"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried ..."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("HIP error: hipErrorOutOfMemory"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 123 bytes"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("Could not allocate 3 GiB on device 0"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED"),
        RuntimeError("cuMemAlloc failed: unknown"),
        InferenceError("(-4:Insufficient memory) in function 'OutOfMem'"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=str,
)
def test_out_of_memory_is_recognised(error):
    assert is_out_of_memory(error)


def test_an_error_raised_from_one_is_one_too():
    error = RuntimeError("inference failed")
    error.__cause__ = MemoryError()
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes do not match"), InvalidInputError("out of memory"), OSError(2, "")],
)
def test_other_errors_are_not(error):
    assert not is_out_of_memory(error)
