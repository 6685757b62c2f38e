"""The file beside its place in which a writer works, and what becomes of it."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rumus.data import (
    RecordDataset,
    RecordError,
    RecordFileIncompleteError,
    RecordFormatError,
    RecordWriteError,
    RecordWriter,
    recover,
)
from rumus.data._rrec._partial import recovering


def partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def write(path: Path, *values: int) -> Path:
    with RecordWriter(path, overwrite=True) as writer:
        for value in values:
            writer.append(np.full(3, value), value)
    return path


def values(path: Path) -> list[int]:
    dataset = RecordDataset(path)
    dataset.verify()
    return [int(dataset.read(k)[1]) for k in range(len(dataset))]


def left_behind(path: Path, *numbers: int) -> None:
    """What a writer that was killed leaves."""
    writer = RecordWriter(path, overwrite=True)
    for number in numbers:
        writer.append(np.full(3, number), number)
    if numbers:
        writer.flush()
    writer._sink.close()


def test_the_old_file_stays_until_the_new_one_is_finished(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rrec", 1, 2)
    with RecordWriter(path, overwrite=True) as writer:
        writer.append(np.full(3, 7), 7)
        writer.flush()
        assert values(path) == [1, 2]
        assert partial(path).exists()
    assert values(path) == [7]
    assert os.listdir(tmp_path) == ["a.rrec"]


def test_a_writer_that_fails_leaves_the_old_file_and_what_it_wrote(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rrec", 1, 2)
    with pytest.raises(ZeroDivisionError), RecordWriter(path, overwrite=True) as writer:
        writer.append(np.full(3, 7), 7)
        1 / 0  # noqa: B018
    assert values(path) == [1, 2]
    recovery = recover(path)
    assert (recovery.path, recovery.records, recovery.changed) == (path, 1, True)
    assert values(path) == [7]
    assert os.listdir(tmp_path) == ["a.rrec"]


REPLACE_FOREVER = """
import sys
import numpy as np
from rumus.data import RecordWriter
turn = int(sys.argv[2])
while True:
    turn += 1
    with RecordWriter(sys.argv[1], overwrite=True) as writer:
        for k in range(20):
            writer.append(np.full(3, turn), turn)
    print(turn, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a POSIX signal")
def test_a_writer_that_is_killed_at_any_time_leaves_the_latest_finished_file(
    tmp_path: Path,
) -> None:
    path = write(tmp_path / "a.rrec", 0)
    turn = 0
    for _ in range(int(os.environ.get("RUMUS_KILLS", "3"))):
        command = [sys.executable, "-c", REPLACE_FOREVER, str(path), str(turn)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            first = writer.stdout.readline()
            time.sleep(random.random() * 0.05)
            writer.send_signal(signal.SIGKILL)
            told = int([first, *writer.stdout.read().splitlines()][-1])
        assert values(path) in ([told] * 20, [told + 1] * 20)
        assert set(os.listdir(tmp_path)) <= {"a.rrec", "a.rrec.partial"}
        turn = told + 1


def test_an_unfinished_file_is_named_by_the_path_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    left_behind(path, 1, 2)
    with pytest.raises(RecordFileIncompleteError, match=r"a\.rrec is not complete.*recover\("):
        RecordDataset(path)
    with pytest.raises(FileExistsError, match=r"recover\('.*a\.rrec'\).*overwrite=True"):
        RecordWriter(path)
    assert recover(path).records == 2
    assert values(path) == [1, 2]
    assert not recover(path).changed


def test_an_unfinished_file_may_be_completed_under_its_own_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rrec", 1)
    left_behind(path, 7, 8)
    assert recover(partial(path)).path == partial(path)
    assert (values(path), values(partial(path))) == ([1], [7, 8])


def test_an_unfinished_file_without_records_replaces_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rrec", 1, 2)
    left_behind(path)
    recovery = recover(path)
    assert (recovery.records, recovery.changed) == (2, False)
    assert os.listdir(tmp_path) == ["a.rrec"]


def test_recovering_does_not_replace_what_is_no_record_file(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    left_behind(path, 1)
    path.write_text("my notes")
    with pytest.raises(RecordFormatError, match=r"a\.rrec is no record file"):
        recover(path)
    assert path.read_text() == "my notes"
    path.unlink()
    path.mkdir()
    with pytest.raises(RecordFormatError, match="is a folder"):
        recover(path)


def test_a_file_that_came_into_being_meanwhile_is_not_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    writer = RecordWriter(path)
    writer.append(1, 2)
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.rrec\.partial beside it"):
        writer.finish()
    assert path.read_text() == "mine"
    path.unlink()
    assert recover(path).records == 1


def test_the_second_of_two_writers_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rrec", 1)
    first = RecordWriter(path, overwrite=True)
    with pytest.raises(RecordFileIncompleteError, match="still being written"):
        RecordWriter(path, overwrite=True)
    with pytest.raises(FileExistsError):
        RecordWriter(path)
    first.append(2, 2)
    first.finish()
    other = RecordWriter(tmp_path / "b.rrec")
    with pytest.raises(FileExistsError, match="still being written"):
        RecordWriter(tmp_path / "b.rrec")
    other.finish()
    assert values(path) == [2]


def test_writers_that_replace_each_other_at_once_are_refused_or_right(tmp_path: Path) -> None:
    path = write(tmp_path / "a.rrec", 0)
    finished, wrong = [0], []

    def replace(number: int) -> None:
        for k in range(60):
            try:
                if k % 3 == number % 3:
                    recover(path)
                else:
                    write(path, number, k)
                    finished.append(number)
            except RecordFileIncompleteError:
                pass
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=replace, args=(k,)) for k in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(finished) > 1 and values(path)[0] in finished
    assert os.listdir(tmp_path) == ["a.rrec"]


def refusing(function: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, refuse)


FULL = """
import resource, signal, sys
from rumus.data import RecordWriteError, RecordWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
for room in (0, 30):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        RecordWriter(sys.argv[1])
    except RecordWriteError:
        pass
    else:
        raise AssertionError
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
with RecordWriter(sys.argv[1]) as writer:
    writer.append(1, 2)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the file's size by POSIX means")
def test_a_writer_that_found_the_disk_full_does_not_stand_in_the_way_of_the_next(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.rrec"
    subprocess.run([sys.executable, "-c", FULL, str(path)], check=True, timeout=60)
    assert values(path) == [2]
    assert os.listdir(tmp_path) == ["a.rrec"]


def test_an_empty_rest_does_not_stand_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    partial(path).touch()
    with RecordWriter(path) as writer:
        writer.append(1, 2)
    assert values(path) == [2]


def test_a_relative_path_means_the_folder_of_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with RecordWriter("a.rrec") as writer:
        writer.append(1, 2)
        monkeypatch.chdir(tmp_path / "there")
        writer.flush()
    assert values(tmp_path / "here" / "a.rrec") == [2]
    assert not list((tmp_path / "there").iterdir())
    monkeypatch.chdir(tmp_path / "here")
    left_behind(Path("b.rrec"), 5)
    assert recover("b.rrec").path == tmp_path / "here" / "b.rrec"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EISDIR])
def test_a_folder_that_cannot_be_opened_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.open

    def refuse(path: str | Path, flags: int, *rest: int) -> int:
        if os.path.isdir(path):
            raise OSError(number, os.strerror(number), path)
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    assert values(write(tmp_path / "a.rrec", 1)) == [1]
    left_behind(tmp_path / "b.rrec", 2)
    assert recover(tmp_path / "b.rrec").records == 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks at folders through Linux's /proc")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EIO])
def test_a_folder_that_has_no_sync_is_no_obstacle_but_a_failing_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.fsync

    def refuse(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    writer = RecordWriter(tmp_path / "a.rrec")
    writer.append(1, 2)
    if number == errno.EIO:
        with pytest.raises(RecordWriteError, match=r"a\.rrec"):
            writer.finish()
    else:
        writer.finish()
    assert writer._sink.closed
    assert values(tmp_path / "a.rrec") == [2]


def fails_in_drain(writer: RecordWriter, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(writer._rows, "drain", no_memory)
    return MemoryError


def fails_in_index(writer: RecordWriter, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer._format, "finish", interrupt)
    return KeyboardInterrupt


def fails_in_sync(writer: RecordWriter, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    refusing("fsync", errno.EIO, monkeypatch)
    return RecordWriteError


def fails_in_replace(writer: RecordWriter, monkeypatch: pytest.MonkeyPatch) -> type[BaseException]:
    refusing("replace", errno.EACCES, monkeypatch)
    return RecordWriteError


@pytest.mark.parametrize("fault", [fails_in_drain, fails_in_index, fails_in_sync, fails_in_replace])
def test_finish_closes_the_writer_whatever_it_meets(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[[RecordWriter, pytest.MonkeyPatch], type[BaseException]],
) -> None:
    path = tmp_path / "a.rrec"
    writer = RecordWriter(path)
    writer.append(1, 2)
    writer.flush()
    kind = fault(writer, monkeypatch)
    with pytest.raises(kind):
        writer.finish()
    monkeypatch.undo()
    for again in (writer.finish, writer.flush, lambda: writer.append(1, 3)):
        with pytest.raises(RecordError):
            again()
    assert recover(path).records == 1
    assert values(path) == [2]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFO")
def test_a_fifo_is_neither_recovered_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    os.mkfifo(path)
    with pytest.raises(RecordFormatError, match="is no regular file"):
        recover(path)
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="no regular file"):
            RecordWriter(path, overwrite=overwrite)
    os.mkfifo(tmp_path / "b.rrec.partial")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="no regular file"):
            RecordWriter(tmp_path / "b.rrec", overwrite=overwrite)
    with pytest.raises(RecordFormatError, match="is no regular file"):
        recover(tmp_path / "b.rrec")


def test_the_command_that_recovers_is_one_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    assert '`rumus-data recover "my data.rrec"`' in recovering(Path("my data.rrec"))
    monkeypatch.setattr("sys.platform", "linux")
    assert "`rumus-data recover 'my data.rrec'`" in recovering(Path("my data.rrec"))
