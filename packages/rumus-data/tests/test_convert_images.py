"""Folders of images as record files, written by Pillow itself."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from rumus.data import RecordDataset, convert
from rumus.data._cli import main
from rumus.tensor import ArgumentError

image = pytest.importorskip("PIL.Image")

COLOURS = np.random.default_rng(0).integers(256, size=(6, 8, 3), dtype=np.uint8)
GREY = COLOURS[..., 0]
DEEP = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1300


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "images"


def save(path: Path, pixels: npt.NDArray[Any], **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.fromarray(pixels).save(path, **options)


def read(index: int = 0) -> npt.NDArray[Any]:
    dataset: RecordDataset[Any] = RecordDataset("out.rrec")
    return dataset.read(index)[0]


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("grey.png", GREY),
        ("grey.tif", GREY),
        ("deep.png", DEEP),
        ("deep.tif", DEEP),
        ("floats.tif", DEEP.astype(np.float32) / 7),
        ("bits.png", GREY > 99),
    ],
)
def test_one_channel_stays_one_with_all_of_its_bits(
    folder: Path, name: str, pixels: npt.NDArray[Any]
) -> None:
    save(folder / "a" / name, pixels)
    convert(folder, "out.rrec")
    expected = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    assert read().dtype == expected.dtype
    np.testing.assert_array_equal(read(), expected[None])


def test_the_upper_half_of_16_bits_can_be_asked_for(folder: Path) -> None:
    save(folder / "a" / "deep.png", DEEP)
    save(folder / "a" / "flat.png", GREY)
    with pytest.raises(ArgumentError, match=r"deep.png is more than 8 bits, .*--bits 8"):
        convert(folder, "out.rrec")
    convert(folder, "out.rrec", bits=8)
    np.testing.assert_array_equal(read(), (DEEP >> 8)[None])
    np.testing.assert_array_equal(read(1), GREY[None])


def test_colours_of_16_bits_are_not_cut_in_silence(folder: Path) -> None:
    (folder / "a").mkdir(parents=True)
    pixels = np.arange(12, dtype=">u2") * 5000
    (folder / "a" / "a.ppm").write_bytes(b"P6 2 2 65535\n" + pixels.tobytes())
    with pytest.raises(ArgumentError, match="more than 8 bits a colour"):
        convert(folder, "out.rrec")
    convert(folder, "out.rrec", bits=8)
    assert read().dtype == np.uint8 and read().shape == (3, 2, 2)


@pytest.mark.parametrize("kind", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_images_stand_upright_as_the_camera_says(folder: Path, kind: str, turn: int) -> None:
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8] = 255  # the upper left corner
    exif = image.Exif()
    exif[0x0112] = turn
    save(folder / "a" / f"a.{kind}", pixels, exif=exif)
    convert(folder, "out.rrec")
    turned = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: p.swapaxes(0, 1)[:, ::-1],
        7: lambda p: p.swapaxes(0, 1)[::-1, ::-1],
        8: lambda p: p.swapaxes(0, 1)[::-1],
    }[turn](pixels)
    np.testing.assert_allclose(read().transpose(1, 2, 0).astype(int), turned, atol=40)


def test_sizes_that_differ_are_refused_scaled_or_kept(folder: Path) -> None:
    save(folder / "a" / "a.png", COLOURS)
    save(folder / "b" / "b.png", COLOURS[:4])
    with pytest.raises(ArgumentError, match=r"a\.png is 6x8, .*b\.png is 4x8; --resize HxW"):
        convert(folder, "out.rrec")
    convert(folder, "out.rrec", resize=(5, 7))
    assert read(0).shape == read(1).shape == (3, 5, 7)
    convert(folder, "out.rrec", any_size=True, overwrite=True)
    assert read(1).shape == (3, 4, 8)
    turned = image.Exif()
    turned[0x0112] = 6  # a picture on its side has the size that it is seen with
    save(folder / "b" / "b.jpg", COLOURS.swapaxes(0, 1), exif=turned)
    (folder / "b" / "b.png").unlink()
    convert(folder, "out.rrec", overwrite=True)


def test_grey_scales_with_its_bits(folder: Path) -> None:
    save(folder / "a" / "a.png", np.full((6, 8), 40_000, np.uint16))
    convert(folder, "out.rrec", resize=(3, 4))
    assert read().dtype == np.uint16
    np.testing.assert_allclose(read(), 40_000, atol=1)


def test_grey_among_colours_is_refused_or_made_alike(folder: Path) -> None:
    save(folder / "a" / "a.png", COLOURS)
    save(folder / "a" / "b.png", GREY)
    with pytest.raises(ArgumentError, match=r"a\.png is colour, .*b\.png is grey; --channels"):
        convert(folder, "out.rrec")
    convert(folder, "out.rrec", channels="rgb")
    np.testing.assert_array_equal(read(1), [GREY] * 3)
    convert(folder, "out.rrec", channels="grey", overwrite=True)
    assert read(0).shape == read(1).shape == (1, 6, 8)
    np.testing.assert_array_equal(read(1), GREY[None])


def test_hidden_files_and_folders_are_no_classes(folder: Path) -> None:
    save(folder / "cats" / "a.png", COLOURS)
    (folder / "dogs").mkdir()
    save(folder / ".ipynb_checkpoints" / "a.png", COLOURS)
    save(folder / "__MACOSX" / "a.png", COLOURS)
    save(folder / "cats" / ".cache" / "a.png", COLOURS)
    (folder / "cats" / "._a.png").write_bytes(b"of macOS")
    assert convert(folder, "out.rrec").records == [1]
    assert RecordDataset("out.rrec").class_names() == ["cats", "dogs"]


def test_what_cannot_be_read_is_skipped_and_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        save(folder / "x" / f"{name}.png", COLOURS)
    (folder / "x" / "text.png").write_bytes(b"hello")
    whole = (folder / "x" / "b.png").read_bytes()
    (folder / "x" / "b.png").write_bytes(whole[:-60])
    with pytest.raises(ArgumentError, match=r"text\.png is no image .*--on-error skip"):
        convert(folder, "out.rrec")
    pytest.importorskip("rich")
    assert main(["convert", str(folder), "out.rrec", "--on-error", "skip", "--shards", "2"]) == 0
    shown = capsys.readouterr()
    assert "b.png" in shown.err and "text.png" in shown.err and "2 left out" in shown.out
    assert len(RecordDataset(sorted(Path().glob("out-*.rrec")))) == 2


def test_images_beside_each_other_are_told_where_to_go(folder: Path) -> None:
    save(folder / "a.png", COLOURS)
    with pytest.raises(ArgumentError, match="has 1 images beside each other and none in folders"):
        convert(folder, "out.rrec")


def test_the_command_numbers_classes_as_another_file_does(folder: Path) -> None:
    pytest.importorskip("rich")
    for name in ("ant", "bee", "cow"):
        save(folder / name / "a.png", COLOURS)
    assert main(["convert", str(folder), "train.rrec"]) == 0
    (folder / "ant" / "a.png").unlink()
    (folder / "ant").rmdir()
    assert main(["convert", str(folder), "out.rrec", "--classes-of", "train.rrec"]) == 0
    dataset: RecordDataset[Any] = RecordDataset("out.rrec")
    assert [dataset.read(k)[1].item() for k in range(2)] == [1, 2]
