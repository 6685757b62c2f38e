"""Elementwise functions: a table of derivatives over the rows of the elementwise table."""

from __future__ import annotations

from typing import Any

from rumus.autograd._function import Function

from .._backend import Backend
from ._shapes import Shape, broadcast_shape


class Elementwise(Function):
    """One row of the elementwise table, with broadcasting.

    Saves no more than the rules of the inputs that need a gradient read.

    Args:
        op: A row of :data:`rumus.tensor._elementwise.KINDS`.
    """

    def __init__(self, op: str) -> None:
        self.op = op

    @property
    def name(self) -> str:
        """The row's name."""
        return self.op

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Compute the row."""
        self.shapes: tuple[Shape, ...] = tuple(getattr(a, "shape", ()) for a in arrays)
        if any(shape != self.shapes[0] for shape in self.shapes):
            broadcast_shape(self.op, *self.shapes)
        if any(self.needs):
            self.rules = DERIVATIVES.get(self.op, (_ZERO,) * len(arrays))
            reads = {r for rule, need in zip(self.rules, self.needs) if need for r in rule.reads}
            self.saves = tuple(r for r in reads if isinstance(r, int))
            self.saves_output = "y" in reads
        return be.elementwise(self.op, *arrays)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Each rule's gradient, summed over the axes that were broadcast."""
        return tuple(
            sum_to(be, self._gradient(be, self.rules[i], grad), self.shapes[i]) if need else None
            for i, need in enumerate(self.needs)
        )

    def _gradient(self, be: Backend[Any], rule: Rule, grad: Any) -> Any:
        known: dict[str | int | float, Any] = dict(zip(self.saves, self.saved, strict=True))
        known["g"] = grad
        if self.saves_output:
            known["y"] = self.output
        if rule.op == "g":
            return grad
        return be.elementwise(rule.op, *(known.get(name, name) for name in rule.args))


class Rule:
    """A backward row and its arguments.

    Args:
        op: A row of the elementwise table, or ``"g"`` for the gradient itself.
        args: ``"g"`` is the gradient of the result, ``"y"`` the result, an int the input at that
            position, a float itself.
    """

    def __init__(self, op: str, *args: str | int | float) -> None:
        self.op, self.args = op, args
        self.reads = tuple(a for a in args if a == "y" or type(a) is int)


def sum_to(be: Backend[Any], grad: Any, shape: Shape) -> Any:
    """Sum a gradient over the axes along which ``shape`` was broadcast."""
    if grad.shape == shape:
        return grad
    lead = grad.ndim - len(shape)
    padded = (1,) * lead + shape
    axes = [k for k, n in enumerate(padded) if n == 1 and grad.shape[k] != 1]
    summed = be.reduce("sum", grad, axes, True) if axes else grad
    return be.reshape(summed, shape)


_SAME, _NEGATED = Rule("g"), Rule("neg", "g")
_ZERO = Rule("where", False, "g", 0.0)

# A rule for each input that can have a gradient. Rows that are not here are constant almost
# everywhere: their gradient is zero.
DERIVATIVES: dict[str, tuple[Rule, ...]] = {
    "add": (_SAME, _SAME),
    "sub": (_SAME, _NEGATED),
    "mul": (Rule("mul", "g", 1), Rule("mul", "g", 0)),
    "div": (Rule("div", "g", 1), Rule("div_backward", "g", 0, 1)),
    "pow": (Rule("pow_backward", "g", 0, 1), Rule("pow_exponent_backward", "g", 0, 1)),
    "neg": (_NEGATED,),
    "abs": (Rule("abs_backward", "g", 0),),
    "square": (Rule("square_backward", "g", 0),),
    "sqrt": (Rule("sqrt_backward", "g", "y"),),
    "rsqrt": (Rule("rsqrt_backward", "g", "y"),),
    "reciprocal": (Rule("reciprocal_backward", "g", "y"),),
    "exp": (Rule("mul", "g", "y"),),
    "log": (Rule("div", "g", 0),),
    "sin": (Rule("sin_backward", "g", 0),),
    "cos": (Rule("cos_backward", "g", 0),),
    "tanh": (Rule("tanh_backward", "g", "y"),),
    "sigmoid": (Rule("sigmoid_backward", "g", "y"),),
    "relu": (Rule("relu_backward", "g", "y"),),
    "leaky_relu": (Rule("leaky_relu_backward", "g", 0, 1),),
    "gelu": (Rule("gelu_backward", "g", 0),),
    "gelu_tanh": (Rule("gelu_tanh_backward", "g", 0),),
    "silu": (Rule("silu_backward", "g", 0),),
    "softplus": (Rule("softplus_backward", "g", 0),),
    "maximum": (Rule("maximum_backward", "g", 0, 1), Rule("maximum_backward", "g", 1, 0)),
    "minimum": (Rule("minimum_backward", "g", 0, 1), Rule("minimum_backward", "g", 1, 0)),
    "clamp": (Rule("clamp_backward", "g", 0, 1, 2),),
    "where": (_ZERO, Rule("where", 0, "g", 0.0), Rule("where", 0, 0.0, "g")),
    "squared_difference": (
        Rule("squared_difference_backward", "g", 0, 1),
        Rule("squared_difference_backward", "g", 1, 0),
    ),
}
