"""Every code block of the READMEs and of the docs is run, in order, as it is written.

What a block is, its language says:

- ``python`` is run; the blocks of a page are one program.
- ``wgsl`` is written to the file that its first line, a comment, names.
- ``sh`` is run by ``.ci/run``, from the root of a clone.
- ``text`` is a picture.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]
PAGES = [*READMES, *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>.*)\n(?P<code>(?:.*\n)*?)(?P=indent)```$", re.M)


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
    for language, code, line in blocks(page):
        if language == "wgsl":
            Path(code.split()[1].rstrip(":")).write_text(code)
        if language == "python":
            exec(compile("\n" * line + code, str(page), "exec"), names)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(
    "page",
    [pytest.param(p, marks=pytest.mark.gpu) if p.stem == "kernels" else p for p in PAGES],
    ids=named,
)
def test_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_says_of_each_block_what_it_is(page: Path) -> None:
    kinds = {"python", "text", "wgsl"} | ({"sh"} if page in READMES else set())
    unknown = [f"{named(page)}:{b.line}" for b in blocks(page) if b.language not in kinds]
    assert not unknown
    assert page.read_text("utf-8").count("```") == 2 * len(BLOCK.findall(page.read_text("utf-8")))


def test_the_loop_of_the_readme_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(ROOT / "README.md")
    losses = [float(x) for x in re.findall(r"^Epoch.* loss (\S+)$", capsys.readouterr().out, re.M)]
    assert losses[-1] < 0.1 * losses[0]
