"""Writing out the loops of a kernel that are marked for it."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LOOP = re.compile(r"^( *)for \(var (\w+) = 0u; \2 < (\w+); \2\+\+\) \{  // unroll$")


def unroll(text: str, counts: Mapping[str, int]) -> str:
    """Repeat the body of every loop marked ``// unroll``, with its counter as a literal.

    A marked loop is written ``for (var i = 0u; i < COUNT; i++) {  // unroll`` and closed by a brace
    of the same indentation; ``COUNT`` is a literal such as ``4u`` or a key of ``counts``. The text
    is valid WGSL before and after.
    """
    lines = text.split("\n")
    result: list[str] = []
    at = 0
    while at < len(lines):
        found = _LOOP.match(lines[at])
        if found is None:
            result.append(lines[at])
            at += 1
            continue
        indent, counter, bound = found.groups()
        end = lines.index(f"{indent}}}", at)
        body = "\n".join(lines[at + 1 : end])
        times = counts[bound] if bound in counts else int(bound.removesuffix("u"))
        for value in range(times):
            inner = re.sub(rf"\b{counter}\b", f"{value}u", body)
            result.append(f"{indent}{{\n{unroll(inner, counts)}\n{indent}}}")
        at = end + 1
    return "\n".join(result)
