"""Groups: what their calls do, on ranks that are threads and alone."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus.tensor import ArgumentError
from rumus.train import Alone, Group, GroupError, MpiGroup, find_group
from rumus.train._group.agree import agreed, any_of, gather_text, largest
from rumus.train._group.launcher import Launch, launch
from rumus.train._group.log import own_log
from rumus.train._group.memory import SharedMemory
from rumus.train._parallel.porter import Porter

Ranks = Callable[[int, Callable[[Group], Any]], list[Any]]


def on(ranks: Ranks, size: int, body: Callable[[Group], Any]) -> list[Any]:
    """Alone where there is one rank, so that it is held to the same."""
    return [body(Alone())] if size == 1 else ranks(size, body)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_rank_gets_what_the_others_send_to_it(ranks: Ranks, size: int) -> None:
    def body(group: Group) -> list[list[float]]:
        parts = [np.full(r + 1, 10 * group.rank + r, np.float32) for r in range(size)]
        into = [np.empty(group.rank + 1, np.float32) for _ in range(size)]
        group.alltoallv(parts, into).wait()
        return [array.tolist() for array in into]

    expected = [[[10.0 * s + r] * (r + 1) for s in range(size)] for r in range(size)]
    assert on(ranks, size, body) == expected


@pytest.mark.parametrize("size", [1, 2, 3])
def test_parts_are_gathered_in_place(ranks: Ranks, size: int) -> None:
    def body(group: Group) -> list[float]:
        weights = np.zeros(2 * size, np.float32)
        into = np.split(weights, size)
        into[group.rank][...] = group.rank + 1
        group.allgatherv(into[group.rank], into).wait()
        return weights.tolist()

    assert on(ranks, size, body) == [np.repeat(np.arange(1.0, size + 1), 2).tolist()] * size


@pytest.mark.parametrize("size", [1, 2, 3])
def test_what_is_not_there_yet_is_sent_when_it_is(ranks: Ranks, size: int) -> None:
    def body(group: Group) -> list[list[float]]:
        looks = iter([False, False, True])
        part = group.empty(8).view(np.float32)
        part[:] = group.rank

        def is_there() -> bool:
            part[:] += 1
            return next(looks)

        into = [np.empty(2, np.float32) for _ in range(size)]
        group.allgatherv(part, into, is_there).wait()
        return [array.tolist() for array in into]

    assert on(ranks, size, body) == [[[r + 3.0] * 2 for r in range(size)]] * size


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_largest_and_the_root_s_are_everybodys(ranks: Ranks, size: int) -> None:
    def body(group: Group) -> tuple[Any, ...]:
        values = np.array([group.rank, -group.rank], np.float64)
        array = np.full(3, group.rank, np.int32)
        pending = group.max(values), group.broadcast(array, root=size - 1), group.barrier()
        for call in pending:
            call.wait()
        texts = gather_text(group, "é" * group.rank)
        told = largest(group, group.rank), any_of(group, group.rank == 1), any_of(group, False)
        return values.tolist(), array.tolist(), texts, *told

    last = size - 1
    texts = ["é" * rank for rank in range(size)]
    expected = ([float(last), 0.0], [last] * 3, texts, last, size > 1, False)
    assert on(ranks, size, body) == [expected] * size


def test_ranks_that_differ_are_told_in_what(ranks: Ranks) -> None:
    def body(group: Group) -> str:
        what = {"model": "MLP", "seed": str(group.rank % 2), "data": "abc"}
        if group.rank == 2:
            del what["data"]
        with pytest.raises(GroupError) as told:
            agreed(group, what)
        return str(told.value)

    (told,) = set(ranks(3, body))
    assert "seed: 0 on ranks 0 and 2, 1 on rank 1" in told
    assert "data: abc on ranks 0 and 1, nothing on rank 2" in told
    assert "model" not in told
    agreed(Alone(), {"model": "MLP"})


def test_a_rank_that_raises_ends_the_others(ranks: Ranks) -> None:
    def body(group: Group) -> None:
        if group.rank == 1:
            raise KeyError("mine")
        group.barrier().wait()

    with pytest.raises(KeyError, match="mine"):
        ranks(3, body)


def test_a_rank_that_returns_is_not_waited_for(ranks: Ranks) -> None:
    def body(group: Group) -> None:
        if group.rank != 1:
            group.barrier().wait()

    with pytest.raises(GroupError, match=r"ranks \[1\] have returned"):
        ranks(3, body)


def test_ranks_above_0_print_into_files(
    ranks: Ranks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(group: Group) -> None:
        with suppress(KeyError), own_log(group, tmp_path):
            print(f"rank {group.rank} trains")
            group.barrier().wait()
            print(f"rank {group.rank} is disappointed", file=sys.stderr)
            if group.rank == 2:
                raise KeyError("lost")

    ranks(3, body)
    said = capsys.readouterr()
    assert said.out == "rank 0 trains\n"
    assert said.err == "rank 0 is disappointed\n"
    logs = {path.name: path.read_text() for path in (tmp_path / "ranks").iterdir()}
    first, rest = logs["rank-1.log"].split("\n", 1)
    assert first.startswith(f"rank 1 of 3: process {os.getpid()} on ")
    assert rest == "rank 1 trains\nrank 1 is disappointed\n"
    rest = logs["rank-2.log"].split("\n", 1)[1]
    assert rest.startswith("rank 2 trains\nrank 2 is disappointed\nTraceback")
    assert logs["rank-2.log"].endswith("KeyError: 'lost'\n")


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"}, Launch("srun", 4, 2)),
        ({"PMI_SIZE": "3", "PMI_RANK": "1"}, Launch("MPICH or a relative of it", 3, 1)),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, Launch("Open MPI", 2, 1)),
        ({"PMIX_RANK": "5"}, Launch("PMIx", 0, 5)),
        ({"PMI_SIZE": "many"}, None),
    ],
)
def test_a_launcher_is_known_by_its_variables(environment: Any, found: Launch | None) -> None:
    assert launch(environment) == found


def test_a_group_is_given_or_found(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = Alone()
    assert find_group(alone) is alone
    assert find_group() is find_group("auto")
    with pytest.raises(ArgumentError, match=r'"auto" or a Group, such as Alone\(\), not 3'):
        find_group(3)  # type: ignore[arg-type]
    for deadline in (0, -1.0, float("nan")):
        with pytest.raises(ArgumentError, match="seconds above 0"):
            MpiGroup(deadline=deadline)
    monkeypatch.setenv("RUMUS_DEADLINE", "soon")
    with pytest.raises(ArgumentError, match="not 'soon'"):
        MpiGroup()


@pytest.mark.skipif(sys.platform != "linux", reason="others have no files in memory by name")
def test_memory_is_read_where_it_lies_by_those_who_can() -> None:
    mine, theirs = SharedMemory(), SharedMemory()
    assert theirs.tried({4: (os.getpid(), mine.probe()), 5: (os.getpid(), -1)}) == [4]
    mine.read_by([7])
    memory = mine.empty(100_000)
    memory[:] = np.arange(100_000) % 251
    assert mine.place(6, memory) is None, "of which nothing is known"
    assert mine.place(7, np.zeros(100_000, np.uint8)) is None, "of other memory"
    assert mine.place(7, memory[:4096]) is None, "of few bytes"
    found = theirs.find(4, mine.place(7, memory[30_000:80_000]) or b"")
    np.testing.assert_array_equal(found, np.arange(30_000, 80_000) % 251)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
    with pytest.raises(OSError, match="No such"):  # of a process that is no more
        lost = SharedMemory()
        lost.tried({4: (os.getpid(), mine.probe())})
        lost._processes[4] = 2**22 + 1
        lost.find(4, mine.place(7, memory[:50_000]) or b"")
    del memory
    again = mine.empty(100_000)
    again[:] = 9
    copied = np.zeros(50_000, np.uint8)
    theirs.copy(copied, theirs.find(4, mine.place(7, again[:50_000]) or b""))
    assert set(copied.tolist()) == {9}


@pytest.mark.skipif(sys.platform != "linux", reason="others have no files in memory by name")
def test_memory_that_is_gone_is_held_by_nobody_else() -> None:
    mine, theirs = SharedMemory(), SharedMemory()
    theirs.tried({4: (os.getpid(), mine.probe())})
    mine.read_by([7])
    kept = mine.empty(100_000)
    for number in range(8):
        memory = mine.empty(100_000)
        for each in (memory, kept):
            each[:] = number
            assert set(theirs.find(4, mine.place(7, each) or b"").tolist()) == {number}
        maps = Path("/proc/self/maps").read_text("utf-8").count("memfd:rumus")
        assert maps <= 2 * 3, "the kept one, this one and the one before, here and there"
        del each, memory


def test_memory_is_ordinary_where_there_are_no_such_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    memory = SharedMemory()
    assert memory.probe() == -1
    assert memory.tried({1: (os.getpid(), -1)}) == []
    memory.read_by([])
    assert memory.empty(100_000).nbytes == 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="others have no files in memory by name")
def test_memory_is_ordinary_where_there_are_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(name: str) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    memory = SharedMemory()
    memory.read_by([1])
    monkeypatch.setattr(os, "memfd_create", refused)
    assert memory.place(1, memory.empty(100_000)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="others have no files in memory by name")
def test_memory_is_there_for_others_while_a_program_ends() -> None:
    program = """
import atexit
atexit.register(lambda: print(memory.place(1, held) is not None))
from rumus.train._group.memory import SharedMemory
memory = SharedMemory()
memory.read_by([1])
held = memory.empty(100_000)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout == "True\n", said.stderr


def test_a_porter_says_what_went_wrong_and_goes_on() -> None:
    told: list[int] = []
    porter, may_go = Porter("test", lambda: told.append(len(told))), threading.Event()
    slow = porter.send(may_go.wait)
    wrong, right = porter.send(lambda: 1 // 0), porter.send(lambda: None)
    assert not slow.is_done() and not right.is_done()
    may_go.set()
    right.wait()
    assert slow.is_done() and right.is_done()
    with pytest.raises(ZeroDivisionError):
        wrong.wait()
    with pytest.raises(ZeroDivisionError):  # or who asks would ask for ever
        wrong.is_done()
    del porter
    give_up = time.monotonic() + 10
    while any(thread.name == "test" for thread in threading.enumerate()):
        assert time.monotonic() < give_up, "its thread goes with it"
        time.sleep(0.01)
    assert told == [0, 1, 2]
