"""No test may leave a thread of the loader behind."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest


def _loader_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("rumus-data")]


@pytest.fixture
def loader_threads() -> Callable[[], list[threading.Thread]]:
    """The threads of loaders that run now."""
    return _loader_threads


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    deadline = time.monotonic() + 2
    while _loader_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _loader_threads()
