"""The uniform block of an elementwise kernel, and which of its words change from call to call."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from .elementwise_source import Input
from .layout import Mode, Shape

Hole = tuple[int, int, Mode, str]
"""Position among the words, number of the operand, its mode and its dtype."""


def params_of(
    size: int, dims: Shape, values: Sequence[Input], walks: Sequence[tuple[int, ...]]
) -> tuple[struct.Struct, tuple[int, ...], tuple[Hole, ...]]:
    """The uniform block of ``elementwise.build_source``: its format, its words and their holes.

    Args:
        size: elements of the output.
        dims: the collapsed lengths.
        values: the operands, and the output last.
        walks: the strides of each that walks, else ().
    """
    words = [size, *(dims if any(walks) else ())]
    kinds = ["I"] * len(words)
    holes = []
    for number, (value, steps) in enumerate(zip(values, walks, strict=True)):
        if value.mode is Mode.GIVEN:
            continue
        holes.append((len(words), number, value.mode, value.dtype))
        parameter = "f" if value.dtype == "float32" else "i"
        kinds.append(parameter if value.mode is Mode.PARAM else "I")
        kinds += ["i"] * len(steps)
        words += [0, *steps]
    return struct.Struct("<" + "".join(kinds)), tuple(words), tuple(holes)
