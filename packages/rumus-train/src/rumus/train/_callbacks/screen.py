"""Where progress is shown: lines of which the last is drawn anew, as far as the place can."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, TextIO


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
    """A terminal: a line is written over the one that was drawn before."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def draw(self, line: str) -> None:
        """Write it over."""
        self._write(line)

    def keep(self, line: str) -> None:
        """Write it over, and go on below."""
        self._write(line + "\n")

    def close(self) -> None:
        """What was drawn last stays."""

    def _write(self, text: str) -> None:
        self._out.write(f"\r\x1b[K{text}")
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
        """Print it above what is drawn."""
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


def _kernel() -> Any:
    """The notebook that this process works for; None if there is none."""
    ipython = sys.modules.get("IPython")
    return getattr(ipython.get_ipython(), "kernel", None) if ipython is not None else None
