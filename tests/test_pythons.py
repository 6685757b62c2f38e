"""Any Python from 3.11 on that runs nox serves."""

from importlib import import_module
from pathlib import Path

import pytest

TESTED = ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize(
    ("found", "here", "serving", "to_test", "lacking"),
    [
        (TESTED, "3.11", TESTED, TESTED, []),
        (["3.13"], "3.13", ["3.13"], ["3.13"], ["3.11", "3.12"]),
        ([], "3.14", ["3.14"], ["3.14"], TESTED),
        (["3.12"], "3.14", ["3.12"], ["3.12", "3.14"], ["3.11", "3.13"]),
        (["3.12"], "3.10", ["3.12"], ["3.12"], ["3.11", "3.13"]),
        ([], "3.9", TESTED, TESTED, TESTED),
    ],
)
def test_which_pythons_serve(
    found: list[str],
    here: str,
    serving: list[str],
    to_test: list[str],
    lacking: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    pythons = import_module("tools.pythons").pythons
    assert pythons(TESTED, found, here) == (serving, to_test, lacking)
