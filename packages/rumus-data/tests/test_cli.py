"""The rumus-data command, run as a user would."""

import struct
from pathlib import Path

import numpy as np
import pytest

from rumus.data import RecordDataset, RecordWriter
from rumus.data._cli import main

pytest.importorskip("rich")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "digits.rrec"
    random = np.random.default_rng(0)
    with RecordWriter(path, metadata={"classes": 10}) as writer:
        writer.append_batch(
            random.integers(256, size=(500, 28, 28), dtype=np.uint8), np.arange(500) % 10
        )
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_inspect_shows_the_schema(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", path) == 0
    shown = capsys.readouterr().out
    for word in ("500", "uint8", "28×28", "int64"):
        assert word in shown


def test_verify_tells_good_from_damaged(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", path) == 0
    assert "500 records" in capsys.readouterr().out
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    assert run("verify", path) == 1
    assert "does not match its checksum" in capsys.readouterr().out


def test_recover_completes_a_cut_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(path.read_bytes()[:100_000])
    assert run("inspect", path) == 1
    assert "is not complete" in capsys.readouterr().err
    assert run("recover", path) == 0
    records = len(RecordDataset(path))
    assert f"{records} records" in capsys.readouterr().out
    assert records == (100_000 - 192) // 896
    assert run("recover", path) == 0
    assert "complete already" in capsys.readouterr().out


def test_convert_an_npz_into_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10)
    np.savez(tmp_path / "a.npz", images=x, labels=y)
    arguments = ("convert", tmp_path / "a.npz", tmp_path / "out.rrec")

    assert run(*arguments) == 1
    assert "has no array 'input'; it has images, labels" in capsys.readouterr().err
    assert run(*arguments, "--input", "images", "--target", "labels", "--shards", 3) == 0

    shards = sorted(tmp_path.glob("out-*-of-00003.rrec"))
    assert [len(RecordDataset(shard)) for shard in shards] == [3, 3, 4]
    whole = RecordDataset(shards)
    np.testing.assert_array_equal(np.stack([whole.read(k)[0] for k in range(10)]), x)


def test_convert_version_1_to_2_and_back(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "one.rrec", version=1) as writer:
        for k in range(5):
            writer.append(np.full(k, k, np.float32), np.float32(k))
    assert run("convert", tmp_path / "one.rrec", tmp_path / "two.rrec") == 0
    again = tmp_path / "again.rrec"
    assert run("convert", tmp_path / "two.rrec", again, "--record-version", 1) == 0

    assert struct.unpack("<I", (tmp_path / "two.rrec").read_bytes()[4:8]) == (2,)
    assert again.read_bytes() == (tmp_path / "one.rrec").read_bytes()


def test_convert_refuses_to_replace_a_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("convert", path, path) == 1
    assert "overwrite" in capsys.readouterr().err
    assert RecordDataset(path).verify() == 500


def test_convert_a_folder_of_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(256, size=(6, 8, 3), dtype=np.uint8)
    for name in ("cats/b", "cats/a", "dogs/a"):
        file = tmp_path / "images" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(pixels + len(name)).save(file)
    out = tmp_path / "out.rrec"

    assert run("convert", tmp_path / "images", out) == 0
    dataset = RecordDataset(out)
    assert dataset.metadata == {"classes": ["cats", "dogs"]}
    np.testing.assert_array_equal(dataset.read(2)[0], (pixels + 6).transpose(2, 0, 1))
    assert [int(dataset.read(k)[1]) for k in range(3)] == [0, 0, 1]
    assert run("convert", tmp_path / "images", out, "--size", "4x5", "--overwrite") == 0
    assert RecordDataset(out).read(0)[0].shape == (3, 4, 5)


def test_peek_draws_images_and_prints_the_rest(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    assert run("peek", path, 7, "--out", tmp_path / "seven.png") == 0
    with image.open(tmp_path / "seven.png") as drawn:
        np.testing.assert_array_equal(np.asarray(drawn), RecordDataset(path).read(7)[0])

    with RecordWriter(tmp_path / "b.rrec") as writer:
        writer.append([1.5, 2.5], 3)
    assert run("peek", tmp_path / "b.rrec", 0) == 0
    assert "[1.5 2.5]" in capsys.readouterr().out
    assert run("peek", tmp_path / "b.rrec", 1) == 1
    assert "index 1 is outside a data set of 1 samples" in capsys.readouterr().err


def test_bench_compares_with_the_gather(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", path, "--workers", 0, 1) == 0
    shown = capsys.readouterr().out
    assert "gather limit (one thread)" in shown
    assert "loader, 1 workers" in shown


def test_wrong_arguments_say_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("convert", "a", "b", "--size", "large")
    assert "HEIGHTxWIDTH" in capsys.readouterr().err
