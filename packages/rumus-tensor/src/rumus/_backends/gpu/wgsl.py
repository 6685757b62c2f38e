"""WGSL for the five dtypes: bindings, loads and stores of 4 elements or of one.

float32 and int32 are bound as themselves; float16, uint8 and bool lie packed in 32-bit words, so
that no optional shader feature is needed. In registers there are only f32, i32 and WGSL's bool.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from math import copysign, inf, isfinite
from typing import Any

import numpy as np

from .unroll import unroll

DType = np.dtype[Any]

REGISTER = {"float32": "f32", "float16": "f32", "int32": "i32", "uint8": "i32", "bool": "i32"}
"""The type in which a loaded element of a dtype is held."""

_VECTOR_WORDS = {
    "float32": "vec4<f32>",
    "int32": "vec4<i32>",
    "float16": "vec2<u32>",
    "uint8": "u32",
    "bool": "u32",
}
_ELEMENT_WORDS = {"float32": "f32", "int32": "i32"}

_LOAD_VECTOR = {
    "float32": "{0}[i]",
    "int32": "{0}[i]",
    "float16": "vec4<f32>(unpack2x16float({0}[i].x), unpack2x16float({0}[i].y))",
    "uint8": "vec4<i32>((vec4<u32>({0}[i]) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u))",
}
_LOAD_ELEMENT = {
    "float32": "{0}[e]",
    "int32": "{0}[e]",
    "float16": "unpack2x16float({0}[e >> 1u] >> ((e & 1u) * 16u)).x",
    "uint8": "i32(({0}[e >> 2u] >> ((e & 3u) * 8u)) & 255u)",
}
_STORE_VECTOR = {
    "float32": "v",
    "int32": "v",
    "float16": "vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw))",
    "uint8": "pack_bytes(v)",
}
for _table in (_LOAD_VECTOR, _LOAD_ELEMENT, _STORE_VECTOR):
    _table["bool"] = _table["uint8"]


@cache
def read_shader(name: str) -> str:
    """The text of a file in the package's ``shaders`` folder."""
    return (files("rumus._backends") / "shaders" / name).read_text(encoding="utf-8")


MATH = ("math", "exponential", "power", "normal", "trigonometry")
"""Files of functions of 4 numbers, each after those that it needs."""


@cache
def math_source(*names: str) -> str:
    """The text of some of :data:`MATH`, by default of all."""
    return "\n".join(read_shader(f"{name}.wgsl") for name in names or MATH)


@cache
def threefry_source() -> str:
    """The text of ``threefry.wgsl``."""
    return unroll(read_shader("threefry.wgsl"), {})


def declare_vectors(binding: int, name: str, dtype: str) -> str:
    """An input read by vectors: ``NAME_vector(i)`` is elements 4*i to 4*i + 3."""
    words = _VECTOR_WORDS[dtype]
    binds = f"@group(0) @binding({binding}) var<storage, read> {name}: array<{words}>;\n"
    return binds + vector_load(name, dtype)


def vector_load(name: str, dtype: str) -> str:
    """``NAME_vector(i)`` of a binding of vectors."""
    loaded = _LOAD_VECTOR[dtype].format(name)
    return f"fn {name}_vector(i: u32) -> vec4<{REGISTER[dtype]}> {{ return {loaded}; }}\n"


def declare_elements(binding: int, name: str, dtype: str) -> str:
    """An input read by elements: ``NAME_element(e)``."""
    words = _ELEMENT_WORDS.get(dtype, "u32")
    binds = f"@group(0) @binding({binding}) var<storage, read> {name}: array<{words}>;\n"
    return binds + element_load(name, dtype)


def element_load(name: str, dtype: str) -> str:
    """``NAME_element(e)`` of a binding of elements."""
    loaded = _LOAD_ELEMENT[dtype].format(name)
    return f"fn {name}_element(e: u32) -> {REGISTER[dtype]} {{ return {loaded}; }}\n"


def declare_loads(binding: int, name: str, dtype: str, vectors: bool) -> str:
    """An input read both ways, one of them cheap: ``load_NAME_vector(i), load_NAME_element(e)``."""
    if vectors:
        declared = declare_vectors(binding, name, dtype)
        vector, element = f"{name}_vector(i)", f"{name}_vector(e / 4u)[e % 4u]"
    else:
        declared = declare_elements(binding, name, dtype)
        at = ", ".join(f"{name}_element(4u * i + {j}u)" for j in range(4))
        vector, element = f"vec4<{REGISTER[dtype]}>({at})", f"{name}_element(e)"
    return (
        f"{declared}"
        f"fn load_{name}_vector(i: u32) -> vec4<{REGISTER[dtype]}> {{ return {vector}; }}\n"
        f"fn load_{name}_element(e: u32) -> {REGISTER[dtype]} {{ return {element}; }}\n"
    )


def declare_output(binding: int, name: str, dtype: str) -> str:
    """An output written by vectors: ``NAME_store(i, v)``."""
    words = _VECTOR_WORDS[dtype]
    return (
        f"@group(0) @binding({binding}) var<storage, read_write> {name}: array<{words}>;\n"
        f"fn {name}_store(i: u32, v: vec4<{REGISTER[dtype]}>) "
        f"{{ {name}[i] = {_STORE_VECTOR[dtype]}; }}\n"
    )


def declare_element_output(binding: int, name: str, dtype: str) -> str:
    """An output of 4-byte elements written one by one: ``NAME_store(e, v)``."""
    kind = _ELEMENT_WORDS[dtype]
    return (
        f"@group(0) @binding({binding}) var<storage, read_write> {name}: array<{kind}>;\n"
        f"fn {name}_store(e: u32, v: {kind}) {{ {name}[e] = v; }}\n"
    )


def convert(value: str, source: str, target: str) -> str:
    """A vector expression of one register type as another; bool is "not zero"."""
    if source == target:
        return value
    if target == "bool":
        return f"truth_{source}({value})"
    return f"vec4<{target}>({value})"


@cache
def dtype_name(dtype: DType) -> str:
    """What a dtype is called, which numpy works out anew each time."""
    return str(dtype)


def as_f32(value: float) -> float:
    """A Python number as a float that fits 32 bits; too large ones become infinite."""
    number = float(value)
    if isfinite(number) and abs(number) > 3.4028235677973366e38:
        return copysign(inf, number)
    return number
