"""``rumus-data convert``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, RumusError

from .. import ArrayDataset, RecordDataset, RecordWriter
from .._item import as_array, raw_parts

IMAGES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"))

Pair = tuple[npt.NDArray[Any], npt.NDArray[Any]]


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
            ArgumentError: Their number is below 1.
        """
        if self.shards < 1:
            raise ArgumentError(f"--shards must be at least 1, not {self.shards}")
        if self.shards == 1:
            return [self.path]
        stem, suffix = self.path.stem, self.path.suffix
        return [
            self.path.with_name(f"{stem}-{k:05}-of-{self.shards:05}{suffix}")
            for k in range(self.shards)
        ]


class Source(NamedTuple):
    """What to read.

    Attributes:
        samples: Their number.
        pairs: Inputs and targets, one sample after the other.
        metadata: What is known about them.
    """

    samples: int
    pairs: Iterator[Pair]
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
    taken = [path for path in paths if path.exists()]
    if taken and not target.overwrite:
        raise ArgumentError(f"{taken[0]} exists; --overwrite replaces it")
    source = _opened(sources, names, size)
    shares = [
        source.samples * (k + 1) // len(paths) - source.samples * k // len(paths)
        for k in range(len(paths))
    ]
    made = [path.with_name(f".{path.name}.new") for path in paths]
    try:
        for path, share in zip(made, shares, strict=True):
            _write(path, target.version, source, share)
        for path, new, share in zip(paths, made, shares, strict=True):
            new.replace(path)
            print(f"{path}: {share} records")
    finally:
        for new in made:
            new.unlink(missing_ok=True)


def _write(path: Path, version: int, source: Source, count: int) -> None:
    metadata = source.metadata if version == 2 else None
    with RecordWriter(path, version, overwrite=True, metadata=metadata) as writer:
        for _ in range(count):
            writer.append(*next(source.pairs))


def _opened(
    sources: Sequence[Path], names: tuple[str, str], size: tuple[int, int] | None
) -> Source:
    first = sources[0]
    if len(sources) == 1 and first.is_dir():
        return _images(first, size)
    if len(sources) == 1 and first.suffix == ".npz":
        return _npz(first, names)
    dataset = RecordDataset(sources)
    pairs = (dataset.read(k) for k in range(len(dataset)))
    return Source(len(dataset), pairs, dataset.metadata)


def _npz(path: Path, names: tuple[str, str]) -> Source:
    try:
        with open(path, "rb") as file, np.load(file) as arrays:
            missing = [name for name in names if name not in arrays]
            if missing:
                raise ArgumentError(
                    f"{path} has no array {missing[0]!r}; it has {', '.join(arrays)} "
                    "(--input and --target choose)"
                )
            dataset = ArrayDataset(arrays[names[0]], arrays[names[1]])
    except (ValueError, TypeError, BadZipFile, EOFError) as error:
        if isinstance(error, RumusError):
            raise
        raise ArgumentError(f"{path} is no .npz of plain arrays: {error}") from error
    items = (raw_parts(dataset[k]) for k in range(len(dataset)))
    return Source(len(dataset), ((as_array(x), as_array(y)) for x, y in items), {})


def _images(folder: Path, size: tuple[int, int] | None) -> Source:
    """Images as uint8 of shape (3, height, width), with the number of their class.

    Each folder inside is a class; classes and images are sorted by name.
    """
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    files = [
        (file, number)
        for number, path in enumerate(classes)
        for file in sorted(path.rglob("*"))
        if file.suffix.lower() in IMAGES
    ]
    if not files:
        raise ArgumentError(f"{folder} has no images in folders named by class")
    pairs = ((_image(file, size), np.asarray(number, np.int32)) for file, number in files)
    return Source(len(files), pairs, {"classes": [path.name for path in classes]})


def _image(path: Path, size: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as image:
        colours = image.convert("RGB")
    if size is not None:
        colours = colours.resize(size[::-1])
    return np.ascontiguousarray(np.asarray(colours).transpose(2, 0, 1))
