"""Augmentation in a loader: the same for any number of workers, another one in each epoch."""

import numpy as np
import pytest

from rumus.data import ArrayDataset, DataLoader, MapDataset
from rumus.nn import augment

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 3, 9, 9), np.uint8)


def loader(workers, **options):
    transform = augment.by_sample(
        augment.RandomResizedCrop(8),
        augment.RandomHorizontalFlip(),
        augment.RandomAffine(20),
        augment.ColorJitter(0.4, 0.4, 0.4, 0.1),
        augment.RandomErasing(),
    )
    data = MapDataset(ArrayDataset(IMAGES, np.arange(50)), transform, batched=True)
    return DataLoader(data, 8, shuffle=True, num_workers=workers, seed=3, **options)


def epoch(batches):
    return [(x.numpy().copy(), y.numpy().copy()) for x, y in batches]


def equal(one, other):
    pairs = zip(one, other, strict=True)
    return all(np.array_equal(x, a) and np.array_equal(y, b) for (x, y), (a, b) in pairs)


def by_label(batches):
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return images[labels.argsort()]


def test_workers_change_nothing_and_epochs_do():
    alone, together = loader(0), loader(3)
    first, second = epoch(alone), epoch(alone)
    assert equal(first, epoch(together)) and equal(second, epoch(together))
    same = (by_label(first) == by_label(second)).all((1, 2, 3))
    assert same.sum() < 5


def test_an_epoch_goes_on_where_it_stopped():
    whole, stopped, resumed = loader(2), loader(2), loader(0)
    expected = epoch(whole)
    for k, _ in enumerate(stopped):
        if k == 2:
            resumed.load_state_dict(stopped.state_dict())
            break
    assert equal(expected[3:], epoch(resumed))


@pytest.mark.gpu
def test_batches_are_changed_before_they_go_to_the_gpu():
    assert equal(epoch(loader(2, device="gpu")), epoch(loader(2)))
