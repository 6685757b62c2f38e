"""The recorder, put together from its families."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from rumus._core.devices import Device
from rumus.autograd._function import Function

from .attention import Attention
from .channel_norm import ChannelNorm
from .convolution import Convolution
from .creation import Creation
from .elementwise import Elementwise
from .indexing import Indexing
from .layer_norm import LayerNorm
from .matmul import MatMul
from .movement import Movement
from .pooling import Pooling
from .random import Random
from .reduce import Reduce
from .resample import Resample
from .rows import Rows
from .scan import Scan


class Recorder(
    Creation,
    Movement,
    Elementwise,
    Reduce,
    MatMul,
    Rows,
    LayerNorm,
    ChannelNorm,
    Random,
    Indexing,
    Scan,
    Convolution,
    Pooling,
    Resample,
    Attention,
):
    """The primitives of :class:`rumus._backends.contract.Backend`, over tensors.

    Each one applies the function that records it, or is composed of others. Arrays among the
    arguments are constants. One that is not here has no derivative: it takes constants alone.
    """

    def apply(self, function: Function, *arrays: Any) -> Any:
        return function(*map(self.tensor, arrays))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        primitive = getattr(self.primitives, name)

        def constant(*args: Any, **options: Any) -> Any:
            self.refuse(name, *_flat(args), *_flat(options.values()))
            named = {key: self._unwrapped(value) for key, value in options.items()}
            result = primitive(*map(self._unwrapped, args), **named)
            if isinstance(result, tuple):
                return tuple(map(self.tensor, result))
            return self.tensor(result)

        return constant

    def _unwrapped(self, a: Any) -> Any:
        return [self.array(b) for b in a] if isinstance(a, (list, tuple)) else self.array(a)


def _flat(args: Iterable[Any]) -> Iterator[Any]:
    for a in args:
        yield from a if isinstance(a, (list, tuple)) else (a,)


@cache
def recorder(device: Device, wrap: Callable[..., Any]) -> Recorder:
    """The recorder of a device.

    Args:
        device: Where the tensors are.
        wrap: Makes a tensor of an array and a device.
    """
    return Recorder(device, wrap)
