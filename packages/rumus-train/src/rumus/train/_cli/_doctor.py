"""`rumus-train doctor`: what this machine can, in plain words."""

from __future__ import annotations

import locale
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rumus import gpu
from rumus.tensor import GpuUnavailableError, get_num_threads

from .._checkpoint.lock import FolderLock
from ._selftest import CHECKS, problem_of
from ._text import say

_PACKAGES = (
    "rumus-tensor",
    "rumus-data",
    "rumus-optim",
    "rumus-train",
    "numpy",
    "wgpu",
    "wgpudawn",
)
_EXTRAS = {"plots": "matplotlib", "tensorboard": "tensorboardX"}
_SECONDS = 10.0
_FEATURES = {
    "shader-f16": ("float16 is computed in hardware", "float16 is stored, and computed in float32"),
    "subgroups": ("subgroups: yes", "subgroups: no"),
    "timestamp-query": ("kernels can be timed", "kernels cannot be timed one by one"),
}


def doctor() -> int:
    """Say what there is, test each adapter against the CPU, and what to do about it.

    Returns:
        0 if a GPU works or there is none, 1 if one gives wrong numbers or does not open.
    """
    say(f"Python {sys.version.split()[0]} on {platform.platform()}, {platform.machine()}")
    _say_how_it_is_here()
    say(", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name))))
    for extra, module in _EXTRAS.items():
        if find_spec(module) is None:
            say(f"rumus-train[{extra}] is not installed: python -m pip install {module}")
    try:
        about = gpu.info()
    except GpuUnavailableError as error:
        say(f"There is no GPU that rumus can use: {error}")
        say('Everything runs on the CPU: device="cpu" is the default.')
        _say_what_to_report()
        return 0
    say(f"GPU runtime: {about['api']} {about['api_version']}")
    sound = [_adapter(index, found) for index, found in enumerate(about["adapters"])]
    _say_what_to_report()
    return 0 if all(sound) else 1


def _adapter(index: int, about: dict[str, Any]) -> bool:
    default = ', which "gpu" means' if index == 0 else ""
    say(f"gpu:{index}{default}: {about['name']} ({about['kind']}, {about['backend']})")
    say(f"  driver: {about['driver']}")
    for feature, (has, lacks) in _FEATURES.items():
        say(f"  {has if feature in about['features'] else lacks}")
    limits = about["limits"]
    say(f"  largest tensor: {limits.get('max-storage-buffer-binding-size', 0) / 2**20:,.0f} MiB")
    say("  how much memory there is, no system tells a program:")
    say("  nn.summary(model, example) says what a training step holds, and")
    say('  Trainer(optimizer, shards="auto") cuts batches until one fits')
    if about["kind"] == "CPU":
        say("  a software adapter: right, but slower than numpy; only for tests")
    return _self_test(index)


def _self_test(index: int) -> bool:
    began, done, problems = time.perf_counter(), 0, []
    for name, check in CHECKS.items():
        if time.perf_counter() - began > _SECONDS:
            break
        try:
            problem = problem_of(check, f"gpu:{index}")
        except Exception as error:  # whatever it is, it is what the doctor is asked for
            problem = f"raised {type(error).__name__}: {error}"
        done += 1
        if problem:
            problems.append(f"{name}: {problem}")
    seconds = time.perf_counter() - began
    if not problems:
        say(f"  {done} of {len(CHECKS)} checks agree with the CPU ({seconds:.1f} s): it works")
        if done < len(CHECKS):
            say(f"  the others were left out: a busy or slow machine had {_SECONDS:g} s for them")
    for line in problems:
        say(f"  WRONG: {line}")
    if problems:
        say("  Update the driver. RUMUS_GPU chooses another adapter; the CPU works in any case.")
    return not problems


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _say_how_it_is_here() -> None:
    """Where systems differ: what a report from another one is read for."""
    threads = f"{get_num_threads()} threads of {os.cpu_count()}"
    start = multiprocessing.get_context().get_start_method()
    say(f"  {threads}; processes start by {start}; text is {locale.getencoding()} unless named")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        found = {
            "replacing a file that is open": _works(lambda: _replaced_while_open(place)),
            "symbolic links": _works(lambda: (place / "link").symlink_to(place)),
            "locks": _works(lambda: FolderLock(place).release()),
            "names of other case are other files": not (place / ".LOCK").exists(),
        }
    say("  " + ", ".join(f"{what}: {'yes' if yes else 'no'}" for what, yes in found.items()))


def _works(action: Callable[[], object]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _replaced_while_open(folder: Path) -> None:
    for name in ("old", "new"):
        (folder / name).write_bytes(b"")
    with open(folder / "old", "rb"):
        os.replace(folder / "new", folder / "old")


def _say_what_to_report() -> None:
    say("For a report: all of this output, the program, and the full error.")
    for name in ("RUMUS_GPU", "RUMUS_GPU_API", "RUMUS_NUM_THREADS"):
        if name in os.environ:
            say(f"Set in this environment: {name}={os.environ[name]}")
    system = platform.system()
    if system == "Windows":
        say("On Windows, too: the output of `winver`, and the driver's date in the Device Manager.")
    elif system == "Darwin":
        say("On macOS, too: About This Mac (chip, memory), and `sw_vers`.")
    else:
        say("On Linux, too: `vulkaninfo --summary`, if it is installed.")
