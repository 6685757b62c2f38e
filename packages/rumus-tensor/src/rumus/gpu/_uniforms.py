"""Kernel parameters: immutable uniform blocks, found by their contents, many to a buffer.

A training step repeats its shapes, so its parameters are uploaded once. They share buffers because
WebGPU tracks every buffer that a batch of commands uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rumus.gpu._memory import Buffer
from rumus.gpu._seam import Driver

PAGE = 65536
"""Bytes of a buffer that blocks share."""
MOST_PAGES = 32
"""Pages that are kept; when all are full, everything begins anew."""
_UNIFORM, _COPY_DST = 0x40, 0x8


class Uniforms:
    """The uniform blocks of one device. Calls are made on its thread.

    Args:
        checked: calls a function and translates its errors.
        gpu: the WebGPU device.
        driver: writes to buffers.
        forget: called when blocks are given up, to drop the bind groups that hold them.
    """

    def __init__(
        self, checked: Callable[..., Any], gpu: Any, driver: Driver, forget: Callable[[], object]
    ) -> None:
        self._checked = checked
        self._gpu = gpu
        self._driver = driver
        self._forget = forget
        self._align = gpu.limits["min-uniform-buffer-offset-alignment"]
        self._blocks: dict[bytes, Buffer] = {}
        self._pages: list[Any] = []
        self._used = PAGE

    def get(self, data: bytes) -> Buffer:
        """The block with these bytes."""
        return self._blocks.get(data) or self._add(data)

    def _add(self, data: bytes) -> Buffer:
        padded = data + bytes(-len(data) % 16)
        if self._used + len(padded) > PAGE:
            self._open_page()
        block = Buffer(self._pages[-1], len(padded), self._used)
        # No command uses this part of the page yet, so the write may overtake what is recorded.
        self._driver.write(block.handle, block.offset, memoryview(padded))
        self._used += -(-len(padded) // self._align) * self._align
        self._blocks[data] = block
        return block

    def _open_page(self) -> None:
        if len(self._pages) == MOST_PAGES:
            self._pages.clear()
            self._blocks.clear()
            self._forget()
        page = self._checked(self._gpu.create_buffer, size=PAGE, usage=_UNIFORM | _COPY_DST)
        self._pages.append(page)
        self._used = 0
