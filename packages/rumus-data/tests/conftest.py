"""No test may leave a thread of the loader behind; and the checksum, bit by bit."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest


def _loader_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("rumus-data")]


def _crc32c(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


@pytest.fixture
def crc32c_by_definition() -> Callable[[bytes], int]:
    """CRC32C bit by bit, as RFC 3720 describes it."""
    return _crc32c


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
