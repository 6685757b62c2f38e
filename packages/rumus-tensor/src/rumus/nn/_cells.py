"""One step of a recurrent layer, for loops that are written by hand."""

from __future__ import annotations

import math
from typing import Any, Literal

from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor import rand, zeros
from rumus.tensor._ops.matmul import Linear as LinearFunction
from rumus.tensor._tensor import Tensor

from ._module import Module
from ._module_inputs import check_tensor
from ._parameter import Parameter


class RecurrentCell(Module):
    """What the cells share; parameters have PyTorch's names and start as a layer's do."""

    gates: int = 1
    input_size: int
    hidden_size: int
    bias: bool

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: DeviceLike = CPU
    ) -> None:
        if input_size < 1 or hidden_size < 1:
            raise ArgumentError(
                f"{type(self).__name__}: input_size and hidden_size are at least 1, "
                f"not {input_size} and {hidden_size}"
            )
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        bound, width = 1.0 / math.sqrt(hidden_size), self.gates * hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (width, input_size),
            "weight_hh": (width, hidden_size),
        }
        if bias:
            shapes |= {"bias_ih": (width,), "bias_hh": (width,)}
        for name, shape in shapes.items():
            start = (rand(shape) * 2.0 - 1.0).mul_(bound).to(Device(device))
            setattr(self, name, Parameter(start))

    def _sums(self, end: str, x: Tensor) -> list[Tensor]:
        """What the input ("ih") or the state ("hh") adds to each gate."""
        weight: Any = getattr(self, f"weight_{end}")
        if x.ndim != 2 or x.shape[1] != weight.shape[1]:
            what = "input" if end == "ih" else "state"
            raise ShapeError(
                f"{type(self).__name__}({self.input_size}, {self.hidden_size}): the {what} has "
                f"shape (batch, {weight.shape[1]}), not {x.shape}"
            )
        bias = [getattr(self, f"bias_{end}")] if self.bias else []
        sums: Tensor = LinearFunction()(x, weight, *bias)
        size = self.hidden_size
        return [sums[:, k * size : (k + 1) * size] for k in range(self.gates)]

    def _zeros(self, x: Tensor) -> Tensor:
        return zeros(x.shape[0], self.hidden_size, dtype=x.dtype, device=x.device)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(RecurrentCell):
    """A step of :class:`RNN`.

    Args:
        input_size: Length of the last axis of the input.
        hidden_size: Length of the state.
        bias: Whether there are biases.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        device: Where the parameters start.

    Example:
        >>> from rumus.tensor import ones
        >>> RNNCell(3, 5)(ones((2, 3))).shape
        (2, 5)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        device: DeviceLike = CPU,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNNCell: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        super().__init__(input_size, hidden_size, bias, device)
        self.nonlinearity = nonlinearity

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """The next state, of x (batch, input_size) and h (batch, hidden_size), by default zeros.

        Of one sample both come without the axis of the batch.
        """
        check_tensor(self, x)
        if x.ndim == 1:
            return self.forward(x.unsqueeze(0), None if h is None else h.unsqueeze(0)).squeeze(0)
        h = self._zeros(x) if h is None else h
        (added,), (held,) = self._sums("ih", x), self._sums("hh", h)
        total = added + held
        return total.tanh() if self.nonlinearity == "tanh" else total.relu()


class LSTMCell(RecurrentCell):
    """A step of :class:`LSTM`; arguments as in :class:`RNNCell`, without ``nonlinearity``.

    Example:
        >>> from rumus.tensor import ones
        >>> h, c = LSTMCell(3, 5)(ones((2, 3)))
        >>> h.shape, c.shape
        ((2, 5), (2, 5))
    """

    gates = 4

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next h and c, of x (batch, input_size) and (h, c), by default zeros.

        Of one sample all come without the axis of the batch.
        """
        check_tensor(self, x)
        if x.ndim == 1:
            whole = None if state is None else (state[0].unsqueeze(0), state[1].unsqueeze(0))
            h, c = self.forward(x.unsqueeze(0), whole)
            return h.squeeze(0), c.squeeze(0)
        h, c = (self._zeros(x), self._zeros(x)) if state is None else state
        sums = zip(self._sums("ih", x), self._sums("hh", h), strict=True)
        i, f, g, o = (added + held for added, held in sums)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class GRUCell(RecurrentCell):
    """A step of :class:`GRU`; arguments as in :class:`RNNCell`, without ``nonlinearity``.

    Example:
        >>> from rumus.tensor import ones
        >>> GRUCell(3, 5)(ones((2, 3))).shape
        (2, 5)
    """

    gates = 3

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        """The next state, of x (batch, input_size) and h (batch, hidden_size), by default zeros.

        Of one sample both come without the axis of the batch.
        """
        check_tensor(self, x)
        if x.ndim == 1:
            return self.forward(x.unsqueeze(0), None if h is None else h.unsqueeze(0)).squeeze(0)
        h = self._zeros(x) if h is None else h
        (r, z, n), (held_r, held_z, held_n) = self._sums("ih", x), self._sums("hh", h)
        r, z = (r + held_r).sigmoid(), (z + held_z).sigmoid()
        n = (n + r * held_n).tanh()
        return n + z * (h - n)
