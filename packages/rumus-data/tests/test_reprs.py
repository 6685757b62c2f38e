"""What an interactive session shows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus.data import (
    ArrayDataset,
    BalancedSampler,
    ConcatDataset,
    DataLoader,
    LengthBatches,
    MapDataset,
    RecordWriter,
    Subset,
    WeightedSampler,
)


class Lines:
    def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[int]:
        yield from range(part, 10, parts)

    def __repr__(self) -> str:
        return "Lines()"


def doubled(sample: Any) -> Any:
    return sample


PAIRS = ArrayDataset(np.zeros((10, 2), np.float32), np.arange(10))
SHOWN: dict[str, Callable[[], object]] = {
    "ArrayDataset(10 samples: input float32 (10, 2), target int64 (10,))": lambda: PAIRS,
    "ArrayDataset(3 samples: sample float64 (3,))": lambda: ArrayDataset(np.zeros(3)),
    "ArrayDataset(3 samples: a float64 (3, 2))": lambda: ArrayDataset({"a": np.zeros((3, 2))}),
    f"Subset(2 of {PAIRS!r})": lambda: Subset(PAIRS, [1, 2]),
    f"ConcatDataset(20 samples: {PAIRS!r}, {PAIRS!r})": lambda: ConcatDataset([PAIRS, PAIRS]),
    f"MapDataset({PAIRS!r}, doubled)": lambda: MapDataset(PAIRS, doubled),
    f"DataLoader(4 batches of {PAIRS!r}, batch_size=3, shuffle=True, seed=5; next epoch 0)": (
        lambda: DataLoader(PAIRS, 3, shuffle=True, seed=5)
    ),
    "DataLoader(2 batches of a list of 10, batch_size=5; next epoch 0)": (
        lambda: DataLoader([np.zeros(2)] * 10, 5)
    ),
    "DataLoader(2 batches of a list of 4, batch_size=2, sampler=a list of 4; next epoch 0)": (
        lambda: DataLoader([np.zeros(2)] * 4, 2, sampler=[3, 2, 1, 0])
    ),
    "Subset(1 of a tuple of 2)": lambda: Subset((1, 2), [0]),
    "DataLoader(a stream of Lines(), batch_size=4; next epoch 0)": lambda: DataLoader(Lines(), 4),
    f"DataLoader(2 batches of {PAIRS!r}, batch_size=3, rank=1 of 2; next epoch 0)": (
        lambda: DataLoader(PAIRS, 3, rank=1, world_size=2)
    ),
    f"ShardedLoader(shards 0 to 1 of DataLoader(3 batches of {PAIRS!r}, "
    "batch_size=2; next epoch 0))": (lambda: DataLoader(PAIRS, 4).sharded(2)),
    "<LoaderIterator: epoch 0, batch 0 of 4>": lambda: iter(DataLoader(PAIRS, 3)),
    "WeightedSampler(2 of 2 samples, with replacement)": lambda: WeightedSampler([1, 2]),
    "BalancedSampler(3 samples of 2 classes)": lambda: BalancedSampler(["a", "b", "a"]),
    "LengthBatches(2 batches of 2)": lambda: LengthBatches([3, 1, 2], 2),
}


@pytest.mark.parametrize("text", SHOWN)
def test_an_object_says_what_it_is(text: str) -> None:
    assert repr(SHOWN[text]()) == text


def test_a_writer_says_where_and_how_far_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append(1, 2)
        assert repr(writer) == f"<RecordWriter: {path}, 1 records, open>"
    assert repr(writer).endswith("1 records, closed>")
