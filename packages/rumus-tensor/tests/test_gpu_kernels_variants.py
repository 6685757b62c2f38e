"""Every WGSL file compiles in every variant that the code can ask for."""

import re
from importlib.resources import files

import numpy as np
import pytest

from rumus.gpu import full
from rumus.tensor._gpu import variants


def test_the_variants_know_the_arity_of_every_row():
    from rumus.tensor._elementwise import KINDS
    from rumus.tensor._gpu.elementwise import EXPRESSIONS

    for op in KINDS:
        used = set(re.findall(r"\b[abcd]\b", EXPRESSIONS[op]))
        assert used == set("abcd"[: variants.arity(op)]) or op == "dropout", op


def test_every_shader_file_has_a_variant():
    text = "".join(pipeline.code for _, pipeline in variants.every_variant())
    for file in (files("rumus.tensor") / "shaders").iterdir():
        if file.name != "fill.wgsl":
            headline = file.read_text().split("\n")[0]
            assert headline in text, file.name


@pytest.mark.gpu
def test_every_variant_compiles():
    device = full((1,), 0.0, np.float32).storage.device
    seen = set()
    for what, pipeline in variants.every_variant():
        assert what not in seen
        seen.add(what)
        pipeline.compile(device)
    assert len(seen) > 400
