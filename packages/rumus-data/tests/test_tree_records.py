"""Record files whose samples are trees: structured elements of version 2, and no new bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from rumus.data import (
    ArrayDataset,
    ConcatDataset,
    DataItem,
    DataLoader,
    DatasetError,
    RecordCorruptError,
    RecordDataset,
    RecordFormatError,
    RecordWriter,
    Subset,
    recover,
)
from rumus.tensor import ArgumentError, DTypeError, RumusError, ShapeError, Tensor, tree


class Point(NamedTuple):
    x: Any
    y: Any


def sample(i: int) -> dict[Any, Any]:
    return {
        "image": np.full((2, 3), i, np.uint8),
        "pair": (np.float64(i) / 3, [Point(i, np.array([i, -i], np.int16))]),
        "id": f"n{i}",
        7: i % 2 == 0,
    }


def plain(value: Any) -> Any:
    return tree.map(lambda x: x.tolist() if isinstance(x, Tensor | np.ndarray) else x, value)


def written(path: Path, *samples: Any, **options: Any) -> Path:
    with RecordWriter(path, **options) as writer:
        for one in samples:
            writer.append(one)
    return path


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
def test_samples_come_back_as_they_were_appended(
    tmp_path: Path, workers: int, mapped: bool
) -> None:
    path = written(tmp_path / "a.rrec", *map(sample, range(9)), metadata={"classes": 3})
    dataset: RecordDataset[dict[Any, Any]] = RecordDataset(path, mapped=mapped)
    assert dataset.metadata["classes"] == 3
    assert dataset.is_regular()
    for k in (0, 4, -1):
        one = dataset[k]
        assert plain(one) == plain(sample(k % 9))
        assert one["pair"][0].dtype == np.float64
        assert one["pair"][1][0].y.dtype == np.int16
        assert one["pair"][1][0]._fields == ("x", "y")
        assert type(one["id"]) is str
    loader = DataLoader(dataset, 4, shuffle=True, num_workers=workers)
    own = DataLoader(ArrayDataset(np.arange(9)), 4, shuffle=True)
    for batch, numbers in zip(loader, own, strict=True):
        wanted = [sample(k) for k in numbers.tolist()]
        assert batch["image"].tolist() == [one["image"].tolist() for one in wanted]
        assert batch["pair"][1][0].y.tolist() == [one["pair"][1][0].y.tolist() for one in wanted]
        assert batch["id"] == [one["id"] for one in wanted]
        assert batch[7].tolist() == [one[7] for one in wanted]
    assert dataset.verify() == 9


@pytest.mark.parametrize(
    "one",
    [
        (np.arange(3), 1),
        [1.5, [2, 3]],
        np.arange(4.0),
        "text",
        b"bytes",
        3,
        {"a": DataItem(np.arange(2), 5)},
        {"a.b": 1, "a": {"b": 2}, "": 3},
        {"empty": np.zeros((0, 2)), "none": (), "n": 1},
        {"when": np.datetime64("2026-01-01"), "z": 1 + 2j},
    ],
)
def test_any_structure_is_kept(tmp_path: Path, one: Any) -> None:
    dataset: RecordDataset[Any] = RecordDataset(written(tmp_path / "a.rrec", one, one))
    leaves, structure = tree.flatten(dataset[1])
    given, wanted = tree.flatten(one)
    assert structure == wanted
    for leaf, value in zip(leaves, given, strict=True):
        left = leaf.numpy() if isinstance(leaf, Tensor) else np.asarray(leaf)
        right = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
        assert (left.dtype, left.tolist()) == (right.dtype, right.tolist())


def test_an_item_is_the_plain_record_that_it_was(tmp_path: Path) -> None:
    item = DataItem(np.arange(3, dtype=np.float32), 5)
    written(tmp_path / "a.rrec", item)
    with RecordWriter(tmp_path / "b.rrec") as writer:
        writer.append(np.arange(3, dtype=np.float32), 5)
    with RecordWriter(tmp_path / "c.rrec") as writer:
        writer.append_batch(DataItem(np.arange(3, dtype=np.float32)[None], np.array([5])))
    files = [(tmp_path / f"{name}.rrec").read_bytes() for name in "abc"]
    assert files[0] == files[1] == files[2]


def test_a_batch_is_appended_as_its_samples_would_be(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "x": np.arange(12.0).reshape(6, 2),
        "n": (np.arange(6), ["a", "b", "c", "d", "e", "f"]),
    }
    one = [{"x": arrays["x"][k], "n": (arrays["n"][0][k], arrays["n"][1][k])} for k in range(6)]
    written(tmp_path / "a.rrec", *one)
    with RecordWriter(tmp_path / "b.rrec") as writer:
        writer.append_batch(arrays)
        writer.append_batch(
            tree.map(lambda a: a[:0], {"x": arrays["x"], "n": (np.arange(6), np.array(["a"]))})
        )
    assert (tmp_path / "a.rrec").read_bytes() == (tmp_path / "b.rrec").read_bytes()


def test_an_old_reader_sees_a_structured_dtype(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rrec", {"x": np.float32(2), "n": (1, np.uint8(3))})
    inputs, targets = RecordDataset(path).read(0)
    assert inputs.dtype.names == ("x", "n[0]", "n[1]")
    assert inputs.tolist() == (2.0, 1, 3)
    assert targets.shape == (0,)
    assert targets.dtype == np.uint8
    data = path.read_bytes()
    length = int.from_bytes(data[8:16], "little")
    metadata = json.loads(data[64 : 64 + length])
    assert metadata == {"rumus.tree": {"dict": [["x", "x"], ["n", {"tuple": ["n[0]", "n[1]"]}]]}}


def test_shapes_and_lengths_of_text_may_differ_from_record_to_record(tmp_path: Path) -> None:
    given = [{"tokens": np.arange(k % 3), "text": "x" * k} for k in range(1, 9)]
    dataset: RecordDataset[dict[str, Any]] = RecordDataset(written(tmp_path / "a.rrec", *given))
    assert [plain(dataset[k]) for k in range(8)] == [plain(one) for one in given]
    (batch,) = DataLoader(Subset(dataset, [0, 3, 6]), 3)
    assert (batch["tokens"].shape, batch["text"]) == ((3, 1), ["x", "x" * 4, "x" * 7])
    with pytest.raises(ShapeError, match="values of tokens of a batch differ in shape"):
        list(DataLoader(dataset, 3))


DIFFERENT: list[tuple[Callable[[RecordWriter], None], type[Exception], str]] = [
    (lambda w: w.append({"x": 1}), DatasetError, "one has the keys 'x', 'y', the other 'x'"),
    (lambda w: w.append({"x": 1, "y": (1, 2, 3)}), DatasetError, "y has 2 parts, the other 3"),
    (lambda w: w.append({"x": 1.5, "y": (1, "a")}), DTypeError, "x has dtype float64, and int64"),
    (lambda w: w.append({"x": 1, "y": (1, 2)}), DTypeError, r"y\[1\] has dtype int64, and <U1"),
    (lambda w: w.append({"x": None, "y": (1, "a")}), DTypeError, "the x has dtype object"),
    (lambda w: w.append({"x": 1, "y": (1, "a\0")}), DTypeError, r"the y\[1\] ends in zeros"),
    (
        lambda w: w.append({"x": [[1], [1, 2]], "y": (1, "a")}),
        DatasetError,
        "x is a leaf, the other",
    ),
    (lambda w: w.append(1, 2), DatasetError, "has samples of the parts x, y"),
    (lambda w: w.append_batch(np.ones(2), np.ones(2)), DatasetError, "has samples of the parts x"),
    (
        lambda w: w.append_batch({"x": np.ones(2, int), "y": (np.ones(3, int), ["a", "b"])}),
        ShapeError,
        r"y\[0\] of shape \(3,\)",
    ),
]


@pytest.mark.parametrize(("add", "kind", "said"), DIFFERENT)
def test_a_record_that_differs_from_the_first_is_refused_and_changes_nothing(
    tmp_path: Path, add: Callable[[RecordWriter], None], kind: type[Exception], said: str
) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append({"x": 1, "y": (1, "a")})
        with pytest.raises(kind, match=said):
            add(writer)
        writer.append({"x": 2, "y": (2, "b")})
    dataset: RecordDataset[Any] = RecordDataset(tmp_path / "a.rrec")
    assert [plain(one) for one in (dataset[0], dataset[1])] == [
        {"x": 1, "y": (1, "a")},
        {"x": 2, "y": (2, "b")},
    ]


def test_what_a_file_cannot_hold_is_refused(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        with pytest.raises(ArgumentError, match=r"not a dict with the keys \(\(1, 2\),\)"):
            writer.append({(1, 2): 3})
        with pytest.raises(DatasetError, match="nothing in it"):
            writer.append(())
        deep: Any = 1
        for _ in range(100):
            deep = [deep]
        with pytest.raises(ArgumentError, match="nested 64 deep"):
            writer.append(deep)
        writer.append(1, 2)
        with pytest.raises(DatasetError, match="records of an input and a target"):
            writer.append({"x": 1})
    with RecordWriter(tmp_path / "b.rrec", version=1) as old:
        with pytest.raises(ArgumentError, match="need version 2"):
            old.append({"x": np.float32(1)})
        old.append(np.float32(1), np.float32(2))


def test_what_was_flushed_before_the_first_sample_and_after_is_recovered(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "a.rrec", metadata={"k": 1})
    writer.flush()
    for k in range(5):
        writer.append(sample(k))
    writer.flush()
    data = (tmp_path / "a.rrec.partial").read_bytes()
    writer.append(sample(5))
    (tmp_path / "b.rrec.partial").write_bytes(data)
    assert recover(tmp_path / "b.rrec").records == 5
    dataset: RecordDataset[Any] = RecordDataset(tmp_path / "b.rrec")
    assert (dataset.metadata["k"], plain(dataset[4])) == (1, plain(sample(4)))
    writer.finish()
    assert len(RecordDataset(tmp_path / "a.rrec")) == 6


def test_shards_have_one_structure(tmp_path: Path) -> None:
    paths = [
        written(tmp_path / f"{k}.rrec", *map(sample, range(4 * k, 4 * k + 4))) for k in range(2)
    ]
    written(tmp_path / "empty.rrec")
    both: RecordDataset[Any] = RecordDataset([*paths, tmp_path / "empty.rrec"])
    joined: ConcatDataset[Any] = ConcatDataset([RecordDataset(path) for path in paths])
    for dataset in (both, joined):
        (batch,) = DataLoader(Subset(dataset, [6, 1]), 2)
        assert batch["pair"][1][0].x.tolist() == [6, 1]
    other = written(tmp_path / "other.rrec", {"x": 1})
    plain_file = written(tmp_path / "plain.rrec", DataItem(1, 2))
    for path in (other, plain_file):
        with pytest.raises(RecordFormatError, match="samples of different structure"):
            RecordDataset([paths[0], path])


HOSTILE: list[Any] = [
    3,
    "",
    {"dict": 3},
    {"dict": [["a"]]},
    {"dict": [[["a"], "x"]]},
    {"dict": [["a", "x"], ["a", "y"]]},
    {"dict": [["a", "x"], ["b", "x"]]},
    {"tuple": []},
    {"item": ["x"]},
    {"named": ["Point", [["class", "x"]]]},
    {"named": ["Point"]},
    {"named": [3, [["a", "x"]]]},
    {"os.system": ["x"]},
    {"tuple": ["x"], "list": ["y"]},
    {"tuple": ["other"]},
    [["x"]],
    None,
    json.loads("[" * 200 + "]" * 200),
    json.loads('{"list":[' * 200 + '"x"' + "]}" * 200),
]


@pytest.mark.parametrize("claimed", HOSTILE)
def test_a_structure_that_cannot_be_is_a_record_error(tmp_path: Path, claimed: Any) -> None:
    row: npt.NDArray[Any] = np.zeros((), [("x", "f4")])
    path = tmp_path / "a.rrec"
    with RecordWriter(path, metadata={"rumus.tree": claimed}) as writer:
        writer.append(row, np.empty(0, np.uint8))
    with pytest.raises(RecordFormatError, match=r"a\.rrec"):
        RecordDataset(path)[0]
    with RecordWriter(tmp_path / "b.rrec", metadata={"rumus.tree": claimed}) as writer:
        with pytest.raises(RumusError):
            writer.append({"y": 1, "z": 2})


def test_two_threads_copy_one_large_batch_of_several_parts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 3, 400, 400), np.uint8)
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append_batch({"image": images, "about": (np.arange(24), np.array(["n"] * 24))})
    dataset: RecordDataset[Any] = RecordDataset(tmp_path / "a.rrec")
    in_memory = ArrayDataset({"image": images, "about": (np.arange(24), np.array(["n"] * 24))})
    for source in (dataset, in_memory):
        seen = []
        for batch in DataLoader(source, 10, shuffle=True, num_workers=2):
            numbers = batch["about"][0].tolist()
            assert (batch["image"].numpy() == images[numbers]).all()
            assert batch["about"][1] == ["n"] * len(numbers)
            seen += numbers
        assert sorted(seen) == list(range(24))


def test_a_flipped_bit_of_a_part_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rrec", *map(sample, range(5)))
    data = bytearray(path.read_bytes())
    data[data.index(bytes([3] * 6))] ^= 1
    path.write_bytes(data)
    dataset: RecordDataset[Any] = RecordDataset(path)
    assert plain(dataset[2]) == plain(sample(2))
    with pytest.raises(RecordCorruptError, match="record 3 at offset"):
        list(DataLoader(dataset, 5))
