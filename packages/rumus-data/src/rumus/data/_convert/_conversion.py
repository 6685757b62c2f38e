"""Record files of other files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from rumus.tensor import DTypeError, RumusError, ShapeError

from .._errors import DatasetError, RecordWriteError
from .._rrec._partial import partial_of
from .._rrec._sink import sync_folder
from .._rrec._writer import RecordWriter
from ._inputs import opened
from ._options import Channels, Missing, OnError, Options
from ._source import Skipped, Source
from ._target import Target

PathLike: TypeAlias = str | os.PathLike[str]


class Conversion(NamedTuple):
    """What was written.

    Attributes:
        paths: The record files.
        records: The number of records in each of them.
        skipped: What was left out, as texts that name it and the reason.

    Example:
        >>> np.save("x.npy", np.zeros((5, 2)))
        >>> done = convert("x.npy", "x.rrec", shards=2)
        >>> done.records, done.paths[0].name
        ([2, 3], 'x-00000-of-00002.rrec')
    """

    paths: list[Path]
    records: list[int]
    skipped: list[str]


def convert(
    source: PathLike | Iterable[PathLike],
    destination: PathLike,
    *,
    input: Sequence[str] | None = None,
    target: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    parts: bool = False,
    dtypes: str | Mapping[str, str] | None = None,
    missing: Missing = "error",
    on_error: OnError = "error",
    classes: Sequence[str] | None = None,
    resize: tuple[int, int] | None = None,
    any_size: bool = False,
    channels: Channels = "keep",
    bits: Literal[8] | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    header: bool = True,
    shards: int = 1,
    overwrite: bool = False,
    version: int = 2,
) -> Conversion:
    r"""Write a record file of data in another form, as the command ``rumus-data convert`` does.

    Tables (CSV; Parquet, Arrow and Feather with ``rumus-data[arrow]``) give an input, the vector of
    the numbers of all columns but the target, and a target; text in the target becomes the numbers
    of classes. A column of arrays may be the input alone. Of a CSV file, a column whose cells are
    all whole numbers is int32, of other numbers float32, of true and false bool, and else text;
    numbers with a leading zero are text. The other files say themselves what they hold. An
    ``.npz`` gives an array of inputs and one of targets, two ``.npy`` the same, and one ``.npy``
    samples. A folder gives its images, uint8 (uint16 of 16 bits, grey alone) of shape (channels,
    height, width), turned as the camera says, with the folder inside as the class. Record files
    are put together.

    ``RecordDataset(path).class_names()`` has the names of the classes, in the order of their
    numbers: sorted, whole numbers by value.

    Args:
        source: A file or a folder, or several files of one kind, in order.
        destination: The record file to make; of several, ``NAME-00000-of-00004.rrec`` are.
        input: The columns that make the input, or the array; by default all that are left.
        target: The columns that make the target, or the array; by default "target" or "label".
        exclude: Columns that are left out.
        parts: Whether a sample is a dict of all columns or arrays, with text as it is.
        dtypes: What columns become, by name: a dtype, "class" or "text"; a single dtype is that of
            all numbers of the input.
        missing: What happens where a cell is empty (of numbers also NA, N/A, NaN or null): an
            error, the row is skipped, or it is NaN, in columns that are floats then.
        on_error: What happens with an image or a row that cannot be read.
        classes: The names of classes in their order, for example
            ``RecordDataset("train.rrec").class_names()``; others are refused.
        resize: The height and the width to scale images to. Sizes that differ are refused else.
        any_size: Whether images of different sizes are kept as they are.
        channels: "grey" or "rgb" makes images that; "keep" refuses a mixture.
        bits: 8 takes the upper 8 of 16 bits.
        delimiter: What stands between the cells of a CSV file; by default the first of comma,
            semicolon, tab and ``|`` that is in its first line.
        encoding: How a CSV file is encoded.
        header: Whether the first row of a CSV file has the names of its columns.
        shards: The number of files; samples are spread evenly, in order.
        overwrite: Whether files that exist are replaced.
        version: The version of the format.

    Returns:
        What was written. Files get their names when all of them are complete; until then those
        that exist stay.

    Raises:
        ArgumentError: It is no input, or the options do not fit it.
        FileNotFoundError: It is not there.
        ModuleNotFoundError: pyarrow or Pillow is needed and not installed.
        RumusError: A sample cannot be a record.

    Example:
        >>> with open("pets.csv", "w") as file:
        ...     _ = file.write("weight,age,label\n4.5,3,cat\n30,5,dog\n")
        >>> convert("pets.csv", "pets.rrec").records
        [2]
        >>> pets = RecordDataset("pets.rrec")
        >>> x, y = pets[1]
        >>> x.tolist(), pets.class_names()[y.item()]
        ([30.0, 5.0], 'dog')
    """
    options = Options(
        input=input,
        target=target,
        exclude=exclude,
        parts=parts,
        dtypes={"": dtypes} if isinstance(dtypes, str) else dict(dtypes or {}),
        missing=missing,
        on_error=on_error,
        classes=classes,
        resize=resize,
        any_size=any_size,
        channels=channels,
        bits=bits,
        delimiter=delimiter,
        encoding=encoding,
        header=header,
    )
    sources = [source] if isinstance(source, (str, os.PathLike)) else list(source)
    return written(sources, Target(Path(destination), shards, version, overwrite), options)


def written(sources: Sequence[PathLike], target: Target, options: Options) -> Conversion:
    """Write the record files of sources."""
    paths = target.paths()
    source = opened([Path(path) for path in sources], options)
    ends = [source.length * k // len(paths) for k in range(len(paths) + 1)]
    made = [path.with_name(f".{path.name}.new") for path in paths]
    done = Conversion(paths, [0] * len(paths), [])
    with _without_leftovers(paths[0]) as leftovers:
        # The first file is finished last: until then another conversion to it is refused.
        with _new(made[0], target.version, source, leftovers) as first:
            _fill(first, source, ends[1], done, 0)
            for k, path in enumerate(made[1:], 1):
                with _new(path, target.version, source, leftovers) as writer:
                    _fill(writer, source, ends[k + 1] - ends[k], done, k)
        for path, new in zip(paths, made, strict=True):
            new.replace(path)
        sync_folder(paths[0])
    return done


@contextmanager
def _without_leftovers(path: Path) -> Iterator[ExitStack]:
    """What is done in the end, also behind a write that failed: then nothing is to be recovered."""
    with ExitStack() as leftovers:
        try:
            yield leftovers
        except RecordWriteError as error:
            reason = str(error.strerror).partition("; ")[0]
            raise RecordWriteError(
                error.errno,
                f"{reason}; nothing was converted, and what was there before stays",
                str(path),
            ) from error.__cause__


def _new(path: Path, version: int, source: Source, leftovers: ExitStack) -> RecordWriter:
    """A writer of a file that is removed in the end, unless it was given another name."""
    metadata = source.metadata if version == 2 else None
    writer = RecordWriter(path, version, overwrite=True, metadata=metadata)
    for leftover in (path, partial_of(path)):
        leftovers.callback(leftover.unlink, missing_ok=True)
    return writer


def _fill(writer: RecordWriter, source: Source, count: int, done: Conversion, shard: int) -> None:
    for _ in range(count):
        sample = next(source.samples)
        if isinstance(sample, Skipped):
            done.skipped.append(str(sample))
            continue
        try:
            writer.append(*sample.parts)
        except (DTypeError, ShapeError, DatasetError) as error:
            raise RumusError(f"{sample.name}: {error}") from error
        except MemoryError as error:
            raise RumusError(f"{sample.name} needs more memory than there is") from error
    done.records[shard] = len(writer)
