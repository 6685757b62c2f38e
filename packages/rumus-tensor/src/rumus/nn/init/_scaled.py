"""Values whose spread depends on the number of inputs and outputs."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from rumus._backends.generator import Generator, default_generator
from rumus._core.errors import ArgumentError, ShapeError
from rumus.tensor._tensor import Tensor

from .._module_inputs import check_tensor
from ._fill import normal_, uniform_

Fan: TypeAlias = Literal["fan_in", "fan_out"]
Nonlinearity: TypeAlias = Literal[
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu",
]  # fmt: skip
_GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0), "selu": 3.0 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: Nonlinearity, param: float | None = None) -> float:
    """What the spread of weights before an activation is multiplied by, to keep that of results.

    Args:
        nonlinearity: ``"linear"``, ``"conv2d"`` and its kind, ``"sigmoid"``, ``"tanh"``,
            ``"relu"``, ``"leaky_relu"`` or ``"selu"``.
        param: The negative slope of ``"leaky_relu"``, 0.01 by default.

    Raises:
        ArgumentError: The name is another one.

    Example:
        >>> calculate_gain("leaky_relu", 1.0)
        1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        names = ", ".join(sorted([*_GAINS, "leaky_relu"]))
        raise ArgumentError(f"calculate_gain: {nonlinearity!r} is none of {names}")
    return _GAINS[nonlinearity]


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator = default_generator
) -> Tensor:
    """Uniform within ``±gain * sqrt(6 / (inputs + outputs))``: Glorot and Bengio, AISTATS 2010.

    Args:
        tensor: Of shape (outputs, inputs, …).
        gain: See :func:`calculate_gain`.
        generator: What the numbers are drawn from.

    Raises:
        ShapeError: The tensor has fewer than two axes.

    Example:
        >>> from rumus.tensor import zeros
        >>> bool((xavier_uniform_(zeros(3, 3)).abs() <= 1.0).all())
        True
    """
    bound = gain * math.sqrt(6.0 / max(sum(_fans("xavier_uniform_", tensor)), 1))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: Tensor, gain: float = 1.0, generator: Generator = default_generator
) -> Tensor:
    """Normal with a deviation of ``gain * sqrt(2 / (inputs + outputs))``; see above for the rest.

    Glorot and Bengio, AISTATS 2010.

    Raises:
        ShapeError: The tensor has fewer than two axes.

    Example:
        >>> from rumus.tensor import zeros
        >>> xavier_normal_(zeros(3, 3)).shape
        (3, 3)
    """
    deviation = gain * math.sqrt(2.0 / max(sum(_fans("xavier_normal_", tensor)), 1))
    return normal_(tensor, 0.0, deviation, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0.0,
    mode: Fan = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    generator: Generator = default_generator,
) -> Tensor:
    """Uniform within ``±gain * sqrt(3 / fan)``: He et al., arXiv:1502.01852.

    Args:
        tensor: Of shape (outputs, inputs, …).
        a: The negative slope of ``"leaky_relu"``.
        mode: ``"fan_in"`` for the number of inputs, ``"fan_out"`` for that of outputs.
        nonlinearity: See :func:`calculate_gain`.
        generator: What the numbers are drawn from.

    Raises:
        ShapeError: The tensor has fewer than two axes.
        ArgumentError: A name is another one.

    Example:
        >>> from rumus.tensor import zeros
        >>> kaiming_uniform_(zeros(4, 3), nonlinearity="relu").shape
        (4, 3)
    """
    bound = math.sqrt(3.0) * _deviation("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0.0,
    mode: Fan = "fan_in",
    nonlinearity: Nonlinearity = "leaky_relu",
    generator: Generator = default_generator,
) -> Tensor:
    """Normal with a deviation of ``gain / sqrt(fan)``; arguments as in :func:`kaiming_uniform_`.

    He et al., arXiv:1502.01852.

    Raises:
        ShapeError: The tensor has fewer than two axes.
        ArgumentError: A name is another one.

    Example:
        >>> from rumus.tensor import zeros
        >>> kaiming_normal_(zeros(4, 3), nonlinearity="relu").shape
        (4, 3)
    """
    deviation = _deviation("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, deviation, generator)


def _deviation(name: str, tensor: Tensor, a: float, mode: Fan, nonlinearity: Nonlinearity) -> float:
    if mode not in get_args(Fan):
        raise ArgumentError(f"{name}: mode is 'fan_in' or 'fan_out', not {mode!r}")
    inputs, outputs = _fans(name, tensor)
    fan = inputs if mode == "fan_in" else outputs
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """Inputs and outputs of a weight, each times the positions that it sees."""
    check_tensor(name, tensor)
    if tensor.ndim < 2:
        raise ShapeError(f"{name} takes two axes or more, not shape {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field
