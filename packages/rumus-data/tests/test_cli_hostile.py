"""The rumus-data command and files, names and terminals that mean it no good."""

import io
import os
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rumus.data import RecordDataset, RecordWriter
from rumus.data._cli import main
from rumus.data._cli._text import printable

pytest.importorskip("rich")
image = pytest.importorskip("PIL.Image")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def record_file(path: Path, **metadata: object) -> Path:
    with RecordWriter(path, overwrite=True, metadata=metadata) as writer:
        writer.append(np.arange(64, dtype=np.uint8).reshape(8, 8), 1)
    return path


def picture(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(256, size=(20, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def png(width: int, height: int, data: bytes, *others: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), *others, (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


IMAGES = {
    "cut.png": picture("PNG")[:-40],
    "cut.jpg": picture("JPEG")[:-400],
    "cut.gif": picture("GIF")[:-40],
    "cut.tif": picture("TIFF")[:40],
    "cut.webp": picture("WEBP")[:100],
    "empty.bmp": b"",
    "text.png": b"hello",
    "bomb.png": png(60_000, 60_000, zlib.compress(bytes(1000))),
    "large.png": png(12_000, 12_000, b"junk"),
    "junk.png": png(8, 8, b"this is no stream of zlib"),
    "text_bomb.png": png(8, 8, b"", (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27)))),
    "program.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n",
    "palette.png": png(8, 8, b"").replace(b"\x08\x02\0\0\0", b"\x08\x03\0\0\0"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images" / "class"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(picture("PNG"))
    (folder / name).write_bytes(IMAGES[name])
    assert run("convert", tmp_path / "images", tmp_path / "out.rrec", "--any-size") == 1
    said = capsys.readouterr().err
    assert f"{name} is no image that can be read" in said
    assert "BufferedReader" not in said
    assert os.listdir(tmp_path) == ["images"]


def test_what_a_decoder_only_warns_about_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "class"
    folder.mkdir(parents=True)
    grey = image.fromarray(np.zeros((5, 5), np.uint8)).convert("P")
    grey.save(folder / "a.png", transparency=bytes(range(256)))
    (folder / "folder.png").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "fifo.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run("convert", tmp_path / "images", tmp_path / "out.rrec") == 0
    assert len(RecordDataset(tmp_path / "out.rrec")) == 1


def npy(shape: str, dtype: str = "<f8", data: bytes = b"") -> bytes:
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head + data


def npz(input: bytes, target: bytes = npy("(2,)", data=bytes(16)), method: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("input.npy", input)
        archive.writestr("target.npy", target)
    return buffer.getvalue()


def changed(data: bytes, local: int, central: int, value: int) -> bytes:
    """Another byte in both headers of the first member of an archive."""
    result = bytearray(data)
    result[local] = result[data.index(b"PK\1\2") + central] = value
    return bytes(result)


def bent(data: bytes) -> bytes:
    """Bytes of the first member's contents that no inflater takes."""
    start = data.index(b"input.npy") + 9
    return data[:start] + b"\xff" * 8 + data[start + 8 :]


GOOD = npy("(2,)", data=bytes(16))
ARCHIVES = {
    "encrypted": changed(npz(GOOD), 6, 8, 1),
    "unknown method": changed(npz(GOOD), 8, 10, 97),
    "new version": changed(npz(GOOD), 4, 6, 255),
    "bent zlib": bent(npz(GOOD, method=zipfile.ZIP_DEFLATED)),
    "bent bzip2": bent(npz(GOOD, method=zipfile.ZIP_BZIP2)),
    "bent lzma": bent(npz(GOOD, method=zipfile.ZIP_LZMA)),
    "huge": npz(npy("(1000000000000000,)")),
    "endless": npz(npy("(1000000000000000, 0)"), npy("(1000000000000000, 0)")),
    "beyond": npz(npy("(9223372036854775808,)")),
    "negative": npz(npy("(-1,)")),
    "objects": npz(npy("(2,)", "|O")),
    "no axis": npz(npy("()", data=bytes(8))),
    "other length": npz(npy("(3,)", data=bytes(24))),
    "no array": npz(b"junk"),
    "cut": npz(GOOD)[:-30],
    "cut within": npz(npy("(2,)", data=bytes(9))),
    "expression": npz(npy("(10**9,)")),
    "deep": npz(npy("(" * 500 + ")" * 500)),
    "plain": GOOD,
    "comment": npz(GOOD) + b"PK\5\6" + bytes(18),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(ARCHIVES[name])
    assert run("convert", path, tmp_path / "out.rrec") == 1
    said = capsys.readouterr().err
    assert said.startswith("rumus-data: ") and "a.npz" in said and said.count("\n") == 1
    assert os.listdir(tmp_path) == ["a.npz"]


def test_a_record_that_does_not_fit_is_named_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [record_file(tmp_path / name) for name in ("a.rrec", "b.rrec")]
    with RecordWriter(sources[0], version=1, overwrite=True) as writer:
        writer.append(np.zeros(3, np.float32), np.float32(1))
    assert run("convert", *sources, tmp_path / "out.rrec", "--record-version", 1) == 1
    assert "b.rrec, record 0: the input has dtype uint8" in capsys.readouterr().err
    assert run("peek", sources[1], 5) == 1
    assert "b.rrec: index 5 is outside" in capsys.readouterr().err


EVIL = "a\x1b[31m\u202eb\u2066\n\x9b\x07"
ESCAPED = r"a\x1b[31m\u202eb\u2066\n\x9b\x07"


def test_nothing_printed_controls_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    path = record_file(tmp_path / f"{EVIL}.rrec", **{EVIL: EVIL})
    (tmp_path / f"{EVIL}.txt").write_text(EVIL)
    commands: list[tuple[object, ...]] = [
        ("inspect", path),
        ("verify", path, tmp_path / f"{EVIL}.txt", tmp_path / f"{EVIL}none"),
        ("recover", path, tmp_path / f"{EVIL}.txt"),
        ("peek", path, 0, "--out", tmp_path / f"{EVIL}.png"),
        ("peek", path, 0, "--out", tmp_path / EVIL),
        ("convert", path, tmp_path / f"{EVIL}out.rrec"),
        ("convert", path, path),
        ("bench", tmp_path / f"{EVIL}.txt"),
    ]
    for command in commands:
        run(*command)
        shown = "".join(capsys.readouterr())
        assert ESCAPED in shown or repr(EVIL)[1:-1] in shown
        assert all(letter.isprintable() or letter == "\n" for letter in shown)
    with pytest.raises(SystemExit):
        run("peek", path, 0, EVIL)
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize("letter", ["a", "ż", "写", " ", "\u3000", "😀", "\\"])
def test_letters_of_every_language_are_printed_as_they_are(letter: str) -> None:
    assert printable(letter) == letter


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
@pytest.mark.parametrize("coding", ["ascii", "utf-8", "latin-1"])
def test_names_that_are_not_utf_8_are_printed_on_any_terminal(tmp_path: Path, coding: str) -> None:
    path = record_file(Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xc3\xbc.rrec")), name="ż")
    command = "from rumus.data._cli import main; import sys; sys.exit(main())"
    environment = {**os.environ, "PYTHONIOENCODING": coding, "PYTHONUTF8": "1", "COLUMNS": "300"}
    commands: list[list[str | Path]] = [["inspect", path], ["verify", path], ["recover", path, "ż"]]
    for arguments in commands:
        done = subprocess.run(
            [sys.executable, "-c", command, *arguments],
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert b"Error" not in done.stderr.replace(b"[Errno", b""), done.stderr
        assert rb"\udcff" in done.stdout + done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes are Linux's")
def test_a_class_whose_name_is_not_utf_8_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/images/\xff"))
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(picture("PNG"))
    assert run("convert", tmp_path / "images", tmp_path / "out.rrec") == 1
    assert r"\udcff is no name for a class" in capsys.readouterr().err


def test_peek_does_not_replace_a_picture_unless_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record_file(tmp_path / "a.rrec")
    Path("a-0.png").write_bytes(b"my picture")
    assert run("peek", "a.rrec", 0) == 1
    assert "a-0.png exists; --overwrite replaces it" in capsys.readouterr().err
    assert Path("a-0.png").read_bytes() == b"my picture"
    assert run("peek", "a.rrec", 0, "--overwrite") == 0
    with image.open("a-0.png") as drawn:
        assert drawn.size == (8, 8)


@pytest.mark.parametrize(
    "values", [[np.inf, -np.inf], [np.nan], [1.7e308, -1.7e308], [0.0], [2**62, -(2**62)]]
)
def test_samples_of_any_numbers_are_drawn(tmp_path: Path, values: list[float]) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        writer.append(np.resize(np.array(values), (8, 8)), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run("peek", tmp_path / "a.rrec", 0, "--out", tmp_path / "a.png") == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFO")
@pytest.mark.parametrize("command", ["inspect", "verify", "recover", "bench", "peek", "convert"])
def test_no_command_waits_for_a_fifo(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.rrec", "a.npz"):
        os.mkfifo(tmp_path / name)
        last = {"peek": ("0",), "convert": (str(tmp_path / "out.rrec"),)}.get(command, ())
        assert run(command, tmp_path / name, *last) == 1
        assert f"{name} is no regular file" in "".join(capsys.readouterr())


def test_two_conversions_to_one_place_do_not_mix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = record_file(tmp_path / "a.rrec")
    out = tmp_path / "out.rrec"
    with RecordWriter(tmp_path / ".out.rrec.new") as other:  # as another conversion would
        assert run("convert", path, out) == 1
        assert "still being written" in capsys.readouterr().err
        other.append(1, 2)
    assert (tmp_path / ".out.rrec.new").exists()
    assert run("convert", path, out) == 0
    assert sorted(os.listdir(tmp_path)) == ["a.rrec", "out.rrec"]


@pytest.mark.parametrize("shards", [0, -1, 100_000, 10**12])
def test_a_number_of_shards_that_makes_no_sense_is_refused(
    tmp_path: Path, shards: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = record_file(tmp_path / "a.rrec")
    assert run("convert", path, tmp_path / "out.rrec", "--shards", shards) == 1
    assert "--shards must be from 1 to 99999" in capsys.readouterr().err


def raising(error: BaseException) -> Callable[..., None]:
    def work(*_: object, **__: object) -> None:
        raise error

    return work


def test_what_the_system_lacks_is_not_called_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = record_file(tmp_path / "a.rrec"), record_file(tmp_path / "b.rrec")
    for error in (MemoryError(), OSError(24, "Too many open files", str(path))):
        with monkeypatch.context() as patch:
            patch.setattr(RecordDataset, "verify", raising(error))
            assert run("verify", path, other) == 1
        shown = capsys.readouterr()
        assert "DAMAGED" not in shown.out
        assert "a.rrec" in shown.err
    assert run("verify", path, other) == 0


def test_ctrl_c_and_a_closed_pipe_end_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record_file(tmp_path / "a.rrec")
    with monkeypatch.context() as patch:
        patch.setattr(RecordDataset, "verify", raising(KeyboardInterrupt()))
        assert run("verify", path) == 130
    command = "from rumus.data._cli import main; import sys; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", command, "recover", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
