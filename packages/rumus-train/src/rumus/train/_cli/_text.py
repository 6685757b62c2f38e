"""What is printed: names and metadata come from elsewhere, and must not control the terminal."""

from __future__ import annotations

import io
import sys
import unicodedata


def printable(text: object) -> str:
    r"""Text on one line, with escapes for what is no visible character.

    Control characters, marks that turn the direction of writing, and bytes of names that are not
    UTF-8 become ``\x1b``, ``\u202e``, ``\udcff``.
    """
    return "".join(
        character
        if character.isprintable() or unicodedata.category(character) == "Zs"
        else character.encode("unicode_escape").decode()
        for character in str(text)
    )


def say(text: object) -> None:
    """Print a line."""
    print(printable(text))


def complain(error: object) -> None:
    """Print a line on the error stream."""
    print(f"rumus-train: {printable(error)}", file=sys.stderr)


def print_on_any_terminal() -> None:
    """Let characters that the terminal does not have be printed as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
