"""What PyTorch's names of data sets and samplers are here."""

from __future__ import annotations

from typing import NoReturn

_IMAGES = "rumus.data.convert(folder, 'images.rrec') makes a record file of images by class"
_HINTS = {
    "TensorDataset": "ArrayDataset(inputs, targets)",
    "ImageFolder": _IMAGES,
    "datasets": _IMAGES,
    "transforms": "MapDataset(dataset, function) transforms each sample",
    "IterableDataset": "StreamDataset is anything with iterate(part, parts, position)",
    "default_collate": "a loader without collate= stacks samples",
    "Sampler": "a sampler is anything with __iter__ and __len__",
    "RandomSampler": "DataLoader(..., shuffle=True)",
    "BatchSampler": "DataLoader(..., batch_sampler=) takes lists of indices",
    "WeightedRandomSampler": "there is WeightedSampler",
    "DistributedSampler": "DataLoader(..., rank=, world_size=)",
}


def missing(name: str) -> NoReturn:
    """Raise for a name that the module has not."""
    hint = f"; here: {_HINTS[name]}" if name in _HINTS else ""
    raise AttributeError(f"module 'rumus.data' has no attribute {name!r}{hint}", name=name)
