"""Chains of elementwise operations, for captured steps that fuse them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from rumus.gpu import GpuArray, Pipeline
from rumus.gpu._array import contiguous_strides

from .elementwise import FRESH, Input, Step, build_source
from .kernels import WORKGROUP, grid, kernel
from .layout import Mode, Shape, Strides, broadcast_strides, collapse, load_mode
from .params import params_of
from .wgsl import as_f32


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


Operand = View | Number


@dataclass(frozen=True)
class ElementwiseChain:
    """Operations on operands of one shape, in single assignment form; see ``elementwise.py``."""

    operands: tuple[Operand, ...]
    steps: tuple[Step, ...]
    shape: Shape

    def take_in(self, producer: object, position: int) -> ElementwiseChain | None:
        """See :class:`rumus.gpu._fusion.Chain`."""
        if not isinstance(producer, ElementwiseChain) or producer.shape != self.shape:
            return None
        number = self._views()[position]
        read = self.operands[number]
        whole = View(self.shape, contiguous_strides(self.shape), 0, producer.steps[-1].dtype)
        if read != whole:
            return None
        kept = self.operands[:number] + self.operands[number + 1 :]
        before, inside = len(producer.operands), len(producer.steps)
        operands = producer.operands + kept
        result = len(operands) + inside - 1

        def renumbered_producer(k: int) -> int:
            return k if k < before else k + len(kept)

        def renumbered(k: int) -> int:
            if k == number:
                return result
            if k < len(self.operands):
                return before + k - (k > number)
            return k - len(self.operands) + result + 1

        steps = [_renumber(step, renumbered_producer) for step in producer.steps]
        steps += [_renumber(step, renumbered) for step in self.steps]
        return ElementwiseChain(operands, tuple(steps), self.shape)

    def prepare(self) -> tuple[Pipeline, bytes, tuple[int, int, int]]:
        """See :class:`rumus.gpu._fusion.Chain`."""
        inputs, walks, dims, _ = lay_out(self.operands, self.shape, contiguous_strides(self.shape))
        size = prod(self.shape)
        output = Input(self.steps[-1].dtype, FRESH)
        values = [o.offset if isinstance(o, View) else o.value for o in self.operands]
        packing, words, holes = params_of(size, dims, [*inputs, output], [*walks, ()])
        filled: list[float] = list(words)
        for at, number, mode, kind in holes:
            value = [*values, 0][number]
            number_is_float = mode is Mode.PARAM and kind == "float32"
            filled[at] = as_f32(value) if number_is_float else int(value)
        pipeline = kernel("elementwise").variant(
            prelude=build_source(inputs, self.steps, len(dims), FRESH)
        )
        return pipeline, packing.pack(*filled), (grid(-(-size // 4), WORKGROUP), 1, 1)

    def _views(self) -> list[int]:
        return [number for number, o in enumerate(self.operands) if isinstance(o, View)]


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
            steps, mode = (), Mode.PARAM
        inputs.append(Input(operand.dtype, mode))
        walks.append(steps if mode.walks else ())
    return inputs, walks, dims, next(remaining)


def operands_of(args: Sequence[object], inputs: Sequence[Input]) -> tuple[Operand, ...]:
    """The operands of a dispatch, from its arguments and how the kernel takes them."""
    return tuple(
        View.of(a) if isinstance(a, GpuArray) else Number(float(a), taken.dtype)  # type: ignore[arg-type]
        for a, taken in zip(args, inputs, strict=True)
    )
