"""The rows of the elementwise table."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .kinds import A, Scalar


class Elementwise(Protocol[A]):
    """The rows of the elementwise table."""

    def elementwise(self, op: str, *args: A | Scalar, dtype: np.dtype[Any] | None = None) -> A:
        """One row of the elementwise table, with broadcasting.

        Computes in the common dtype of the arguments, as the row's kind in
        :data:`rumus._backends.table.KINDS` says; ``dtype`` is the result's, given for
        ``"cast"`` alone.
        """
        ...

    def update(self, op: str, target: A, other: A | Scalar) -> None:
        """One row of two arguments, written into its first one, which may be a view.

        ``other`` broadcasts to the shape of ``target`` and uses other memory. The row computes as
        in :meth:`elementwise`, and its result is cast to the dtype of ``target``.
        """
        ...
