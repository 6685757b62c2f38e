"""What the namespace says of itself."""

from __future__ import annotations

from typing import Any

from rumus._core.devices import CPU, Device
from rumus._core.dtypes import LATTICE, DType, float16, float32, int32
from rumus._core.shapes import MOST_AXES
from rumus.gpu import is_available

from ._dtypes import isdtype


class Info:
    """What there is: dtypes, devices, and which are the default ones."""

    def capabilities(self) -> dict[str, Any]:
        """What depends on data, and the most axes."""
        return {
            "boolean indexing": True,
            "data-dependent shapes": True,
            "max dimensions": MOST_AXES,
        }

    def default_device(self) -> Device:
        """The CPU."""
        return CPU

    def default_dtypes(self, *, device: Device | None = None) -> dict[str, DType]:
        """float32 and int32; there are no complex numbers."""
        return {"real floating": float32, "integral": int32, "indexing": int32}

    def devices(self) -> list[Device]:
        """The CPU, and the best GPU if there is one."""
        return [CPU, Device("gpu")] if is_available() else [CPU]

    def dtypes(
        self, *, device: Device | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The dtypes by name, all of them or those of some kinds."""
        named = {str(dtype): dtype for dtype in LATTICE if dtype != float16}
        return {
            name: dtype for name, dtype in named.items() if kind is None or isdtype(dtype, kind)
        }


def __array_namespace_info__() -> Info:  # noqa: N807  the standard's name
    """What the namespace says of itself."""
    return Info()
