"""One loop in several threads, and what signal handlers may do to it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np
import pytest

from rumus.data import ArrayDataset, DataItem, DataLoader, LoopInUseError
from rumus.data._iterator import EpochIterator

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")


class Numbers:
    """Sample i is i, after a while."""

    def __init__(self, length: int = 400, seconds: float = 0.0) -> None:
        self.length, self.seconds = length, seconds
        self.gate = threading.Event()
        self.gate.set()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> DataItem:
        self.gate.wait(30)
        time.sleep(self.seconds)
        return DataItem(np.float32(index), index)


def run(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("own", [False, True])
def test_threads_that_share_a_loop_get_each_sample_once(workers: int, own: bool) -> None:
    plain = ArrayDataset(np.arange(400), np.arange(400))
    loader = DataLoader(Numbers() if own else plain, 3, shuffle=True, num_workers=workers)
    running = iter(loader)
    seen: list[int] = []

    def take() -> None:
        for batch in running:
            seen.extend(batch.target.numpy().tolist())

    run(4, take)
    assert sorted(seen) == list(range(400))
    assert loader.state_dict(at_end="stay")["batch"] == len(loader)


def test_threads_that_begin_loops_get_epochs_of_their_own() -> None:
    loader = DataLoader(ArrayDataset(np.arange(50), np.arange(50)), 50, shuffle=True)
    orders: list[list[int]] = []
    run(8, lambda: orders.append(next(iter(loader)).target.tolist()))
    expected = DataLoader(loader.dataset, 50, shuffle=True)
    assert sorted(orders) == sorted(batch.target.tolist() for _ in range(8) for batch in expected)
    assert loader.epoch == 8


@pytest.mark.parametrize("workers", [0, 2])
def test_closing_ends_the_loop_of_a_thread_that_waits(workers: int) -> None:
    dataset = Numbers()
    loader = DataLoader(dataset, 4, num_workers=workers)
    running = iter(loader)
    next(running)
    dataset.gate.clear()
    ended = threading.Event()

    def loop() -> None:
        for _ in running:
            pass
        ended.set()

    thread = threading.Thread(target=loop)
    thread.start()
    time.sleep(0.1)
    closer = threading.Thread(target=running.close)
    closer.start()
    if workers:
        assert ended.wait(5)  # while the data set still waits
    dataset.gate.set()
    assert ended.wait(5)
    thread.join()
    closer.join()
    taken = loader.state_dict()["batch"]
    assert 1 <= taken <= 1 + (workers + 1) * workers * 2 + 1
    rest = DataLoader(dataset, 4)
    rest.load_state_dict(loader.state_dict())
    assert len(list(rest)) == 100 - taken


@POSIX
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("raises", [False, True])
def test_a_signal_handler_leaves_the_loop_and_saves(workers: int, raises: bool) -> None:
    dataset = Numbers(seconds=0.02)
    loader = DataLoader(dataset, 4, shuffle=True, num_workers=workers)
    running = iter(loader)
    seen: list[list[int]] = []
    states: list[dict[str, Any]] = []

    def leave(number: int, frame: FrameType | None) -> None:
        running.close()
        states.append(loader.state_dict())
        if raises:
            raise SystemExit(143)

    before = signal.signal(signal.SIGALRM, leave)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        for batch in running:
            seen.append(batch.target.numpy().tolist())
        assert not raises
    except SystemExit:
        assert raises
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert states[0] == loader.state_dict()
    assert states[0]["batch"] == len(seen) < 100
    rest = DataLoader(dataset, 4, shuffle=True, num_workers=2)
    dataset.seconds = 0
    rest.load_state_dict(states[0])
    seen += [batch.target.numpy().tolist() for batch in rest]
    assert seen == [b.target.numpy().tolist() for b in DataLoader(dataset, 4, shuffle=True)]


@pytest.mark.parametrize("workers", [0, 2])
def test_asking_a_loop_from_within_itself_is_an_error(workers: int) -> None:
    class Faulty(Numbers):
        def __getitem__(self, index: int) -> DataItem:
            if index == 5:
                raise OSError("torn")
            return super().__getitem__(index)

    running: list[EpochIterator[DataItem]] = []
    loader = DataLoader(
        Faulty(20),
        2,
        num_workers=workers,
        on_error=lambda index, error: next(running[0]),  # type: ignore[arg-type]
    )
    running.append(iter(loader))
    with pytest.raises(LoopInUseError, match="on_error"):
        list(running[0])
    assert list(running[0]) == []
    assert loader.state_dict()["batch"] == 2


class InterruptionError(BaseException):
    """Comes at a line of ours, as a signal's would."""


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_at_any_line_leaves_the_loop_and_loses_no_sample(workers: int) -> None:
    dataset = ArrayDataset(np.arange(40), np.arange(40))
    watched = ("/rumus/data/_iterator.py", "/rumus/data/_pipeline.py")
    line = 0
    while True:
        loader = DataLoader(dataset, 4, shuffle=True, num_workers=workers)
        running = iter(loader)
        seen = [next(running).target.tolist() for _ in range(2)]
        countdown = line

        def interrupt(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal countdown
            if event == "line" and frame.f_code.co_filename.endswith(watched):
                countdown -= 1
                if countdown < 0:
                    sys.settrace(None)
                    raise InterruptionError
            return interrupt

        sys.settrace(interrupt)
        try:
            seen.append(next(running).target.tolist())
        except InterruptionError:
            pass
        finally:
            sys.settrace(None)
        assert loader.state_dict()["batch"] == len(seen)
        if countdown >= 0:
            break
        running.close()
        assert next(running, None) is None
        rest = DataLoader(dataset, 4, shuffle=True)
        rest.load_state_dict(loader.state_dict())
        seen += [batch.target.tolist() for batch in rest]
        assert sorted(n for batch in seen for n in batch) == list(range(40))
        line += 1
    assert line > 15


STUCK = """
import threading, time
import numpy as np
from rumus.data import DataItem, DataLoader

class Stuck:
    def __len__(self): return 8
    def __getitem__(self, index):
        if index: time.sleep(60)
        return DataItem(np.float32(index), index)

running = [iter(DataLoader(Stuck(), 1, num_workers=1)) for _ in range(8)]
for loop in running:
    next(loop)
print("ready", flush=True)
"""


def test_many_stuck_loops_are_waited_for_together() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        _, err = process.communicate(timeout=30)
    assert time.monotonic() - started < 4
    assert (process.returncode, err) == (0, "")


TERM = """
import signal, sys, threading, time, os
import numpy as np
from rumus.data import DataItem, DataLoader

class Slow:
    def __len__(self): return 1000
    def __getitem__(self, index):
        time.sleep(0.002)
        return DataItem(np.float32(index), index)

def term(number, frame):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, term)
loader = DataLoader(Slow(), 4, num_workers={workers})
seen = 0
print("ready", flush=True)
try:
    for batch in loader:
        seen = int(batch.target.numpy()[-1]) + 1
finally:
    print(seen == 4 * loader.state_dict()["batch"], flush=True)
    print(sum(t.name.startswith("rumus-data") for t in threading.enumerate()), flush=True)
"""


@POSIX
@pytest.mark.parametrize("workers", [0, 3])
def test_sigterm_ends_the_process_with_a_state_that_goes_on(workers: int) -> None:
    script = TERM.format(workers=workers)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (143, "True\n0\n", "")
