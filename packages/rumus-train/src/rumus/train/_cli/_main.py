"""The command line: its arguments, and one function for each command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rumus.tensor import RumusError

from ..__about__ import __version__
from ._text import complain, print_on_any_terminal


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rumus-train``.

    Args:
        arguments: What stands behind the name of the command; by default those of this process.

    Returns:
        0 if all went well, 1 if something is damaged, missing or wrong, 2 if the arguments are
        wrong, 130 after Ctrl-C.
    """
    print_on_any_terminal()
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads on; nor may the interpreter complain when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (RumusError, OSError) as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rumus-train",
        description="Look at runs and checkpoints, and at what this machine can.",
    )
    parser.add_argument("--version", action="version", version=f"rumus-train {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    plot = commands.add_parser("plot", help="draw the curves of runs, here and as a PNG")
    plot.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="a run's folder, or its .jsonl or .csv"
    )
    plot.add_argument("--names", nargs="+", metavar="NAME", help="which values; default: all")
    plot.add_argument("--out", type=Path, metavar="FILE", help="where the PNG goes")
    plot.set_defaults(run=_plot)

    inspect = commands.add_parser("inspect", help="show what a checkpoint or weight file holds")
    inspect.add_argument("checkpoint", type=Path, nargs="+")
    inspect.add_argument("--verify", action="store_true", help="compare checksums, too")
    inspect.set_defaults(run=_inspect)

    doctor = commands.add_parser("doctor", help="say what this machine can, and test its GPUs")
    doctor.add_argument(
        "--mpi", action="store_true", help="of the ranks that a launcher has started, instead"
    )
    doctor.set_defaults(run=_doctor)

    compare = commands.add_parser("compare", help="settings and curves of two runs side by side")
    compare.add_argument("a", type=Path)
    compare.add_argument("b", type=Path)
    compare.set_defaults(run=_compare)
    return parser


def _plot(options: argparse.Namespace) -> int:
    from ._plot import plot

    return plot(options.runs, options.names, options.out)


def _inspect(options: argparse.Namespace) -> int:
    from ._inspect import inspect

    return inspect(options.checkpoint, options.verify)


def _doctor(options: argparse.Namespace) -> int:
    if options.mpi:
        from ._ranks import doctor_of_ranks

        return doctor_of_ranks()
    from ._doctor import doctor

    return doctor()


def _compare(options: argparse.Namespace) -> int:
    from ._compare import compare

    return compare(options.a, options.b)
