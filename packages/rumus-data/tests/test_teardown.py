"""However a loop is left, its threads end, and errors come out as themselves."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable

import numpy as np
import pytest

from rumus.data import ArrayDataset, DataItem, DataLoader
from rumus.tensor import Tensor

Threads = Callable[[], list[threading.Thread]]


class Numbers:
    def __init__(self, length: int = 1000, bad: int | None = None, seconds: float = 0) -> None:
        self.length = length
        self.bad = bad
        self.seconds = seconds

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> DataItem:
        time.sleep(self.seconds)
        if index == self.bad:
            raise_from_the_data_set(index)
        return DataItem(np.full(4, index, np.float32), index)


class PictureError(Exception):
    def __init__(self, number: int, reason: str) -> None:  # cannot be made from one argument
        super().__init__(f"{number}: {reason}")


def raise_from_the_data_set(index: int) -> None:
    raise PictureError(index, "torn")


def loader(workers: int = 3, **options: object) -> DataLoader:
    return DataLoader(Numbers(**options), 4, num_workers=workers)  # type: ignore[arg-type]


def wait_for_none(threads: Threads) -> None:
    deadline = time.monotonic() + 1
    while threads() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threads() == []


def test_threads_run_only_within_an_epoch(loader_threads: Threads) -> None:
    it = loader()
    assert loader_threads() == []
    running = iter(it)
    next(running)
    assert len(loader_threads()) == 3
    for _ in running:
        pass
    assert loader_threads() == []
    assert next(running, None) is None


def test_a_break_ends_the_threads(loader_threads: Threads) -> None:
    it = loader()
    for _ in range(3):
        for number, _ in enumerate(it):
            if number == 2:
                break
        assert loader_threads() == []
    assert len(list(it)) == 250


def test_an_exception_in_the_loop_ends_the_threads(loader_threads: Threads) -> None:
    it = loader()
    with pytest.raises(ZeroDivisionError):
        for _ in it:
            1 / 0  # noqa: B018
    assert loader_threads() == []
    assert len(list(it)) == 250


def test_losing_the_iterator_ends_the_threads(loader_threads: Threads) -> None:
    running = iter(loader(seconds=0.01))
    next(running)
    del running
    wait_for_none(loader_threads)


def test_an_iterator_in_a_reference_cycle_is_collected(loader_threads: Threads) -> None:
    cycle: list[object] = [iter(loader())]
    cycle.append(cycle)
    del cycle
    gc.collect()
    wait_for_none(loader_threads)


def test_many_loops_at_once_do_not_disturb_each_other(loader_threads: Threads) -> None:
    it = loader(length=40)
    for one, two in zip(it, it, strict=True):
        np.testing.assert_array_equal(one.target.numpy(), two.target.numpy())
    assert loader_threads() == []


def test_a_system_without_threads_is_an_error_that_leaves_none(
    loader_threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def third_fails(thread: threading.Thread) -> None:
        if thread.name == "rumus-data-2":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", third_fails)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        iter(loader())
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_an_exception_of_the_data_set_comes_out_at_its_place(
    workers: int, loader_threads: Threads
) -> None:
    it = loader(workers, bad=42)
    seen: list[int] = []
    with pytest.raises(PictureError, match="42: torn") as caught:
        for batch in it:
            seen.extend(batch.target.numpy().tolist())
    assert seen == list(range(40))
    assert caught.value.__notes__ == ["while the loader made sample 42, batch 10 of epoch 0"]
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[-1] == "raise_from_the_data_set"
    assert loader_threads() == []
    it.dataset.bad = None
    assert len(list(it)) == 250


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("length", [3, 500_000], ids=["small", "large"])
def test_an_upload_that_fails_comes_out_at_its_place(
    workers: int, length: int, monkeypatch: pytest.MonkeyPatch, loader_threads: Threads
) -> None:
    upload = Tensor.to

    def limited(tensor: Tensor, device: object) -> Tensor:
        if tensor.shape == (4,) and tensor.numpy()[0] == 12:
            raise MemoryError("no room on the device")
        return upload(tensor, device)  # type: ignore[arg-type]

    monkeypatch.setattr(Tensor, "to", limited)
    dataset = ArrayDataset(np.zeros((40, length), np.uint8), np.arange(40))
    seen = []
    with pytest.raises(MemoryError, match="no room"):
        for batch in DataLoader(dataset, 4, device="gpu", num_workers=workers):
            seen.append(int(batch.target.numpy()[0]))
    assert seen == [0, 4, 8]
    assert loader_threads() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_of_a_collate_comes_out_of_the_loop(workers: int) -> None:
    def collate(items: object) -> DataItem:
        raise PictureError(1, "cannot collate")

    with pytest.raises(PictureError, match="cannot collate") as caught:
        list(DataLoader(Numbers(), 4, num_workers=workers, collate=collate))
    assert caught.value.__notes__ == ["while the loader made batch 0 of epoch 0"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stop_iteration_does_not_end_the_epoch_silently(workers: int) -> None:
    class Exhausted(Numbers):
        def __getitem__(self, index: int) -> DataItem:
            return next(iter([]))

    with pytest.raises(RuntimeError, match="the data set raised StopIteration"):
        list(DataLoader(Exhausted(), 4, num_workers=workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_iterator_that_raised_is_at_its_end(workers: int) -> None:
    running = iter(loader(workers, bad=0))
    with pytest.raises(PictureError):
        next(running)
    assert next(running, None) is None


SCRIPT = """
import sys, time, threading
import numpy as np
from rumus.data import ArrayDataset, DataItem, DataLoader
from rumus.tensor import Tensor

class Numbers:
    def __len__(self): return 100_000
    def __getitem__(self, index):
        time.sleep({seconds})
        return DataItem(np.full(4, index, np.float32), index)

loader = DataLoader(Numbers(), 4, num_workers={workers})
running = iter(loader)
for k in range(3):
    next(running)
print("ready", flush=True)
{end}
"""

ENDS = {
    "at the end of the script": "",
    "by sys.exit": "sys.exit(0)",
    "with the loop in another thread": (
        "threading.Thread(target=lambda: [None for _ in loader], daemon=True).start();"
        "time.sleep(0.05)"
    ),
}


@pytest.mark.parametrize("seconds", [0, 0.01])
@pytest.mark.parametrize("end", ENDS, ids=str)
def test_the_interpreter_ends_at_once_and_silently(end: str, seconds: float) -> None:
    script = SCRIPT.format(workers=3, seconds=seconds, end=ENDS[end])
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "ready\n", "")
    assert time.monotonic() - started < 10


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("workers", [0, 3])
@pytest.mark.parametrize("loop", ["for _ in running: pass", "for _ in running: time.sleep(60)"])
def test_ctrl_c_ends_the_loop_within_a_second(workers: int, loop: str) -> None:
    end = f"""
try:
    {loop}
except KeyboardInterrupt:
    print(sum(t.name.startswith("rumus-data") for t in threading.enumerate()), flush=True)
"""
    script = SCRIPT.format(workers=workers, seconds=0.005, end=end)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.2)
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 3
    if "sleep" in loop:  # the iterator is still there, in its variable
        assert out in ("0\n", f"{workers}\n")
    else:
        assert out == "0\n"
    assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_can_begin_a_loop_but_not_go_on_with_one() -> None:
    it = loader(length=40)
    running = iter(it)
    next(running)
    child = os.fork()
    if child == 0:
        try:
            next(running)
        except RuntimeError:
            os._exit(0 if len(list(it)) == 10 else 2)
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(running)) == 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_may_drop_a_loop_whose_lock_was_held() -> None:
    running = iter(loader())
    next(running)
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with running._source._lock:  # type: ignore[attr-defined]
            held.set()
            forked.wait()

    threading.Thread(target=hold).start()
    held.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        running.close()
        os._exit(0)
    forked.set()
    assert os.waitpid(child, 0)[1] == 0
