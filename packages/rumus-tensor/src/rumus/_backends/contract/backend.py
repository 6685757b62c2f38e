"""The contract between the operations and the two devices: a table of primitives.

Every differentiable operation is written once, in terms of these primitives; each device
implements them once (``cpu`` in numpy, ``gpu`` in WGSL). To add an operation, add a row to a family
only if no row fits; a family is a file of the same name here and on both devices.

An array is the device's own kind (``numpy.ndarray``, :class:`rumus.gpu.GpuArray`). Both have
``shape``, ``dtype`` (a ``numpy.dtype``), ``ndim``, ``size`` and ``nbytes``. Arrays that a primitive
returns are never written to afterwards, except by the in-place rows, so views may share memory.
Shapes and dtypes are checked before a primitive is called; a primitive trusts its arguments.
"""

from __future__ import annotations

from typing import Any, Protocol

from .attention import Attention
from .channel_norm import ChannelNorm
from .check import Check
from .convolution import Convolution
from .creation import Creation
from .elementwise import Elementwise
from .indexing import Indexing
from .kinds import A
from .layer_norm import LayerNorm
from .matmul import MatMul
from .memory import Memory
from .movement import Movement
from .pooling import Pooling
from .random import Random
from .recurrent import Recurrent
from .reduce import Reduce
from .resample import Resample
from .rows import Rows
from .scan import Scan
from .sort import Sort


class Forward(Protocol):
    """An operation: a ``Function``."""

    def forward(self, be: Any, *arrays: Any) -> Any:
        """The result's array."""
        ...


class Backend(
    Creation[A],
    Random[A],
    Movement[A],
    Elementwise[A],
    Reduce[A],
    MatMul[A],
    Rows[A],
    LayerNorm[A],
    Memory[A],
    ChannelNorm[A],
    Sort[A],
    Check[A],
    Indexing[A],
    Scan[A],
    Recurrent[A],
    Convolution[A],
    Pooling[A],
    Resample[A],
    Attention[A],
    Protocol[A],
):
    """What a device can do with its arrays."""

    def apply(self, function: Forward, *arrays: A) -> A:
        """The result of an operation on arrays.

        It is how ``backward`` uses a kernel of one's own: where the pass is recorded, the operation
        is recorded with its own gradient.
        """
        ...
