"""A writer that threads share, that is forked with its process, or that is interrupted."""

import copy
import linecache
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from rumus.data import RecordDataset, RecordError, RecordWriteError, RecordWriter, recover

POSIX = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def together(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("length", [1, 2500, 40_000])
@pytest.mark.parametrize("shapes", [1, 3])
@pytest.mark.parametrize("batch", [1, 3])
def test_threads_that_share_a_writer_lose_and_mix_nothing(
    tmp_path: Path, length: int, shapes: int, batch: int
) -> None:
    path, each = tmp_path / "a.rrec", 60
    with RecordWriter(path) as writer:

        def write(first: int) -> None:
            for k in range(first, first + each, batch):
                numbers = np.arange(k, k + batch)
                x = np.repeat(numbers, length + k % shapes).reshape(batch, -1).astype(np.float32)
                if batch == 1:
                    writer.append(x[0], numbers[0])
                else:
                    writer.append_batch(x, numbers)
                if k % 20 == 0:
                    writer.flush()

        together([lambda n=n: write(n * each) for n in range(4)])  # type: ignore[misc]
    dataset = RecordDataset(path)
    assert dataset.verify() == 4 * each
    pairs = [dataset.read(k) for k in range(len(dataset))]
    assert all((x == y).all() for x, y in pairs)
    assert sorted(int(y) for _, y in pairs) == list(range(4 * each))


FORKED = """
import os, signal, sys
import numpy as np
from rumus.data import RecordDataset, RecordError, RecordWriter
path, how = sys.argv[1:]
pid = None
try:
    with RecordWriter(path) as writer:
        for k in range(700):
            writer.append(np.full(1000, k, np.float32), k)
        pid = os.fork()
        if pid == 0:
            if how == "exit":
                sys.exit(3)
            if how in ("append", "append_batch", "flush", "finish"):
                arguments = {"append": (1.0, 2), "append_batch": ([1.0], [2])}.get(how, ())
                getattr(writer, how)(*arguments)
        else:
            child = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            for k in range(700, 900):
                writer.append(np.full(1000, k, np.float32), k)
except RecordError as error:
    assert pid == 0 and "forked process" in str(error), error
    sys.exit(4)
dataset = RecordDataset(path)
assert dataset.verify() == 900
assert all((dataset.read(k)[0] == k).all() and dataset.read(k)[1] == k for k in range(900))
print(child)
"""


@POSIX
@pytest.mark.parametrize("how", ["exit", "leave", "append", "append_batch", "flush", "finish"])
def test_a_forked_child_cannot_touch_the_file_of_its_parent(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-c", FORKED, str(tmp_path / "a.rrec"), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == (3 if how == "exit" else 4)


def test_a_writer_is_neither_copied_nor_pickled(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer:
        for away in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(RecordError, match="neither be copied nor sent"):
                away(writer)


KILLED_PARENT = """
import os, signal, sys, time
from rumus.data import RecordWriter
writer = RecordWriter(sys.argv[1])
writer.append(1, 2)
writer.flush()
if os.fork() == 0:
    print(os.getpid(), flush=True)
    os.close(1)
    time.sleep(60)
os.kill(os.getpid(), signal.SIGKILL)
"""


@POSIX
def test_a_child_that_lives_on_does_not_keep_the_file_of_a_killed_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.rrec"
    command = [sys.executable, "-c", KILLED_PARENT, str(path)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    try:
        assert recover(path).records == 1
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)


@POSIX
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_writes_does_not_hang(tmp_path: Path) -> None:
    with RecordWriter(tmp_path / "a.rrec") as writer, writer._turn():
        children = []

        def fork() -> None:
            children.append(os.fork())
            if children[-1] == 0:
                code = 1
                try:
                    writer.append(1, 2)
                except RecordError:
                    code = 0
                finally:
                    os._exit(code)

        together([fork])
        assert os.waitpid(children[0], 0)[1] == 0


class Injected(BaseException):
    """What a signal handler raised."""


def raising_at(event: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that raises at one of the lines of the writer's code, thrice at each."""
    left = event
    visits: Counter[tuple[str, int]] = Counter()

    def trace(frame: FrameType, kind: str, _: Any) -> Any:
        nonlocal left
        if "_rrec" not in frame.f_code.co_filename or "_crc" in frame.f_code.co_filename:
            return None
        place = frame.f_code.co_filename, frame.f_lineno
        # CPython runs no handler between the body of a lock's block and the release
        if kind == "line" and "with self._lock" not in linecache.getline(*place):
            visits[place] += 1
            left -= visits[place] <= 3
            if left < 0:
                sys.settrace(None)
                raise Injected
        return trace

    return trace


def steps(writer: RecordWriter) -> list[tuple[Callable[[], None], list[int]]]:
    """What is done with a writer, and the records that each step adds."""

    def one(k: int, length: int) -> tuple[Callable[[], None], list[int]]:
        return lambda: writer.append(np.full(length, k, np.float32), k), [k]

    many = np.repeat(np.arange(4, 8), 600).reshape(4, -1).astype(np.uint8)
    return [
        one(0, 2),
        one(1, 2),
        (writer.flush, []),
        one(2, 3),
        one(3, 600),
        (lambda: writer.append_batch(many, np.arange(4, 8)), [4, 5, 6, 7]),
        one(8, 2),
        (writer.finish, []),
    ]


def interrupted(path: Path, event: int) -> bool:
    """Interrupt a writer at a line, go on, and compare; False if it has less lines."""
    writer = RecordWriter(path)
    due: list[int] = []
    maybe: list[int] = []
    flushed = 0
    refused = done = False
    for k, (step, records) in enumerate(steps(writer)):
        try:
            if not k:
                sys.settrace(raising_at(event))
            step()
            due += records
            flushed = len(due) if step == writer.flush else flushed
        except Injected:
            maybe = records
            done = True
        except RecordError:
            refused = True
        finally:
            if done:
                sys.settrace(None)
    sys.settrace(None)
    assert done or not refused
    writer._close()
    if not path.exists():
        refused = True
        recover(path)
    dataset = RecordDataset(path)
    found = [int(dataset.read(n)[1]) for n in range(dataset.verify())]
    assert all((dataset.read(n)[0] == k).all() for n, k in enumerate(found))
    assert found == sorted(found)
    if refused:
        assert set(due[:flushed]) <= set(found) <= {*due, *maybe}
    else:
        assert [k for k in found if k not in maybe] == due
    return done


@pytest.mark.slow
def test_an_interrupt_at_any_line_leaves_a_writer_that_is_right_or_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rumus.data._rrec._rows._BLOCK", 1 << 11)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    event = 0
    while interrupted(tmp_path / f"{event}.rrec", event):
        event += 1
        for old in tmp_path.iterdir():
            old.unlink()
    assert event > 200


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX timers")
def test_a_signal_handler_that_calls_a_writer_at_work_is_refused_and_not_stuck(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.rrec"
    refused: list[str] = []

    def handler(number: int, frame: object) -> None:
        try:
            writer.flush()
        except RecordError as error:
            refused.append(str(error))

    before = signal.signal(signal.SIGALRM, handler)
    try:
        with RecordWriter(path) as writer:
            signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
            for k in range(1500):
                writer.append(np.full(500 + k % 2, k, np.float32), k)
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    dataset = RecordDataset(path)
    assert dataset.verify() == 1500
    assert all((dataset.read(k)[0] == k).all() for k in range(0, 1500, 7))
    assert all("this very thread" in text for text in refused)


def test_an_error_that_is_raised_again_does_not_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    writer = RecordWriter(tmp_path / "a.rrec")
    monkeypatch.setattr(os, "fsync", full)
    depths = []
    for _ in range(5):
        with pytest.raises(RecordWriteError) as caught:
            writer.flush()
        depths.append(len(caught.traceback))
    assert len(set(depths[1:])) == 1
