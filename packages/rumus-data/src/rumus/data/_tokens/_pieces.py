"""Text in pieces that no token reaches across."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache


def pieces_of(text: str) -> list[str]:
    """Words with the space before them, numbers, signs and white space: GPT-2's rule.

    Radford et al., "Language Models are Unsupervised Multitask Learners", 2019. All pieces together
    are the text.
    """
    return _pattern().findall(text)


@cache
def _pattern() -> re.Pattern[str]:
    """GPT-2's pattern; Python's ``re`` has no classes of letters and of numbers."""
    every = map(chr, range(128, sys.maxunicode + 1))
    others = _class(c for c in every if unicodedata.category(c) in ("Nl", "No"))
    letters, numbers = rf"[^\W\d_{others}]", rf"[\d{others}]"
    return re.compile(
        rf"'s|'t|'re|'ve|'m|'ll|'d| ?{letters}+| ?{numbers}+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+"
    )


def _class(letters: Iterable[str]) -> str:
    """Characters in ascending order, as ranges of a pattern."""
    ranges: list[list[int]] = []
    for code in map(ord, letters):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
