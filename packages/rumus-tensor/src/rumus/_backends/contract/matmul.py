"""Matrix products."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class MatMul(Protocol[A]):
    """Matrix products."""

    def matmul(self, a: A, b: A, bias: A | None = None, out: A | None = None) -> A:
        """``(…, m, k) @ (…, k, n) + bias``: two to any axes, batch axes already equal.

        ``bias`` has shape ``(n,)``. With ``out`` the result is written there and ``out`` returned.
        """
        ...

    def matmul_and_sums(
        self, a: A, b: A, out: A | None = None, sums_out: A | None = None
    ) -> tuple[A, A]:
        """``(m, k) @ (k, n)``, and the sums of the rows of ``a``, of shape ``(m,)``.

        With ``out`` or ``sums_out`` that result is written there and given back.
        """
        ...
