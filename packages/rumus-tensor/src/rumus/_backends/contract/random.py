"""Random numbers."""

from __future__ import annotations

from typing import Protocol

from rumus._backends.generator import Generator

from .kinds import A, Shape


class Random(Protocol[A]):
    """Random numbers."""

    def random(self, kind: str, shape: Shape, generator: Generator) -> A:
        """Float32 numbers, ``"uniform"`` in [0, 1) or ``"normal"``.

        The backend asks for ``generator.source()`` once, and for its ``next()`` once, and once
        again before every replay of a captured step. The formulas are in
        :mod:`rumus._backends.generator`.
        """
        ...

    def random_integers(self, shape: Shape, low: int, span: int, generator: Generator) -> A:
        """int32 numbers from ``low`` to ``low + span - 1``, with ``span`` from 1 to 2**32.

        As :meth:`random`, and the same bit for bit on every device.
        """
        ...

    def dropout(self, a: A, p: float, scale: float, generator: Generator) -> tuple[A, A]:
        """``a * scale`` where a uniform draw is at least ``p``, else 0, of float32 or float16.

        The draw is that of :meth:`random` for the shape of ``a``. With the result comes what
        :meth:`dropout_again` needs to drop the same elements.
        """
        ...

    def dropout_again(self, a: A, draw: A, p: float, scale: float) -> A:
        """The same elements of another array of the same shape."""
        ...
