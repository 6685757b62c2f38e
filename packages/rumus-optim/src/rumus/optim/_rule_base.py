"""What a subclass of Optimizer states: its options, its states and its formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from rumus.nn import Parameter
from rumus.optim._contract import F32, GpuStep, Shape
from rumus.optim._cpu.work import CpuWork
from rumus.optim._groups import Options


class RuleBase(ABC):
    """The part of an optimizer that differs from one to the next."""

    elementwise: ClassVar[bool] = True
    """Whether elements do not depend on each other: then a formula for blocks (:meth:`update`, and
    ``update`` in WGSL) is all. Else :meth:`step_cpu` and :meth:`step_gpu` take whole parameters."""
    shader: ClassVar[str | Path] = ""
    """The WGSL of the formula, or the file that holds it."""
    shader_states: ClassVar[tuple[str, ...]] = ()
    """All state arrays that the WGSL may name (default: :attr:`states`); one that is not in
    :attr:`states` reads as 0 there."""
    workspaces: ClassVar[tuple[str, ...]] = ()
    """Of the WGSL's states, those that hold nothing between steps."""
    one_buffer: ClassVar[bool] = False
    """Whether all state arrays share a buffer on the GPU, with room for a mean of each matrix."""
    scratch: ClassVar[str] = "f"
    """The scratch arrays of :meth:`update`, a letter each: ``f`` float32, ``d`` float64."""

    @abstractmethod
    def check(self, options: Options) -> Options:
        """A group's options with every range checked."""

    @abstractmethod
    def row(self, options: Options) -> tuple[float, ...]:
        """The numbers of one group that the formula reads, as a NamedTuple of at least one."""

    @property
    @abstractmethod
    def states(self) -> tuple[str, ...]:
        """Names of the state arrays, each of its parameter's shape."""

    def check_parameter(self, parameter: Parameter) -> None:  # noqa: B027  most take any
        """Raise if the formula does not take a parameter of this kind."""

    def update(
        self,
        h: Any,
        step: int,
        p: F32,
        g: F32,
        s: Sequence[F32],
        scratch: Sequence[Any],
    ) -> None:
        """The formula in numpy, in place, for one block, if it is elementwise.

        Args:
            h: the group's row.
            step: the number of this update among the parameter's own, from 1.
            p: parameter values.
            g: gradient, which must not be written to.
            s: state arrays in the order of :attr:`states`.
            scratch: arrays of the block's length to write into, as :attr:`scratch` says.
        """
        raise NotImplementedError

    def state_shapes(self, parameter: Parameter) -> dict[str, Shape]:
        """Shapes of a parameter's state arrays, by name, without the master weights."""
        return {name: parameter.shape for name in self.states}

    def state_start(self, name: str) -> float:
        """The value that a state array is filled with at first."""
        return 0.0

    def shader_constants(self) -> dict[str, bool]:
        """Constants of the WGSL beside the row, such as switches between variants."""
        return {}

    def step_cpu(self, works: Sequence[CpuWork]) -> None:
        """Apply a formula that is not elementwise to all parameters on the CPU."""
        raise NotImplementedError

    def step_gpu(self, step: GpuStep) -> None:
        """Apply a formula that is not elementwise to the parameters of one arena on the GPU."""
        raise NotImplementedError
