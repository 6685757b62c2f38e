"""Every example in a docstring runs and prints what it says.

An example may use the public names of its package (rumus.tensor, for the floors below), and numpy
as ``np``. Those of its module and Python's own go before them: ``abs`` is Python's.
"""

import builtins
import doctest
import inspect
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PUBLIC = (
    "tensor", "autograd", "nn", "nn.functional", "nn.init", "nn.augment", "gpu", "data",
    "optim", "optim.lr_scheduler", "train",
)  # fmt: skip
# What a call gives or a subclass is given, and nobody makes by themselves
GIVEN = {"TensorBase", "ParamId", "Borrowed", "GradSlot", "Pipeline", "CpuWork", "GpuStep"}


def modules() -> list[str]:
    """The dotted name of every module of every package that holds an example."""
    sources = list(ROOT.glob("packages/*/src"))
    files = [(src, file) for src in sources for file in src.rglob("*.py")]
    with_examples = [(src, file) for src, file in files if ">>> " in file.read_text("utf-8")]
    names = [".".join(f.relative_to(s).with_suffix("").parts) for s, f in with_examples]
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.gpu) if "gpu" in name else name for name in modules()],
)
def test_examples_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    home = "rumus.tensor" if name.startswith("rumus._") else name.split("._")[0]
    package = import_module(home)
    module = import_module(name)
    known = {*vars(module), *vars(builtins)}
    at_hand = {
        public: getattr(package, public) for public in package.__all__ if public not in known
    }
    result = doctest.testmod(module, extraglobs={"np": np, **at_hand})
    assert result.attempted > 0
    assert result.failed == 0


def test_operators_as_functions_give_what_their_examples_say() -> None:
    module = import_module("rumus.tensor")
    ran = 0
    for name in module.__all__:
        public = getattr(module, name)
        if getattr(public, "__module__", "") == "rumus.tensor" and inspect.isfunction(public):
            for test in doctest.DocTestFinder().find(
                public, name, globs={"np": np, **vars(module)}
            ):
                result = doctest.DocTestRunner().run(test)
                assert result.failed == 0
                ran += result.attempted
    assert ran > 90


def test_every_public_name_has_an_example() -> None:
    without = []
    for home in PUBLIC:
        module = import_module(f"rumus.{home}")
        for name in module.__all__:
            public = getattr(module, name)
            is_error = isinstance(public, type) and issubclass(public, BaseException)
            if callable(public) and not is_error and name not in GIVEN:
                if ">>> " not in (public.__doc__ or ""):
                    without.append(f"rumus.{home}.{name}")
    assert not without, "examples, which run as tests, say more than words"
