"""Every example in a docstring runs and prints what it says.

An example may use the public names of its package (rumus.tensor, for the floors below), and numpy
as ``np``.
"""

import doctest
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]


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
    others = set(package.__all__) - vars(module).keys()
    at_hand = {public: getattr(package, public) for public in others}
    result = doctest.testmod(module, extraglobs={"np": np, **at_hand})
    assert result.attempted > 0
    assert result.failed == 0
