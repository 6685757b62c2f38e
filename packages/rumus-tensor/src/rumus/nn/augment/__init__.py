"""Images changed at random, so that a model learns what does not matter.

Images are uint8, or floats from 0 to 1, of shape (N, C, H, W); each image of a batch is changed by
random numbers of its own. A layer acts in training alone, wherever the batch lies: in front of a
model, or in a loader's workers by :func:`by_sample`, which takes the loader's random numbers.
"""

import typing as _typing

from ._base import Augmentation
from ._color import ColorJitter, RandomGrayscale
from ._crop import CenterCrop, RandomCrop, RandomHorizontalFlip, RandomVerticalFlip
from ._erase import RandomErasing
from ._loader import by_sample
from ._mix import CutMix, MixUp
from ._resize import RandomResizedCrop, Resize
from ._turn import RandomAffine

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from .._foreign import missing_augmentation as __getattr__  # noqa: F401

__all__ = [
    "Augmentation",
    "CenterCrop",
    "ColorJitter",
    "CutMix",
    "MixUp",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "by_sample",
]
