"""Recurrent layers over sequences: RNN, LSTM, GRU."""

from __future__ import annotations

import math
from typing import Any, Literal

from rumus._backends.generator import Generator, default_generator
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import float16, float32
from rumus._core.errors import ArgumentError, DTypeError, ShapeError
from rumus.tensor import arange, cat, rand, stack, where, zeros
from rumus.tensor._ops.matmul import Linear as LinearFunction
from rumus.tensor._ops.random import Dropout as DropoutFunction
from rumus.tensor._ops.recurrent import Recurrent
from rumus.tensor._tensor import Tensor

from ._lengths import check_lengths
from ._module import Module
from ._module_inputs import check_tensor
from ._parameter import Parameter
from .functional._sequence_lengths import sequence_lengths

GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


class RecurrentLayer(Module):
    """What :class:`RNN`, :class:`GRU` and :class:`LSTM` share; parameters have PyTorch's names.

    ``weight_ih_l{k}`` (G * hidden_size, inputs of layer k), ``weight_hh_l{k}``
    (G * hidden_size, hidden_size), ``bias_ih_l{k}`` and ``bias_hh_l{k}`` (G * hidden_size,), with
    ``_reverse`` behind those of the second direction; all start uniform in
    ``(-1 / sqrt(hidden_size), 1 / sqrt(hidden_size))``.
    """

    kind: str
    """``"lstm"``, ``"gru"``, ``"tanh"`` or ``"relu"``."""
    input_size: int
    hidden_size: int
    num_layers: int
    bias: bool
    batch_first: bool
    dropout: float
    bidirectional: bool
    generator: Generator

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        generator: Generator = default_generator,
        device: DeviceLike = CPU,
    ) -> None:
        name = type(self).__name__
        check_lengths(name, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not 0.0 <= dropout < 1.0:
            raise ArgumentError(f"{name}: dropout is from 0 to below 1, not {dropout}")
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.generator = dropout, bidirectional, generator
        bound, width = 1.0 / math.sqrt(hidden_size), GATES[self.kind] * hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_hh": (width, hidden_size)}
        if bias:
            shapes |= {"bias_ih": (width,), "bias_hh": (width,)}
        for layer in range(num_layers):
            inputs = hidden_size * self._directions if layer else input_size
            for end in self._ends(layer):
                for part, shape in {"weight_ih": (width, inputs), **shapes}.items():
                    start = (rand(shape) * 2.0 - 1.0).mul_(bound).to(Device(device))
                    setattr(self, f"{part}_{end}", Parameter(start))

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _ends(self, layer: int) -> list[str]:
        """The endings of the names of a layer's parameters, one a direction."""
        return [f"l{layer}", f"l{layer}_reverse"][: self._directions]

    def _run(
        self, x: Tensor, starts: tuple[Tensor, ...] | None, lengths: Any | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The outputs of the last layer, and the last states of every layer and direction."""
        check_tensor(self, x)
        self._check_input(x)
        unbatched = x.ndim == 2
        if unbatched:
            x = x.reshape(x.shape[0], 1, x.shape[1])
            starts = starts and tuple(s.reshape(s.shape[0], 1, s.shape[-1]) for s in starts)
        elif self.batch_first:
            x = x.permute(1, 0, 2)
        dtype = x.dtype
        start = self._start(x, starts)
        ends = self._lengths(lengths, x)
        last: list[Tensor] = []
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                x = DropoutFunction(self.dropout, self.generator)(x)
            outputs = []
            for way, end in enumerate(self._ends(layer)):
                states = self._direction(x, start[:, len(last)], end, ends, bool(way))
                steps = x.shape[0]
                outputs.append(states[0, :steps] if way else states[0, 1:])
                last.append(states[:, 0 if way else steps])
            x = outputs[0] if len(outputs) == 1 else cat(outputs, -1)
            if ends is not None:
                inside = arange(x.shape[0], device=x.device).reshape(-1, 1) < ends
                x = where(inside.reshape(*inside.shape, 1), x, 0.0)
        final = stack(last, 1)
        if dtype == float16:
            x, final = x.to(float16), final.to(float16)
        if unbatched:
            return x[:, 0], tuple(final[k][:, 0] for k in range(final.shape[0]))
        x = x.permute(1, 0, 2) if self.batch_first else x
        return x, tuple(final[k] for k in range(final.shape[0]))

    def _direction(
        self, x: Tensor, start: Tensor, end: str, lengths: Tensor | None, reverse: bool
    ) -> Tensor:
        parts = [
            getattr(self, f"{part}_{end}")
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[: 4 if self.bias else 2]
        ]
        wide = [part.to(float32) for part in parts]
        steps, batch, width = x.shape
        rows = x.to(float32).reshape(steps * batch, width)
        gates: Tensor = LinearFunction()(rows, wide[0], *wide[2:3])
        gates = gates.reshape(steps, batch, wide[0].shape[0])
        ends = None if lengths is None else lengths.array
        states: Tensor = Recurrent(self.kind, ends, reverse)(gates, start, wide[1], *wide[3:])
        return states

    def _check_input(self, x: Tensor) -> None:
        name = type(self).__name__
        wanted = "(batch, steps, input_size)" if self.batch_first else "(steps, batch, input_size)"
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}({self.input_size}, {self.hidden_size}) takes {wanted} with an input_size "
                f"of {self.input_size}, or (steps, input_size), not {x.shape}"
            )
        dtype = self.parameters()[0].dtype
        if x.dtype != dtype:
            raise DTypeError(
                f"{name}: the input is {x.dtype}, the weights {dtype}; convert one with .to(dtype)"
            )
        if x.shape[1 if self.batch_first and x.ndim == 3 else 0] == 0:
            raise ShapeError(f"{name} needs at least one step, and the input has shape {x.shape}")

    def _start(self, x: Tensor, starts: tuple[Tensor, ...] | None) -> Tensor:
        """The states before the first step, of shape (S, layers * directions, batch, hidden)."""
        count = 2 if self.kind == "lstm" else 1
        shape = (self.num_layers * self._directions, x.shape[1], self.hidden_size)
        if starts is None:
            return zeros((count, *shape), device=x.device)
        for given in starts:
            if given.shape != shape:
                raise ShapeError(
                    f"{type(self).__name__}: the first states have shape (num_layers * directions, "
                    f"batch, hidden_size), here {shape}, not {given.shape}"
                )
        return stack([given.to(float32) for given in starts], 0)

    def _lengths(self, lengths: Any | None, x: Tensor) -> Tensor | None:
        if lengths is None:
            return None
        name, (steps, sequences) = type(self).__name__, x.shape[:2]
        return sequence_lengths(name, "lengths", lengths, sequences, steps, x.device)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        shown = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in _DEFAULTS.items():
            if getattr(self, name) != default:
                shown.append(f"{name}={getattr(self, name)}")
        return ", ".join(shown)


_DEFAULTS = {
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
}


class _OneState(RecurrentLayer):
    """A layer whose state is h alone."""

    def forward(
        self, x: Tensor, h: Tensor | None = None, lengths: Any | None = None
    ) -> tuple[Tensor, Tensor]:
        """Run over sequences.

        Args:
            x: (steps, batch, input_size), (batch, steps, input_size) with ``batch_first``, or
                (steps, input_size).
            h: States before the first step, (num_layers * directions, batch, hidden_size); zeros
                by default.
            lengths: The number of steps of each sequence, the others being padding: outputs behind
                it are 0, and the last state is that of the last step (default: all steps). On a
                GPU a length above the number of steps counts as that number.

        Returns:
            The outputs of the last layer, (steps, batch, directions * hidden_size), batch first if
            x is; and the last states, of the shape of ``h``.

        Raises:
            ShapeError: Shapes do not fit.
            DTypeError: x has another dtype than the weights.
        """
        output, (final,) = self._run(x, None if h is None else (h,), lengths)
        return output, final


class RNN(_OneState):
    """``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)`` (Elman, Cognitive Science 14, 1990).

    Args:
        input_size: Length of the last axis of the input.
        hidden_size: Length of the state.
        num_layers: Layers on top of each other.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: Whether there are biases.
        batch_first: Whether the batch is the first axis of input and output instead of the second.
        dropout: Probability with which outputs between layers are dropped in training.
        bidirectional: Whether a second direction reads each sequence from its end.
        generator: Where dropout draws from.
        device: Where the parameters start.

    Raises:
        ArgumentError: A size is no positive number, or an option is out of range.

    Example:
        >>> from rumus.tensor import ones
        >>> output, state = RNN(3, 5)(ones((7, 2, 3)))
        >>> output.shape, state.shape
        ((7, 2, 5), (1, 2, 5))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        generator: Generator = default_generator,
        device: DeviceLike = CPU,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ArgumentError(f"RNN: nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
        self.kind = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            generator,
            device,
        )


class GRU(_OneState):
    """Gated recurrent units (Cho et al., arXiv:1406.1078), the reset gate behind the product.

    ``r, z = sigmoid(W x + b + V h + c)``, ``n = tanh(W x + b + r * (V h + c))``,
    ``h' = (1 - z) * n + z * h``; rows of the weights are r, z, n, as in PyTorch.

    Args and Raises as in :class:`RNN`.

    Example:
        >>> from rumus.tensor import ones
        >>> output, state = GRU(3, 5, bidirectional=True)(ones((7, 2, 3)))
        >>> output.shape, state.shape
        ((7, 2, 10), (2, 2, 5))
    """

    kind = "gru"


class LSTM(RecurrentLayer):
    """Long short-term memory (Hochreiter and Schmidhuber, Neural Computation 9, 1997).

    ``i, f, o = sigmoid(W x + b + V h + c)``, ``g = tanh(W x + b + V h + c)``,
    ``c' = f * c + i * g``, ``h' = o * tanh(c')``; rows of the weights are i, f, g, o, as in
    PyTorch.

    Args and Raises as in :class:`RNN`.

    Example:
        >>> from rumus.tensor import ones
        >>> output, (h, c) = LSTM(3, 5, num_layers=2)(ones((7, 2, 3)))
        >>> output.shape, h.shape, c.shape
        ((7, 2, 5), (2, 2, 5), (2, 2, 5))
    """

    kind = "lstm"

    def forward(
        self,
        x: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        lengths: Any | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over sequences.

        Args:
            x: As in :meth:`RNN.forward`.
            state: h and c before the first step, each (num_layers * directions, batch,
                hidden_size); zeros by default.
            lengths: As in :meth:`RNN.forward`.

        Returns:
            The outputs of the last layer, and the last h and c.

        Raises:
            ShapeError: Shapes do not fit.
            DTypeError: x has another dtype than the weights.
        """
        if isinstance(state, Tensor):
            raise ArgumentError("LSTM begins with a pair of states, (h, c), not with one tensor")
        output, (h, c) = self._run(x, state, lengths)
        return output, (h, c)
