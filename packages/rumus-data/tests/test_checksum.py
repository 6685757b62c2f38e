"""The checksum's two libraries against the standard's definition."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus.data._rrec import _crc


@pytest.fixture(params=["fastcrc", "google_crc32c"])
def crc32c(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function as it is loaded where there is fastcrc, and where there is not."""
    pytest.importorskip(request.param, reason=f"{request.param} is not for this platform")
    if request.param != "fastcrc":
        monkeypatch.setitem(sys.modules, "fastcrc.crc32", None)
    return _crc.load_crc32c()


def test_it_is_the_standard_s(
    crc32c: Callable[[Any], int], crc32c_by_definition: Callable[[bytes], int]
) -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the standard's test value
    data = np.random.default_rng(0).integers(256, size=4099, dtype=np.uint8)
    for length in (0, 1, 3, 4, 15, 16, 63, 64, 255, 256, 1024, 4099):
        assert crc32c(data[:length]) == crc32c_by_definition(data[:length].tobytes())


def test_arrays_of_any_shape_and_access_are_their_bytes(
    crc32c: Callable[[Any], int], crc32c_by_definition: Callable[[bytes], int]
) -> None:
    rows = np.arange(64, dtype=np.uint8).reshape(4, 16)
    expected = crc32c_by_definition(rows.tobytes())
    assert crc32c(rows) == crc32c(rows.view(np.uint64)) == expected
    assert crc32c(np.frombuffer(rows.tobytes(), np.uint8)) == expected
    assert crc32c(rows[1:3]) == crc32c_by_definition(rows[1:3].tobytes())
    assert type(crc32c(rows)) is int


def test_a_check_field_makes_it_come_out_as_zero(crc32c: Callable[[Any], int]) -> None:
    assert crc32c(_crc.sealed(b"some bytes", 64)) == 0
