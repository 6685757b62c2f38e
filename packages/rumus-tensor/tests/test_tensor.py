"""Construction, conversion, operators and the errors of wrong input."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from rumus.tensor import (
    ArgumentError,
    AutogradError,
    Device,
    DeviceError,
    DTypeError,
    Generator,
    ShapeError,
    Tensor,
    arange,
    empty,
    float16,
    float32,
    from_numpy,
    full,
    int32,
    ones,
    ones_like,
    rand,
    randn,
    tensor,
    uint8,
    where,
    zeros,
    zeros_like,
)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        (3, "int32"),
        (True, "bool"),
        ([[1, 2], [3, 4]], "int32"),
        ([1, 2.5], "float32"),
        ([], "float32"),
        (np.zeros(2), "float32"),
        (np.zeros(2, np.float16), "float16"),
        (np.zeros(2, np.int64), "int32"),
        (np.zeros(2, np.uint8), "uint8"),
        (np.zeros(2, np.int8), "int32"),
        (np.zeros(2, ">f4"), "float32"),
        (range(3), "int32"),
    ],
    ids=str,
)
def test_data_get_the_dtype_that_fits(data, dtype, device):
    t = tensor(data, device=device)
    assert t.dtype == dtype and str(t.device).startswith(device)
    np.testing.assert_array_equal(t.numpy(), np.asarray(data))


@pytest.mark.parametrize("data", [2**31, -(2**31) - 1, np.array([1, 2**40]), 2**70])
def test_integers_that_do_not_fit_are_refused(data):
    with pytest.raises((ArgumentError, DTypeError)):
        tensor(data)


def test_the_message_names_the_value_and_the_range():
    with pytest.raises(ArgumentError, match=r"300 does not fit uint8 \(0 to 255\)"):
        tensor([1, 300], uint8)
    with pytest.raises(ArgumentError, match="nan does not fit int32"):
        tensor([1.0, float("nan")], int32)


@pytest.mark.parametrize("data", [["a"], [[1, 2], [3]], [None], object(), [1j]])
def test_what_is_no_grid_of_numbers_is_refused(data):
    with pytest.raises(DTypeError):
        tensor(data)


@pytest.mark.parametrize("dtype", ["float64", "int64", "complex64", "int8"])
def test_an_unsupported_dtype_is_refused_by_name(dtype):
    with pytest.raises(DTypeError, match=dtype):
        zeros(2, dtype=dtype)
    with pytest.raises(DTypeError, match=dtype):
        zeros(2).to(dtype)


@pytest.mark.parametrize("name", ["cuda", "gpu:", "gpu:x", "gpu:-1", "cpu:0", "", "GPU"])
def test_an_unknown_device_is_refused_by_name(name):
    with pytest.raises(DeviceError, match="unknown device"):
        Device(name)
    with pytest.raises((DeviceError, TypeError)):
        zeros(2).to(name)


def test_a_missing_gpu_says_what_to_install():
    code = (
        "from rumus.tensor import Device, GpuUnavailableError, zeros\n"
        "from rumus.nn import Linear\n"
        "assert Device('auto') is Device('cpu')\n"
        "for use in (lambda: zeros(2, device='gpu'), zeros(2).to_gpu, Linear(1, 1).to_gpu):\n"
        "    try: use()\n"
        "    except GpuUnavailableError as error: print(error)\n"
    )
    nothing = {"VK_DRIVER_FILES": "/nothing", "VK_ICD_FILENAMES": "/nothing"}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | nothing,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.count("mesa-vulkan-drivers") == 3


def test_devices_are_values():
    assert Device("gpu") is Device("gpu:0") is Device(Device("gpu"))
    assert str(Device("gpu")) == "gpu:0" and str(Device("cpu")) == "cpu"
    assert (Device("gpu:3").kind, Device("gpu:3").index) == ("gpu", 3)
    assert Device("gpu:1") != Device("gpu:0")
    assert pickle.loads(pickle.dumps(Device("gpu:1"))) is Device("gpu:1")
    assert Device("auto") in (Device("cpu"), Device("gpu"))


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("kind", "chosen", "expected"),
    [("CPU", "", "cpu"), ("CPU", "0", "gpu:0"), ("DiscreteGPU", "", "gpu:0")],
)
def test_auto_takes_a_software_adapter_only_where_it_is_named(
    kind: str, chosen: str, expected: str
):
    code = f"""
from rumus import gpu
from rumus.tensor import Device
known = gpu.info()
known["adapters"][0]["kind"] = {kind!r}
gpu.info = lambda: known
print(Device("auto"))
"""
    environment = {k: v for k, v in os.environ.items() if k != "RUMUS_GPU"}
    environment |= {"RUMUS_GPU": chosen} if chosen else {}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == expected


def test_a_device_is_equal_to_its_names():
    assert Device("cpu") == "cpu"
    assert Device("gpu") == "gpu:0"
    assert Device("gpu:0") == "gpu"
    assert Device("gpu:1") != "gpu"
    assert zeros(1).device != "gpu"
    assert {Device("cpu"): 1}["cpu"] == 1


def test_creation_functions_equal_numpys(device):
    for t, wanted in [
        (zeros((2, 3), device=device), np.zeros((2, 3))),
        (ones(3, dtype=int32, device=device), np.ones(3)),
        (full((2,), 7, device=device), np.full(2, 7)),
        (full((), 0.5, float16, device), np.array(0.5)),
        (full(2, True, device=device), np.array([True, True])),
        (arange(5, device=device), np.arange(5)),
        (arange(2, 9, 3, device=device), np.arange(2, 9, 3)),
        (arange(0.0, 1.0, 0.25, device=device), np.arange(0, 1, 0.25)),
        (zeros((0, 2), device=device), np.zeros((0, 2))),
    ]:
        np.testing.assert_array_equal(t.numpy(), wanted)
    like = full((2, 2), 3, uint8, device)
    assert (zeros_like(like).dtype, ones_like(like).tolist()) == (uint8, [[1, 1], [1, 1]])
    assert full(2, 7).dtype == int32 and full(2, 7.0).dtype == float32
    with pytest.raises(ShapeError, match="negative"):
        zeros((2, -1))
    with pytest.raises(ArgumentError, match="256 does not fit uint8"):
        full(2, 256, uint8)


def test_a_tensor_does_not_share_memory_with_the_data_it_was_made_of(device):
    a = np.zeros(3, np.float32)
    t, u = tensor(a, device=device), from_numpy(a, device)
    a[0] = 5
    assert t.tolist() == u.tolist() == [0, 0, 0]


def test_changing_what_numpy_gave_does_not_change_the_tensor(device):
    t = ones(3, device=device)
    t.numpy()[0] = 5
    np.asarray(t)[1] = 5
    assert t.tolist() == [1, 1, 1]


def test_numpy_sees_a_tensor_as_an_array(device):
    t = tensor([[1.5, 2.5]], device=device)
    assert np.asarray(t).dtype == np.float32
    assert np.asarray(t, np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.concatenate([t, t]), [[1.5, 2.5]] * 2)


def test_a_view_without_copy_is_read_only():
    view = ones(3).__array__(copy=False)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 2
    with pytest.raises(ValueError, match="copy"):
        ones(3).__array__(np.float64, copy=False)


def test_from_array_wraps_a_device_array(device):
    t = ones(3, device=device)
    same = Tensor.from_array(t.array)
    assert same.device is t.device and same.array is t.array
    with pytest.raises(DTypeError, match="float64"):
        Tensor.from_array(np.zeros(2))


def test_arrays_of_numpy_stand_beside_tensors(device):
    t = tensor([1.0, 2.0], device=device)
    a = np.array([10.0, 20.0])
    for result, wanted in [
        (t + a, [11, 22]),
        (a + t, [11, 22]),
        (a - t, [9, 18]),
        (a / t, [10, 10]),
        (np.float64(3) * t, [3, 6]),
        (t * np.int64(2), [2, 4]),
        (a[:, None].T @ t, [50]),
    ]:
        assert isinstance(result, Tensor) and result.dtype == float32 and result.device is t.device
        np.testing.assert_array_equal(result.numpy(), wanted)


def test_reflected_operators_and_comparisons(device):
    t = tensor([1.0, 4.0], device=device)
    for result, wanted in [
        (3 - t, [2, -1]),
        (8 / t, [8, 2]),
        (2**t, [2, 16]),
        (t**2, [1, 16]),
        (t**0.5, [1, 2]),
        (-t, [-1, -4]),
        (t > 2, [False, True]),
        (2 >= t, [True, False]),
        (t == 4, [False, True]),
        (t != 4, [True, False]),
        (~(t > 2), [True, False]),
        ((t > 2) | (t < 2), [True, True]),
        ((t > 2) & (t < 2), [False, False]),
        (np.array([True, False]) | (t > 2), [True, True]),
        (True & (t > 2), [False, True]),
        (where(t > 2, t, 0), [0, 4]),
        (where(t > 2, 1, 0), [0, 1]),
    ]:
        np.testing.assert_array_equal(result.numpy(), wanted)
    assert ((t == "x") is False) and ((t == None) is False)  # noqa: E711
    with pytest.raises(TypeError):
        t + "x"
    with pytest.raises(TypeError):
        t - object()


def test_logical_operators_take_no_floats():
    t = arange(3.0)
    for use in (lambda: t & 1, lambda: ~t, lambda: (t > 1) | t, lambda: 1.5 & (t > 1)):
        with pytest.raises(DTypeError, match="takes bools or integers, not float"):
            use()


def test_an_integer_that_does_not_fit_the_tensor_is_refused():
    with pytest.raises(ArgumentError, match="add: 300 does not fit uint8"):
        zeros(2, dtype=uint8) + 300


def test_tensors_are_hashed_by_identity():
    a, b = zeros(2), zeros(2)
    assert len({a, b, a}) == 2


def test_one_element_is_a_number(device):
    t = tensor([[2.5]], device=device)
    assert (t.item(), float(t), int(t), bool(t)) == (2.5, 2.5, 2, True)
    assert isinstance(tensor(3, device=device).item(), int)
    assert tensor(False, device=device).item() is False
    with pytest.raises(ArgumentError, match=r"shape \(2,\)"):
        zeros(2).item()
    with pytest.raises(ArgumentError, match="neither true nor false"):
        bool(zeros(2))


def test_repr_shows_values_dtype_and_device(device):
    shown = repr(tensor([1.0, 2.5], device=device))
    place = "" if device == "cpu" else ", device='gpu:0'"
    assert shown == f"Tensor([1. , 2.5], dtype=float32{place})"
    assert repr(zeros((0, 3))) == "Tensor([], shape=(0, 3), dtype=float32)"


def test_a_tensor_survives_pickle(device):
    t = pickle.loads(pickle.dumps(tensor([1, 2], uint8, device)))
    assert (t.tolist(), t.dtype, t.device) == ([1, 2], uint8, Device(device))


def test_a_tensor_of_a_tensor_is_a_copy(device):
    t = tensor([1.0, 2.0], device=device)
    for other in (tensor(t, device=device), tensor(t, float16, device), tensor(t)):
        other.zero_()
        assert t.tolist() == [1, 2]


def test_moving_there_and_back_keeps_values(device):
    for dtype in ("float32", "float16", "int32", "uint8", "bool"):
        a = (np.arange(7) % 3).astype(dtype)
        t = tensor(a).to(device)
        assert t.to(device) is t and str(t.device).startswith(device)
        np.testing.assert_array_equal(t.to_cpu().numpy(), a)
        assert t.to(dtype) is t


def test_in_place_changes(device):
    t = tensor([1.0, 2.0], device=device)
    assert t.add_(1).mul_(2).sub_(tensor([1.0, 1.0], device=device)).div_(2) is t
    np.testing.assert_array_equal(t.numpy(), [1.5, 2.5])
    t.copy_(tensor([7, 8], device=device))
    np.testing.assert_array_equal(t.numpy(), [7, 8])
    t.copy_(tensor([3.0]))
    np.testing.assert_array_equal(t.numpy(), [3, 3])
    assert t.fill_(3).tolist() == [3, 3] and t.zero_().tolist() == [0, 0]
    t[0] = 5
    t[1:] = np.array([6.0])
    assert t.tolist() == [5, 6] and t.dtype == float32


def test_in_place_changes_read_before_they_write(device):
    t = arange(6, dtype=float32, device=device)
    t[1:] = t[:-1]
    assert t.tolist() == [0, 0, 1, 2, 3, 4]
    t.copy_(t[::-1])
    assert t.tolist() == [4, 3, 2, 1, 0, 0]


def test_in_place_changes_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"\(3,\) and \(2,\)"):
        zeros(3).copy_(zeros(2))
    with pytest.raises(ShapeError, match=r"add_: shape \(3,\) does not fit \(1,\)"):
        zeros(1).add_(zeros(3))
    with pytest.raises(ShapeError, match=r"\(2, 3\) does not fit \(3,\)"):
        zeros(3)[:] = zeros((2, 3))


def test_backward_without_a_graph_is_refused():
    with pytest.raises(AutogradError, match="depends on no parameter"):
        zeros(()).backward()


def test_options_out_of_range_are_refused():
    t = zeros(2)
    with pytest.raises(ArgumentError, match="approximate"):
        t.gelu("erf")
    with pytest.raises(ArgumentError, match="min 2 is above max 1"):
        t.clamp(2, 1)
    with pytest.raises(ArgumentError, match="min, max or both"):
        t.clamp()


@pytest.mark.parametrize("make", [zeros, ones, empty, rand, randn])
def test_a_shape_is_one_argument_or_several_numbers(make, device):
    for lengths in [(2, 3), ((2, 3),), ([2, 3],), (np.int64(2), 3), (tensor(2), 3)]:
        assert make(*lengths, device=device).shape == (2, 3)
    assert make(device=device).shape == make((), device=device).shape == ()
    assert make(4, device=device).shape == (4,)
    with pytest.raises(ArgumentError, match="no length; dtype and device are given by name"):
        make(2, float32)
    with pytest.raises(ShapeError, match="a length is negative"):
        make(2, -1)


def test_random_numbers_come_from_a_given_generator(device):
    first = rand(5, generator=Generator(7), device=device).tolist()
    assert rand(5, generator=Generator(7), device=device).tolist() == first
    assert randn(5, generator=Generator(8), device=device).tolist() != first


def test_functions_are_methods_and_operators_of_a_tensor(device):
    import rumus.tensor as rt

    x = tensor([[1.0, -2.0], [3.0, 0.5]], device=device)
    assert rt.exp(x).tolist() == x.exp().tolist() and rt.abs(x).tolist() == abs(x).tolist()
    assert rt.sum(x, axis=1).tolist() == [-1, 3.5] and rt.max(x, 0).tolist() == [3, 0.5]
    assert rt.subtract(1, x).tolist() == [[0, 3], [-2, 0.5]]
    assert rt.maximum(0.0, x).tolist() == [[1, 0], [3, 0.5]]
    assert rt.less(0, x).tolist() == [[True, False], [True, True]]
    assert rt.logical_and(np.array([True, False]), x).tolist() == [[True, False], [True, False]]
    assert rt.floor_divide(7, x).tolist() == [[7, -4], [2, 14]]
    for function, arguments in ((rt.exp, (1.0,)), (rt.add, (1, 2)), (rt.sum, ([1, 2],))):
        with pytest.raises(DTypeError, match=f"{function.__name__} takes a tensor"):
            function(*arguments)
