"""What needs a process of its own: forks, ends in the middle of work, small adapters."""

import os
import subprocess
import sys
from tempfile import gettempdir

import pytest

pytestmark = pytest.mark.gpu


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        # Mesa's software adapter prints a warning where this is not set.
        env={"XDG_RUNTIME_DIR": gettempdir(), **os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_first_use_without_a_session_leaves_no_word_of_it_and_the_environment_as_it_was() -> None:
    code = """
import os
from rumus import gpu
gpu.to_host(gpu.zeros((4,)))
assert "XDG_RUNTIME_DIR" not in os.environ
"""
    bare = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=bare, capture_output=True, text=True, timeout=120
    )
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    assert "XDG_RUNTIME_DIR" not in result.stderr  # wgpu 0.29 has words of its own there


def test_a_forked_child_gets_an_error_that_explains_it() -> None:
    code = """
import os, warnings
warnings.simplefilter("ignore")
from rumus import gpu
x = gpu.zeros((4,))
gpu.synchronize()
if os.fork() == 0:
    try:
        gpu.to_host(x)
    except gpu.GpuError as error:
        os._exit(0 if "forked" in str(error) else 1)
    os._exit(2)
_, status = os.wait()
assert status == 0, status
assert (gpu.to_host(x) == 0).all()
"""
    result = run(code)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "ending", ["", "raise SystemExit(0)", "import os; os._exit(0)", "gpu.to_host(x)"]
)
def test_a_process_that_ends_in_the_middle_of_work_exits_cleanly(ending: str) -> None:
    code = f"""
from rumus import gpu
x = gpu.zeros((1 << 20,))
for _ in range(50):
    y = gpu.full((1 << 20,), 3.0)
{ending}
"""
    result = run(code)
    assert result.returncode == 0, result.stderr
    # Older drivers and wgpu's log what they lack; nothing may have failed.
    assert not any(word in result.stderr for word in ("Traceback", "panicked", "rror"))


def test_a_tensor_past_the_binding_limit_is_refused_with_the_limit() -> None:
    code = """
from rumus import gpu
gpu.zeros((1024,))
try:
    gpu.zeros((1 << 19,))
except gpu.GpuLimitError as error:
    assert "max-storage-buffer-binding-size" in str(error) and "1,048,576" in str(error), error
else:
    raise SystemExit("no error")
"""
    result = run(code, RUMUS_GPU_LIMITS="max-storage-buffer-binding-size=1048576")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("RUMUS_GPU", "no such adapter", "fits no adapter"),
        ("RUMUS_GPU_API", "opengl", "'wgpu' or 'dawn'"),
        ("RUMUS_GPU_LIMITS", "max-size=3", "not NAME=NUMBER"),
    ],
)
def test_a_wrong_environment_variable_is_named(variable: str, value: str, part: str) -> None:
    result = run("from rumus import gpu; gpu.zeros((4,))", **{variable: value})
    assert result.returncode == 1
    assert part in result.stderr


def test_the_public_api_serves_where_the_c_functions_are_not_found() -> None:
    code = """
import numpy as np
from rumus import gpu
from rumus.gpu import _seam
gpu.is_available()
_seam.BACKENDS.clear()
from rumus.gpu import _queue
from rumus.gpu._device import get_device
_queue.PIECE = 8
x = gpu.from_host(np.arange(9, dtype=np.float32))
y = gpu.full((3,), 2.0)
assert type(get_device(0).driver).__name__ == "PublicDriver"
assert gpu.to_host(x).tolist() == list(range(9)) and gpu.to_host(y).tolist() == [2.0] * 3
"""
    result = run(code)
    assert result.returncode == 0, result.stderr
