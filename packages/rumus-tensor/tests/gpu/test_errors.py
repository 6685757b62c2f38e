"""What the driver reports, in our own types."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.gpu._device import get_device
from rumus.tensor import ArgumentError, DTypeError, GpuUnavailableError, ShapeError, zeros

pytestmark = pytest.mark.gpu


class GPUOutOfMemoryError(RuntimeError):
    """Named as the one of the WebGPU packages."""


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[int]:
    """Let the driver refuse the next buffers; returns the sizes that were asked for."""
    gpu.synchronize()  # so that nothing that waits needs a buffer of its own
    gc.collect()
    device = get_device(0)
    create, asked = device.gpu.create_buffer, []

    def create_buffer(**options: Any) -> Any:
        asked.append(options["size"])
        if len(asked) <= times:
            raise error
        return create(**options)

    monkeypatch.setattr(device.gpu, "create_buffer", create_buffer)
    return asked


def test_out_of_memory_names_the_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.zeros((4,))
    failing(monkeypatch, GPUOutOfMemoryError("not enough memory left"), times=2)
    with pytest.raises(
        gpu.GpuOutOfMemoryError, match=r"no room for a buffer of 41,\d\d\d,\d\d\d by"
    ):
        gpu.zeros((10_123_457,))


def test_out_of_memory_names_the_largest_tensors_and_what_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = nn.Sequential(nn.Linear(1500, 1400)).to("gpu")
    kept = zeros(1200, 1300, device="gpu") + 1.0
    named = [name for name, _ in model.named_parameters()]
    failing(monkeypatch, GPUOutOfMemoryError("not enough memory left"), times=2)
    with pytest.raises(gpu.GpuOutOfMemoryError) as caught:
        gpu.zeros((11_123_457,))
    said = str(caught.value)
    assert f"8,400,000 bytes of parameter '{named[0]}' of shape (1400, 1500), float32" in said
    assert "6,240,000 bytes of a tensor of shape (1200, 1300), float32" in said
    assert 'shards="auto"' in said and "rumus.autograd.checkpoint" in said
    assert kept.shape == (1200, 1300)


def test_out_of_memory_gives_free_buffers_back_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu.zeros((4,))
    asked = failing(monkeypatch, GPUOutOfMemoryError("not enough memory left"), times=1)
    before = gpu.memory_stats()["live"]
    x = gpu.full((20_123_457,), 2.0)
    assert len(asked) == 2
    assert asked[0] == asked[1]
    assert gpu.memory_stats()["live"] == before + asked[0]
    assert x.size == 20_123_457


def test_after_out_of_memory_the_accounts_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.zeros((4,))
    gc.collect()
    before = gpu.memory_stats()["live"]
    failing(monkeypatch, GPUOutOfMemoryError("not enough memory left"), times=2)
    with pytest.raises(gpu.GpuOutOfMemoryError):
        gpu.zeros((30_123_457,))
    assert gpu.memory_stats()["live"] == before


def test_a_lost_device_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.zeros((4,))
    failing(monkeypatch, RuntimeError("Parent device is lost"), times=1)
    with pytest.raises(gpu.DeviceLostError, match="start a new process"):
        gpu.zeros((31_223_457,))


BAD_ARRAYS: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: gpu.zeros((-1,)), ShapeError, "-1"),
    (lambda: gpu.empty((2, -3)), ShapeError, "-3"),
    (lambda: gpu.empty((2.5,)), ArgumentError, "2.5"),  # type: ignore[arg-type]
    (lambda: gpu.empty(None), ArgumentError, "None"),  # type: ignore[arg-type]
    (lambda: gpu.empty((2,), "float64"), DTypeError, "float64"),
    (lambda: gpu.empty((2,), "no dtype"), DTypeError, "no dtype"),
    (lambda: gpu.empty((2,), None), DTypeError, "None"),
    (lambda: gpu.empty((2,), device_index=-1), GpuUnavailableError, "gpu:-1"),
    (lambda: gpu.empty((2,), device_index=99), GpuUnavailableError, "gpu:99"),
    (lambda: gpu.empty((2,), device_index="a"), GpuUnavailableError, "gpu:a"),  # type: ignore[arg-type]
    (lambda: gpu.full((2,), None), ArgumentError, "None"),  # type: ignore[arg-type]
    (lambda: gpu.full((2,), "x"), ArgumentError, "'x'"),  # type: ignore[arg-type]
    (lambda: gpu.full((2,), 300, np.uint8), ArgumentError, "300"),
    (lambda: gpu.from_host(np.zeros(2)), DTypeError, "float64"),
    (lambda: gpu.from_host(np.array(["a"])), DTypeError, "U1"),
    (lambda: gpu.to_host(np.zeros(2)), ArgumentError, "GpuArray"),  # type: ignore[arg-type]
    (lambda: gpu.to_host(zeros((2, 3), device="gpu").T.array), ArgumentError, "contiguous"),
    (lambda: gpu.capture(None), ArgumentError, "None"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "kind", "said"), BAD_ARRAYS)
def test_what_no_array_can_be_made_of_is_refused(
    make: Callable[[], object], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        make()


@pytest.mark.parametrize("shape", [(), 3, [2, 3], (np.int64(2), 0)])
def test_a_shape_may_be_one_length_or_several(shape: Any) -> None:
    array = gpu.full(shape, 2.0)
    expected = np.full(shape, 2.0, np.float32)
    assert array.shape == expected.shape
    assert (gpu.to_host(array) == expected).all()
