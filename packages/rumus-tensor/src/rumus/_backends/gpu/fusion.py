"""Chains of elementwise operations, for captured steps that fuse them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from rumus.gpu import GpuArray, Pipeline
from rumus.gpu._array import contiguous_strides

from .elementwise_source import EXACT, FRESH, SEALED, Input, Step, build_source
from .kernels import WORKGROUP, grid, kernel
from .layout import Mode, Shape, Strides, broadcast_strides, collapse, load_mode
from .params import params_of
from .wgsl import as_f32


class State(NamedTuple):
    """An argument of an elementwise operation: what its numbers are drawn from."""

    array: GpuArray

    @property
    def offset(self) -> int:
        """Where it begins."""
        return self.array.offset


@dataclass(frozen=True)
class View:
    """How an operand lies in its storage."""

    shape: Shape
    strides: Strides
    offset: int
    dtype: str

    @classmethod
    def of(cls, array: GpuArray) -> View:
        """The layout of an array, without its storage."""
        return cls(array.shape, array.strides, array.offset, str(array.dtype))


@dataclass(frozen=True)
class Number:
    """A Python number among the operands, and the dtype in which the kernel gets it."""

    value: float
    dtype: str


@dataclass(frozen=True)
class Drawn:
    """Uniform numbers that the kernel draws, one an output, from a state in an array."""

    offset: int
    dtype: str = "float32"


Operand = View | Number | Drawn


@dataclass(frozen=True)
class ElementwiseChain:
    """Operations on operands of one shape, in single assignment form; see ``elementwise.py``."""

    operands: tuple[Operand, ...]
    steps: tuple[Step, ...]
    shape: Shape

    @property
    def exact(self) -> bool:
        """See :class:`rumus.gpu._fusion.Chain`."""
        return all(step.op in EXACT | SEALED for step in self.steps)

    @property
    def sealed(self) -> bool:
        """See :class:`rumus.gpu._fusion.Chain`."""
        return self.steps[-1].op in SEALED

    def then(self, consumer: object, position: int) -> ElementwiseChain | None:
        """See :class:`rumus.gpu._fusion.Chain`."""
        if not isinstance(consumer, ElementwiseChain) or consumer.shape != self.shape:
            return None
        number = consumer._arrays()[position]
        whole = View(self.shape, contiguous_strides(self.shape), 0, self.steps[-1].dtype)
        if consumer.operands[number] != whole:
            return None
        kept = consumer.operands[:number] + consumer.operands[number + 1 :]
        before, inside = len(self.operands), len(self.steps)
        operands = self.operands + kept
        result = len(operands) + inside - 1

        def renumbered_own(k: int) -> int:
            return k if k < before else k + len(kept)

        def renumbered(k: int) -> int:
            if k == number:
                return result
            if k < len(consumer.operands):
                return before + k - (k > number)
            return k - len(consumer.operands) + result + 1

        steps = [_renumber(step, renumbered_own) for step in self.steps]
        steps += [_renumber(step, renumbered) for step in consumer.steps]
        return ElementwiseChain(operands, tuple(steps), self.shape)

    def prepare(self) -> tuple[Pipeline, bytes, tuple[int, int, int]]:
        """See :class:`rumus.gpu._fusion.Chain`."""
        inputs, rank, words = self.laid_out()
        source = build_source(inputs, self.steps, rank)
        groups = grid(-(-prod(self.shape) // 4), WORKGROUP)
        return kernel("elementwise").variant(prelude=source), words, (groups, 1, 1)

    def laid_out(self, given: int | None = None) -> tuple[tuple[Input, ...], int, bytes]:
        """How a kernel takes the operands, the axes that it walks, and its params.

        Args:
            given: the operand that the kernel has already, if any.
        """
        inputs, walks, dims, _ = lay_out(self.operands, self.shape, contiguous_strides(self.shape))
        if given is not None:
            inputs[given], walks[given] = Input(inputs[given].dtype, Mode.GIVEN), ()
        output = Input(self.steps[-1].dtype, FRESH)
        packing, words, holes = params_of(prod(self.shape), dims, [*inputs, output], [*walks, ()])
        values = [o.value if isinstance(o, Number) else o.offset for o in self.operands]
        filled: list[float] = list(words)
        for at, number, mode, kind in holes:
            value = [*values, 0][number]
            number_is_float = mode is Mode.PARAM and kind == "float32"
            filled[at] = as_f32(value) if number_is_float else int(value)
        return tuple(inputs), len(dims), packing.pack(*filled)

    def _arrays(self) -> list[int]:
        return [number for number, o in enumerate(self.operands) if not isinstance(o, Number)]


def _renumber(step: Step, number: Callable[[int], int]) -> Step:
    return step._replace(operands=tuple(number(k) for k in step.operands))


def lay_out(
    operands: Sequence[Operand], shape: Shape, target: Strides
) -> tuple[list[Input], list[Strides], Shape, Strides]:
    """How a kernel takes operands, broadcast to a shape, for an output with given strides.

    Returns:
        Each operand's dtype and mode, the strides of each that walks (else ()), the collapsed
        lengths, and the output's strides over them.
    """
    views = [o for o in operands if isinstance(o, View)]
    wide = [broadcast_strides(v.shape, v.strides, shape) for v in views]
    dims, strides = collapse(shape, [*wide, target])
    remaining = iter(strides)
    inputs: list[Input] = []
    walks: list[Strides] = []
    for operand in operands:
        if isinstance(operand, View):
            steps = next(remaining)
            mode = load_mode(dims, steps, operand.offset)
        else:
            steps, mode = (), Mode.DRAWN if isinstance(operand, Drawn) else Mode.PARAM
        inputs.append(Input(operand.dtype, mode))
        walks.append(steps if mode.walks else ())
    return inputs, walks, dims, next(remaining)


def operands_of(args: Sequence[object], inputs: Sequence[Input]) -> tuple[Operand, ...]:
    """The operands of a dispatch, from its arguments and how the kernel takes them."""
    return tuple(operand_of(a, taken.dtype) for a, taken in zip(args, inputs, strict=True))


def operand_of(argument: Any, dtype: str) -> Operand:
    """The operand of an argument, which has a dtype of its own if it is an array."""
    if isinstance(argument, GpuArray):
        return View.of(argument)
    return Drawn(argument.offset) if isinstance(argument, State) else Number(float(argument), dtype)
