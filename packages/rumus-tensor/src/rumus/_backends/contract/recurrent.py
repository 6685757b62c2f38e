"""Recurrent layers: all steps of one direction of one layer."""

from __future__ import annotations

from typing import Protocol

from .kinds import A


class Recurrent(Protocol[A]):
    """Recurrent layers: all steps of one direction of one layer.

    ``kind`` is ``"lstm"``, ``"gru"``, ``"tanh"`` or ``"relu"``: G = 4, 3, 1 and 1 gates, in
    PyTorch's order, and S = 2 states (h and c) of an LSTM, else 1. Everything is float32 but
    ``lengths``, int32 of shape ``(batch,)``: a sequence stays in its state from its length on.
    Backwards in time with ``reverse``.
    """

    def recurrent(
        self,
        kind: str,
        inputs: A,
        start: A,
        weight: A,
        bias: A | None,
        lengths: A | None,
        reverse: bool,
    ) -> tuple[A, A]:
        """The states after each step, and what :meth:`recurrent_backward` reads.

        Args:
            kind: See above.
            inputs: What the layer's input adds to the gates, ``(steps, batch, G * hidden)``.
            start: ``(S, batch, hidden)``.
            weight: ``(G * hidden, hidden)``.
            bias: ``(G * hidden,)``.
            lengths: See above.
            reverse: See above.

        Returns:
            ``(S, steps + 1, batch, hidden)``, which begins with the start, or ends with it in
            reverse; and what is kept.
        """
        ...

    def recurrent_backward(
        self,
        kind: str,
        states: A,
        kept: A,
        weight: A,
        grad: A,
        lengths: A | None,
        reverse: bool,
    ) -> tuple[A, A, A]:
        """Gradients for ``inputs``, for what the hidden state adds to the gates, and for the start.

        The second is that of ``inputs`` itself but for a GRU. ``grad`` is that of the states.
        """
        ...
