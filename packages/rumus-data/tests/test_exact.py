"""What is stored is what was given, or it is refused: padding, zeros at the end, keys."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rumus.data import RecordDataset, RecordWriter
from rumus.data._rrec._padding import padding_of
from rumus.tensor import ArgumentError, DTypeError

ALIGNED = np.dtype([("a", "u1"), ("b", "<f8"), ("c", "<i2")], align=True)
PADDED: list[tuple[npt.DTypeLike, list[int]]] = [
    (ALIGNED, [*range(1, 8), *range(18, 24)]),
    ({"names": ["x"], "formats": ["<i4"], "offsets": [3], "itemsize": 9}, [0, 1, 2, 7, 8]),
    (
        [("p", ALIGNED, 2), ("q", "u1")],
        [*range(1, 8), *range(18, 24), *range(25, 32), *range(42, 48)],
    ),
    ({"names": ["a", "b"], "formats": ["<u2", "u1"], "offsets": [1, 2], "itemsize": 4}, [0, 3]),
    ([("v", "V3"), ("s", "S2"), ("u", "U1")], []),
    (np.float64, []),
]


@pytest.mark.parametrize(("dtype", "places"), PADDED)
def test_padding_is_what_no_field_covers(dtype: Any, places: list[int]) -> None:
    assert padding_of(np.dtype(dtype)).tolist() == places


def test_the_rest_of_a_long_double_is_padding() -> None:
    kind = np.dtype(np.longdouble)
    number = np.frombuffer(b"\xff" * kind.itemsize, kind).copy()
    number[0] = 1.5
    data = bytearray(number.tobytes())
    for place in padding_of(kind):
        data[place] ^= 0x55
    assert np.frombuffer(bytes(data), kind)[0] == 1.5
    for place in set(range(kind.itemsize)) - set(padding_of(kind).tolist()):
        data[place] ^= 0x55
    assert np.frombuffer(bytes(data), kind)[0] != 1.5
    twice = np.dtype(np.clongdouble)
    assert len(padding_of(twice)) == 2 * len(padding_of(kind))
    turned = kind.itemsize - 1 - padding_of(kind)
    assert sorted(padding_of(kind.newbyteorder()).tolist()) == sorted(turned.tolist())


@pytest.mark.parametrize("dtype", [dtype for dtype, _ in PADDED] + [np.longdouble, np.clongdouble])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 2)])
@pytest.mark.parametrize("batched", [False, True])
def test_padding_is_zero_in_the_file(
    tmp_path: Path, dtype: Any, shape: tuple[int, ...], batched: bool
) -> None:
    kind = np.dtype(dtype)
    stale = np.full((40, *shape, kind.itemsize), 0xAB, np.uint8)
    samples = np.ndarray((40, *shape), kind, stale)
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append(np.full(3, 0xAB, np.uint8), 1)  # what the memory of the writer is full of
        if batched:
            writer.append_batch(samples, samples)
        else:
            for sample in samples:
                writer.append(np.asarray(sample), np.asarray(sample))
    dataset = RecordDataset(tmp_path / "a.rrec")
    assert dataset.verify() == 41
    wanted = stale[0].reshape(-1, kind.itemsize).copy()
    wanted[:, padding_of(kind)] = 0
    for k in (1, 7, 40):
        for array in dataset.read(k, copy=False):
            assert (array.dtype, array.shape) == (kind, shape)
            assert array.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    "value",
    [
        b"ab\0",
        b"\0",
        b"\0\0",
        "ab\0",
        np.bytes_(b"ab\0"),
        [b"a", b"b\0"],
        [["x", "\0"]],
        ["", "a\0"],
    ],
)
def test_bytes_and_text_that_end_in_zeros_are_refused(tmp_path: Path, value: Any) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        with pytest.raises(DTypeError, match="the input ends in zeros"):
            writer.append(value, 1)
        with pytest.raises(DTypeError, match="the target ends in zeros"):
            writer.append(1, value)
        with pytest.raises(DTypeError, match="ends in zeros"):
            writer.append_batch([value], np.ones(1))
        writer.append(1, 2)
    assert len(RecordDataset(tmp_path / "a.rrec")) == 1


def test_bytes_and_text_come_back(tmp_path: Path) -> None:
    given = [b"", b"ab", b"a\0b", "", "a\0ż", np.bytes_(b"xy"), np.str_("xy"), np.void(b"a\0")]
    with RecordWriter(tmp_path / "a.rrec") as writer:
        for value in given:
            writer.append(value, 1)
        writer.append(np.frombuffer(b"a\0\0", np.uint8), 1)
        writer.append(np.array(b"a\0\0"), 1)  # an array says by its dtype what it means
    dataset = RecordDataset(tmp_path / "a.rrec")
    assert [dataset.read(k)[0].item() for k in range(len(given))] == [
        value.item() if isinstance(value, np.void) else value for value in given
    ]
    assert dataset.read(len(given))[0].tobytes() == b"a\0\0"
    assert dataset.read(len(given) + 1)[0].dtype == "S3"


@pytest.mark.parametrize(
    "metadata",
    [{1: "a"}, {"a": {2: 3}}, {"a": [{"b": {None: 1}}]}, {"a": ({1.5: 2},)}, {True: 1}, {(): 1}],
)
def test_keys_that_are_no_strings_are_refused(tmp_path: Path, metadata: Any) -> None:
    with pytest.raises(ArgumentError, match="would become a string"):
        RecordWriter(tmp_path / "a.rrec", metadata=metadata)
    assert not list(tmp_path.iterdir())


def test_metadata_comes_back_equal(tmp_path: Path) -> None:
    metadata = {"a": {"1": [1, 2.5, None, True, {"ż": "\u202e"}]}, "": [], "n": 2**70}
    with RecordWriter(tmp_path / "a.rrec", metadata=metadata):
        pass
    assert RecordDataset(tmp_path / "a.rrec").metadata == metadata


def test_a_record_of_many_runs_is_found_without_converting_the_index(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        for k in range(2000):
            writer.append(np.full(1 + k % 2, k), k)
    reader: Any = RecordDataset(path)._readers[0]
    index: Any = np.zeros(1_000_000, reader._index.dtype)
    index["first"] = np.arange(len(index)) + 2**62
    reader._entries = index
    started = time.perf_counter()
    for k in range(0, len(index), 10_000):
        assert reader._run_of(2**62 + k) == k
    assert time.perf_counter() - started < 0.05
