"""What the examples share: a command line, and pictures where matplotlib is installed."""

import argparse
from pathlib import Path
from typing import Any

from rumus.tensor import Device, manual_seed


def command_line(name: str, doc: str, unit: str, full: int, small: int) -> argparse.ArgumentParser:
    """The options of every example; ``unit`` is what it counts, "epochs" or "steps"."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument(f"--{unit}", type=int, help=f"{full} unless given, {small} with --small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs") / name)
    parser.add_argument("--small", action="store_true", help="a few seconds, to see that it runs")
    parser.set_defaults(unit=unit, sizes=(full, small))
    return parser


def read(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line, seed the random numbers and make the folder."""
    options = parser.parse_args()
    given = getattr(options, options.unit)
    if given is None:
        setattr(options, options.unit, options.sizes[options.small])
    elif given < 1:
        parser.error(f"--{options.unit} must be 1 or more, not {given}")
    options.device = Device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    manual_seed(options.seed)
    return options


def pyplot() -> Any:
    """Matplotlib's pyplot, drawing into files; None, and a word about it, where there is none."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        print("no picture: python3 -m pip install matplotlib draws one")
        return None
    matplotlib.use("Agg")  # a picture in a file needs no screen
    from matplotlib import pyplot as plt

    return plt


def save(figure: Any, path: Path) -> None:
    """Save a picture, and say where it is."""
    figure.savefig(path, dpi=130)
    print(f"picture  {path.resolve()}")
