"""What importing the packages shows, and that it does nothing else."""

import re
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

IMPORTS = (
    "rumus.tensor",
    "rumus.autograd",
    "rumus.nn",
    "rumus.gpu",
    "rumus.optim",
    "rumus.optim.lr_scheduler",
    "rumus.data",
    "rumus.train",
)

WATCH = """
import sys
import google_crc32c, numpy.random, safetensors.numpy  # these open what they like

opened = []


def watch(event, arguments):
    code = (".py", ".pyc", ".so", ".pyd")
    if event == "open" and isinstance(arguments[0], str) and not arguments[0].endswith(code):
        opened.append(arguments[0])
    if event in ("socket.connect", "subprocess.Popen", "ctypes.dlopen"):
        opened.append(event)


sys.addaudithook(watch)
import {}
sys.exit(f"opened {{opened}}" if opened else "imported wgpu" if "wgpu" in sys.modules else 0)
"""


@pytest.mark.parametrize("name", IMPORTS)
def test_all_names_what_is_public(name: str) -> None:
    module = import_module(name)
    seen = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and not isinstance(value, ModuleType)
    }
    named = {key for key in module.__all__ if not isinstance(getattr(module, key), ModuleType)}
    assert seen == named - {"__version__"}


def test_the_namespace_belongs_to_no_package() -> None:
    assert import_module("rumus").__file__ is None


@pytest.mark.parametrize("name", IMPORTS)
def test_an_import_opens_nothing_and_leaves_the_gpu_alone(name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WATCH.format(name)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


FOREIGN = (
    "rumus.tensor._foreign",
    "rumus.nn._foreign",
    "rumus.autograd._function",
    "rumus.data._foreign",
    "rumus.data._foreign_options",
    "rumus.optim._foreign",
    "rumus.optim._foreign_options",
    "rumus.train._foreign",
)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_stands_in_for_names_of_other_frameworks_exists(name: str) -> None:
    tables = [t for t in vars(import_module(name)).values() if isinstance(t, dict)]
    hints = [hint for table in tables for hint in table.values() if isinstance(hint, str)]
    assert hints
    for path in re.findall(r"\brumus(?:\.\w+)+", " ".join(hints)):
        first, second, *rest = path.split(".")
        found = import_module(f"{first}.{second}")
        for part in rest:
            found = getattr(found, part)
