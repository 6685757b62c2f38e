"""The namespace of the Python array API standard, version 2024.12, over rumus's tensors.

``x.__array_namespace__()`` gives it. It has the dtypes bool, uint8, int32, float32 (and float16,
which the standard does not name); the default ones are int32 and float32. Functions that are not
adapted here are those of :mod:`rumus.tensor`, where they exist.
"""

import math
from typing import Any, Final

from rumus import tensor as _tensor
from rumus._core.devices import Device
from rumus._core.dtypes import bool_ as bool
from rumus._core.dtypes import float16, float32, int32, uint8

from ._along import cumulative_prod, cumulative_sum, diff, searchsorted
from ._complex import conj, imag, real
from ._creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from ._dtypes import astype, can_cast, finfo, iinfo, isdtype, result_type
from ._info import __array_namespace_info__
from ._shaping import (
    broadcast_arrays,
    concat,
    expand_dims,
    matrix_transpose,
    meshgrid,
    permute_dims,
    reshape,
)

__array_api_version__ = "2024.12"
e: Final = math.e
inf: Final = math.inf
nan: Final = math.nan
newaxis = None
pi: Final = math.pi

_SAME = frozenset(
    # elementwise
    "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert bitwise_left_shift "
    "bitwise_or bitwise_right_shift bitwise_xor ceil clip copysign cos cosh divide equal exp expm1 "
    "floor floor_divide greater greater_equal hypot isfinite isinf isnan less less_equal log log1p "
    "log10 log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply "
    "negative nextafter not_equal positive pow reciprocal remainder round sign signbit sin sinh "
    "sqrt square subtract tan tanh trunc "
    # indexing, searching, sets, sorting
    "argmax argmin argsort count_nonzero nonzero sort take take_along_axis "
    "unique_all unique_counts unique_inverse unique_values where "
    # linear algebra and manipulation
    "broadcast_to flip matmul moveaxis repeat roll squeeze stack "
    "tensordot tile tril triu unstack vecdot "
    # over axes
    "all any max mean min prod std sum var".split()
)

__all__ = [
    "Device",
    "__array_api_version__",
    "__array_namespace_info__",
    "arange",
    "asarray",
    "astype",
    "bool",
    "broadcast_arrays",
    "can_cast",
    "concat",
    "conj",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "e",
    "empty",
    "empty_like",
    "expand_dims",
    "eye",
    "finfo",
    "float16",
    "float32",
    "from_dlpack",
    "full",
    "full_like",
    "iinfo",
    "imag",
    "inf",
    "int32",
    "isdtype",
    "linspace",
    "matrix_transpose",
    "meshgrid",
    "nan",
    "newaxis",
    "ones",
    "ones_like",
    "permute_dims",
    "pi",
    "real",
    "reshape",
    "result_type",
    "searchsorted",
    "uint8",
    "zeros",
    "zeros_like",
]


def __getattr__(name: str) -> Any:
    if name in _SAME and hasattr(_tensor, name):
        return getattr(_tensor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in _SAME if hasattr(_tensor, name))])
