"""``rumus-data convert``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, DTypeError, RumusError, ShapeError

from .. import ArrayDataset, RecordDataset, RecordWriter
from .._item import as_array, raw_parts
from .._rrec._file import check_regular
from .._rrec._partial import partial_of
from .._rrec._sink import sync_folder
from ._files import decoding, naming
from ._text import say

# what Pillow may take an image for: other formats of its run other programs
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
IMAGES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))
_MOST_SHARDS = 99_999  # their names have five digits


@dataclass(frozen=True)
class Target:
    """What to write.

    Attributes:
        path: The file; of several, the pattern ``NAME-00000-of-00004.rrec`` is made of it.
        shards: The number of files.
        version: The version of the format.
        overwrite: Whether files that exist are replaced.
    """

    path: Path
    shards: int
    version: int
    overwrite: bool

    def paths(self) -> list[Path]:
        """The files to write.

        Raises:
            ArgumentError: There are too few or too many, or one exists and is not to be replaced.
        """
        paths = self._names()
        for path in paths:
            if os.path.lexists(path) and not path.is_file():
                raise ArgumentError(f"{path} exists, and is no regular file")
            if path.exists() and not self.overwrite:
                raise ArgumentError(f"{path} exists; --overwrite replaces it")
        return paths

    def _names(self) -> list[Path]:
        if not 1 <= self.shards <= _MOST_SHARDS:
            raise ArgumentError(f"--shards must be from 1 to {_MOST_SHARDS}, not {self.shards}")
        if self.shards == 1:
            return [self.path]
        stem, suffix = self.path.stem, self.path.suffix
        return [
            self.path.with_name(f"{stem}-{k:05}-of-{self.shards:05}{suffix}")
            for k in range(self.shards)
        ]


class Sample(NamedTuple):
    """What becomes a record.

    Attributes:
        name: Where it comes from, for errors.
        input: The input.
        target: The target.
    """

    name: str
    input: npt.NDArray[Any]
    target: npt.NDArray[Any]


class Source(NamedTuple):
    """What to read.

    Attributes:
        length: The number of samples.
        samples: One sample after the other.
        metadata: What is known about them.
    """

    length: int
    samples: Iterator[Sample]
    metadata: dict[str, Any]


def convert(
    sources: Sequence[Path], target: Target, names: tuple[str, str], size: tuple[int, int] | None
) -> None:
    """Write record files with the samples of an .npz, a folder of images, or record files.

    Files get their names when all of them are complete; until then those that exist stay.

    Args:
        sources: One .npz file, one folder, or any number of record files.
        target: What to write. The samples are spread evenly, in order.
        names: The arrays of the .npz that hold inputs and targets.
        size: The height and the width to scale images to; by default they keep their own.
    """
    paths = target.paths()
    source = _opened(sources, names, size)
    ends = [source.length * k // len(paths) for k in range(len(paths) + 1)]
    made = [path.with_name(f".{path.name}.new") for path in paths]
    with ExitStack() as leftovers:
        # The first file is finished last: until then another conversion to it is refused.
        with _new(made[0], target.version, source, leftovers) as first:
            _fill(first, source, ends[1])
            for k, path in enumerate(made[1:], 1):
                with _new(path, target.version, source, leftovers) as writer:
                    _fill(writer, source, ends[k + 1] - ends[k])
        for k, (path, new) in enumerate(zip(paths, made, strict=True)):
            new.replace(path)
            say(f"{path}: {ends[k + 1] - ends[k]} records")
        sync_folder(paths[0])


def _new(path: Path, version: int, source: Source, leftovers: ExitStack) -> RecordWriter:
    """A writer of a file that is removed in the end, unless it was given another name."""
    metadata = source.metadata if version == 2 else None
    writer = RecordWriter(path, version, overwrite=True, metadata=metadata)
    for leftover in (path, partial_of(path)):
        leftovers.callback(leftover.unlink, missing_ok=True)
    return writer


def _fill(writer: RecordWriter, source: Source, count: int) -> None:
    for _ in range(count):
        sample = next(source.samples)
        try:
            writer.append(sample.input, sample.target)
        except (DTypeError, ShapeError) as error:
            raise RumusError(f"{sample.name}: {error}") from error
        except MemoryError as error:
            raise RumusError(f"{sample.name} needs more memory than there is") from error


def _opened(
    sources: Sequence[Path], names: tuple[str, str], size: tuple[int, int] | None
) -> Source:
    first = sources[0]
    if len(sources) == 1 and first.is_dir():
        return _images(first, size)
    if len(sources) == 1 and first.suffix == ".npz":
        with naming(first):
            return _npz(first, names)
    return _records(sources)


def _records(paths: Sequence[Path]) -> Source:
    datasets = [RecordDataset(path, mapped=False) for path in paths]
    RecordDataset(paths, mapped=False)  # refuses files whose samples differ in structure
    samples = (
        Sample(f"{path}, record {k}", *dataset.read(k))
        for path, dataset in zip(paths, datasets, strict=True)
        for k in range(len(dataset))
    )
    return Source(sum(map(len, datasets)), samples, datasets[0].metadata)


def _npz(path: Path, names: tuple[str, str]) -> Source:
    check_regular(path)
    with (
        open(path, "rb") as file,
        decoding(path, ".npz of plain arrays"),
        np.load(file, allow_pickle=False) as arrays,
    ):
        missing = [name for name in names if name not in arrays]
        if missing:
            raise ArgumentError(
                f"{path} has no array {missing[0]!r}; it has {', '.join(arrays)} "
                "(--input and --target choose)"
            )
        inputs, targets = arrays[names[0]], arrays[names[1]]
    dataset = ArrayDataset(inputs, targets)
    if len(dataset) and not (inputs.nbytes or targets.nbytes):
        raise ArgumentError(f"{path} claims {len(dataset)} samples without a byte in them")
    items = (raw_parts(dataset[k]) for k in range(len(dataset)))
    samples = (
        Sample(f"{path}, sample {k}", as_array(x), as_array(y)) for k, (x, y) in enumerate(items)
    )
    return Source(len(dataset), samples, {})


def _images(folder: Path, size: tuple[int, int] | None) -> Source:
    """Images as uint8 of shape (3, height, width), with the number of their class.

    Each folder inside is a class; classes and images are sorted by name.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [
        (file, number)
        for number, path in enumerate(classes)
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in IMAGES and file.is_file()
    ]
    if not files:
        raise ArgumentError(f"{folder} has no images in folders named by class")
    for path in classes:
        try:
            path.name.encode()
        except UnicodeEncodeError:
            raise ArgumentError(f"{path} is no name for a class, for it is not UTF-8") from None
    samples = (
        Sample(str(file), _image(file, size), np.asarray(number, np.int32))
        for file, number in files
    )
    return Source(len(files), samples, {"classes": [path.name for path in classes]})


def _image(path: Path, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    from PIL import Image

    with (
        naming(path),
        open(path, "rb") as file,
        decoding(path, "image that can be read"),
        Image.open(file, formats=_FORMATS) as image,
    ):
        colours = image.convert("RGB")
        if size is not None:
            colours = colours.resize(size[::-1])
        return np.ascontiguousarray(np.asarray(colours).transpose(2, 0, 1))
