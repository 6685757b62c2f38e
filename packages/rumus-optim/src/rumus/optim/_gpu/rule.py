"""What the engine on a GPU asks of a rule."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from rumus.optim._contract import GpuStep, Rule


class GpuRule(Rule, Protocol):
    """A rule with a formula in WGSL; see :mod:`rumus.optim._gpu.shaders` for what it is made of."""

    @property
    def shader(self) -> str | Path:
        """The WGSL of the formula, or the file that holds it."""
        ...

    @property
    def shader_states(self) -> tuple[str, ...]:
        """All state arrays that the WGSL may name; none: those in :attr:`states`."""
        ...

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the state arrays."""
        ...

    @property
    def workspaces(self) -> tuple[str, ...]:
        """Of the WGSL's states, those that hold nothing between steps."""
        ...

    @property
    def one_buffer(self) -> bool:
        """Whether all state arrays share a buffer, with room for a mean of each matrix."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of a row's numbers."""
        ...

    def shader_constants(self) -> dict[str, bool]:
        """Constants of the WGSL beside the row, such as switches between variants."""
        ...

    def step_gpu(self, step: GpuStep) -> None:
        """Apply the formula to the parameters of one arena."""
        ...
