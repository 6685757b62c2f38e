"""Interchange with other libraries: DLPack, and the array API's namespace."""

import numpy as np
import pytest

from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    Device,
    DeviceError,
    DTypeError,
    array_api,
    float16,
    float32,
    from_dlpack,
    int32,
    tensor,
    uint8,
)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "uint8", "bool"])
def test_a_tensor_on_the_cpu_is_shown_without_a_copy(dtype):
    t = tensor(np.arange(6).reshape(2, 3).astype(dtype))
    view = np.from_dlpack(t[:, ::-1])
    assert view.dtype == t.dtype and not view.flags.writeable
    assert np.shares_memory(view, np.asarray(t, copy=False))
    np.testing.assert_array_equal(view, t.numpy()[:, ::-1])
    assert t.__dlpack_device__() == (1, 0)


def test_a_copy_is_given_where_it_is_asked_for_or_needed():
    t = tensor([1.0, 2.0])
    copied = np.from_dlpack(t, copy=True)
    assert copied.tolist() == [1, 2]
    assert not np.shares_memory(copied, np.asarray(t, copy=False))
    for arguments, shared in [({}, False), ({"copy": False}, True), ({"copy": True}, False)]:
        consumed = np.from_dlpack(Unversioned(t, arguments))
        assert np.shares_memory(consumed, np.asarray(t, copy=False)) is shared


@pytest.mark.gpu
def test_a_tensor_on_a_gpu_is_copied_only_where_the_cpu_is_asked_for():
    t = tensor([1.0, 2.0], device="gpu")
    assert t.__dlpack_device__()[0] != 1
    with pytest.raises(BufferError, match="take it to the CPU first"):
        t.__dlpack__()
    assert np.from_dlpack(t, device="cpu").tolist() == [1, 2]
    with pytest.raises(DeviceError, match="move it there first"):
        from_dlpack(Elsewhere())
    with pytest.raises(ArgumentError, match="needs a copy"):
        from_dlpack(np.zeros(2, np.float32), device="gpu", copy=False)
    assert from_dlpack(np.ones(2, np.float32), device="gpu").device == "gpu:0"
    assert from_dlpack(t).device is t.device


class Unversioned:
    """Passes a tensor on to a consumer that knows no read-only memory."""

    def __init__(self, tensor, arguments):
        self.tensor, self.arguments = tensor, arguments

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()

    def __dlpack__(self, **arguments):
        return self.tensor.__dlpack__(**self.arguments)


class Elsewhere:
    """What lies on CUDA's device 0."""

    def __dlpack_device__(self):
        return (2, 0)

    def __dlpack__(self, **arguments):
        raise AssertionError("not asked for")


def test_from_dlpack_shares_memory_unless_told_otherwise():
    a = np.arange(6, dtype=np.float32).reshape(2, 3)
    t, own = from_dlpack(a), from_dlpack(a, copy=True)
    a[0, 0] = 9
    assert t[0, 0].item() == 9 and own[0, 0].item() == 0
    t.add_(1.0)
    assert a[1].tolist() == [4, 5, 6]
    a.flags.writeable = False
    with pytest.raises(ArgumentError, match="cannot be written to"):
        from_dlpack(a).zero_()
    assert (from_dlpack(a.T) + 1.0).shape == (3, 2)
    p = Parameter(tensor([1.0, 2.0]))
    assert (from_dlpack(p) * p).sum().backward().get(p.id).tolist() == [1, 2]


def test_from_dlpack_says_what_it_does_not_take():
    with pytest.raises(DTypeError, match="float64 is not supported"):
        from_dlpack(np.zeros(2))
    with pytest.raises(DTypeError, match="takes what has __dlpack__, not a list"):
        from_dlpack([1.0])


def test_the_namespace_of_a_tensor_is_the_array_apis(device):
    t = tensor([[1.0, 4.0]], device=device)
    xp = t.__array_namespace__(api_version="2024.12")
    assert xp is array_api and t.to_device("cpu").device == "cpu"
    with pytest.raises(ArgumentError, match="there are 2021"):
        t.__array_namespace__(api_version="2030.12")
    x = xp.asarray([1, 4], dtype=xp.float32, device=t.device)
    assert xp.sqrt(x).tolist() == [1, 2] and xp.sum(x, axis=0).item() == 5
    assert xp.matmul(t, xp.matrix_transpose(t)).item() == 17 == (t @ t.mT).item()
    assert xp.concat([x, x]).shape == (4,) and xp.concat([t, x], axis=None).shape == (4,)
    assert xp.permute_dims(t, (1, 0)).shape == xp.reshape(t, (2, 1)).shape == (2, 1)
    assert xp.zeros((2,), device=t.device).device is t.device
    assert xp.full_like(t, 3, dtype=xp.int32).tolist() == [[3, 3]]
    assert xp.eye(2, 3, k=1).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert xp.linspace(0, 1, 3).tolist() == [0, 0.5, 1] and xp.arange(3).dtype == int32
    assert hasattr(xp, "exp") and "exp" in dir(xp) and not hasattr(xp, "fft")


def test_the_namespace_says_what_it_has():
    info = array_api.__array_namespace_info__()
    assert info.default_device() == "cpu" and Device("cpu") in info.devices()
    assert info.default_dtypes() == {"real floating": float32, "integral": int32, "indexing": int32}
    assert info.dtypes(kind="integral") == {"uint8": uint8, "int32": int32}
    assert info.capabilities()["max dimensions"] == 64
    assert array_api.iinfo(uint8).max == 255 and array_api.finfo(float16).max == 65504
    assert array_api.isdtype(int32, ("bool", "signed integer")) and not array_api.isdtype(
        float32, "integral"
    )
    assert array_api.result_type(uint8, 1.0) == float32
    assert array_api.can_cast(uint8, int32) and not array_api.can_cast(int32, float32)
    assert array_api.astype(tensor([1.5]), int32).tolist() == [1]
    with pytest.raises(DTypeError, match="finfo takes float32 or float16, not int32"):
        array_api.finfo(int32)
