"""What the driver reports, in our own types."""

import gc
from typing import Any

import pytest

from rumus import gpu
from rumus.gpu._device import get_device

pytestmark = pytest.mark.gpu


class GPUOutOfMemoryError(RuntimeError):
    """Named as the one of the WebGPU packages."""


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, times: int) -> list[int]:
    """Let the driver refuse the next buffers; returns the sizes that were asked for."""
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
