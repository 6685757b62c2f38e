"""Folders of images, a folder a class (``rumus-data[cli]`` brings Pillow)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rumus.tensor import ArgumentError, RumusError

from ._naming import decoding, naming
from ._options import Options
from ._source import Sample, Samples, Skipped, Source, numbered

# what Pillow may take an image for: other formats of its run other programs
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
IMAGES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_GREY = frozenset(("1", "L", "LA", "La", "F", "I"))
_WIDE = frozenset(("F", "I"))  # the modes of more than 8 bits, beside those that begin with I;16
_ORIENTATION = 0x0112  # the tag of EXIF that says how the camera was held


class _Head(NamedTuple):
    """What an image says of itself before its pixels.

    Attributes:
        size: Height and width, as it is to be looked at.
        grey: Whether it has one channel.
        wide: Whether it has more than 8 bits a channel.
    """

    size: tuple[int, int]
    grey: bool
    wide: bool


def from_folder(folder: Path, options: Options) -> Source:
    """Images of shape (channels, height, width), with the number of their class.

    Each folder inside is a class; classes are sorted by name, and images by path.

    Raises:
        ArgumentError: There are no images in folders, they are not alike, or one cannot be read.
    """
    files = _files(folder)
    labels = numbered(_class_names(folder), options.classes, folder)
    numbers = {name: np.asarray(k, np.int32) for k, name in enumerate(labels)}
    heads = {file: _head(file, options) for file in files}
    _check_alike({f: head for f, head in heads.items() if isinstance(head, _Head)}, options)
    samples = _samples(folder, heads, numbers, options)
    return Source(len(files), samples, {"classes": labels})


def _samples(
    folder: Path,
    heads: dict[Path, _Head | Skipped],
    numbers: dict[str, npt.NDArray[np.int32]],
    options: Options,
) -> Samples:
    for file, head in heads.items():
        if isinstance(head, Skipped):
            yield head
            continue
        try:
            pixels = _pixels(file, options)
        except RumusError as error:
            if options.on_error == "error":
                raise
            yield Skipped(str(file), str(error))
        else:
            yield Sample(str(file), (pixels, numbers[file.relative_to(folder).parts[0]]))


def _class_names(folder: Path) -> set[str]:
    names = {path.name for path in folder.iterdir() if path.is_dir() and not _hidden(path.name)}
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ArgumentError(
                f"{folder / name} is no name for a class, for it is not UTF-8"
            ) from None
    return names


def _files(folder: Path) -> list[Path]:
    def is_image(path: Path) -> bool:
        return (
            path.suffix.lower() in IMAGES
            and not any(map(_hidden, path.relative_to(folder).parts))
            and path.is_file()
        )

    files = [
        file
        for name in sorted(_class_names(folder))
        for file in sorted((folder / name).rglob("*"))
        if is_image(file)
    ]
    if files:
        return files
    loose = sum(is_image(path) for path in folder.iterdir())
    if loose:
        raise ArgumentError(
            f"{folder} has {loose} images beside each other and none in folders named by class; "
            f"put those of each class into a folder of its name, such as {folder / 'cats'}"
        )
    raise ArgumentError(
        f"{folder} has no images in folders named by class; images are {', '.join(sorted(IMAGES))}"
    )


def _hidden(name: str) -> bool:
    """Whether a name is one that systems and editors make for themselves."""
    return name.startswith(".") or name == "__MACOSX"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from PIL import Image, UnidentifiedImageError

    with naming(path), open(path, "rb") as file, decoding(path, "image that can be read"):
        try:
            image = Image.open(file, formats=_FORMATS)
        except UnidentifiedImageError:
            size = path.stat().st_size
            raise ValueError(f"its {size} bytes are none of {', '.join(_FORMATS)}") from None
        with image:
            yield image


def _head(path: Path, options: Options) -> _Head | Skipped:
    try:
        with _opened(path) as image:
            height, width = image.size[::-1]
            # a PNG without EXIF in front would be decoded to look behind its pixels
            exif = image.getexif() if image.format != "PNG" or "exif" in image.info else {}
            turned = exif.get(_ORIENTATION, 1) in (5, 6, 7, 8)
            mode = image.mode
            wide = mode in _WIDE or mode.startswith("I;16") or _cut_to_8_bits(image)
            grey = mode in _GREY or mode.startswith("I;16")
            return _Head((width, height) if turned else (height, width), grey, wide)
    except RumusError as error:
        if options.on_error == "error":
            raise ArgumentError(f"{error}; --on-error skip leaves such images out") from error
        return Skipped(str(path), str(error))


def _cut_to_8_bits(image: Any) -> bool:
    """Whether Pillow reads only the upper half of each 16 bits, as it does of colours."""
    arguments = image.tile[0].args if image.tile else ""
    if isinstance(arguments, tuple):  # PPM: the mode and the largest value
        return image.mode != "I" and any(isinstance(a, int) and a > 255 for a in arguments)
    return isinstance(arguments, str) and ";16" in arguments and not image.mode.startswith("I;16")


def _check_alike(heads: dict[Path, _Head], options: Options) -> None:
    """Refuse images of several sizes, channels or numbers of bits, if that was not asked for."""
    if not options.any_size and options.resize is None:
        _check_one(
            {f: f"{h.size[0]}x{h.size[1]}" for f, h in heads.items()},
            "--resize HxW (resize=(h, w)) scales them to one size, and --any-size "
            "(any_size=True) keeps them as they are",
        )
    if options.channels == "keep":
        _check_one(
            {f: "grey" if h.grey else "colour" for f, h in heads.items()},
            "--channels grey or rgb (channels=) makes them alike",
        )
    for file, head in heads.items():
        colours = not head.grey or options.channels == "rgb"
        if head.wide and options.bits is None and colours:
            raise ArgumentError(
                f"{file} has more than 8 bits a colour, which Pillow cannot keep; --bits 8 "
                "(bits=8) takes the upper 8"
            )
    if options.bits is None:
        _check_one(
            {f: "more than 8 bits" if h.wide else "8 bits" for f, h in heads.items()},
            "--bits 8 (bits=8) takes the upper 8 of each",
        )


def _check_one(kinds: dict[Path, str], advice: str) -> None:
    firsts: dict[str, Path] = {}
    for file, kind in kinds.items():
        firsts.setdefault(kind, file)
    if len(firsts) > 1:
        (one, first), (other, second), *more = firsts.items()
        others = f" and {len(more)} other kinds" if more else ""
        raise ArgumentError(
            f"the images differ: {first} is {one}, {second} is {other}{others}; {advice}"
        )


def _pixels(path: Path, options: Options) -> npt.NDArray[Any]:
    from PIL import Image, ImageOps

    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image)
        grey = upright.mode in _GREY or upright.mode.startswith("I;16")
        if options.bits == 8 and grey:
            upright = _upper_bits(upright)
        if not grey or options.channels == "rgb":
            upright = upright.convert("L" if options.channels == "grey" else "RGB")
        elif upright.mode in ("1", "LA", "La"):
            upright = upright.convert("L")
        if options.resize is not None:
            upright = upright.resize(options.resize[::-1], Image.Resampling.BICUBIC)
        pixels = np.asarray(upright)
        pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return np.ascontiguousarray(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def _upper_bits(image: Any) -> Any:
    """The upper 8 of 16 bits, which ``convert("L")`` would not take but clip to.

    Raises:
        ArgumentError: The pixels are no 16 bits.
    """
    from PIL import Image

    if image.mode == "F":
        raise ArgumentError("pixels that are floats have no upper 8 bits; leave out --bits 8")
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.size and not 0 <= values.min() <= values.max() < 1 << 16:
            raise ArgumentError("the pixels have more than 16 bits; leave out --bits 8")
        return Image.fromarray((values >> 8).astype(np.uint8))
    return image
