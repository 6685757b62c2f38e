"""What importing costs, and what the packages export."""

import importlib
import inspect
import subprocess
import sys

import pytest


def in_fresh_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.parametrize("name", ["rumus.tensor", "rumus.autograd", "rumus.nn"])
def test_importing_touches_no_gpu(name):
    code = f"import sys, {name}; print([m for m in ('wgpu', 'rumus.gpu') if m in sys.modules])"
    assert in_fresh_python(code) == "[]"


def test_naming_a_gpu_touches_no_gpu():
    code = (
        "import sys; from rumus.tensor import Device; Device('gpu'); print('wgpu' in sys.modules)"
    )
    assert in_fresh_python(code) == "False"


def test_importing_is_light():
    code = (
        "import sys, inspect, numpy, numpy.typing, threading  # numpy loads inspect from 2.2 on\n"
        "before = set(sys.modules); import rumus.nn;"
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before} - {'rumus'}))"
    )
    assert in_fresh_python(code) in ("[]", "['__future__']")


@pytest.mark.parametrize("name", ["rumus.tensor", "rumus.autograd", "rumus.nn"])
def test_all_lists_the_public_names(name):
    module = importlib.import_module(name)
    public = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and not inspect.ismodule(value)
    }
    named = {key for key in module.__all__ if not inspect.ismodule(getattr(module, key))}
    assert named - {"__version__"} == public
