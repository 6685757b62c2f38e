"""How long the sequences of a padded batch are."""

from __future__ import annotations

from typing import Any

from rumus._core.devices import Device
from rumus._core.dtypes import int32
from rumus._core.errors import ShapeError
from rumus.tensor._tensor import Tensor


def sequence_lengths(
    name: str, what: str, given: Any, sequences: int, most: int, device: Device
) -> Tensor:
    """Lengths, int32 on a device.

    Args:
        name: Of the layer or function, for errors.
        what: What it calls the lengths.
        given: A tensor, or a list.
        sequences: How many there are.
        most: The length of what is padded.
        device: Where the result lies.

    Raises:
        ShapeError: They are no whole numbers, or not one a sequence; or, unless they lie on a GPU,
            where a look would wait for it, one is longer than what is padded.
    """
    lengths = given if isinstance(given, Tensor) else Tensor(given)
    if lengths.dtype.kind not in "iu" or lengths.shape != (sequences,):
        raise ShapeError(
            f"{name}: {what} are {sequences} whole numbers, one a sequence, not {lengths.dtype} of "
            f"shape {lengths.shape}"
        )
    if lengths.device.kind == "cpu":
        wrong = next((n for n in lengths.tolist() if not 0 <= n <= most), None)
        if wrong is not None:
            raise ShapeError(
                f"{name}: {what} are from 0 to {most}, the length of what is padded, and one is "
                f"{wrong}"
            )
    return lengths.to(int32).to(device)
