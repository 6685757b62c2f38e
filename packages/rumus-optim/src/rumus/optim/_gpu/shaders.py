"""Kernels of the optimizers: a formula's WGSL file inside a frame of bindings and loops.

A formula is made of functions of one vector of four elements, or of one parameter's sums::

    fn prepare(h: Row, t: f32) -> vec2<f32>             numbers that a whole tile shares
    fn update(h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>)
        -> vec4<f32>                                    the parameter's new values
    fn measure(h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>)
        -> mat2x4<f32>                                  two quantities to be summed, optional
    fn combine(h: Row, c: vec2<f32>, sums: vec2<f32>, size: f32)
        -> f32                                          from those sums, optional
    fn combine_norms(h: Row, c: vec2<f32>, norms: vec2<f32>, size: f32)
        -> f32                                          instead: from the quantities' norms
    fn gather(h: Row, tile: vec4<u32>, i: u32)
        -> vec4<f32>                                    State's field ``gathered``, optional
    fn advance(h: Row, c: vec2<f32>, tile: vec4<u32>, i: u32, g: vec4<f32>)
        -> vec4<f32>                                    the same in the pass that measures

``Row`` holds the numbers of a parameter group, ``t`` is the number of the update among the
parameter's own, from 1, ``c`` is what ``prepare`` gave, which may have another type than
``vec2<f32>``, and ``State`` has a field for every state array, and one for what ``combine`` gave. A
tile is its first vector of four, its elements, its slot and its group. States and masters begin
with the arena's vector ``params.begin``. The frames here read and write the arenas; each is one
dispatch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rumus.gpu import Kernel, Pipeline
from rumus.optim._contract import SHADERS

Arrays = list[tuple[str, str]]
"""Names and element types of bindings."""
TABLE = ("table", "f32")
"""A row for each group, and then the number of each parameter's update."""

_OPENING = (
    "@compute @workgroup_size(256)",
    "fn main(@builtin(workgroup_id) group: vec3<u32>,",
    "        @builtin(local_invocation_index) thread: u32,",
    "        @builtin(num_workgroups) groups: vec3<u32>) {",
    "    if (skipped()) { return; }",
)


@dataclass(frozen=True, slots=True)
class Formula:
    """What the frames need to know of an optimizer's WGSL file.

    Attributes:
        source: the text, or the file that holds it.
        fields: the row's numbers.
        states: every state that the file names.
        kept: those that have an array; the others read as 0.
        constants: switches of the file.
        half: whether parameters and gradients are float16, with float32 masters.
        control: whether a scale for the gradients is bound.
        skip: whether the control also says if the step is to be left out.
    """

    source: str | Path
    fields: tuple[str, ...]
    states: tuple[str, ...]
    kept: tuple[str, ...]
    constants: tuple[tuple[str, bool], ...]
    half: bool
    control: bool
    skip: bool


@cache
def kernel(name: str) -> Kernel:
    """The kernel of a WGSL file. Tiles and ranges are made from the arrays' own sizes."""
    return Kernel(SHADERS / name, name=f"optim/{name}", trusted=True)


@cache
def text(name: str) -> str:
    """A WGSL file that others are put together with."""
    return (SHADERS / name).read_text("utf-8")


@cache
def _kernel_of(source: str | Path) -> Kernel:
    """The kernel of a formula. Our own are trusted: they index nothing but what a frame read."""
    own = isinstance(source, Path) and source.parent == SHADERS
    name = f"optim/{source.name}" if isinstance(source, Path) else "an optimizer's formula"
    return Kernel(source, name=name, trusted=own)


@cache
def _text_of(source: str | Path) -> str:
    return source if isinstance(source, str) else source.read_text("utf-8")


def words(half: bool) -> tuple[str, str]:
    """WGSL with ``unpack``, from a word of four elements to a vector, and the type of the word."""
    body = "unpack_half(word)" if half else "word"
    unpack = f"fn unpack(word: Word) -> vec4<f32> {{ return {body}; }}\n"
    return text("common.wgsl") + unpack, _word(half)


@cache
def update_pass(
    formula: Formula, *, grads: bool = True, stored: bool = True, rounded: bool = True
) -> Pipeline:
    """A pass that changes the parameters.

    Bindings: tiles, table, combined (if the formula reads it), grads (if read), control (if any),
    extras (if it gathers), parameters (unless not rounded), states, master (if half).

    Args:
        formula: the optimizer's.
        grads: whether gradients are read.
        stored: whether states are written.
        rounded: whether float16 parameters are written too, beside their masters.
    """
    read, written = _update_arrays(formula, grads, rounded)
    values = "master[j]" if formula.half else "params_out[i]"
    body = [
        "let moved = select(vec4<f32>(), update(h, c, p, g, &s), inside);",
        *_stores(formula, stored),
        f"{values} = moved;",
        "params_out[i] = pack_half(moved);" if formula.half and rounded else "",
    ]
    loop = _tile_loop(formula, grads, values, body)
    lines = [*header(formula), *rows(formula), *bindings(read, written), *loop]
    return _build(formula, lines)


def fits(formula: Formula, grads: bool, most: int) -> bool:
    """Whether :func:`update_pass` with rounding needs at most ``most`` storage buffers."""
    read, written = _update_arrays(formula, grads, rounded=True)
    return len(read) + len(written) <= most


@cache
def measure_pass(formula: Formula) -> Pipeline:
    """A pass that changes the states and sums two quantities over each tile.

    It goes backwards, so that it begins with what the pass before it, and ends with what the pass
    after it, has in the GPU's cache.

    Bindings: tiles, table, grads, control (if any), parameters (masters if half), extras (if it
    gathers), sums, states.
    """
    read = [*_inputs(formula, True, False), ("values", "vec4<f32>"), *_shapes(formula)]
    written = [*_factors(formula), ("sums", "vec2<f32>"), *_kept(formula)]
    zeros, sums = _sums(formula)
    body = [
        "let both = measure(h, c, p, g, &s);",
        "let a = select(vec4<f32>(), both[0], inside);",
        "let b = select(vec4<f32>(), both[1], inside);",
        "add_squares(&total, a, b);" if takes_norms(formula) else "total += mat2x4<f32>(a, b);",
        *_stores(formula, True),
    ]
    after = [f"let sum = {sums};", "if (thread == 0u) { sums[k] = sum; }"]
    values = "values[j]" if formula.half else "values[i]"
    loop = _tile_loop(formula, True, values, body, [zeros], after)
    lines = [*header(formula), *rows(formula), _shared(formula), *bindings(read, written), *loop]
    return _build(formula, lines)


@cache
def combine_pass(formula: Formula) -> Pipeline:
    """A pass that turns each slot's sums into one number, a workgroup a slot.

    Bindings: slots, table, sums, control (if any), extras, combined.
    """
    zeros, sums = _sums(formula)
    norms = takes_norms(formula)
    add = "add_squares(&total, four[0], four[1]);" if norms else "total += four;"
    combine = "combine_norms" if norms else "combine"
    read = [("slots", "vec4<u32>"), TABLE, ("sums", "vec2<f32>")]
    read += [*control(formula), *_shapes(formula)]
    lines = [
        *header(formula),
        *rows(formula),
        _shared(formula),
        *bindings(read, [*_factors(formula), ("combined", "f32")]),
        "fn sum_at(i: u32, end: u32) -> vec2<f32> {",
        "    return select(vec2<f32>(), sums[min(i, end - 1u)], i < end);",
        "}",
        *_OPENING,
        "    for (var k = params.first + group.x; k < params.last; k += groups.x) {",
        "        let slot = slots[k];",
        "        let h = row_of(slot.w, k);",
        f"        {zeros}",
        "        for (var i = slot.x + thread; i < slot.y; i += 1024u) {",
        "            let four = transpose(mat4x2<f32>(",
        "                sum_at(i, slot.y), sum_at(i + 256u, slot.y),",
        "                sum_at(i + 512u, slot.y), sum_at(i + 768u, slot.y)",
        "            ));",
        f"            {add}",
        "        }",
        f"        let sum = {sums};",
        "        let c = prepare(h, h.step);",
        f"        if (thread == 0u) {{ combined[k] = {combine}(h, c, sum, f32(slot.z)); }}",
        "    }",
        "}",
    ]
    return _build(formula, lines)


def reads_combined(formula: Formula) -> bool:
    """Whether the formula's update takes a number for the whole parameter."""
    return "(*s).combined" in _text_of(formula.source)


def takes_norms(formula: Formula) -> bool:
    """Whether the two quantities that the formula measures are to become norms."""
    return "fn combine_norms(" in _text_of(formula.source)


def _sums(formula: Formula) -> tuple[str, str]:
    """A thread's sums before it adds, and what they are of a whole workgroup."""
    if takes_norms(formula):
        return "var total = Squares();", "norms_of_workgroup(total, thread)"
    sums = "vec2<f32>(sum4(total[0]), sum4(total[1]))"
    return "var total = mat2x4<f32>();", f"sum_workgroup({sums}, thread)"


def _shared(formula: Formula) -> str:
    return text("norms.wgsl" if takes_norms(formula) else "sum_workgroup.wgsl")


def _gathers(formula: Formula) -> bool:
    """Whether the formula finds a part of its state by itself."""
    return "fn gather(" in _text_of(formula.source)


def _build(formula: Formula, lines: Sequence[str]) -> Pipeline:
    prelude = text("common.wgsl") + "\n".join(line for line in lines if line) + "\n"
    return _kernel_of(formula.source).variant(prelude=prelude, **dict(formula.constants))


def _word(half: bool) -> str:
    return "vec2<u32>" if half else "vec4<f32>"


def header(formula: Formula) -> list[str]:
    """Structs (a row, the state of four elements, a dispatch's parameters), and the control."""
    scale = "control[0]" if formula.control else "1.0"
    skipped = "control[1] == 0.0" if formula.skip else "false"
    fields = " ".join(f"{name}: f32," for name in (*formula.fields, "step"))
    states = " ".join(f"{name}: vec4<f32>," for name in formula.states)
    return [
        f"struct Row {{ {fields} }}",
        f"struct State {{ {states} combined: f32 }}",
        "struct Params { first: u32, last: u32, shift: u32, sign: f32, slots: u32, rows: u32,",
        "                begin: u32 }",
        f"fn scale() -> f32 {{ return {scale}; }}",
        f"fn skipped() -> bool {{ return {skipped}; }}",
    ]


def rows(formula: Formula) -> list[str]:
    """A function for a group's row, with the number of a slot's update as its last field."""
    width = len(formula.fields)
    numbers = "".join(f"table[at + {i}u], " for i in range(width))
    skipped = " - control[4u + k]" if formula.skip else ""
    return [
        "fn row_of(group: u32, slot: u32) -> Row {",
        f"    let at = group * {width}u;",
        "    let k = params.slots + slot;",
        f"    return Row({numbers}table[params.rows * {width}u + k]{skipped});",
        "}",
    ]


def control(formula: Formula) -> Arrays:
    """The control's binding, if there is one."""
    return [("control", "f32")] if formula.control else []


def _kept(formula: Formula) -> Arrays:
    return [(f"{name}_state", "vec4<f32>") for name in formula.kept]


def _update_arrays(formula: Formula, grads: bool, rounded: bool) -> tuple[Arrays, Arrays]:
    written = _factors(formula)
    if rounded or not formula.half:
        written += [("params_out", _word(formula.half))]
    written += _kept(formula)
    if formula.half:
        written += [("master", "vec4<f32>")]
    return [*_inputs(formula, grads, reads_combined(formula)), *_shapes(formula)], written


def _inputs(formula: Formula, grads: bool, combined: bool) -> Arrays:
    read = [("tiles", "vec4<u32>"), TABLE]
    read += [("combined", "f32")] if combined else []
    read += [("grads", _word(formula.half))] if grads else []
    return read + control(formula)


def _shapes(formula: Formula) -> Arrays:
    return [("shapes", "Shape")] if _gathers(formula) else []


def _factors(formula: Formula) -> Arrays:
    return [("factors", "vec4<f32>")] if _gathers(formula) else []


def bindings(read: Sequence[tuple[str, str]], written: Sequence[tuple[str, str]]) -> list[str]:
    """Numbered lines for arrays that are read, arrays that are written, and the parameters."""
    lines: list[str] = []
    for access, arrays in (("read", read), ("read_write", written)):
        for name, word in arrays:
            lines.append(
                f"@group(0) @binding({len(lines)}) var<storage, {access}> {name}: array<{word}>;"
            )
    lines.append(f"@group(0) @binding({len(lines)}) var<uniform> params: Params;")
    return lines


def _tile_loop(
    formula: Formula,
    grads: bool,
    values: str,
    body: Sequence[str],
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> list[str]:
    unpack = "unpack_half" if formula.half else ""
    read = f"{unpack}(grads[i + params.shift]) * (params.sign * scale())"
    raw = read if grads else "vec4<f32>()"
    gather = "advance(h, c, tile, i, g)" if before else "gather(h, tile, i)"
    loads = [gather if s == "gathered" else _load(formula, s) for s in formula.states]
    combined = "combined[tile.z]" if reads_combined(formula) and not before else "0.0"
    place = "params.first + params.last - 1u - turn" if before else "turn"
    return [
        *_OPENING,
        "    for (var turn = params.first + group.x; turn < params.last; turn += groups.x) {",
        f"        let k = {place};",
        "        let tile = tiles[k];",
        "        let h = row_of(tile.w, tile.z);",
        "        let c = prepare(h, h.step);",
        *(f"        {line}" for line in before),
        "        let end = tile.x + (tile.y + 3u) / 4u;",
        "        for (var i = tile.x + thread; i < end; i += 256u) {",
        "            let j = i - params.begin;",
        "            let inside = lanes_inside(tile, i);",
        f"            let g = select(vec4<f32>(), {raw}, inside);",
        f"            let p = {values};",
        f"            var s = State({', '.join([*loads, combined])});",
        *(f"            {line}" for line in body if line),
        "        }",
        *(f"        {line}" for line in after),
        "    }",
        "}",
    ]


def _load(formula: Formula, name: str) -> str:
    return f"{name}_state[j]" if name in formula.kept else "vec4<f32>()"


def _stores(formula: Formula, stored: bool) -> list[str]:
    return [f"{s}_state[j] = s.{s};" for s in formula.kept] if stored else []
