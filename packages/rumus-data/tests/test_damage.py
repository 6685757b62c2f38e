"""Files with flipped bits, cut files and hostile ones: an error, or the right samples."""

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rumus.data import (
    DataLoader,
    RecordCorruptError,
    RecordDataset,
    RecordError,
    RecordFileIncompleteError,
    RecordWriter,
    recover,
)

MUTATIONS = int(os.environ.get("RUMUS_FUZZ", "3000"))


def small_file(path: Path) -> bytes:
    with RecordWriter(path, metadata={"about": "digits"}) as writer:
        for k in range(4):
            writer.append(np.full((2, 3), k, np.float32), k)
        for k in range(3):
            writer.append(np.full(k, k, np.uint8), np.float64(k))
    return path.read_bytes()


def read_all(path: Path) -> list[bytes]:
    dataset = RecordDataset(path)
    parts = [dataset.read(k) for k in range(len(dataset))]
    return [part.tobytes() for pair in parts for part in pair]


@pytest.mark.slow
def test_every_flipped_bit_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    good = small_file(path)
    for bit in range(8 * len(good)):
        damaged = bytearray(good)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(RecordCorruptError):
            RecordDataset(path).verify()
        with pytest.raises(RecordCorruptError):
            read_all_and_metadata(path)


def read_all_and_metadata(path: Path) -> None:
    """Reads what a training run reads; fails the test if it all looks good."""
    if read_all(path) and RecordDataset(path).metadata == {"about": "digits"}:
        pytest.fail("damage was not noticed")


def test_a_flipped_bit_in_a_batch_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append_batch(np.arange(3000, dtype=np.float32).reshape(300, 10), np.arange(300))
    data = bytearray(path.read_bytes())
    stride = 128
    offset = 128 + 123 * stride
    data[offset + 17] ^= 4
    path.write_bytes(data)
    message = f"a.rrec: record 123 at offset {offset} does not match its checksum"
    dataset = RecordDataset(path)

    assert dataset[100:120].input.shape == (20, 10)
    with pytest.raises(RecordCorruptError, match=message):
        dataset[100:200]
    with pytest.raises(RecordCorruptError, match=message):
        dataset[123]
    with pytest.raises(RecordCorruptError, match=message) as caught:
        list(DataLoader(dataset, 32))
    assert "sample 123, batch 3" in caught.value.__notes__[0]
    assert RecordDataset(path, check="never")[123].input.shape == (10,)


def test_every_read_is_checked_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append_batch(np.zeros((10, 4), np.float32), np.arange(10))
    first, always = RecordDataset(path), RecordDataset(path, check="always")
    for dataset in (first, always):
        dataset[0:10]
    with open(path, "r+b") as file:
        file.seek(128)
        file.write(b"\1")

    assert first[0:10].input.numpy()[0, 0] != 0
    with pytest.raises(RecordCorruptError, match="record 0"):
        always[0:10]
    with pytest.raises(RecordCorruptError, match="record 0"):
        RecordDataset(path).verify()


def test_a_file_cut_anywhere_is_incomplete(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    good = small_file(path)
    for length in range(len(good)):
        path.write_bytes(good[:length])
        with pytest.raises(RecordFileIncompleteError):
            RecordDataset(path)


HOSTILE = """
import os, random, resource, struct, sys
from pathlib import Path
import numpy as np
from rumus.data import RecordDataset, RecordError, recover
from rumus.data._rrec._crc import crc32c

path, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
files = [p.read_bytes() for p in sorted(path.parent.glob("seed*.rrec"))]
limit = 1 << 30
resource.setrlimit(resource.RLIMIT_AS, (used := int(open("/proc/self/statm").read().split()[0])
    * resource.getpagesize() + limit, used))
random.seed(seed)

def reseal(data, start, size):
    check = crc32c(bytes(data[start : start + size - 4])) ^ 0x9BE09BAB
    data[start + size - 4 : start + size] = struct.pack("<I", check)

def mutate(data):
    for _ in range(random.randint(1, 4)):
        if not data:
            return data
        kind = random.randrange(6)
        at = random.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            value = random.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, len(data), 64])
            data[at : at + 8] = struct.pack("<Q", value)[: len(data) - at]
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = data[at // 2 : at // 2 + random.randrange(200)]
        elif kind == 4 and len(data) >= 128:
            start = random.choice([0, 64, 128, len(data) - 64, len(data) - 88])
            size = 24 if start == len(data) - 88 else 64
            if 0 <= start <= len(data) - size:
                data[start + random.randrange(size - 4)] ^= 1 << random.randrange(8)
                reseal(data, start, size)
        else:
            end = at + random.randrange(64)
            data[at:end] = os.urandom(len(data[at:end]))
    return data

opened = 0
for k in range(count):
    path.write_bytes(mutate(bytearray(random.choice(files))))
    try:
        dataset = RecordDataset(path)
        dataset.schema, dataset.metadata
        for i in range(min(len(dataset), 20)):
            dataset.read(i)
        if len(dataset):
            dataset.__getitems__(np.arange(min(len(dataset), 20)))
        dataset.verify()
        opened += 1
    except (RecordError, ValueError) as error:
        # records of different shape in one batch are the only error that is not about the file
        if not isinstance(error, RecordError) and "differ in shape" not in str(error):
            raise
    try:
        recover(path)
        assert len(RecordDataset(path)) >= 0
    except RecordError:
        pass
print(opened)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory through Linux's /proc")
def test_thousands_of_mutated_files_open_or_raise_within_a_memory_limit(tmp_path: Path) -> None:
    small_file(tmp_path / "seed2.rrec")
    with RecordWriter(tmp_path / "seed1.rrec", version=1) as writer:
        for k in range(5):
            writer.append(np.ones((2, k % 2 + 1), np.float32), np.float32(k))
    with RecordWriter(tmp_path / "seed3.rrec") as writer:
        writer.append_batch(np.zeros((6, 3), [("a", "<i4"), ("b", "<f8", 2)]), np.arange(6))
    with RecordWriter(tmp_path / "seed4.rrec"):
        pass
    command = [sys.executable, "-c", HOSTILE, str(tmp_path / "x.rrec"), str(MUTATIONS), "7"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=3000)

    assert done.returncode == 0, done.stderr[-3000:]


def test_a_description_that_lies_with_a_good_checksum_is_an_error(
    tmp_path: Path, crc32c_by_definition: Callable[[bytes], int]
) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append(np.zeros((2, 3), np.float32), 1)
    good = path.read_bytes()
    for axis in (2**63, 2**40, 7):
        data = bytearray(good)
        struct.pack_into("<Q", data, 64 + 24, axis)
        for start, size in ((64, 64), (len(good) - 88, 24)):
            if start != 64:
                data[start + 16 : start + 20] = data[124:128]
            check = crc32c_by_definition(data[start : start + size - 4]) ^ 0x9BE09BAB
            struct.pack_into("<I", data, start + size - 4, check)
        path.write_bytes(data)
        with pytest.raises(RecordError):
            RecordDataset(path).read(0)


NO_RECORD_FILES = [
    b"hello, world" * 100,
    b"RREC is the name of my club",
    b"RREC\7\0\0\0" + bytes(52),
    b"RRE!",
]


@pytest.mark.parametrize("content", NO_RECORD_FILES)
def test_recover_refuses_what_is_no_record_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(RecordError, match="no record file"):
        recover(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("version", [1, 2])
def test_huge_axes_of_samples_without_elements_are_an_error(
    tmp_path: Path, version: int, crc32c_by_definition: Callable[[bytes], int]
) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path, version=version) as writer:
        for _ in range(40):
            writer.append(np.zeros((0, 2, 3), np.float32), np.float32(1))
    data = bytearray(path.read_bytes())
    if version == 1:
        for k in range(40):
            struct.pack_into("<II", data, 64 + 32 * k + 8, 2**32 - 1, 2**32 - 1)
    else:
        struct.pack_into("<QQ", data, 64 + 24 + 8, 2**30, 2**31)
        check = crc32c_by_definition(data[64:124]) ^ 0x9BE09BAB
        struct.pack_into("<I", data, 124, check)
    path.write_bytes(data)
    with pytest.raises(RecordError):
        RecordDataset(path, check="never").__getitems__(range(32))
