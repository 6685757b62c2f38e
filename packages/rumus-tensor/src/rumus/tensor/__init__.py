"""Tensors on the CPU and on the GPU."""

# Not as deep as the modules below would import it: at some depths CPython 3.11 and later get and
# give back a piece of their stack in every call, which made this import a tenth slower.
import numpy  # noqa: F401

from rumus._backends.generator import Generator, default_generator, manual_seed
from rumus._core import tree
from rumus._core.base import TensorBase
from rumus._core.devices import Device
from rumus._core.dtypes import bool_, float16, float32, int32, uint8
from rumus._core.errors import (
    ArgumentError,
    AutogradError,
    BorrowError,
    DeviceError,
    DTypeError,
    GpuUnavailableError,
    IndexRangeError,
    MissingGradError,
    RumusError,
    ShapeError,
    StateDictError,
)
from rumus._core.frames import FrameLock
from rumus._core.keyed import Keyed
from rumus._core.mode import is_grad_enabled, no_grad
from rumus._core.structure import structure_version
from rumus._core.threads import get_num_threads, set_num_threads
from rumus._core.watch import Watch
from rumus.autograd._arena import Arena, Slot, pack

from .__about__ import __version__
from ._counting import bincount, bucketize, histogram, nonzero, searchsorted
from ._creation import (
    from_numpy,
    full,
    ones,
    rand,
    randn,
    tensor,
    zeros,
)
from ._diagonals import (
    diag,
    diagonal,
    trace,
    tril,
    triu,
)
from ._gathering import (
    gather,
    index_select,
    masked_select,
    take,
    take_along_axis,
)
from ._joining import cat, concat, maximum, minimum, stack, where
from ._likes import empty_like, full_like, ones_like, rand_like, randn_like, zeros_like
from ._matrix import matmul
from ._moving import (
    broadcast_arrays,
    broadcast_tensors,
    broadcast_to,
    expand_dims,
    flip,
    hstack,
    meshgrid,
    moveaxis,
    movedim,
    repeat,
    repeat_interleave,
    roll,
    rot90,
    squeeze,
    swapaxes,
    tile,
    unflatten,
    vstack,
)
from ._multinomial import multinomial
from ._random import bernoulli, exponential, normal, randint, randperm, trunc_normal, uniform
from ._scanning import cummax, cummin, cumprod, cumsum, logcumsumexp
from ._scatter_reduce import scatter_reduce
from ._scattering import (
    index_add,
    index_copy,
    index_fill,
    index_put,
    masked_fill,
    put_along_axis,
    scatter,
    scatter_add,
)
from ._sorting import ValuesAndIndices, argsort, kthvalue, median, sort, topk
from ._spaced import arange, eye, linspace, logspace, tri
from ._splitting import (
    chunk,
    split,
    unbind,
    unstack,
)
from ._tensor import Tensor
from ._unique import unique, unique_all, unique_counts, unique_inverse, unique_values

__all__ = [
    "Arena",
    "ArgumentError",
    "AutogradError",
    "BorrowError",
    "DTypeError",
    "Device",
    "DeviceError",
    "FrameLock",
    "Generator",
    "GpuUnavailableError",
    "IndexRangeError",
    "Keyed",
    "MissingGradError",
    "RumusError",
    "ShapeError",
    "Slot",
    "StateDictError",
    "Tensor",
    "TensorBase",
    "ValuesAndIndices",
    "Watch",
    "__version__",
    "arange",
    "argsort",
    "bernoulli",
    "bincount",
    "bool_",
    "broadcast_arrays",
    "broadcast_tensors",
    "broadcast_to",
    "bucketize",
    "cat",
    "chunk",
    "concat",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "default_generator",
    "diag",
    "diagonal",
    "empty_like",
    "expand_dims",
    "exponential",
    "eye",
    "flip",
    "float16",
    "float32",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "get_num_threads",
    "histogram",
    "hstack",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "int32",
    "is_grad_enabled",
    "kthvalue",
    "linspace",
    "logcumsumexp",
    "logspace",
    "manual_seed",
    "masked_fill",
    "masked_select",
    "matmul",
    "maximum",
    "median",
    "meshgrid",
    "minimum",
    "moveaxis",
    "movedim",
    "multinomial",
    "no_grad",
    "nonzero",
    "normal",
    "ones",
    "ones_like",
    "pack",
    "put_along_axis",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "repeat",
    "repeat_interleave",
    "roll",
    "rot90",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "searchsorted",
    "set_num_threads",
    "sort",
    "split",
    "squeeze",
    "stack",
    "structure_version",
    "swapaxes",
    "take",
    "take_along_axis",
    "tensor",
    "tile",
    "topk",
    "trace",
    "tree",
    "tri",
    "tril",
    "triu",
    "trunc_normal",
    "uint8",
    "unbind",
    "unflatten",
    "uniform",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unstack",
    "vstack",
    "where",
    "zeros",
    "zeros_like",
]
