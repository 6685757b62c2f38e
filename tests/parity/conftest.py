"""Samples of PyTorch's own databases, put through rumus and compared with PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import rumus.nn.functional as F  # noqa: N812
from rumus.autograd import leaf
from rumus.tensor import Tensor, tensor

Function = Callable[..., Any]
OURS = {
    torch.float64: "float32",
    torch.float32: "float32",
    torch.float16: "float16",
    torch.int64: "int32",
    torch.int32: "int32",
    torch.uint8: "uint8",
    torch.bool: "bool",
}


class NotOursError(Exception):
    """A sample holds what rumus has no counterpart of, such as complex numbers."""


def mapped(x: Any, one: Function) -> Any:
    """Every leaf of nested arguments by a function."""
    if isinstance(x, torch.Size):
        return tuple(x)
    if isinstance(x, list | tuple):
        return type(x)(mapped(part, one) for part in x)
    if isinstance(x, dict):
        return {key: mapped(part, one) for key, part in x.items()}
    return one(x)


def tensors(x: Any) -> Iterator[Any]:
    """The tensors of either library in nested results, and the numbers."""
    if isinstance(x, list | tuple):
        for part in x:
            yield from tensors(part)
    elif x is not None:
        yield x


class Comparison:
    """Puts the same arguments through both libraries.

    Attributes:
        spaced: Whether ours are views that leave elements out.
    """

    def __init__(self, device: str = "cpu", spaced: bool = False) -> None:
        self.device, self.spaced = device, spaced
        self.leaves: list[tuple[Any, torch.Tensor]] = []

    def ours(self, x: Any) -> Any:
        """PyTorch's arguments as ours."""
        return mapped(x, self._ours)

    def _ours(self, x: Any) -> Any:
        if isinstance(x, torch.dtype | torch.Tensor) and getattr(x, "dtype", x) not in OURS:
            raise NotOursError(str(x))
        if isinstance(x, torch.dtype):
            return np.dtype(OURS[x])
        if getattr(x, "__module__", "") == "torch.nn.functional" or x is torch.nn.functional.gelu:
            return getattr(F, x.__name__)
        if isinstance(x, complex):
            raise NotOursError("complex numbers")
        return self._tensor(x) if isinstance(x, torch.Tensor) else x

    def _tensor(self, x: torch.Tensor) -> Tensor:
        array = x.detach().cpu().numpy().copy()
        if self.spaced and x.ndim:
            array = np.repeat(array, 2, axis=-1)
        made = tensor(array, dtype=OURS[x.dtype], device=self.device)
        if self.spaced and x.ndim:
            made = made[..., ::2]
        if x.requires_grad:
            made = leaf(made)
            self.leaves.append((made, x))
        return made

    def check(self, got: Any, wanted: Any, tolerance: float = 2e-6) -> None:
        """Results and the gradients of all leaves agree; ``wanted`` is PyTorch's, in float64."""
        pairs = list(zip(tensors(got), tensors(wanted), strict=True))
        for one, other in pairs:
            self._check_values(one, other, tolerance)
        roots = [(a, b) for a, b in pairs if isinstance(b, torch.Tensor) and b.requires_grad]
        if not roots or not self.leaves:
            return
        weights = [torch.cos(1.0 + torch.arange(b.numel())).reshape(b.shape) for _, b in roots]
        into = torch.autograd.grad(
            [b for _, b in roots],
            [b for _, b in self.leaves],
            [w.to(b.dtype) for w, (_, b) in zip(weights, roots, strict=True)],
            allow_unused=True,
        )
        total = sum(
            (a * tensor(w.numpy(), device=self.device)).sum()
            for w, (a, _) in zip(weights, roots, strict=True)
        )
        assert isinstance(total, Tensor)
        store = total.backward()
        for (ours, theirs), gradient in zip(self.leaves, into, strict=True):
            zero = torch.zeros_like(theirs)
            found = store.get(ours.id)
            found = found if found is not None else zero
            self._check_values(found, zero if gradient is None else gradient, 10 * tolerance)

    def _check_values(self, got: Any, wanted: Any, tolerance: float) -> None:
        a, b = (np.asarray(x.detach()) if hasattr(x, "detach") else x for x in (got, wanted))
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape
        assert (a.dtype.kind == "f") == (b.dtype.kind == "f"), f"{a.dtype} for {b.dtype}"
        if b.dtype.kind != "f":
            np.testing.assert_array_equal(a, b)
            return
        with np.errstate(over="ignore"):
            b = b.astype(a.dtype).astype(np.float64)
        scale = max(1.0, np.max(np.abs(b), initial=0.0, where=np.isfinite(b)))
        np.testing.assert_allclose(
            a.astype(np.float64), b, rtol=8 * tolerance, atol=tolerance * scale
        )


def doubled(x: Any) -> Any:
    """PyTorch's arguments in float64, as new leaves."""

    def one(part: Any) -> Any:
        if isinstance(part, torch.Tensor) and part.dtype in (torch.float32, torch.float16):
            return part.detach().double().requires_grad_(part.requires_grad)
        return part

    return mapped(x, one)


@pytest.fixture
def comparison() -> type[Comparison]:
    """Compares results and gradients with PyTorch's."""
    return Comparison


@pytest.fixture
def in_double() -> Function:
    """PyTorch's arguments in float64."""
    return doubled
