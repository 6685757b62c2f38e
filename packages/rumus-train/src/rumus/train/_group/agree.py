"""What ranks tell each other besides arrays: texts, yes or no, and that they have the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from .._errors import GroupError
from .contract import Group

_SHOWN = 200
"""Characters of a text that an error shows."""


def gather_text(group: Group, text: str) -> list[str]:
    """The texts of all ranks, by rank, on every rank."""
    mine = np.frombuffer(text.encode(), np.uint8)
    lengths = np.zeros(group.size, np.int64)
    lengths[group.rank] = mine.size
    group.max(lengths).wait()
    texts = [np.empty(int(length), np.uint8) for length in lengths]
    group.allgatherv(mine, texts).wait()
    return [part.tobytes().decode() for part in texts]


def largest(group: Group, number: int) -> int:
    """The largest of the numbers that the ranks have."""
    values = np.array([number], np.int64)
    group.max(values).wait()
    return int(values[0])


def any_of(group: Group, flag: bool) -> bool:
    """Whether it is so on any rank."""
    return bool(largest(group, int(flag)))


def agreed(group: Group, what: Mapping[str, str]) -> None:
    """Compare what all ranks must have alike.

    Args:
        group: The ranks.
        what: Texts by name: versions, settings, checksums of data and weights.

    Raises:
        GroupError: On every rank, if a text differs anywhere; it says whose and how.
    """
    told: list[dict[str, str]] = [json.loads(t) for t in gather_text(group, json.dumps({**what}))]
    names = dict.fromkeys(name for texts in told for name in texts)
    differing = [_whose(name, values) for name in names if _differ(values := _of(told, name))]
    if differing:
        raise GroupError(
            "the ranks do not train the same. "
            + "; ".join(differing)
            + ". Start all of them with the same program, versions, settings and data"
        )


def ranks(numbers: Sequence[int]) -> str:
    """Ranks as a text: "rank 1", "ranks 1, 2 and 5"."""
    texts = [str(number) for number in numbers]
    if len(texts) == 1:
        return f"rank {texts[0]}"
    return f"ranks {', '.join(texts[:-1])} and {texts[-1]}"


def _of(told: Sequence[Mapping[str, str]], name: str) -> list[str | None]:
    return [texts.get(name) for texts in told]


def _differ(values: Sequence[str | None]) -> bool:
    return len(set(values)) > 1


def _whose(name: str, values: Sequence[str | None]) -> str:
    """Which ranks have what: "seed: 1 on ranks 0 and 2, 7 on rank 1"."""
    sides = [
        f"{'nothing' if value is None else _shown(value)} on "
        f"{ranks([rank for rank, other in enumerate(values) if other == value])}"
        for value in dict.fromkeys(values)
    ]
    return f"{name}: {', '.join(sides)}"


def _shown(value: str) -> str:
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."
