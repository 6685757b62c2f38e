"""Version 2 of the format: its numbers. docs/rrec-v2.md has them as tables, with an example.

::

    header, 64 bytes     magic, version, length of the metadata
    metadata             JSON, if there is any
    run, run, …          each: a description of 64 bytes or more, then records of one layout
    index                24 bytes a run
    footer, 64 bytes     counts, where the index is, the size of the file

Everything ends in a check field that makes its CRC32C 0 (see ``_crc.py``), and everything but the
index and the footer begins at a multiple of 64 bytes. The footer is written last: a file
without it is unfinished.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from ._crc import sealed
from ._dtype_text import dtype_of, text_of
from ._file import Bytes
from ._layout import Field, Layout
from ._v1 import MAGIC

ALIGNMENT = 64
MAX_NDIM = 31  # numpy 1 knows 32 axes, and a batch has one more than its records

HEADER = struct.Struct("<4sIQ")
FOOTER_MAGIC = b"RREC END"
FOOTER = struct.Struct("<8sQQQQ")
ENTRY = np.dtype([("first", "<u8"), ("offset", "<u8"), ("tag", "<u4"), ("check", "<u4")])
TRAILER = np.dtype([("number", "<u8"), ("tag", "<u4"), ("check", "<u4")])

RUN_MAGIC = b"RUN2"
_RUN = struct.Struct("<4sHBBQHHI")


def aligned(nbytes: int) -> int:
    """The next multiple of 64."""
    return nbytes + -nbytes % ALIGNMENT


def record_layout(input: Field, target: Field) -> Layout:
    """The input, the target and a trailer of 16 bytes at the end, each field aligned."""
    target_offset = aligned(input.nbytes)
    stride = aligned(target_offset + target.nbytes + TRAILER.itemsize)
    return Layout(input, target, 0, target_offset, stride)


def pack_header(metadata: dict[str, Any]) -> bytes:
    """The header and the metadata behind it."""
    text = json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode() if metadata else b""
    header = sealed(HEADER.pack(MAGIC, 2, len(text)), ALIGNMENT)
    return header + (sealed(text, metadata_size(len(text))) if text else b"")


def metadata_size(length: int) -> int:
    """The bytes that metadata of a length takes in the file."""
    return aligned(length + 4) if length else 0


def pack_footer(count: int, runs: int, index_offset: int) -> bytes:
    """The footer of a file whose index has so many runs."""
    size = index_offset + runs * ENTRY.itemsize + ALIGNMENT
    return sealed(FOOTER.pack(FOOTER_MAGIC, count, runs, index_offset, size), ALIGNMENT)


def pack_run(layout: Layout, first: int) -> bytes:
    """The description in front of a run whose first record has a number."""
    fields = (layout.input, layout.target)
    texts = [text_of(field.dtype) for field in fields]
    shape = (*layout.input.shape, *layout.target.shape)
    size = aligned(_RUN.size + 8 * len(shape) + len(texts[0]) + len(texts[1]) + 4)
    head = _RUN.pack(
        RUN_MAGIC,
        size // ALIGNMENT,
        *(len(field.shape) for field in fields),
        first,
        *map(len, texts),
        0,
    )
    return sealed(head + struct.pack(f"<{len(shape)}Q", *shape) + b"".join(texts), size)


def run_size(start: Bytes) -> int:
    """The bytes of a description that begins so, or 0 if none begins so."""
    if len(start) < _RUN.size or start[:4].tobytes() != RUN_MAGIC:
        return 0
    return ALIGNMENT * int.from_bytes(start[4:6].tobytes(), "little")


def parse_run(description: Bytes) -> tuple[Layout, int]:
    """The layout and the number of the first record.

    Args:
        description: The whole description, whose CRC32C is known to be 0.

    Raises:
        ValueError: It claims what cannot be.
    """
    _, _, *ndims, first, input_text, target_text, _ = _RUN.unpack_from(description.data)
    if max(ndims) > MAX_NDIM:
        raise ValueError(f"it claims {max(ndims)} axes; at most {MAX_NDIM} are possible")
    texts = _RUN.size + 8 * sum(ndims)
    if texts + input_text + target_text + 4 > len(description):
        raise ValueError("its parts do not fit into it")
    shape = struct.unpack_from(f"<{sum(ndims)}Q", description.data, _RUN.size)
    text = description[texts : texts + input_text + target_text].tobytes()
    return record_layout(
        _field(text[:input_text], shape[: ndims[0]]),
        _field(text[input_text:], shape[ndims[0] :]),
    ), first


def _field(text: bytes, shape: tuple[int, ...]) -> Field:
    field = Field(dtype_of(text), shape)
    if field.too_large:
        raise ValueError(f"{field} is larger than any file")
    return field
