"""Random numbers."""

from __future__ import annotations

from typing import Protocol

from rumus._backends.generator import Generator

from .kinds import A_co, Shape


class Random(Protocol[A_co]):
    """Random numbers."""

    def random(self, kind: str, shape: Shape, generator: Generator) -> A_co:
        """Float32 numbers, ``"uniform"`` in [0, 1) or ``"normal"``.

        The backend asks for ``generator.source()`` once, and for its ``next()`` once, and once
        again before every replay of a captured step. The formulas are in
        :mod:`rumus._backends.generator`.
        """
        ...

    def random_integers(self, shape: Shape, low: int, span: int, generator: Generator) -> A_co:
        """int32 numbers from ``low`` to ``low + span - 1``, with ``span`` from 1 to 2**32.

        As :meth:`random`, and the same bit for bit on every device.
        """
        ...
