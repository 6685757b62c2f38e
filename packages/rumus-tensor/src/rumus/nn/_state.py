"""Weights by name: what fits, and copying it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.dtypes import is_float
from rumus._core.errors import StateDictError
from rumus._core.mode import no_grad
from rumus.tensor._mutation import check_writable
from rumus.tensor._tensor import Tensor


class LoadReport(NamedTuple):
    """What :meth:`Module.load_state_dict` left out.

    Example:
        >>> from rumus.tensor import ones
        >>> model = Linear(2, 1)
        >>> model.load_state_dict({"weight": ones(1, 2)}, strict=False).missing
        ('bias',)
    """

    missing: tuple[str, ...]
    """Names that the module has and the state has not; a tied weight counts under any name."""
    unexpected: tuple[str, ...]
    """Names that the state has and the module has not."""
    mismatched: tuple[str, ...]
    """Names that both have, with other shapes or kinds of numbers."""


def load(
    owner: str, own: Mapping[str, Tensor], state: Mapping[str, Tensor], strict: bool
) -> LoadReport:
    """Copy a state into tensors of the same names; see :meth:`Module.load_state_dict`.

    Args:
        owner: What errors call the module.
        own: Its tensors by path.
        state: The tensors to copy.
        strict: Whether anything to report is an error.
    """
    if not isinstance(state, Mapping):
        raise StateDictError(
            f"a state is a dict of tensors by name, not a {type(state).__name__}; "
            "rumus.nn.load_file(path) reads one from a file"
        )
    tied: dict[object, bool] = {}
    for key, mine in own.items():
        place = _place(mine)
        tied[place] = tied.get(place, False) or key in state
    misfits = {
        key: problem for key, mine in own.items() if key in state
        if (problem := _misfit(key, mine, state[key]))
    }  # fmt: skip
    report = LoadReport(
        tuple(key for key, mine in own.items() if not tied[_place(mine)]),
        tuple(key for key in state if key not in own),
        tuple(misfits),
    )
    wrong = [f"{key!r} is a {type_name(value)} and no tensor" for key, value in state.items()
             if key in own and not isinstance(value, TensorBase)]  # fmt: skip
    if strict:
        problems = [f"missing {key!r}" for key in report.missing]
        problems += [f"unexpected {key!r}" for key in report.unexpected]
        wrong = [*problems, *misfits.values()]
    if wrong:
        raise StateDictError(f"the state does not fit {owner}: " + "; ".join(wrong))
    _copy({key: mine for key, mine in own.items() if key in state and key not in misfits}, state)
    return report


def _copy(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    own_memory = {mine._version for mine in own.values()}
    sources = []
    for key, mine in own.items():
        check_writable(f"load_state_dict, {key!r}", mine.array)
        theirs = state[key].detach().to(mine.device)
        # One that another key's weights are written to first would be lost
        shared = theirs._version in own_memory
        sources.append(Tensor(theirs, None, mine.device) if shared else theirs)
    with no_grad():
        for mine, theirs in zip(own.values(), sources, strict=True):
            mine.copy_(theirs)


def _misfit(key: str, mine: Tensor, theirs: Tensor) -> str:
    """What is wrong with a value, or nothing: floats become the module's."""
    if not isinstance(theirs, TensorBase):
        return f"{key!r} is a {type_name(theirs)} and no tensor"
    same_kind = theirs.dtype == mine.dtype or (is_float(theirs.dtype) and is_float(mine.dtype))
    if theirs.shape == mine.shape and same_kind:
        return ""
    return (
        f"{key!r} is {mine.dtype} of shape {mine.shape} in the module, "
        f"{theirs.dtype} of shape {theirs.shape} in the state"
    )


def _place(tensor: Tensor) -> object:
    """What two names of one tensor have in common."""
    array = tensor.array
    start = getattr(array, "offset", None)
    if start is None:
        start = array.ctypes.data
    return tensor._version, start, tensor.shape
