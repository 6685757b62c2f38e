"""What every test folder shares: two devices, two WGSL compilers, a loud word when one is missing.

``device`` runs a test on the CPU and on the GPU; a test marked ``gpu`` needs an adapter. Without
one they are skipped, unless ``RUMUS_REQUIRE_GPU=1`` (as in CI), which makes the lack a failure.

Where the extra ``rumus-tensor[dawn]`` is installed, Tint reads every kernel that a test compiles:
Dawn's compiler is stricter than that of wgpu, on which the tests run.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import Any

import pytest

INSTALL = "no GPU adapter: on Debian, `apt-get install mesa-vulkan-drivers` gives a software one"
_skipped: list[str] = []

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as behind nohup: children would ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)


@cache
def gpu_is_available() -> bool:
    """Whether rumus can open an adapter here."""
    from rumus import gpu

    return bool(gpu.is_available())


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """The name of the device that the test runs on, each in turn."""
    return str(request.param)


READER = """
import json, sys, wgpudawn
device = wgpudawn.gpu.request_adapter_sync().request_device_sync()
for line in sys.stdin:
    try:
        device.create_shader_module(code=json.loads(line))
        answer = ""
    except wgpudawn.GPUError as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""


class Tint:
    """Dawn's compiler in a process of its own, on Dawn's adapter that needs no driver."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER],
            env={**os.environ, "WGPU_BACKEND_TYPE": "Null"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def complaint(self, code: str) -> str:
        """What Tint says against WGSL; nothing if it is fine."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        with self._lock:
            print(json.dumps(code), file=stdin, flush=True)
            return str(json.loads(stdout.readline()))

    def close(self) -> None:
        """End the process."""
        with self._process:
            self._process.kill()


@pytest.fixture(scope="session", autouse=True)
def tint() -> Iterator[Tint | None]:
    """Let Tint read each kernel that a test compiles; None where Dawn is not installed."""
    if find_spec("wgpudawn") is None:
        yield None
        return
    from rumus.gpu._kernel import Pipeline

    reader, build = Tint(), Pipeline._build

    def build_and_read(pipeline: Pipeline, *arguments: Any) -> Any:
        built = build(pipeline, *arguments)
        complaint = reader.complaint(pipeline.code)
        assert not complaint, f"kernel {pipeline.name} does not compile with Dawn: {complaint}"
        return built

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "_build", build_and_read)
        yield reader
    reader.close()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs an adapter where there is none, or fail it where one is required."""
    if item.get_closest_marker("gpu") is None or gpu_is_available():
        return
    if os.environ.get("RUMUS_REQUIRE_GPU") == "1":
        pytest.fail(f"RUMUS_REQUIRE_GPU=1 and {INSTALL}", pytrace=False)
    _skipped.append(item.nodeid)
    pytest.skip(INSTALL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once, at the end, how many tests had no adapter to run on."""
    if _skipped:
        terminalreporter.section("GPU NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{len(_skipped)} tests were skipped: {INSTALL}.")
