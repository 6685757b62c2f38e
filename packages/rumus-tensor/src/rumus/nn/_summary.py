"""A table of a model's layers: shapes, parameters, work and memory."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from rumus._core.base import TensorBase
from rumus._core.dtypes import float16
from rumus._core.errors import ArgumentError
from rumus._core.mode import no_grad
from rumus._core.tree import flatten
from rumus.tensor._tensor import Tensor

from ._module import Module
from ._parameter import Parameter

_HEADS = ("layer", "output", "parameters", "multiply-adds", "memory")


class SummaryRow(NamedTuple):
    """A call of a module without modules inside, or with parameters of its own beside them.

    Example:
        >>> from rumus.tensor import ones
        >>> (row,) = summary(Linear(4, 2), ones(8, 4)).rows
        >>> row.output, row.parameters
        ((8, 2), 10)
    """

    name: str
    """Its path and class."""
    output: tuple[int, ...]
    """The shape of its result."""
    parameters: int
    """Numbers of its parameters; 0 where another row has them already."""
    multiply_adds: int
    """Of its products and convolutions."""
    nbytes: int
    """Bytes of its result."""


class Summary(NamedTuple):
    """What :func:`summary` found; prints as a table.

    Example:
        >>> from rumus.tensor import ones
        >>> table = summary(Linear(4, 2), ones(8, 4))
        >>> table.parameters
        10
    """

    rows: tuple[SummaryRow, ...]
    parameters: int
    """Of the whole model."""
    trainable: int
    """Those that are not frozen."""
    parameter_nbytes: int = 0
    """Bytes of all parameters."""
    gradient_nbytes: int = 0
    """Bytes of the gradients of those that are not frozen."""
    master_nbytes: int = 0
    """Bytes of the float32 values that optimizers keep of float16 ones that are not frozen."""

    def step_nbytes(self, states: int = 2) -> int:
        """What a training step holds at most, about: weights, gradients, states and results.

        Of float16 parameters optimizers keep float32 values beside the states, which are float32 of
        any parameters.

        Args:
            states: Arrays that the optimizer keeps of each parameter: 2 of Adam, 1 of SGD with
                momentum, 0 of SGD without.
        """
        weights = self.parameter_nbytes + self.gradient_nbytes + self.master_nbytes
        return weights + 4 * states * self.trainable + self.nbytes

    @property
    def multiply_adds(self) -> int:
        """Of all rows."""
        return sum(row.multiply_adds for row in self.rows)

    @property
    def nbytes(self) -> int:
        """Bytes of all results, which training keeps at most."""
        return sum(row.nbytes for row in self.rows)

    def __str__(self) -> str:
        lines = [_HEADS, *(
            (row.name, str(row.output), f"{row.parameters:,}", f"{row.multiply_adds:,}",
             _size(row.nbytes))
            for row in self.rows
        )]  # fmt: skip
        total = ("total", "", f"{self.parameters:,}", f"{self.multiply_adds:,}", _size(self.nbytes))
        widths = [max(len(line[k]) for line in [*lines, total]) for k in range(5)]
        rule = "-" * (sum(widths) + 8)
        shown = [_line(line, widths) for line in lines]
        shown = [shown[0], rule, *shown[1:], rule, _line(total, widths)]
        frozen = self.parameters - self.trainable
        if frozen:
            shown.append(f"{frozen:,} parameters are frozen")
        masters = f"float32 values {_size(self.master_nbytes)}, " if self.master_nbytes else ""
        shown.append(
            f"a training step holds about {_size(self.step_nbytes())} with Adam:\n  weights "
            f"{_size(self.parameter_nbytes)}, gradients {_size(self.gradient_nbytes)}, {masters}"
            f"states {_size(4 * 2 * self.trainable)}, results {_size(self.nbytes)}"
        )
        return "\n".join(shown)

    def __repr__(self) -> str:
        return str(self)


def summary(model: Module, *inputs: Tensor) -> Summary:
    """Run a model once, in evaluation and without gradients, and list what its layers do.

    Multiply-adds are counted for products and convolutions: modules with a ``weight`` of two axes
    or more, or with a method ``multiply_adds(inputs, result)`` of their own. Memory is that of the
    results, as training keeps them at most; of a module with modules inside, whose result is one of
    theirs, that of its own matrices' products.

    Args:
        model: Any module.
        inputs: What it is called with.

    Raises:
        ArgumentError: There is no input.

    Example:
        >>> from rumus.nn import Linear, ReLU, Sequential
        >>> from rumus.tensor import ones
        >>> print(summary(Sequential(Linear(4, 8), ReLU(), Linear(8, 2)), ones((16, 4))))
        layer       output   parameters  multiply-adds  memory
        ------------------------------------------------------
        0 (Linear)  (16, 8)          40            512   512 B
        1 (ReLU)    (16, 8)           0              0   512 B
        2 (Linear)  (16, 2)          18            256   128 B
        ------------------------------------------------------
        total                        58            768  1.1 KB
        a training step holds about 2.0 KB with Adam:
          weights 232 B, gradients 232 B, states 464 B, results 1.1 KB
    """
    if not inputs:
        raise ArgumentError(
            "summary runs the model: give what it is called with too, summary(model, example)"
        )
    for given in inputs:
        if isinstance(given, (tuple, list)) and all(isinstance(n, int) for n in given):
            raise ArgumentError(
                f"summary takes what the model is called with, not its shape {given}: "
                f"summary(model, tensor.zeros({', '.join(map(str, given))}))"
            )
    rows: list[SummaryRow] = []
    counted: set[int] = set()

    def note(path: str, module: Module, args: tuple[Any, ...], result: Any) -> None:
        results = [leaf for leaf in flatten(result)[0] if isinstance(leaf, TensorBase)]
        own = [value for _, value in module._attributes() if isinstance(value, Parameter)]
        fresh = [p for p in own if id(p) not in counted]
        counted.update(map(id, fresh))
        kept = sum(r.size * r.dtype.itemsize for r in results)
        if results and any(True for _ in module.children()):
            lines = sum(p.shape[0] for p in own if p.ndim == 2)
            kept = results[0].dtype.itemsize * results[0].size * lines // results[0].shape[-1]
        rows.append(SummaryRow(
            f"{path or 'model'} ({type(module).__name__})",
            results[0].shape if results else (),
            sum(p.size for p in fresh),
            _multiply_adds(module, args, results),
            kept,
        ))  # fmt: skip

    modes = [(module, module.training) for module in model.modules()]
    handles = [
        module.register_forward_hook(
            lambda module, args, result, path=path: note(path, module, args, result)
        )
        for path, module in model.named_modules()
        if not any(True for _ in module.children())
        or any(isinstance(value, Parameter) for _, value in module._attributes())
    ]
    try:
        with no_grad():
            model.eval()(*inputs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            if module.training != training:
                module.training = training
    trained = [p for p in model.parameters() if p.requires_grad]
    return Summary(
        tuple(rows),
        model.count_parameters(),
        model.count_parameters(trainable=True),
        sum(p.size * p.dtype.itemsize for p in model.parameters()),
        sum(p.size * p.dtype.itemsize for p in trained),
        sum(4 * p.size for p in trained if p.dtype == float16),
    )


def _multiply_adds(module: Module, args: tuple[Any, ...], results: Sequence[Any]) -> int:
    own = getattr(module, "multiply_adds", None)
    if own is not None:
        return int(own(args, results[0] if results else None))
    weight = getattr(module, "weight", None)
    if not results or not isinstance(weight, TensorBase) or weight.ndim < 2:
        return 0
    if type(module).__name__.startswith("ConvTranspose"):
        return int(args[0].size * prod(weight.shape[1:]))
    if type(module).__name__.startswith("Embedding"):
        return 0
    return int(results[0].size * prod(weight.shape[1:]))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = [cells[0].ljust(widths[0]), cells[1].ljust(widths[1])]
    shown += [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return "  ".join(shown).rstrip()


def _size(nbytes: int) -> str:
    size, unit = float(nbytes), "B"
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024 or unit == "TB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
