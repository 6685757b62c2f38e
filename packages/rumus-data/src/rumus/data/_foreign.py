"""What PyTorch's names of data sets and samplers are here."""

from __future__ import annotations

import sys
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
    """Raise for a name that the module has not.

    ``from rumus.data import name`` drops the text of an AttributeError. It asks by ``hasattr``
    first, from a function of importlib, and lets an ImportError through.
    """
    from difflib import get_close_matches  # which no import waits for

    known = {public.lower(): public for public in sys.modules["rumus.data"].__all__}
    alike = get_close_matches(name.lower(), known, 1, 0.7)
    hint = _HINTS.get(name) or (f"there is {known[alike[0]]}" if alike else "")
    told = f"; here: {hint}" if hint else ""
    asks = sys._getframe(1).f_code.co_name
    if hint and asks == "_handle_fromlist" and not name.startswith("_"):
        raise ImportError(f"cannot import name {name!r} from 'rumus.data'{told}", name=name)
    raise AttributeError(f"module 'rumus.data' has no attribute {name!r}{told}", name=name)
