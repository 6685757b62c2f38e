"""Version 2: what is written is what is read."""

import math
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumus.data import (
    Field,
    RecordDataset,
    RecordError,
    RecordFormatError,
    RecordSchema,
    RecordWriter,
)
from rumus.tensor import ArgumentError, DTypeError, ShapeError, Tensor

DTYPES = st.one_of(
    hnp.scalar_dtypes(),
    hnp.byte_string_dtypes(min_len=1, max_len=9),
    hnp.unicode_string_dtypes(min_len=1, max_len=9),
    hnp.array_dtypes(max_size=3, allow_subarrays=True).filter(lambda d: d.itemsize > 0),
)
ARRAYS = DTYPES.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0)))


def same(mine: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> bool:
    mine, theirs = np.ascontiguousarray(mine), np.ascontiguousarray(theirs)
    return (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape) and (
        mine.tobytes() == theirs.tobytes()
    )


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pairs=st.lists(st.tuples(ARRAYS, ARRAYS), max_size=5), repeat=st.integers(1, 3))
def test_any_array_comes_back_bit_for_bit(tmp_path: Path, pairs: Any, repeat: int) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path, overwrite=True) as writer:
        for x, y in pairs:
            for _ in range(repeat):
                writer.append(x, y)

    dataset = RecordDataset(path)

    assert len(dataset) == len(pairs) * repeat
    for k, (x, y) in enumerate(pairs):
        for r in range(repeat):
            mine = dataset.read(k * repeat + r)
            assert same(mine[0], x)
            assert same(mine[1], y)
    assert dataset.verify() == len(dataset)


def digits(count: int = 1000) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    random = np.random.default_rng(3)
    return random.normal(size=(count, 28, 28)).astype(np.float32), random.integers(10, size=count)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    xs, ys = digits()
    with RecordWriter(tmp_path / "digits.rrec", metadata={"classes": 10, "name": "żółć"}) as writer:
        writer.append_batch(xs[:400], ys[:400])
        writer.flush()
        for x, y in zip(xs[400:600], ys[400:600], strict=True):
            writer.append(x, y)
        writer.append_batch(xs[600:], ys[600:])
    return tmp_path / "digits.rrec"


def test_a_batch_holds_its_samples_in_the_asked_order(path: Path) -> None:
    xs, ys = digits()
    wanted = np.random.default_rng(0).permutation(1000)[:300]

    batch = RecordDataset(path).__getitems__(wanted)

    np.testing.assert_array_equal(batch.input.numpy(), xs[wanted])
    np.testing.assert_array_equal(batch.target.numpy(), ys[wanted])
    assert batch.target.dtype == np.int32


def test_indices_and_slices_count_like_a_list(path: Path) -> None:
    xs, ys = digits()
    dataset = RecordDataset.open(path)

    np.testing.assert_array_equal(dataset[-1].input.numpy(), xs[-1])
    np.testing.assert_array_equal(dataset[3:9:2].input.numpy(), xs[3:9:2])
    np.testing.assert_array_equal(dataset.__getitems__([-1, 0]).target.numpy(), ys[[-1, 0]])
    for wrong in (1000, -1001):
        with pytest.raises(IndexError, match=f"index {wrong} is outside a data set of 1000"):
            dataset[wrong]
        with pytest.raises(IndexError, match=f"index {wrong} is outside"):
            dataset.__getitems__([0, wrong])
    with pytest.raises(ArgumentError, match="at least one index"):
        dataset.__getitems__([])


def test_the_schema_and_the_metadata_are_those_of_the_writer(path: Path) -> None:
    dataset = RecordDataset(path)

    assert dataset.schema == RecordSchema(
        Field(np.dtype(np.float32), (28, 28)), Field(np.dtype(np.int64), ())
    )
    assert dataset.metadata == {"classes": 10, "name": "żółć"}


def test_views_lie_at_multiples_of_64_bytes_and_are_not_copied(path: Path) -> None:
    dataset = RecordDataset(path)
    for k in (0, 1, 999):
        for array in dataset.read(k, copy=False):
            assert array.ctypes.data % 64 == 0
            assert not array.flags.owndata
            assert not array.flags.writeable


def test_shards_are_one_data_set(tmp_path: Path) -> None:
    xs, ys = digits(90)
    paths = []
    for k in range(3):
        paths.append(tmp_path / f"{k}.rrec")
        with RecordWriter(paths[-1], version=1 if k == 1 else 2) as writer:
            writer.append_batch(xs[30 * k : 30 * k + 30], ys[30 * k : 30 * k + 30] / 1)
    dataset = RecordDataset(paths)
    wanted = np.random.default_rng(0).permutation(90)

    batch = dataset.__getitems__(wanted)

    assert len(dataset) == 90
    np.testing.assert_array_equal(batch.input.numpy(), xs[wanted])
    np.testing.assert_array_equal(batch.target.numpy(), ys[wanted])
    np.testing.assert_array_equal(dataset[59].input.numpy(), xs[59])


def test_records_of_many_shapes_are_found_by_number(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        for k in range(2000):
            writer.append(np.full(k % 7, k, np.int32), k)
    dataset = RecordDataset(tmp_path / "a.rrec")

    for k in np.random.default_rng(0).permutation(2000).tolist():
        np.testing.assert_array_equal(dataset.read(k)[0], np.full(k % 7, k, np.int32))
    batch = dataset.__getitems__([3, 10, 1998 - 1998 % 7 - 4])
    assert batch.input.numpy().tolist() == [[3] * 3, [10] * 3, [1991] * 3]
    assert dataset.schema == RecordSchema(None, None)
    with pytest.raises(ShapeError, match=r"sample 3 has \(3,\), sample 4 has \(4,\)"):
        dataset.__getitems__([3, 4])


def test_tensors_are_written_as_they_are(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append(Tensor([[1, 2]], dtype=np.uint8), Tensor(3))
    item = RecordDataset(tmp_path / "a.rrec")[0]

    assert item.input.dtype == np.uint8
    assert item.input.numpy().tolist() == [[1, 2]]
    assert item.target.item() == 3


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1, 5 << 20])
def test_a_record_may_be_larger_than_the_buffer(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(0).integers(256, size=size, dtype=np.uint8)
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append(data[:5], 0)
        writer.append(data, 1)
        writer.append(data[::-1], 2)
        writer.append(data[:5], 3)
    dataset = RecordDataset(tmp_path / "a.rrec")

    np.testing.assert_array_equal(dataset.read(2)[0], data[::-1])
    assert dataset.verify() == 4


def test_what_cannot_be_stored_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append(1.5, 0)
        with pytest.raises(DTypeError, match="dtype object"):
            writer.append(np.array([{}, None]), 0)
        with pytest.raises(DTypeError, match="fixed size"):
            writer.append(np.zeros(2, np.dtype([])), 0)
        with pytest.raises(ShapeError, match="same number"):
            writer.append_batch(np.zeros((3, 2)), np.zeros(2))
        with pytest.raises(ShapeError, match="32 axes"):
            writer.append(np.zeros((1,) * 32), 0)
        writer.append(2.5, 1)
    dataset = RecordDataset(tmp_path / "a.rrec")

    assert [dataset[k].input.item() for k in range(2)] == [1.5, 2.5]
    with pytest.raises(RecordError, match="closed"):
        writer.append(1, 1)


def test_an_existing_file_is_kept_unless_asked(path: Path) -> None:
    before = path.read_bytes()
    old = RecordDataset(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        RecordWriter(path)
    assert path.read_bytes() == before

    with RecordWriter(path, overwrite=True) as writer:
        writer.append(1, 2)

    assert len(RecordDataset(path)) == 1
    assert old.verify() == 1000  # whoever has the old file open keeps it


def test_paths_that_hold_no_records_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        RecordDataset(tmp_path / "none.rrec")
    with pytest.raises(RecordFormatError, match="is a folder"):
        RecordDataset(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(RecordFormatError, match="is a folder"):
            RecordWriter(tmp_path, overwrite=overwrite)
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY" + bytes(100))
    with pytest.raises(RecordFormatError, match=r"a\.npy is no record file: it begins with"):
        RecordDataset(tmp_path / "a.npy")
    (tmp_path / "b.rrec").write_bytes(b"RREC\3\0\0\0" + bytes(100))
    with pytest.raises(RecordFormatError, match="version 3"):
        RecordDataset(tmp_path / "b.rrec")
    with pytest.raises(ArgumentError, match="JSON"):
        RecordWriter(tmp_path / "c.rrec", metadata={"x": object()})


def test_threads_share_a_data_set(path: Path) -> None:
    xs, _ = digits()
    dataset = RecordDataset(path)
    wrong: list[int] = []

    def work(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(100):
            wanted = random.integers(1000, size=50)
            if not (dataset.__getitems__(wanted).input.numpy() == xs[wanted]).all():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong


SUM = """
import pickle, sys
print(pickle.load(sys.stdin.buffer)[0:1000].target.numpy().sum())
"""


def test_a_pickle_opens_the_file_again(path: Path) -> None:
    dataset = RecordDataset(path)
    pickled = pickle.dumps(dataset)

    done = subprocess.run(
        [sys.executable, "-c", SUM], input=pickled, capture_output=True, timeout=60
    )

    assert len(pickled) < 1000
    assert int(done.stdout) == digits()[1].sum(), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_opens_the_file_again(path: Path) -> None:
    dataset = RecordDataset(path)
    mapping = dataset._readers[0].file
    child = os.fork()
    if child == 0:
        good = int(dataset[0:1000].target.numpy().sum()) == digits()[1].sum()
        os._exit(0 if good and dataset._readers[0].file is not mapping else 1)

    assert os.waitpid(child, 0)[1] == 0


def test_a_hundred_million_records_open_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large.rrec"
    with RecordWriter(path) as writer:
        writer.append(np.zeros(4, np.float32), 7)
    head, footer = path.read_bytes()[:128], 64
    count, stride = 10**8, 128
    from rumus.data._rrec._v2 import pack_footer  # the file is sparse: only its frame is written

    index_offset = 128 + count * stride
    index = path.read_bytes()[-footer - 24 : -footer]
    with open(path, "r+b") as file:
        file.seek(index_offset)
        file.write(index + pack_footer(count, 1, index_offset))
    assert head[64:68] == b"RUN2"

    dataset = RecordDataset(path)

    assert len(dataset) == count
    assert math.prod(dataset[0].input.shape) == 4
    with pytest.raises(RecordError, match="record 99999999 at offset"):
        dataset[-1]
