"""The GPU's table of primitives."""

from typing import Any

from rumus._backends.contract.backend import Forward

from .attention import Attention
from .channel_norm import ChannelNorm
from .check import Check
from .convolution import Convolution
from .creation import Creation
from .elementwise import Elementwise
from .indexing import Indexing
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


class GpuBackend(
    Creation,
    Random,
    Movement,
    Elementwise,
    Reduce,
    MatMul,
    Rows,
    LayerNorm,
    Memory,
    ChannelNorm,
    Sort,
    Indexing,
    Scan,
    Check,
    Recurrent,
    Convolution,
    Pooling,
    Resample,
    Attention,
):
    """Implements :class:`rumus._backends.contract.Backend` for :class:`rumus.gpu.GpuArray`."""

    def apply(self, function: Forward, *arrays: Any) -> Any:
        return function.forward(self, *arrays)
