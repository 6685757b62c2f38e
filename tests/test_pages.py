"""Every code block of the READMEs and of the docs is run, in order, as it is written.

What a block is, its language says:

- ``python`` is run; the blocks of a page are one program, in a folder of its own.
- ``wgsl`` is written to the file that its first line, a comment, names.
- ``sh`` is run by bash: in that folder, but those of ``FROM_A_CLONE`` by ``.ci/run``, from the root
  of a clone.
- ``output`` is what the block before it prints; ``...`` stands for anything.
- ``text`` is a picture.
"""

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]
PAGES = [*READMES, *sorted((ROOT / "docs").rglob("*.md"))]
FROM_A_CLONE = [*READMES, ROOT / "docs" / "start.md"]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>.*)\n(?P<code>(?:.*\n)*?)(?P=indent)```$", re.M)
ON_A_GPU = ("kernels", "the-gpu", "own-parts")
LENIENT = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Block(NamedTuple):
    """A code block of a page."""

    language: str
    code: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(m["language"], m["code"], text.count("\n", 0, m.start()) + 1)
        for m in BLOCK.finditer(text)
        if not m["language"].startswith("{")  # a directive of the site
    ]


def run(page: Path) -> None:
    """Run a page in the current folder."""
    names: dict[str, object] = {"__name__": page.stem}
    printed = ""
    for language, code, line in blocks(page):
        if language == "wgsl":
            Path(code.split()[1].rstrip(":")).write_text(code)
        if language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile("\n" * line + code, str(page), "exec"), names)
            printed = out.getvalue()
            print(printed, end="")
        if language == "sh" and page not in FROM_A_CLONE:
            printed = shell(code)
        if language == "output":
            same = doctest.OutputChecker().check_output(code, printed, LENIENT)
            assert same, f"{named(page)}:{line} says\n{code}\nbut it prints\n{printed}"


def shell(code: str) -> str:
    """What commands print, with those of this environment found first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        env={**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=pytest.mark.gpu) if p.stem in ON_A_GPU else p for p in PAGES],
    ids=named,
)
def test_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_says_of_each_block_what_it_is(page: Path) -> None:
    kinds = {"python", "text", "wgsl", "sh", "output"}
    unknown = [f"{named(page)}:{b.line}" for b in blocks(page) if b.language not in kinds]
    assert not unknown, "write what it is behind the three backticks"
    assert page.read_text("utf-8").count("```") == 2 * len(BLOCK.findall(page.read_text("utf-8")))


def test_the_loop_of_the_readme_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(ROOT / "README.md")
    losses = [float(x) for x in re.findall(r"^Epoch.* loss (\S+)$", capsys.readouterr().out, re.M)]
    assert losses[-1] < 0.1 * losses[0]
