"""Type variables whose defaults are the plain case, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from ._item import DataItem

    S = TypeVar("S", default=DataItem)
    S_co = TypeVar("S_co", covariant=True, default=DataItem)
    B = TypeVar("B", default=DataItem)
    T = TypeVar("T")
else:
    from typing import TypeVar

    S = TypeVar("S")
    S_co = TypeVar("S_co", covariant=True)
    B = TypeVar("B")
    T = TypeVar("T")
