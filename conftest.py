"""What every test folder shares: the two devices, and a loud word when there is no adapter.

``device`` runs a test on the CPU and on the GPU; a test marked ``gpu`` needs an adapter. Without
one they are skipped, unless ``RUMUS_REQUIRE_GPU=1`` (as in CI), which makes the lack a failure.
"""

import os
from functools import cache

import pytest

INSTALL = "no GPU adapter: on Debian, `apt-get install mesa-vulkan-drivers` gives a software one"
_skipped: list[str] = []


@cache
def gpu_is_available() -> bool:
    """Whether rumus can open an adapter here."""
    from rumus import gpu

    return bool(gpu.is_available())


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    """The name of the device that the test runs on, each in turn."""
    return str(request.param)


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
