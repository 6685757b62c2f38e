"""First values of parameters, written in place, under PyTorch's names.

Each draws from ``generator``, by default the one of :func:`rumus.tensor.manual_seed`. What is drawn
does not depend on the device. The tensor is given back.
"""

import typing as _typing

from ._fill import (
    constant_,
    dirac_,
    eye_,
    normal_,
    ones_,
    orthogonal_,
    trunc_normal_,
    uniform_,
    zeros_,
)
from ._scaled import (
    calculate_gain,
    kaiming_normal_,
    kaiming_uniform_,
    xavier_normal_,
    xavier_uniform_,
)

if not _typing.TYPE_CHECKING:  # else checkers would take any name
    from .._foreign import missing_initialiser as __getattr__  # noqa: F401

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]
