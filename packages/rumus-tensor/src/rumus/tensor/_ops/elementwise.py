"""Elementwise functions: a table of derivatives over the rows of the elementwise table."""

from __future__ import annotations

from functools import cache
from typing import Any

from rumus._backends.contract import Backend
from rumus._core.errors import AutogradError
from rumus._core.shapes import Shape, broadcast_shape
from rumus.autograd._function import Function
from rumus.autograd._node import zero

from .rule import INPUTS, NEGATED, SAME, ZERO, Rule
from .second import SECOND
from .transcendental import TRANSCENDENTAL


class Elementwise(Function):
    """One row of the elementwise table, with broadcasting.

    Saves no more than the rules of the inputs that need a gradient read.

    Args:
        op: A row of :data:`rumus._backends.table.KINDS`.
    """

    def __init__(self, op: str) -> None:
        self.op = op

    @property
    def name(self) -> str:
        """The row's name."""
        return self.op

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Compute the row."""
        self.shapes: tuple[Shape, ...] = tuple([getattr(a, "shape", ()) for a in arrays])
        if len(set(self.shapes)) > 1:
            broadcast_shape(self.op, *self.shapes)
        if self.needs:
            self.rules, self.saves, self.saves_output = _plan(self.op, self.needs)
        return be.elementwise(self.op, *arrays)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Each rule's gradient, summed over the axes that were broadcast."""
        return tuple(
            [self._gradient(be, i, grad) if want else None for i, want in enumerate(self.wanted)]
        )

    def _gradient(self, be: Backend[Any], i: int, grad: Any) -> Any:
        rule = self.rules[i]
        if rule.op == "nothing":
            return zero
        return sum_to(be, self._spread(be, rule, grad), self.shapes[i])

    def _spread(self, be: Backend[Any], rule: Rule, grad: Any) -> Any:
        if rule.op == "zero":
            return be.full(grad.shape, 0.0, grad.dtype)
        if rule.op == "same":
            return grad
        known = {"g": grad}
        known.update((INPUTS[i], saved) for i, saved in zip(self.saves, self.saved, strict=True))
        if self.saves_output:
            known["y"] = self.output
        return rule(be, known)


@cache
def _plan(op: str, needs: tuple[bool, ...]) -> tuple[tuple[Rule, ...], tuple[int, ...], bool]:
    """The rules of a row, and what those of the needed gradients read: inputs, the result."""
    if op not in DERIVATIVES and op.endswith("_backward"):
        raise AutogradError(f"{op} has no derivative, so that its operation has no second one")
    rules = DERIVATIVES.get(op, (ZERO,) * len(needs))
    needed = zip(rules, needs, strict=False)
    reads = {name for rule, need in needed if need for name in rule.reads()}
    return rules, tuple(i for i, name in enumerate(INPUTS) if name in reads), "y" in reads


def sum_to(be: Backend[Any], grad: Any, shape: Shape) -> Any:
    """Sum a gradient over the axes along which ``shape`` was broadcast."""
    if grad.shape == shape:
        return grad
    lead = grad.ndim - len(shape)
    padded = (1,) * lead + shape
    axes = [k for k, n in enumerate(padded) if n == 1 and grad.shape[k] != 1]
    summed = be.reduce("sum", grad, axes, True) if axes else grad
    return be.reshape(summed, shape)


# A rule for each input that can have a gradient. Rows that are not here are constant almost
# everywhere: their gradient is zero.
DERIVATIVES: dict[str, tuple[Rule, ...]] = {
    "add": (SAME, SAME),
    "sub": (SAME, NEGATED),
    "mul": (Rule("mul", "g", "b"), Rule("mul", "g", "a")),
    "div": (Rule("div", "g", "b"), Rule("div_backward", "g", "a", "b")),
    "pow": (Rule("pow_backward", "g", "a", "b"), Rule("pow_exponent_backward", "g", "a", "b")),
    "neg": (NEGATED,),
    "abs": (Rule("abs_backward", "g", "a"),),
    "square": (Rule("square_backward", "g", "a"),),
    "sqrt": (Rule("sqrt_backward", "g", "y"),),
    "rsqrt": (Rule("rsqrt_backward", "g", "y"),),
    "reciprocal": (Rule("reciprocal_backward", "g", "y"),),
    "exp": (Rule("mul", "g", "y"),),
    "log": (Rule("div", "g", "a"),),
    "sin": (Rule("sin_backward", "g", "a"),),
    "cos": (Rule("cos_backward", "g", "a"),),
    "tanh": (Rule("tanh_backward", "g", "y"),),
    "sigmoid": (Rule("sigmoid_backward", "g", "y"),),
    "relu": (Rule("relu_backward", "g", "y"),),
    "leaky_relu": (Rule("leaky_relu_backward", "g", "a", "b"),),
    "gelu": (Rule("gelu_backward", "g", "a"),),
    "gelu_tanh": (Rule("gelu_tanh_backward", "g", "a"),),
    "silu": (Rule("silu_backward", "g", "a"),),
    "softplus": (Rule("softplus_backward", "g", "a"),),
    "maximum": (Rule("maximum_backward", "g", "a", "b"), Rule("maximum_backward", "g", "b", "a")),
    "minimum": (Rule("minimum_backward", "g", "a", "b"), Rule("minimum_backward", "g", "b", "a")),
    "clamp": (Rule("clamp_backward", "g", "a", "b", "c"),),
    "where": (ZERO, Rule("where", "a", "g", 0.0), Rule("where", "a", 0.0, "g")),
    "squared_difference": (
        Rule("squared_difference_backward", "g", "a", "b"),
        Rule("squared_difference_backward", "g", "b", "a"),
    ),
    "binary_cross_entropy": (
        Rule("binary_cross_entropy_backward", "g", "a", "b"),
        Rule("binary_cross_entropy_target_backward", "g", "a"),
    ),
    "dropout": (Rule("dropout", "g", "b", "c", "d"),),
    **TRANSCENDENTAL,
    **SECOND,
}
