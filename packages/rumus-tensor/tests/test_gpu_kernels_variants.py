"""Every WGSL file compiles in every variant that the code can ask for."""

from importlib.resources import files

import numpy as np
import pytest

from rumus._backends.gpu import variants
from rumus.gpu import full


def test_an_argument_is_a_letter_of_the_expression():
    arities = {"neg": 1, "add": 2, "where": 3, "pow_backward": 3, "dropout": 4}
    assert {op: variants.arity(op) for op in arities} == arities


def test_every_shader_file_has_a_variant():
    text = "".join(pipeline.code for _, pipeline in variants.every_variant())
    for file in (files("rumus._backends") / "shaders").iterdir():
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
