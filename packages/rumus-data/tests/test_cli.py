"""The rumus-data command, run as a user would."""

import json
import struct
from pathlib import Path
from typing import Any

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


def test_inspect_cuts_nothing_short_and_names_the_parts_of_a_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    names = [f"class number {k}" for k in range(40)]
    with RecordWriter(tmp_path / "parts.rrec", metadata={"classes": names}) as writer:
        writer.append({"area": np.float32(1), "pixels": np.zeros((2, 3), np.uint8)})
    assert run("inspect", tmp_path / "parts.rrec") == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:] == [
        "  area: float32 scalar",
        "  pixels: uint8 2×3",
        "metadata:",
        f"  classes: {json.dumps(names)}",
    ]


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
    said = capsys.readouterr().err
    assert "is not complete" in said
    assert f"`rumus-data recover {path}` (in Python, " in said
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


def test_names_and_metadata_are_shown_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    path = tmp_path / "good[red].rrec"
    with RecordWriter(path, metadata={"prompt": "[/INST] [bold]hello"}) as writer:
        writer.append(1, 2)
    assert run("inspect", path) == 0
    shown = capsys.readouterr().out
    assert "[/INST] [bold]hello" in shown
    assert "good[red].rrec" in shown
    assert run("verify", path) == 0
    assert "good[red].rrec: 1 records" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["inspect", "verify", "recover"])
def test_a_file_that_cannot_be_used_does_not_hide_the_next(
    path: Path,
    tmp_path: Path,
    command: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    note = tmp_path / "note[" / "x].txt"
    note.parent.mkdir()
    note.write_text("no record file")
    assert run(command, tmp_path / "missing.rrec", note, path) == 1
    shown = capsys.readouterr()
    assert "digits.rrec" in shown.out
    assert "missing.rrec" in shown.err
    assert "note[/x].txt" in shown.out + shown.err


def test_a_conversion_that_fails_leaves_what_was_there(path: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.rrec"
    data = bytearray(path.read_bytes())
    data[300_000] ^= 1
    bad.write_bytes(data)
    before = path.read_bytes()
    assert run("convert", bad, path, "--overwrite") == 1
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.rrec", "digits.rrec"]
    assert run("convert", path, tmp_path / "x.rrec", "--record-version", 1) == 1
    assert not (tmp_path / "x.rrec").exists()
    assert run("convert", path, path, "--overwrite") == 0
    assert path.read_bytes() == before


def test_what_is_no_npz_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.npz"
    np.savez(source, input=np.array([None]), target=np.zeros(1))
    contents = [source.read_bytes(), b"junk", b"PK\3\4 broken", b""]
    for content in contents:
        source.write_bytes(content)
        assert run("convert", source, tmp_path / "out.rrec") == 1
        assert "no .npz of plain arrays" in capsys.readouterr().err


def test_arguments_that_make_no_sense_are_refused(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run("convert", "a", "b", "--size", "0x3")
    assert run("peek", path, 0, "--out", tmp_path / "seven") == 1
    assert "seven.png" in capsys.readouterr().err
    assert run("bench", path, "--batch-size", 10**11, "--workers", 0) == 0
    assert run("bench", path, "--batch-size", 0) == 1
    assert "batch_size" in capsys.readouterr().err


def test_samples_of_several_parts_are_shown_drawn_and_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with RecordWriter("a.rrec") as writer:
        for k in range(3):
            writer.append({"id": f"n{k}", "image": np.full((8, 8), k, np.uint8)})
    with RecordWriter("b.rrec") as writer:
        writer.append({"id": "m"})
    assert run("peek", "a.rrec", 2) == 0
    shown = capsys.readouterr().out
    for word in ("image: uint8 (8, 8)", "drawn to a-2.png", "id: 'n2'"):
        assert word in shown
    assert run("convert", "a.rrec", "c.rrec") == 0
    dataset: RecordDataset[dict[str, Any]] = RecordDataset("c.rrec")
    assert dataset[1]["id"] == "n1"
    assert dataset[1]["image"].tolist() == [[1] * 8] * 8
    assert run("convert", "a.rrec", "b.rrec", "d.rrec") == 1
    assert "samples of different structure" in capsys.readouterr().err
