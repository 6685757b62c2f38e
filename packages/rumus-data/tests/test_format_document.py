"""docs/rrec-v2.md says what the writer does: its example, its reader and its constant."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus.data import RecordDataset, RecordWriter

DOCUMENT = Path(__file__).parents[3] / "docs" / "rrec-v2.md"
pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(), reason="docs/rrec-v2.md is in the repository, not in the package"
)


def write_example(path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    (example,) = (block for block in blocks if "with RecordWriter" in block)
    exec(example.replace('"example.rrec"', repr(str(path))), {**globals()})


def test_the_example_is_what_the_writer_writes(tmp_path: Path) -> None:
    write_example(tmp_path / "a.rrec")
    lines = re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} +)+) *\|", DOCUMENT.read_text(), re.M)
    documented = b"".join(bytes.fromhex(line) for _, line in lines)

    assert [int(offset, 16) for offset, _ in lines] == list(range(0, len(documented), 16))
    assert (tmp_path / "a.rrec").read_bytes() == documented


def test_the_documented_reader_reads(tmp_path: Path) -> None:
    (reader,) = re.findall(r"```python\n(import struct.*?)```", DOCUMENT.read_text(), re.S)
    names: dict[str, Any] = {}
    exec(reader, names)
    x = np.random.default_rng(0).normal(size=(2000, 3, 5)).astype(np.float16)
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch(x, np.arange(2000))

    mine, numbers = names["read"](tmp_path / "a.rrec")

    np.testing.assert_array_equal(mine, x)
    np.testing.assert_array_equal(numbers, np.arange(2000))


def test_every_part_has_the_documented_check_field(
    tmp_path: Path, crc32c_by_definition: Callable[[bytes], int]
) -> None:
    crc32c = crc32c_by_definition
    path = tmp_path / "a.rrec"
    write_example(path)
    data = path.read_bytes()
    assert crc32c(b"123456789") == 0xE3069283  # the standard's test value
    ends = [0, 64, 128, 192, 320, 448, 472, 536]
    for start, end in itertools.pairwise(ends):
        check = int.from_bytes(data[end - 4 : end], "little")
        assert crc32c(data[start : end - 4]) ^ 0x9BE09BAB == check
        assert crc32c(data[start:end]) == 0
    assert crc32c(data) == 0
    assert RecordDataset(path).metadata == {"classes": 10}
