"""CRC32C with a check field that makes it come out as zero.

A protected piece of bytes ends in a field of 4 bytes, ``check_of(everything before it)``, chosen so
that the CRC32C of the whole piece is 0. The state of the CRC is then what it was before the first
byte, so that any number of pieces behind each other also have the CRC32C 0, and one call checks a
whole batch of records.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

MASK = 0x9BE09BAB


def load_crc32c() -> Callable[[Any], int]:
    """The CRC32C (Castagnoli, RFC 3720) of a contiguous array or of bytes.

    fastcrc is two to three times as fast, and leaves the interpreter to other threads meanwhile;
    google-crc32c serves the platforms that have no build of it.
    """
    try:
        module, name = import_module("fastcrc.crc32"), "iscsi"
    except ImportError:
        module, name = import_module("google_crc32c"), "value"
    function: Callable[[Any], int] = getattr(module, name)
    return function


crc32c = load_crc32c()


def check_of(data: Any) -> int:
    """The check field that belongs behind the data: its CRC32C xor 0x9BE09BAB."""
    return crc32c(data) ^ MASK


def sealed(data: bytes, size: int) -> bytes:
    """The data, zeros and a check field: ``size`` bytes whose CRC32C is 0."""
    padded = data.ljust(size - 4, b"\0")
    return padded + check_of(padded).to_bytes(4, "little")
