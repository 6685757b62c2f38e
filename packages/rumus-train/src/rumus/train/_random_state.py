"""Every random stream that a step may draw from, as a state."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rumus.nn import Module
from rumus.tensor import Generator, default_generator


def random_state(model: Module) -> dict[str, Any]:
    """Where the streams of rumus, of the model's modules, of Python and of numpy are."""
    own = {name: generator.state_dict() for name, generator in _generators(model)}
    python = random.getstate()
    numpy: Any = np.random.get_state(legacy=False)
    return {
        "rumus": default_generator.state_dict(),
        "modules": own,
        "python": [python[0], list(python[1]), python[2]],
        "numpy": numpy,
    }


def load_random_state(model: Module, state: Mapping[str, Any]) -> None:
    """Let the streams go on where others were."""
    default_generator.load_state_dict(state["rumus"])
    for name, generator in _generators(model):
        if name in state["modules"]:
            generator.load_state_dict(state["modules"][name])
    number, words, gauss = state["python"]
    random.setstate((number, tuple(words), gauss))
    np.random.set_state(state["numpy"])


def _generators(model: Module) -> Iterator[tuple[str, Generator]]:
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Generator) and value is not default_generator:
                yield f"{path}.{name}" if path else name, value
