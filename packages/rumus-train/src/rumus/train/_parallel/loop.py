"""Steps of a loop that is written by hand, over shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from rumus.nn import Module
from rumus.tensor import ArgumentError, Tensor, default_generator, tree

from .._checked import checked_loss
from .._identity import Identity
from .._replay import CapturedSteps
from .alike import check_alike
from .batches import NONE, Mark, check_same, mark_of, samples_in
from .shards import Shards
from .shared_step import SharedStep

_NAME = "optimizer"


class Parts(list[Any]):
    """This process's parts of a batch."""


class PartsLoader:
    """A loader of parts, for a loop that is written by hand.

    Args:
        loader: Gives lists of them.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator[Any]:
        return map(Parts, self._loader)

    def __len__(self) -> int:
        length: int = len(self._loader)
        return length

    def __getattr__(self, name: str) -> Any:
        """The loader's own: its state, its epoch."""
        return getattr(self.__dict__["_loader"], name)


class SharedLoop:
    """Takes steps whose inputs are whole batches, or the parts of this process.

    Args:
        shards: Who computes what.
        optimizers: The one optimizer, by name.
        capture: Whether the forward and backward pass of a part is captured on a GPU.
    """

    def __init__(self, shards: Shards, optimizers: Mapping[str, Any], capture: bool) -> None:
        self._shards = shards
        self._step = SharedStep(shards, optimizers, ())
        self._params, self._taken = optimizers[_NAME].params, 0
        self._followed: tuple[int, ...] = ()
        on_gpu = optimizers[_NAME].params[0].device.kind == "gpu"
        self._replay = CapturedSteps(self._backward) if capture and on_gpu else None

    def __call__(
        self, forward: Callable[..., Tensor], inputs: tuple[Any, ...], is_hooked: bool
    ) -> Tensor:
        """Take one step.

        Raises:
            ArgumentError: There are no inputs to cut, or there is a hook on gradients.
            GroupError: The ranks do not train the same, or had not the same batch.
        """
        if is_hooked:
            raise ArgumentError(
                "with shards, of one process or several, gradients are whole only after the fold, "
                "each in the process that owns it, so that a grad_hook would see a part of them; "
                "to clip them there is fit(clip=...)"
            )
        parts = self._parts(inputs)
        self._follow(forward)
        if not self._taken:
            settings = {"shards": self._shards.count, "random numbers": default_generator.state()}
            check_alike(self._shards.group, self._params, settings, {})
        self._taken += 1
        self._shards.group.at(f"step {self._taken}")
        batch = None if _are_parts(inputs) else inputs
        is_compared = batch is not None and self._shards.group.size > 1
        mark = mark_of(batch) if is_compared else NONE
        _, number = default_generator.next()  # the same on all ranks, and saved with the stream
        compute = partial(self._compute, forward)
        self._step.compute(parts, compute, number, True)
        told = self._step.finish(notes=mark)
        marks = [Mark(*notes) for notes in told.notes]
        check_same(self._shards.group, f"the batch of step {self._taken}", marks, batch)
        return told.outputs()[0]["loss"]

    def _parts(self, inputs: tuple[Any, ...]) -> list[Any]:
        """The inputs of each of this process's parts."""
        if _are_parts(inputs):
            return [None if part is None else (part,) for part in inputs[0]]
        if not any(isinstance(leaf, Tensor) and leaf.ndim for leaf in tree.flatten(inputs)[0]):
            raise ArgumentError(
                f"train_step cuts a batch into {self._shards.count} shards, and so needs it as an "
                "input: trainer.train_step(lambda x, y: loss(model(x), y), x, y)"
            )
        if not samples_in(inputs):
            raise ArgumentError("a batch without samples has no loss, and no shards")
        return self._shards.cut(inputs)

    def _compute(
        self, forward: Callable[..., Tensor], part: tuple[Any, ...]
    ) -> tuple[Mapping[str, Tensor], tuple[str]]:
        if self._replay is None:
            return {"loss": self._backward(forward, *part)}, (_NAME,)
        return {"loss": self._replay(forward, inputs=part)}, (_NAME,)

    def _backward(self, forward: Callable[..., Tensor], *part: Any) -> Tensor:
        """Loss and gradients of one part."""
        loss = checked_loss(forward(*part))
        with self._step.following(_NAME):
            grads = loss.backward()
        self._step.settle(_NAME, grads)
        self._step.release()
        return loss.detach()

    def _follow(self, forward: Callable[..., Tensor]) -> None:
        """Follow the function's modules, which are found as a captured step finds them."""
        named = [value for value in Identity((forward,)).named if isinstance(value, Module)]
        modules = {id(module): module for root in named for module in root.modules()}
        if tuple(modules) != self._followed:
            self._step.follow(modules.values())
            self._followed = tuple(modules)


def _are_parts(inputs: tuple[Any, ...]) -> bool:
    return len(inputs) == 1 and isinstance(inputs[0], Parts)
