"""Packages that extras of rumus-train install, imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._errors import MissingExtraError


def extra(module: str, name: str, what: str) -> Any:
    """Import a module of an extra.

    Args:
        module: Its name.
        name: Of the extra.
        what: What needs it.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise MissingExtraError(
            f"{what} needs the package {package}, which the extra rumus-train[{name}] installs: "
            f"python -m pip install {package}"
        ) from error


def matplotlib_figure(width: float, height: float) -> Any:
    """A figure of so many inches that no window shows, whatever backend is set.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = extra("matplotlib.figure", "plots", "a picture")
    return figure.Figure(figsize=(width, height), layout="constrained", dpi=120)
