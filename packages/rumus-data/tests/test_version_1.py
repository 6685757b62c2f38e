"""Version 1, byte for byte, against bytes laid out here with struct alone."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rumus.data import (
    RecordDataset,
    RecordFileIncompleteError,
    RecordFormatError,
    RecordWriter,
    recover,
)
from rumus.tensor import ArgumentError, DTypeError, ShapeError

Pairs = list[tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]]


def tensor_bytes(array: npt.NDArray[np.generic]) -> bytes:
    data = array.tobytes()
    kind = {"float32": 0, "float16": 1}[array.dtype.name]
    head = struct.pack("<I", array.ndim) + b"".join(struct.pack("<I", n) for n in array.shape)
    return head + struct.pack("<I", kind) + data + b"\0" * (-len(data) % 4)


def file_bytes(pairs: Pairs) -> bytes:
    records = [tensor_bytes(x) + tensor_bytes(y) for x, y in pairs]
    offsets = [64 + sum(map(len, records[:k])) for k in range(len(records))]
    body = b"".join(records)
    index = b"".join(
        struct.pack("<QQ", offset, len(r)) for offset, r in zip(offsets, records, strict=True)
    )
    header = b"RREC" + struct.pack("<IQQ", 1, len(records), 64 + len(body)) + bytes(40)
    return header + body + index


def some_pairs(count: int = 300) -> Pairs:
    random = np.random.default_rng(1)
    return [
        (
            random.normal(size=(3, 5)).astype(np.float16 if k % 3 == 0 else np.float32),
            np.asarray(random.normal(), np.float32),
        )
        for k in range(count)
    ]


def equal_pairs(count: int = 300) -> Pairs:
    random = np.random.default_rng(2)
    return [
        (random.normal(size=(28, 28)).astype(np.float32), random.normal(size=3).astype(np.float16))
        for _ in range(count)
    ]


def write(path: Path, pairs: Pairs) -> None:
    with RecordWriter(path, version=1) as writer:
        for x, y in pairs:
            writer.append(x, y)


@pytest.mark.parametrize("pairs", [some_pairs(), equal_pairs(), []], ids=["mixed", "equal", "none"])
def test_the_writer_gives_the_bytes_of_the_format(tmp_path: Path, pairs: Pairs) -> None:
    write(tmp_path / "ours.rrec", pairs)

    assert (tmp_path / "ours.rrec").read_bytes() == file_bytes(pairs)


def test_a_batch_is_written_like_its_samples(tmp_path: Path) -> None:
    pairs = equal_pairs(900)
    with RecordWriter(tmp_path / "a.rrec", version=1) as writer:
        writer.append_batch(np.stack([x for x, _ in pairs]), np.stack([y for _, y in pairs]))

    assert (tmp_path / "a.rrec").read_bytes() == file_bytes(pairs)


@pytest.mark.parametrize("pairs", [some_pairs(), equal_pairs()], ids=["mixed", "equal"])
def test_bytes_of_another_program_are_read(tmp_path: Path, pairs: Pairs) -> None:
    path = tmp_path / "theirs.rrec"
    path.write_bytes(file_bytes(pairs))

    dataset = RecordDataset(path)

    assert len(dataset) == len(pairs)
    for k, (x, y) in enumerate(pairs):
        mine = dataset.read(k)
        assert (mine[0].dtype, mine[1].dtype) == (x.dtype, y.dtype)
        np.testing.assert_array_equal(mine[0], x)
        np.testing.assert_array_equal(mine[1], y)


def test_a_batch_of_equal_records_is_that_of_its_samples(tmp_path: Path) -> None:
    pairs = equal_pairs()
    path = tmp_path / "a.rrec"
    path.write_bytes(file_bytes(pairs))
    wanted = [7, 299, 0, 7]

    batch = RecordDataset(path).__getitems__(wanted)

    np.testing.assert_array_equal(batch.input.numpy(), np.stack([pairs[k][0] for k in wanted]))
    np.testing.assert_array_equal(batch.target.numpy(), np.stack([pairs[k][1] for k in wanted]))


def test_one_odd_record_among_equally_long_ones_is_not_misread(tmp_path: Path) -> None:
    pairs = equal_pairs(5)
    pairs[3] = (pairs[3][0].reshape(14, 56), pairs[3][1])
    path = tmp_path / "a.rrec"
    path.write_bytes(file_bytes(pairs))
    dataset = RecordDataset(path)

    assert dataset.schema.input is None
    assert dataset[3].input.shape == (14, 56)
    with pytest.raises(ValueError, match=r"sample 0 has \(28, 28\), sample 3 has \(14, 56\)"):
        dataset.__getitems__([0, 3])
    np.testing.assert_array_equal(dataset[0:3].input.numpy()[2], pairs[2][0])


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_, np.complex64, "U3"])
def test_other_dtypes_are_refused_by_name(tmp_path: Path, dtype: npt.DTypeLike) -> None:
    with RecordWriter(tmp_path / "a.rrec", version=1) as writer:
        with pytest.raises(DTypeError, match="version 1 holds float32 and float16"):
            writer.append(np.zeros(3, dtype), 1.0)
        writer.append(np.zeros(3), 1.0)

    assert RecordDataset(tmp_path / "a.rrec").read(0)[0].dtype == np.float32


def test_metadata_needs_version_2(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="version 1 holds no metadata"):
        RecordWriter(tmp_path / "a.rrec", version=1, metadata={"a": 1})
    assert not (tmp_path / "a.rrec").exists()


def test_an_unfinished_file_is_refused_and_recovered(tmp_path: Path) -> None:
    pairs = some_pairs(20)
    whole = file_bytes(pairs)
    body = whole[64 : 64 + sum(len(tensor_bytes(x) + tensor_bytes(y)) for x, y in pairs)]
    path = tmp_path / "a.rrec"
    path.write_bytes(b"RREC" + struct.pack("<IQQ", 1, 0, 0) + bytes(40) + body + body[:21])
    with pytest.raises(RecordFileIncompleteError, match="recover"):
        RecordDataset(path)

    recovery = recover(path)

    assert recovery.records == 20
    assert recovery.dropped_bytes == 21
    assert path.read_bytes() == whole


def test_a_file_without_a_record_yet_is_unfinished_too(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    writer = RecordWriter(path, version=1)
    writer.append(np.ones(3, np.float32), np.float32(1))
    with pytest.raises(RecordFileIncompleteError, match="recover"):
        RecordDataset(path)
    writer.finish()
    assert len(RecordDataset(path)) == 1
    with RecordWriter(path, version=1, overwrite=True):
        pass
    assert len(RecordDataset(path)) == 0


def test_shapes_that_the_format_cannot_hold_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path, version=1) as writer:
        writer.append(np.ones(3, np.float32), np.float32(1))
        with pytest.raises(ShapeError, match="4294967296"):
            writer.append(np.empty((2**32, 0), np.float32), np.float32(2))
        writer.append(np.ones(3, np.float32), np.float32(3))
    assert [float(RecordDataset(path).read(k)[1]) for k in range(2)] == [1.0, 3.0]


def test_a_file_that_was_cut_is_an_error(tmp_path: Path) -> None:
    whole = file_bytes(some_pairs(10))
    path = tmp_path / "a.rrec"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises((RecordFormatError, RecordFileIncompleteError)):
            RecordDataset(path).verify()


def test_an_index_that_points_outside_is_an_error(tmp_path: Path) -> None:
    whole = bytearray(file_bytes(some_pairs(10)))
    struct.pack_into("<QQ", whole, len(whole) - 16, 2**63, 2**63)
    path = tmp_path / "a.rrec"
    path.write_bytes(whole)

    with pytest.raises(RecordFormatError, match="record 9"):
        RecordDataset(path).read(9)
