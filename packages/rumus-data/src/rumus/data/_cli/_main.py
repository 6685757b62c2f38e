"""The command line: its arguments, and one function for each command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from rumus.tensor import RumusError

from .. import __version__
from ._text import complain, print_on_any_terminal, printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``rumus-data``.

    Args:
        arguments: What stands behind the name of the command; by default those of this process.

    Returns:
        0 if all went well, 1 if a file is damaged or cannot be used, 2 if the arguments are wrong,
        130 after Ctrl-C.
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
    except MemoryError as error:
        complain(f"there is not enough memory ({error})")
        return 1
    except ModuleNotFoundError as error:
        complain(f"{error.name} is not installed; python -m pip install rich pillow brings it")
        return 1
    except KeyboardInterrupt:
        return 130
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rumus-data", description="Look at, check, repair, make and measure record files."
    )
    parser.add_argument("--version", action="version", version=f"rumus-data {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    inspect = commands.add_parser("inspect", help="show what a record file holds")
    inspect.add_argument("file", type=Path, nargs="+")
    inspect.set_defaults(run=_inspect)

    verify = commands.add_parser("verify", help="compare every record with its checksum")
    verify.add_argument("file", type=Path, nargs="+")
    verify.set_defaults(run=_verify)

    recover = commands.add_parser("recover", help="complete a file whose writer was killed")
    recover.add_argument("file", type=Path, nargs="+")
    recover.set_defaults(run=_recover)

    convert = commands.add_parser(
        "convert", help="make record files of an .npz, a folder of images by class, or record files"
    )
    convert.add_argument("source", type=Path, nargs="+")
    convert.add_argument("destination", type=Path)
    convert.add_argument("--shards", type=int, default=1, metavar="N", help="split into N files")
    convert.add_argument("--overwrite", action="store_true", help="replace files that exist")
    convert.add_argument("--record-version", type=int, choices=(1, 2), default=2, metavar="1|2")
    convert.add_argument("--input", default="input", metavar="NAME", help="array in the .npz")
    convert.add_argument("--target", default="target", metavar="NAME", help="array in the .npz")
    convert.add_argument("--size", type=_size, metavar="HxW", help="scale images to one size")
    convert.set_defaults(run=_convert)

    bench = commands.add_parser("bench", help="measure an epoch against this machine's limit")
    bench.add_argument("file", type=Path, nargs="+")
    bench.add_argument("--batch-size", type=int, default=128)
    bench.add_argument("--workers", type=int, nargs="+", default=[0, 2], metavar="N")
    bench.set_defaults(run=_bench)

    peek = commands.add_parser("peek", help="draw one sample, or print it")
    peek.add_argument("file", type=Path)
    peek.add_argument("index", type=int)
    peek.add_argument("--out", type=Path, help="where to draw it; default: FILE-INDEX.png here")
    peek.add_argument("--overwrite", action="store_true", help="replace a picture that exists")
    peek.set_defaults(run=_peek)
    return parser


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"{text!r} is no HEIGHTxWIDTH such as 224x224")
    return int(height), int(width)


def _inspect(options: argparse.Namespace) -> int:
    from ._inspect import inspect

    return inspect(options.file)


def _verify(options: argparse.Namespace) -> int:
    from ._check import verify

    return verify(options.file)


def _recover(options: argparse.Namespace) -> int:
    from ._check import recover_all

    return recover_all(options.file)


def _convert(options: argparse.Namespace) -> int:
    from ._convert import Target, convert

    target = Target(options.destination, options.shards, options.record_version, options.overwrite)
    convert(options.source, target, (options.input, options.target), options.size)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from ._bench import bench

    bench(options.file, options.batch_size, options.workers)
    return 0


def _peek(options: argparse.Namespace) -> int:
    from ._peek import peek

    peek(options.file, options.index, options.out, options.overwrite)
    return 0
