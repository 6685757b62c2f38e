"""Where progress is shown: lines of which the last is drawn anew, as far as the place can."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, TextIO

_USUAL_COLUMNS = 80


class Screen(Protocol):
    """Shows lines."""

    def draw(self, line: str) -> None:
        """Show a line in the place of the one that was drawn before."""
        ...

    def keep(self, line: str) -> None:
        """Show a line that stays."""
        ...

    def close(self) -> None:
        """Leave the place as it was."""
        ...


def screen_for(file: TextIO | None) -> Screen:
    """What a file can; without one, what standard error or the notebook's cell can."""
    if file is None and _kernel() is not None:
        return Notebook()
    out = file or sys.stderr
    if not out.isatty():
        return Lines(out)
    return Terminal(out) if find_spec("rich") is None else RichTerminal(out)


class Lines:
    """A pipe or a file: each line is written below the others."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def draw(self, line: str) -> None:
        """Write it."""
        self.keep(line)

    def keep(self, line: str) -> None:
        """Write it."""
        self._out.write(line + "\n")
        self._out.flush()

    def close(self) -> None:
        """There is nothing to undo."""


class Terminal:
    """A terminal: a line is written over the one that was drawn before, all rows of it."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._rows_above = 0

    def draw(self, line: str) -> None:
        """Write it over."""
        self._write(line)
        self._rows_above = max(len(line) - 1, 0) // _columns(self._out)

    def keep(self, line: str) -> None:
        """Write it over, and go on below."""
        self._write(line + "\n")
        self._rows_above = 0

    def close(self) -> None:
        """What was drawn last stays."""

    def _write(self, text: str) -> None:
        up = f"\x1b[{self._rows_above}A" if self._rows_above else ""
        self._out.write(f"\r{up}\x1b[J{text}")
        self._out.flush()


class RichTerminal:
    """A terminal by rich, which wraps long lines and draws them over as a whole."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        console = Console(file=out)
        self._plain = Text
        self._live = Live("", console=console, auto_refresh=False, transient=True)
        self._live.start()

    def draw(self, line: str) -> None:
        """Draw it over."""
        self._live.update(self._plain(line), refresh=True)

    def keep(self, line: str) -> None:
        """Print it in the place of what is drawn."""
        self._live.update("", refresh=True)
        self._live.console.print(self._plain(line))

    def close(self) -> None:
        """Remove what was drawn, and show the cursor again."""
        self._live.stop()


class Notebook:
    """A cell of a notebook: one output, which is shown anew."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._output: Any = None

    def draw(self, line: str) -> None:
        """Show it below the lines that stay."""
        self._show([*self._kept, line])

    def keep(self, line: str) -> None:
        """Show it from now on."""
        self._kept.append(line)
        self._show(self._kept)

    def close(self) -> None:
        """What was drawn last goes."""
        if self._output is not None:
            self._show(self._kept)

    def _show(self, lines: list[str]) -> None:
        shown = {"text/plain": "\n".join(lines)}
        if self._output is None:
            display = import_module("IPython.display").display
            self._output = display(shown, raw=True, display_id=True)
        else:
            self._output.update(shown, raw=True)


def _columns(out: TextIO) -> int:
    try:
        return os.get_terminal_size(out.fileno()).columns or _USUAL_COLUMNS
    except OSError:  # io.UnsupportedOperation is one
        return _USUAL_COLUMNS


def _kernel() -> Any:
    """The notebook that this process works for; None if there is none."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython is not None else None
