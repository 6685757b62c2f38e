"""What a kernel's WGSL declares: its bindings, and the fields of its uniform block."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from rumus.gpu._errors import KernelError

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_VARIABLE = re.compile(
    r"((?:@\w+\s*\([^)]*\)\s*)+)var\s*<\s*(uniform|storage)\s*(?:,\s*(read_write|read)\s*)?,?\s*>\s*"
    r"(\w+)\s*:\s*([^;]+);"
)
_ATTRIBUTE = re.compile(r"@(group|binding)\s*\(\s*(\d+)[iu]?\s*,?\s*\)")
_FORMATS = {"u32": "I", "i32": "i", "f32": "f"}

Params = Sequence[float] | bytes


class Binding(NamedTuple):
    """One ``var`` of a kernel: its name and how it is accessed."""

    name: str
    access: str
    """``"read"``, ``"read_write"`` or ``"uniform"``."""


class ParamBlock:
    """The uniform block of a kernel, and how numbers become its words.

    Args:
        kernel: what error messages call the kernel.
        fields: names and types, where all of them are scalars; else None, and each number becomes
            the word that its own type suggests.
    """

    def __init__(self, kernel: str, fields: Sequence[tuple[str, str]] | None) -> None:
        self._kernel = kernel
        self._fields = fields
        formats = "".join(_FORMATS[kind] for _, kind in fields or ())
        self._struct = struct.Struct("<" + formats) if fields else None

    def pack(self, params: Params) -> bytes:
        """The block's bytes: an int as two's complement, or as a float where one is declared.

        Raises:
            KernelError: the params do not fit the block.
        """
        if self._struct is None:
            return self._packed_by_type(params)
        if isinstance(params, bytes):
            if len(params) != self._struct.size:
                raise self._wrong(f"{self._struct.size} bytes", f"{len(params)} were given")
            return params
        try:
            return self._struct.pack(*params)
        except (struct.error, TypeError, OverflowError):
            return self._packed_one_by_one(params)

    def _packed_one_by_one(self, params: Sequence[float]) -> bytes:
        """The same, with negative numbers where unsigned ones are declared, or an error."""
        fields = self._fields or ()
        if len(params) != len(fields):
            raise self._wrong(f"{len(fields)} params", f"{len(params)} were given")
        return b"".join(
            self._word(name, kind, value)
            for (name, kind), value in zip(fields, params, strict=True)
        )

    def _word(self, name: str, kind: str, value: float) -> bytes:
        for form in ("f",) if kind == "f32" else ("I", "i"):
            try:
                return struct.pack("<" + form, value)
            except (struct.error, TypeError, OverflowError):
                continue
        raise self._wrong(f"{name} as {kind}", f"it is {value!r}")

    def _packed_by_type(self, params: Params) -> bytes:
        if not params:
            raise self._wrong("params", "none were given")
        if isinstance(params, bytes):
            return params
        try:
            return b"".join(struct.pack("<" + _format_of(value), value) for value in params)
        except (struct.error, TypeError, OverflowError) as error:
            raise self._wrong("numbers of 32 bits", f"{params!r} were given: {error}") from None

    def _wrong(self, wanted: str, given: str) -> KernelError:
        names = ", ".join(name for name, _ in self._fields or ())
        block = f" ({names})" if names else ""
        return KernelError(
            f"kernel {self._kernel}: its uniform block{block} takes {wanted}; {given}"
        )


def read_interface(kernel: str, code: str) -> tuple[tuple[Binding, ...], ParamBlock | None]:
    """The bindings in order, and the uniform block if there is one.

    Raises:
        KernelError: the bindings are not numbered from 0 in group 0, or the block is not the last.
    """
    code = _COMMENT.sub(" ", code)
    found: dict[int, Binding] = {}
    block: ParamBlock | None = None
    for attributes, space, access, name, kind in _VARIABLE.findall(code):
        places = {key: int(number) for key, number in _ATTRIBUTE.findall(attributes)}
        if places.get("group", 0) != 0:
            raise KernelError(f"kernel {kernel}: {name} is in group {places['group']}; use group 0")
        found[places.get("binding", -1)] = Binding(
            name, "uniform" if space == "uniform" else access or "read"
        )
        if space == "uniform":
            block = ParamBlock(kernel, _fields_of(kind.strip(), code))
    if not found:
        raise KernelError(
            f"kernel {kernel} declares no storage, such as "
            "@group(0) @binding(0) var<storage, read_write> y: array<f32>;"
        )
    if sorted(found) != list(range(len(found))):
        raise KernelError(
            f"kernel {kernel}: its bindings are {sorted(found)}; number them from 0 without gaps"
        )
    ordered = tuple(found[number] for number in range(len(found)))
    uniforms = [position for position, b in enumerate(ordered) if b.access == "uniform"]
    if uniforms not in ([], [len(ordered) - 1]):
        raise KernelError(f"kernel {kernel}: its uniform block must be the last binding, and one")
    if len(uniforms) == len(ordered):
        raise KernelError(f"kernel {kernel}: it binds no array to write to")
    return ordered, block


def _fields_of(kind: str, code: str) -> list[tuple[str, str]] | None:
    """Names and types of a struct's fields; None unless all are scalars of 32 bits."""
    found = re.search(rf"\bstruct\s+{re.escape(kind)}\s*\{{([^}}]*)\}}", code)
    if found is None:
        return None
    pairs = [field.split(":") for field in found[1].split(",") if field.strip()]
    fields = [tuple(part.strip() for part in pair) for pair in pairs]
    if all(len(f) == 2 and f[0].isidentifier() and f[1] in _FORMATS for f in fields):
        return [(name, kind) for name, kind in fields]
    return None


def _format_of(value: object) -> str:
    return "f" if isinstance(value, float) else "i" if value < 0 else "I"  # type: ignore[operator]
