"""A package is not built while an admitted release of a sibling lacks what its code imports."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
TENSOR = "packages/rumus-tensor/src/rumus"
OPTIM = "packages/rumus-optim/src/rumus/optim"


@pytest.fixture
def imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The checker, over a repository in which rumus-tensor 0.1.0 exports less than its head."""
    monkeypatch.syspath_prepend(str(ROOT))
    history, imports = import_module("tools.history"), import_module("tools.imports")
    monkeypatch.setattr(history, "ROOT", tmp_path)
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    history.admitted.cache_clear()
    imports.exports.cache_clear()
    git(tmp_path, "init", "-q")
    for version, names in (("0.1.0", "['Tensor']"), ("0.2.0.dev0", "['Tensor', 'new']")):
        write(tmp_path, f"{TENSOR}/tensor/__about__.py", f'__version__ = "{version}"\n')
        write(tmp_path, f"{TENSOR}/tensor/__init__.py", f"__all__ = {names}\n")
        write(tmp_path, f"{TENSOR}/gpu/__init__.py", "__all__ = ['Kernel']\n")
        git(tmp_path, "add", "-A")
        git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", version)
    return imports


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def complaints(imports: ModuleType, code: str, admitted: str = ">=0.1,<0.3") -> list[str]:
    write(imports.ROOT, f"{OPTIM}/_step.py", code)
    return list(imports.missing("rumus-optim", {"rumus-tensor": SpecifierSet(admitted)}))


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("from rumus.tensor import new", "rumus.tensor.new"),
        ("from rumus.tensor import new as old", "rumus.tensor.new"),
        ("from rumus import tensor\ntensor.new()", "rumus.tensor.new"),
        ("import rumus.tensor\nrumus.tensor.new()", "rumus.tensor.new"),
        ("import rumus.tensor as t\nt.new()", "rumus.tensor.new"),
        ("def f():\n    from rumus.tensor import new", "rumus.tensor.new"),
        ("if TYPE_CHECKING:\n    from rumus.tensor import new", "rumus.tensor.new"),
        ("from rumus import gpu, tensor\ndef f(gpu):\n    return tensor.new", "rumus.tensor.new"),
        ("from ..tensor import new", "rumus.tensor.new"),
        ("from .. import tensor\ntensor.new", "rumus.tensor.new"),
        ("from rumus.tensor import *", "rumus.tensor.*"),
        ("from rumus.tensor._inner import Tensor", "rumus.tensor._inner.Tensor"),
        ("from rumus.nothing import Tensor", "rumus.nothing.Tensor"),
    ],
)
def test_a_name_that_the_oldest_admitted_release_lacks_is_found(
    imports: ModuleType, code: str, name: str
) -> None:
    found = complaints(imports, code)
    assert found and all(f" {name} " in line and "_step.py:" in line for line in found)


@pytest.mark.parametrize(
    "code",
    [
        "from rumus.tensor import Tensor\nTensor.new",
        "from rumus import gpu\ngpu.Kernel.new",
        "from rumus import gpu\ndef f(gpu):\n    return gpu.new",
        "from rumus import gpu\nlambda gpu: gpu.new",
        "from rumus.optim import new\nfrom ._inner import newer\nfrom . import newest",
        "import numpy as np\nnp.new",
    ],
)
def test_what_every_admitted_release_exports_is_not(imports: ModuleType, code: str) -> None:
    assert complaints(imports, code) == []


def test_a_floor_of_the_present_version_admits_what_is_new(imports: ModuleType) -> None:
    code = "from rumus.tensor import new"
    assert complaints(imports, code, ">=0.2.0.dev0,<0.3") == []
    (line,) = complaints(imports, code, ">=0.1,<0.3")
    assert "rumus-tensor 0.1.0" in line and "rumus-optim admits" in line


def test_a_history_that_is_not_whole_is_refused(imports: ModuleType, tmp_path: Path) -> None:
    (tmp_path / ".git").rename(tmp_path / "moved")
    git(tmp_path, "clone", "-q", "--bare", "--depth=1", (tmp_path / "moved").as_uri(), ".git")
    history = sys.modules["tools.history"]
    with pytest.raises(history.ShallowHistoryError, match="unshallow"):
        complaints(imports, "from rumus.tensor import Tensor")


def test_the_releases_of_this_repository_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    history = import_module("tools.history")
    for package in history.PACKAGES:
        assert str(min(history.releases(package))) == "0.1.0"
