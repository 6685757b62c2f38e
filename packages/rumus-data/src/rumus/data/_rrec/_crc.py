"""CRC32C with a check field that makes it come out as zero.

A protected piece of bytes ends in a field of 4 bytes, ``check_of(everything before it)``, chosen so
that the CRC32C of the whole piece is 0. The state of the CRC is then what it was before the first
byte, so that any number of pieces behind each other also have the CRC32C 0, and one call checks a
whole batch of records.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import google_crc32c

MASK = 0x9BE09BAB


# The CRC32C (Castagnoli, RFC 3720) of a contiguous array or of bytes.
crc32c: Callable[[Any], int] = google_crc32c.value


def check_of(data: Any) -> int:
    """The check field that belongs behind the data: its CRC32C xor 0x9BE09BAB."""
    return crc32c(data) ^ MASK


def sealed(data: bytes, size: int) -> bytes:
    """The data, zeros and a check field: ``size`` bytes whose CRC32C is 0."""
    padded = data.ljust(size - 4, b"\0")
    return padded + check_of(padded).to_bytes(4, "little")
