"""Kernels of the optimizers: a formula's WGSL file inside a frame of bindings and loops.

An elementwise formula is one function of one vector of four elements::

    fn update(h: Row, t: f32, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>) -> vec4<f32>

``Row`` holds the numbers of a parameter group, ``t`` is the number of the update, from 1, and
``State`` has a field for every state array. The frame reads and writes the arenas.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from rumus.gpu import Kernel, Pipeline

WORKGROUP = 256
"""Threads of a workgroup."""


@cache
def kernel(name: str) -> Kernel:
    """The kernel of a WGSL file. Tiles and ranges are made from the arrays' own sizes."""
    return Kernel(files("rumus.optim") / "shaders" / name, name=f"optim/{name}", trusted=True)


@cache
def text(name: str) -> str:
    """A WGSL file that others are put together with."""
    return (files("rumus.optim") / "shaders" / name).read_text()


@cache
def elementwise(
    name: str,
    fields: tuple[str, ...],
    states: tuple[str, ...],
    kept: tuple[str, ...],
    constants: tuple[tuple[str, bool], ...],
    *,
    half: bool,
    control: bool,
    skip: bool,
) -> Pipeline:
    """An optimizer's formula as a pass over arenas.

    Args:
        name: the WGSL file.
        fields: the row's numbers.
        states: every state that the file names.
        kept: those that have an array; the others read as 0.
        constants: switches of the file.
        half: whether parameters and gradients are float16, with float32 masters.
        control: whether a scale for the gradients is bound.
        skip: whether the control also says if the step is to be left out.
    """
    around = frame(fields, states, kept, half=half, control=control, skip=skip)
    return kernel(name).variant(prelude=text("common.wgsl") + around, **dict(constants))


def frame(
    fields: Sequence[str],
    states: Sequence[str],
    kept: Sequence[str],
    *,
    half: bool,
    control: bool,
    skip: bool,
) -> str:
    """The WGSL around a formula: structs, bindings and the loop over tiles."""
    word = "vec2<u32>" if half else "vec4<f32>"
    read = [("tiles", "vec4<u32>"), ("table", "Row"), ("grads", word)]
    read += [("control", "f32")] if control else []
    written = [("params_out", word)] + [(f"{s}_state", "vec4<f32>") for s in kept]
    written += [("master", "vec4<f32>")] if half else []
    values = "master" if half else "params_out"
    loads = [f"{s}_state[i]" if s in kept else "vec4<f32>()" for s in states]
    lines = [
        f"struct Row {{ {' '.join(f'{f}: f32,' for f in (*fields, 'step'))} }}",
        f"struct State {{ {' '.join(f'{s}: vec4<f32>,' for s in states or ('none',))} }}",
        "struct Params { first: u32, last: u32, shift: u32, sign: f32 }",
        *bindings(read, written),
        "@compute @workgroup_size(256)",
        "fn main(@builtin(workgroup_id) group: vec3<u32>,",
        "        @builtin(local_invocation_index) thread: u32,",
        "        @builtin(num_workgroups) groups: vec3<u32>) {",
        "    if (control[1] == 0.0) { return; }" if skip else "",
        f"    let scale = params.sign{' * control[0]' if control else ''};",
        "    for (var k = params.first + group.x; k < params.last; k += groups.x) {",
        "        let tile = tiles[k];",
        "        let h = table[tile.w];",
        f"        let t = h.step{' - control[2]' if skip else ''};",
        "        let end = tile.x + (tile.y + 3u) / 4u;",
        "        for (var i = tile.x + thread; i < end; i += 256u) {",
        "            let inside = lanes_inside(tile, i);",
        f"            let raw = {'unpack_half' if half else ''}(grads[i + params.shift]);",
        "            let g = select(vec4<f32>(), raw * scale, inside);",
        f"            var s = State({', '.join(loads) or 'vec4<f32>()'});",
        f"            let p = select(vec4<f32>(), update(h, t, {values}[i], g, &s), inside);",
        *[f"            {s}_state[i] = s.{s};" for s in kept],
        f"            {values}[i] = p;",
        "            params_out[i] = pack_half(p);" if half else "",
        "        }",
        "    }",
        "}",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def bindings(
    read: Sequence[tuple[str, str]], written: Sequence[tuple[str, str]], params: bool = True
) -> list[str]:
    """Numbered binding lines: arrays that are read, then those that are written, then params."""
    lines: list[str] = []
    for access, arrays in (("read", read), ("read_write", written)):
        for name, word in arrays:
            lines.append(
                f"@group(0) @binding({len(lines)}) var<storage, {access}> {name}: array<{word}>;"
            )
    if params:
        lines.append(f"@group(0) @binding({len(lines)}) var<uniform> params: Params;")
    return lines
