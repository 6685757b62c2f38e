"""How many batches workers make at once and ahead."""

import numpy as np
import pytest

from rumus.data import ArrayDataset, DataItem
from rumus.data._group import Sharing, gathers, sharing_for


def arrays(sample_bytes: int, count: int = 4) -> ArrayDataset:
    return ArrayDataset(np.zeros((count, sample_bytes), np.uint8), np.zeros(count, np.uint8))


class Own:
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> DataItem:
        raise OSError("cannot be read")


@pytest.mark.parametrize(
    ("batch_bytes", "prefetch"),
    [(1 << 10, 8), (1 << 18, 8), (1 << 20, 4), (1 << 21, 2), (1 << 23, 2)],
)
def test_more_small_batches_wait_unless_a_number_is_given(batch_bytes: int, prefetch: int) -> None:
    dataset = arrays(batch_bytes - 1)
    for workers in (1, 2, 4):
        most = min(workers * (prefetch + 1), (24 << 20) // batch_bytes)
        assert sharing_for(dataset, 1, workers, None, True).room == max(most, workers)
        assert sharing_for(dataset, 1, workers, 1, True).room == max(
            min(most, 2 * workers), workers
        )


def test_groups_fit_into_the_room_and_into_the_cache() -> None:
    for batch_bytes in (1, 1 << 10, 1 << 18, 1 << 20, 1 << 22, 1 << 24):
        for workers, prefetch in ((0, None), (1, None), (1, 1), (2, None), (2, 1), (8, 3)):
            share = sharing_for(arrays(batch_bytes), 1, workers, prefetch, True)
            assert 1 <= share.group and share.group * batch_bytes <= max(1 << 22, batch_bytes)
            assert not workers or share.group <= share.room


def test_other_data_sets_are_asked_batch_by_batch() -> None:
    assert not gathers(Own())
    assert sharing_for(Own(), 3, 4, None, False) == Sharing(1, 12, 1)
    assert sharing_for(Own(), 3, 4, 5, False) == Sharing(1, 24, 1)
    assert sharing_for(Own(), 3, 4, None, True) == Sharing(1, 12, 1)  # the loop gets the error
