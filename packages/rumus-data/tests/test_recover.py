"""Writers that are killed, that raise, or that meet a full disk: what was flushed is kept."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rumus.data import (
    RecordCorruptError,
    RecordDataset,
    RecordError,
    RecordFileIncompleteError,
    RecordWriteError,
    RecordWriter,
    recover,
)
from rumus.tensor import ArgumentError, ShapeError

KILLS = int(os.environ.get("RUMUS_KILLS", "8"))


def partial(path: Path) -> Path:
    """Where the writer of a file works."""
    return path.with_name(path.name + ".partial")


def write_some(path: Path, shapes: int, count: int = 40, **options: object) -> None:
    with RecordWriter(path, **options) as writer:  # type: ignore[arg-type]
        for k in range(count):
            writer.append(np.full((2, 1 + k % shapes), k, np.float32), k)


@pytest.mark.parametrize("shapes", [1, 3])
def test_a_file_cut_at_any_byte_gives_every_record_in_front_of_the_cut(
    tmp_path: Path, shapes: int
) -> None:
    path = tmp_path / "a.rrec"
    write_some(path, shapes, count=12, metadata={"a": 1})
    whole = path.read_bytes()
    ends = []
    for k in range(12):
        with RecordWriter(path, overwrite=True, metadata={"a": 1}) as writer:
            for j in range(k + 1):
                writer.append(np.full((2, 1 + j % shapes), j, np.float32), j)
            writer.flush()
            ends.append(partial(path).stat().st_size)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        wanted = sum(end <= length for end in ends)

        recovery = recover(path)

        assert (recovery.records, recovery.damaged) == (wanted, ())
        dataset = RecordDataset(path)
        assert [dataset.read(k)[0].flat[0] for k in range(len(dataset))] == list(range(wanted))
        assert dataset.verify() == wanted
        assert dataset.metadata == ({"a": 1} if length >= 128 else {})


def test_a_complete_file_is_left_as_it_is(tmp_path: Path) -> None:
    for version in (1, 2):
        path = tmp_path / f"{version}.rrec"
        with RecordWriter(path, version=version) as writer:
            writer.append(1.0, 2.0)
        before = path.read_bytes()

        recovery = recover(path)

        assert (recovery.records, recovery.changed) == (1, False)
        assert path.read_bytes() == before


def test_an_exception_in_the_block_leaves_a_recoverable_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    with pytest.raises(ZeroDivisionError), RecordWriter(path) as writer:
        for k in range(100):
            writer.append(np.zeros(5), k)
        1 / 0  # noqa: B018
    with pytest.raises(RecordFileIncompleteError, match=r"rumus\.data\.recover\('.*a\.rrec'\)"):
        RecordDataset(path)

    assert recover(path).records == 100
    assert RecordDataset(path)[99].target.item() == 99


def test_a_file_that_is_being_written_is_neither_opened_nor_recovered(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append(1, 2)
        writer.flush()
        before = partial(path).read_bytes()
        with pytest.raises(RecordFileIncompleteError, match="at work"):
            RecordDataset(path)
        with pytest.raises(RecordFileIncompleteError, match="still being written"):
            recover(path)
        assert partial(path).read_bytes() == before
    assert len(RecordDataset(path)) == 1


WRITE_FOREVER = """
import sys
import numpy as np
from rumus.data import RecordWriter
random = np.random.default_rng(int(sys.argv[2]))
writer = RecordWriter(sys.argv[1])
for k in range(10**9):
    shape = int(random.integers(1, 2000)) if sys.argv[3] == "many" else 777
    writer.append(np.full(shape, k % 251, np.uint8), k)
    if random.random() < 0.02:
        writer.flush()
        print(k + 1, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="kills by a POSIX signal")
@pytest.mark.parametrize("shapes", ["one", "many"])
def test_a_killed_writer_loses_nothing_that_was_flushed(tmp_path: Path, shapes: str) -> None:
    for kill in range(KILLS):
        path = tmp_path / f"{kill}.rrec"
        command = [sys.executable, "-c", WRITE_FOREVER, str(path), str(kill), shapes]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(random.random() * 0.2)
            writer.send_signal(signal.SIGKILL)
            flushed = int([first, *writer.stdout.read().splitlines()][-1])
        with pytest.raises(RecordFileIncompleteError):
            RecordDataset(path)

        recovery = recover(path)

        assert recovery.records >= flushed
        assert not recovery.damaged
        dataset = RecordDataset(path)
        assert dataset.verify() == recovery.records
        for k in range(0, len(dataset), 97):
            assert dataset.read(k)[1] == k
            assert (dataset.read(k)[0] == k % 251).all()


@pytest.mark.parametrize("shapes", [1, 3])
def test_a_damaged_record_in_an_unfinished_file_costs_only_itself(
    tmp_path: Path, shapes: int
) -> None:
    path = tmp_path / "a.rrec"
    write_some(path, shapes)
    data = bytearray(path.read_bytes())
    where = data.index(np.full(2, 20, np.float32).tobytes())
    data[where] ^= 1
    path.write_bytes(data[:-64])

    recovery = recover(path)

    assert (recovery.records, recovery.damaged) == (40, (20,))
    dataset = RecordDataset(path)
    for k in range(40):
        if k != 20:
            assert (dataset.read(k)[0] == k).all()
    with pytest.raises(RecordCorruptError, match="record 20"):
        dataset.read(20)
    with pytest.raises(RecordCorruptError, match="record 20"):
        dataset.verify()


def test_a_damaged_description_costs_only_its_own_records(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    write_some(path, 3)
    data = bytearray(path.read_bytes())
    starts = [k for k in range(0, len(data), 64) if data[k : k + 4] == b"RUN2"]
    data[starts[7] + 9] ^= 1
    path.write_bytes(data)

    recovery = recover(path)

    assert (recovery.records, recovery.damaged) == (40, (7,))
    dataset = RecordDataset(path)
    assert (dataset.read(8)[0] == 8).all()
    assert (dataset.read(39)[0] == 39).all()
    with pytest.raises(RecordError):
        dataset.read(7)
    with pytest.raises(RecordCorruptError, match="record 7 "):
        dataset.verify()


@pytest.mark.parametrize("index_byte", range(0, 24, 5))
def test_a_damaged_index_is_made_anew(tmp_path: Path, index_byte: int) -> None:
    path = tmp_path / "a.rrec"
    write_some(path, 3)
    good = path.read_bytes()
    data = bytearray(good)
    data[-64 - 24 * 5 + index_byte] ^= 128
    path.write_bytes(data)

    recovery = recover(path)

    assert (recovery.records, recovery.damaged, recovery.changed) == (40, (), True)
    assert path.read_bytes() == good


FILL = """
import resource, sys
import numpy as np
from rumus.data import RecordWriteError, RecordWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
writer = RecordWriter(sys.argv[1])
done = flushed = 0
try:
    while True:
        writer.append_batch(np.full((10, 1000), done % 251, np.uint8), np.arange(done, done + 10))
        done += 10
        if done % 100 == 0:
            writer.flush()
            flushed = done
except RecordWriteError as error:
    assert sys.argv[1] in str(error) and "recover" in str(error), error
    assert isinstance(error, OSError) and error.errno, error
    try:
        writer.finish()
    except RecordWriteError as again:
        assert again is error
print(flushed)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the file's size by POSIX means")
def test_a_disk_that_fills_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    flushed = int(done.stdout)
    assert flushed > 1000

    assert recover(path).records >= flushed
    assert RecordDataset(path).verify() >= flushed


def test_a_full_disk_inside_of_a_block_comes_out_as_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.rrec"

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RecordWriteError, match="No space left"), RecordWriter(path) as writer:
        writer.append(1, 2)
        monkeypatch.setattr(os, "fsync", full)
        writer.flush()
    monkeypatch.undo()
    assert recover(path).records == 1


LIMITED = """
import resource, signal, sys
import numpy as np
from rumus.data import RecordWriteError, RecordWriter, recover
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, limits[1]))
try:
    with RecordWriter(sys.argv[1]) as writer:
        writer.append_batch(np.zeros((int(sys.argv[2]), 4), "f4"), np.arange(int(sys.argv[2])))
except RecordWriteError as error:
    kept = error
try:
    recover(sys.argv[1])
except RecordWriteError as error:
    assert sys.argv[1] in str(error) and error.errno, error
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
print(recover(sys.argv[1]).records)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the file's size by POSIX means")
@pytest.mark.parametrize("records", [5_000, 100_000])
def test_recovering_on_the_disk_that_was_full_needs_no_more_than_room(
    tmp_path: Path, records: int
) -> None:
    path = tmp_path / "a.rrec"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(records)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == RecordDataset(path).verify() > 3000


def nested(tmp_path: Path, count: int) -> tuple[bytes, int]:
    """A file whose samples are the bytes of another one, and the length of such a sample."""
    with RecordWriter(tmp_path / "inner.rrec") as writer:
        for k in range(5):
            writer.append(np.full(4, 90 + k, np.uint8), np.uint8(200))
    sample = np.fromfile(tmp_path / "inner.rrec", np.uint8)
    with RecordWriter(tmp_path / "outer.rrec") as writer:
        for k in range(count):
            writer.append(sample, np.uint8(k))
    return (tmp_path / "outer.rrec").read_bytes(), len(sample)


def test_a_record_file_within_a_damaged_sample_is_not_taken_for_records(tmp_path: Path) -> None:
    data, length = nested(tmp_path, 10)
    path = tmp_path / "outer.rrec"
    damaged = bytearray(data[:-64])
    damaged[133] ^= 1
    path.write_bytes(damaged)
    recovery = recover(path)
    assert (recovery.records, recovery.damaged) == (10, (0,))
    assert [int(RecordDataset(path).read(k)[1]) for k in range(1, 10)] == list(range(1, 10))
    path.write_bytes(data[: 128 + length])
    assert recover(path).records == 0


def test_a_record_that_is_refused_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    huge = np.broadcast_to(np.float32(0), (1 << 48,))
    with RecordWriter(path) as writer:
        for k in range(6):
            for _ in range(2):
                with pytest.raises(MemoryError):
                    writer.append(huge, np.float32(1))
                with pytest.raises(ShapeError, match="larger than any file"):
                    writer.append(np.empty((0, 1 << 60), np.uint8), np.float32(1))
            writer.append(np.full(1 + k // 2, k, np.float32), np.float32(k))
    dataset = RecordDataset(path)
    assert dataset.verify() == 6
    assert [dataset.read(k)[0].tolist() for k in range(6)] == [[k] * (1 + k // 2) for k in range(6)]


def test_a_file_that_is_being_written_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    writer = RecordWriter(path)
    with pytest.raises(RecordFileIncompleteError, match="still being written"):
        RecordWriter(path, overwrite=True)
    writer.append(1, 2)
    writer.finish()
    with RecordWriter(path, overwrite=True) as other:
        other.append(3, 4)
    assert RecordDataset(path)[0].input.item() == 3


def test_metadata_that_json_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="JSON"):
        RecordWriter(tmp_path / "a.rrec", metadata={"loss": float("nan")})


def test_nothing_follows_a_write_that_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.rrec"
    writer = RecordWriter(path)
    for k in range(10):
        writer.append(np.zeros(100), k)
    writer.flush()

    class Interrupting:
        def __init__(self, file: object) -> None:
            self.file = file

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

        def write(self, data: bytes) -> int:
            self.file.write(data[:700])  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    monkeypatch.setattr(writer._sink, "_file", Interrupting(writer._sink._file))
    writer.append(np.zeros(100), 10)
    with pytest.raises(KeyboardInterrupt):
        writer.flush()
    for again in (lambda: writer.append(np.zeros(100), 11), writer.flush, writer.finish):
        with pytest.raises(RecordWriteError, match="interrupted"):
            again()
    writer._sink.close()
    assert recover(path).records == 10


def test_finish_is_durable_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[bool, int]] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((os.path.isdir(f"/proc/self/fd/{descriptor}"), status.st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    path = tmp_path / "a.rrec"
    with RecordWriter(path) as writer:
        writer.append(1, 2)

    assert synced[-2] == (False, path.stat().st_size)
    if sys.platform == "linux":
        assert synced[-1][0]
