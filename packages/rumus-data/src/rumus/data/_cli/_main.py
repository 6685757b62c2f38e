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
        name = {"PIL": "pillow"}.get(error.name or "", error.name)
        complain(f"{name} is not installed; python -m pip install {name} brings it")
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
        "convert",
        help="make record files of tables, arrays, or images in folders by class",
        description="Make record files of a folder of images by class; of .csv, .tsv, .parquet, "
        ".arrow or .feather; of an .npz, or one .npy, or two of inputs and targets; or of record "
        "files. NAMES are separated by commas.",
    )
    convert.add_argument("source", type=Path, nargs="+")
    convert.add_argument("destination", type=Path)
    convert.add_argument("--shards", type=int, default=1, metavar="N", help="split into N files")
    convert.add_argument("--overwrite", action="store_true", help="replace files that exist")
    convert.add_argument("--record-version", type=int, choices=(1, 2), default=2, metavar="1|2")
    convert.add_argument(
        "--on-error", choices=("error", "skip"), default="error", help="images and rows that break"
    )
    convert.add_argument(
        "--classes-of", type=Path, metavar="FILE", help="number classes as this record file does"
    )

    arrays = convert.add_argument_group("tables and arrays")
    arrays.add_argument("--input", type=_names, metavar="NAMES", help="columns, or an array")
    arrays.add_argument("--target", type=_names, metavar="NAMES", help="columns, or an array")
    arrays.add_argument("--exclude", type=_names, default=(), metavar="NAMES")
    arrays.add_argument("--parts", action="store_true", help="a sample is a dict of all of them")
    arrays.add_argument(
        "--dtype",
        nargs="+",
        default=[],
        metavar="NAME=DTYPE",
        help="what a column becomes (class: the number of its name); DTYPE alone is for all inputs",
    )
    arrays.add_argument("--missing", choices=("error", "skip", "nan"), default="error")
    arrays.add_argument("--delimiter", metavar="CHARACTER", help="of CSV; default: what is there")
    arrays.add_argument("--encoding", default="utf-8", help="of CSV; default: utf-8")
    arrays.add_argument("--no-header", dest="header", action="store_false", help="of CSV")

    images = convert.add_argument_group("images")
    images.add_argument(
        "--resize", "--size", type=_size, metavar="HxW", help="scale them to one size"
    )
    images.add_argument("--any-size", action="store_true", help="keep different sizes")
    images.add_argument("--channels", choices=("keep", "grey", "rgb"), default="keep")
    images.add_argument("--bits", type=int, choices=(8,), help="the upper 8 of 16 bits")
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


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


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
    from .. import RecordDataset
    from .._convert._options import Options
    from .._convert._target import Target
    from ._convert import convert

    dtypes = dict(text.rpartition("=")[::2] for text in options.dtype)
    known = options.classes_of and RecordDataset(options.classes_of, mapped=False).class_names()
    read = Options(
        input=options.input,
        target=options.target,
        exclude=options.exclude,
        parts=options.parts,
        dtypes=dtypes,
        missing=options.missing,
        on_error=options.on_error,
        classes=known,
        resize=options.resize,
        any_size=options.any_size,
        channels=options.channels,
        bits=options.bits,
        delimiter=options.delimiter,
        encoding=options.encoding,
        header=options.header,
    )
    target = Target(options.destination, options.shards, options.record_version, options.overwrite)
    convert(options.source, target, read)
    return 0


def _bench(options: argparse.Namespace) -> int:
    from ._bench import bench

    bench(options.file, options.batch_size, options.workers)
    return 0


def _peek(options: argparse.Namespace) -> int:
    from ._peek import peek

    peek(options.file, options.index, options.out, options.overwrite)
    return 0
