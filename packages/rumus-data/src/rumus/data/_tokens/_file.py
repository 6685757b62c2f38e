"""Tokenizers as JSON."""

from __future__ import annotations

import errno
import json
import os
from typing import Any

from .._errors import TokenizerError

_VERSION = 1


def write(path: str | os.PathLike[str], kind: str, content: dict[str, Any]) -> None:
    """Write a tokenizer; the file is replaced whole, or not at all.

    Raises:
        FileExistsError: The path is no file's, but a folder's, a device's or the like.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise FileExistsError(errno.EEXIST, "this is a folder or a device, and no file", path)
    text = json.dumps({"rumus": kind, "version": _VERSION, **content}, indent=0)
    place = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(place, "w", encoding="ascii") as file:
            file.write(text + "\n")
        os.replace(place, path)
    except BaseException:
        if os.path.exists(place):
            os.remove(place)
        raise


def read(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """What :func:`write` wrote.

    Raises:
        TokenizerError: It is something else, or of a later version.
    """
    with open(path, encoding="utf-8") as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise TokenizerError(f"{os.fspath(path)} is no tokenizer's JSON: {error}") from None
    if not isinstance(content, dict) or content.get("rumus") != kind:
        given = content.get("rumus") if isinstance(content, dict) else None
        what = f"a tokenizer of {given}" if isinstance(given, str) else "no tokenizer of ours"
        raise TokenizerError(f"{os.fspath(path)} holds {what}, and one of {kind} was expected")
    if content.get("version") != _VERSION:
        raise TokenizerError(
            f"{os.fspath(path)} has version {content.get('version')!r} of the form, and this "
            f"program reads version {_VERSION}"
        )
    return content
