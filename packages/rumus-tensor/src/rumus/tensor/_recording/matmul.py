"""Matrix products."""

from __future__ import annotations

from typing import Any

from .._ops.elementwise import Elementwise
from .._ops.matmul import Linear, transposed
from .._ops.matmul import MatMul as Product
from .._ops.reduce import Reduce
from .base import Recording


class MatMul(Recording):
    """The family's part of the recorder."""

    def matmul(self, a: Any, b: Any, bias: Any = None, out: None = None) -> Any:
        a, b, bias = self.tensor(a), self.tensor(b), self.tensor(bias)
        if bias is None:
            return Product()(a, b)
        if a.ndim == 2:
            return Linear()(a, transposed(self, b), bias)  # type: ignore[arg-type]
        return Elementwise("add")(Product()(a, b), bias)

    def matmul_and_sums(
        self, a: Any, b: Any, out: None = None, sums_out: None = None
    ) -> tuple[Any, Any]:
        return self.matmul(a, b), Reduce("sum", (1,), False)(self.tensor(a))
