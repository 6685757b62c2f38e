"""Whether a loss over a model can be captured without a look at it by its author."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from rumus.nn import Module

_READS_THE_WORLD = frozenset(("open", "input", "print", "eval", "exec", "globals", "setattr"))
_SAFE_MODULES = ("rumus", "math")


def reason_against(model: Module, loss: Any) -> str:
    """Why a step of a model and a loss is not captured by itself; nothing if it is safe.

    Code of rumus is. Code of the user's is if it names functions, classes, modules of rumus,
    ``math`` and plain numbers alone: what it would read from a list, a dict, a file, a clock or
    another library would stay in a recording as it was.
    """
    for path, module in model.named_modules():
        if not _is_ours(type(module)):
            for name, value in vars(module).items():
                if isinstance(value, (list, dict, set)) and not _holds_modules(value):
                    return f"{path or type(module).__name__}.{name} is a {type(value).__name__}"
            found = _reason_in(type(module).forward, set())
            if found:
                return found
    if isinstance(loss, Module):
        return reason_against(loss, None)
    if loss is None or _is_ours(loss):
        return ""
    return _reason_in(loss, set())


def _reason_in(function: Any, seen: set[int]) -> str:
    """Why a function is not, or one that it names."""
    if not isinstance(function, FunctionType):
        return f"{function!r} is no plain function"
    if id(function) in seen:
        return ""
    seen.add(id(function))
    where = function.__qualname__
    if function.__closure__:
        cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
        outside = [(name, cell.cell_contents) for name, cell in cells if name != "__class__"]
    else:
        outside = []
    for code in _codes(function.__code__):
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("STORE_ATTR", "STORE_GLOBAL", "STORE_SUBSCR"):
                return f"{where} changes {instruction.argval or 'an item'}"
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                name = instruction.argval
                if name in function.__globals__:
                    outside.append((name, function.__globals__[name]))
                elif name in _READS_THE_WORLD:
                    return f"{where} calls {name}"
    for name, value in outside:
        found = _reason_of(name, value, where, seen)
        if found:
            return found
    return ""


def _reason_of(name: str, value: Any, where: str, seen: set[int]) -> str:
    if isinstance(value, (int, float, str, bool, type(None), Module)):
        return ""
    if isinstance(value, ModuleType):
        root = value.__name__.partition(".")[0]
        return "" if root in _SAFE_MODULES else f"{where} uses {value.__name__}"
    if _is_ours(value) or isinstance(value, type):
        return ""
    if isinstance(value, FunctionType):
        return _reason_in(value, seen)
    return f"{where} reads {name}, a {type(value).__name__}"


def _is_ours(value: Any) -> bool:
    return (getattr(value, "__module__", None) or "").partition(".")[0] in _SAFE_MODULES


def _holds_modules(value: Any) -> bool:
    inside = value.values() if isinstance(value, dict) else value
    return all(isinstance(item, Module) for item in inside)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
