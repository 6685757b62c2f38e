"""Elements chosen by their positions, and written there.

Every function sees its first input as (outer, length, inner) and chooses along the middle axis.
"""

from __future__ import annotations

from typing import Any

from rumus._backends.contract import Backend
from rumus._core.dtypes import float32, int32
from rumus._core.shapes import Shape
from rumus.autograd._function import Function

Cut = tuple[int, int, int]


class Gather(Function):
    """Elements at positions, int32, of shape (outer or 1, count, inner or 1).

    Args:
        called: What error messages call the operation.
        cut: (outer, length, inner).
        shape: The result's.
        wrap: Whether negative positions count from the end.
        skip: A position that gets no gradient.
    """

    saves = (1,)

    def __init__(
        self, called: str, cut: Cut, shape: Shape, wrap: bool = True, skip: int | None = None
    ) -> None:
        self.called, self.cut, self.shape = called, cut, shape
        self.wrap, self.skip = wrap, skip

    @property
    def name(self) -> str:
        """The operation that a user called."""
        return self.called

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Choose."""
        a, index = arrays
        self.before: Shape = a.shape
        chosen = be.gather(be.reshape(a, self.cut), index, self.called, self.wrap)
        return be.reshape(chosen, self.shape)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The sums of the gradients of each position."""
        (index,) = self.saved
        outer, length, inner = self.cut
        grads = be.reshape(grad, (outer, index.shape[1], inner))
        slot = self.slot(0)
        place = None if slot is None else be.reshape(slot, self.cut)
        sums = be.sum_at(grads, index, length, self.called, self.skip, place)
        return (slot if sums is place and slot is not None else be.reshape(sums, self.before)), None


class SumAt(Function):
    """Values (outer, count, inner) added up at positions of zeros (outer, length, inner).

    Args:
        called: What error messages call the operation.
        length: Of the axis that positions are on.
        shape: The result's.
    """

    saves = (1,)

    def __init__(self, called: str, length: int, shape: Shape) -> None:
        self.called, self.length, self.shape = called, length, shape

    @property
    def name(self) -> str:
        """The operation that a user called."""
        return self.called

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Add up."""
        values, index = arrays
        self.before: Shape = values.shape
        return be.reshape(be.sum_at(values, index, self.length, self.called), self.shape)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """The gradient of each position, for all values that went there."""
        (index,) = self.saved
        outer, _, inner = self.before
        return be.gather(be.reshape(grad, (outer, self.length, inner)), index, self.called), None


class Put(Function):
    """Values (outer, count, inner) in place of the elements at positions; the last one stays.

    Args:
        called: What error messages call the operation.
        cut: (outer, length, inner).
        wrap: Whether negative positions count from the end.
    """

    saves = (1,)

    def __init__(self, called: str, cut: Cut, wrap: bool = True) -> None:
        self.called, self.cut, self.wrap = called, cut, wrap

    @property
    def name(self) -> str:
        """The operation that a user called."""
        return self.called

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Copy, and write."""
        a, index, values = arrays
        self.before: Shape = values.shape
        result = be.copy(a)
        be.put(be.reshape(result, self.cut), index, values, self.called, self.wrap)
        return result

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Zero where something was written, which gets the gradient if it stayed."""
        (index,) = self.saved
        grads = be.reshape(grad, self.cut)
        for_a, _, for_values = self.wanted
        outer, count, inner = index.shape
        last = be.full((outer, self.cut[1], inner), 0, int32)
        numbers = be.elementwise("add", be.reshape(be.iota(count), (1, count, 1)), 1)
        be.put(last, index, be.expand(numbers, index.shape), self.called)
        into_a = into_values = None
        if for_a:
            kept = be.elementwise("where", be.elementwise("eq", last, 0), grads, 0.0)
            into_a = be.reshape(kept, grad.shape)
        if for_values:
            stays = be.elementwise("eq", be.gather(last, index, self.called), numbers)
            chosen = be.gather(grads, index, self.called)
            into_values = be.elementwise("where", stays, chosen, 0.0)
        return into_a, None, into_values


def locate(be: Backend[Any], indices: list[Any], lengths: list[int], name: str) -> Any:
    """Positions (1, count, 1) in row-major order of ``lengths``, of indices of one shape."""
    flat: Any = None
    for index, length in zip(indices, lengths, strict=True):
        column = be.reshape(index, (1, index.size, 1))
        flat = be.positions(column, length, name, before=flat)
    return flat


class Extreme(Function):
    """Elements and the values that go to their positions, the largest or smallest of each.

    Values are put in ascending or descending order, so that the last one is the one to stay. Equal
    ones, or the NaNs that win, share the gradient equally.

    Args:
        called: What error messages call the operation.
        op: ``"maximum"`` or ``"minimum"``.
        include_self: Whether an element counts where values go to it.
    """

    saves = (0, 1, 2)
    saves_output = True

    def __init__(self, called: str, op: str, include_self: bool) -> None:
        self.called, self.op, self.include_self = called, op, include_self

    @property
    def name(self) -> str:
        """The operation that a user called."""
        return self.called

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Sort, put, compare. The index and the values are (1, count, 1)."""
        a, index, values = arrays
        line, column = (1, index.size), index.shape
        ranked, order = be.sort(be.reshape(values, line), self.op == "minimum")
        places = be.gather(index, be.reshape(order, column), self.called)
        best = be.copy(a)
        flat = be.reshape(best, (1, a.size, 1))
        be.put(flat, places, be.reshape(ranked, column), self.called, False)
        return be.elementwise(self.op, a, best) if self.include_self else best

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """A share for each that is as large as the result."""
        a, index, values = self.saved
        cut = 1, a.size, 1
        result = be.reshape(self.output, cut)
        wins = be.elementwise("matches", values, be.gather(result, index, self.called))
        ones = be.elementwise("cast", wins, dtype=float32)
        count = be.sum_at(ones, index, a.size, self.called)
        stays = be.elementwise("matches", be.reshape(a, cut), result)
        if not self.include_self:
            stays = be.elementwise("eq", count, 0.0)
        count = be.elementwise("add", count, be.elementwise("cast", stays, dtype=float32))
        share = be.elementwise("div", be.reshape(grad, cut), count)
        into_a = be.reshape(be.elementwise("where", stays, share, 0.0), grad.shape)
        chosen = be.gather(share, index, self.called)
        return into_a, None, be.elementwise("where", wins, chosen, 0.0)
