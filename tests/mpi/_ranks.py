"""What each rank does in the tests: ``mpiexec -n N python _ranks.py WHAT``."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import AdamW
from rumus.tensor import manual_seed
from rumus.train import Alone, Group, GroupError, MpiGroup, Trainer, find_group
from rumus.train._group.agree import agreed, gather_text, largest

DEADLINE = 3.0
STEP = 5
"""At which something happens to rank 1."""


def main(what: str) -> None:
    """Do it, and let rank 0 say that it was done."""
    if what == "is_missing" and MPI.COMM_WORLD.Get_rank() == 1:
        time.sleep(100)  # and makes no group
    group = MpiGroup(deadline=100.0 if what in ("dies_at_its_end", "parcels") else DEADLINE)
    globals()[what](group)
    if group.rank == 0:
        print(f"{what} is done by {group.size} ranks", flush=True)


def calls(group: Group) -> None:
    """Every call of the contract, with arrays that are empty, small and larger than a buffer."""
    rank, size = group.rank, group.size
    for count in (0, 1, 7, 300_000):
        parts = [np.full(count * r, 10 * rank + r, np.float32) for r in range(size)]
        into = [np.zeros(count * rank, np.float32) for _ in range(size)]
        mine = np.full(count + rank, rank, np.uint8)
        gathered = [mine if r == rank else np.zeros(count + r, np.uint8) for r in range(size)]
        top = np.array([rank, -rank, 2**60 + rank])
        text = np.full(count, rank, np.float64)
        pending = [
            group.alltoallv(parts, into),
            group.allgatherv(mine, gathered),
            group.max(top),
            group.broadcast(text, root=size - 1),
            group.barrier(),
        ]
        for call in reversed(pending):
            call.wait()
        for r in range(size):
            np.testing.assert_array_equal(into[r], np.full(count * rank, 10 * r + rank, np.float32))
            np.testing.assert_array_equal(gathered[r], np.full(count + r, r, np.uint8))
        np.testing.assert_array_equal(top, [size - 1, 0, 2**60 + size - 1])
        np.testing.assert_array_equal(text, np.full(count, size - 1.0))
    assert gather_text(group, "é" * rank) == ["é" * r for r in range(size)]
    assert find_group("auto").size == size
    assert group.local_rank == rank


def later(group: Group) -> None:
    """Parts that are not there yet: they are sent in their order, and nothing else waits."""
    rank, size = group.rank, group.size
    for count in (1, 50_000):
        for empty in (group.empty, lambda nbytes: np.empty(nbytes, np.uint8)):
            parts = [empty(4 * count * size).view(np.float32) for _ in range(4)]
            into = [[np.zeros(count, np.float32) for _ in range(size)] for _ in parts]
            is_there = [threading.Event() for _ in parts]
            pending = [
                group.alltoallv(np.split(part, size), target, event.is_set)
                for part, target, event in zip(parts, into, is_there, strict=True)
            ]
            assert largest(group, rank) == size - 1
            for k in (2, 0, 3, 1):
                parts[k][...] = np.repeat(np.arange(size), count) + 100 * rank + 1000 * k
                is_there[k].set()
                assert largest(group, rank) == size - 1
            for k, call in reversed(list(enumerate(pending))):
                call.wait()
                for r in range(size):
                    assert (into[k][r] == rank + 100 * r + 1000 * k).all(), (k, r, into[k][r])


def lent(group: Group) -> None:
    """What is lent is what was sent, until it is given back; later calls come meanwhile."""
    rank, size = group.rank, group.size
    others = [r for r in range(size) if r != rank]
    for is_read in (True, False):
        empty = group.empty if is_read else lambda nbytes: np.empty(nbytes, np.uint8)
        parts = [empty(200_000).view(np.float32).reshape(2, -1) for _ in range(4)]
        rooms = [[np.zeros((2, 25_000), np.float32) for _ in range(size)] for _ in parts]
        pending = []
        for number, (part, into) in enumerate(zip(parts, rooms, strict=True)):
            part[...] = number + 10 * rank
            into[rank] = part
            pending.append(group.allgatherv(part, into, lend=True))
        for number in (3, 0, 2, 1):
            found = pending[number].parts()
            assert list(found) == others
            for r in others:
                assert found[r].shape == (2, 25_000)
                assert (found[r] == number + 10 * r).all(), (number, r, found[r])
                assert np.shares_memory(found[r], rooms[number][r]) != is_read
            pending[number].give_back()
        for call in pending:
            call.wait()


def parcels(group: Group) -> None:
    """Steps of many small parcels on a GPU end with the weights of one process."""
    for file, name, size in (
        ("layout", "PARCEL", 64),
        ("layout", "FIRST", 32),
        ("arrivals", "FIRST", 32),
    ):
        setattr(import_module(f"rumus.train._parallel.{file}"), name, size)
    for capture in (False, True):
        one, several = (trained(each, group.size, capture) for each in (Alone(), group))
        assert one == several, (capture, group.rank)


def trained(group: Group, shards: int, capture: bool) -> str:
    """The hash of the weights of a small network."""
    rng = np.random.default_rng(5)
    x, y = (rng.standard_normal((48, n), np.float32) for n in (12, 3))
    manual_seed(0)
    model = nn.Sequential(
        nn.Linear(12, 40), nn.GELU(), nn.Linear(40, 30), nn.Tanh(), nn.Linear(30, 3)
    )
    optimizer = AdamW(model.to("gpu").parameters(), 0.01)
    trainer = Trainer(optimizer, capture=capture, group=group, shards=shards)
    trainer.fit(model, DataLoader(ArrayDataset(x, y), 12), nn.mse_loss, epochs=3, clip=0.5)
    return hashlib.sha256(b"".join(p.numpy().tobytes() for p in model.parameters())).hexdigest()


def memory(group: Group) -> None:
    """What is sent from a group's memory comes as it was sent, and the memory goes again."""
    held, rng = [], np.random.default_rng(0)
    for number in range(60):
        mine = group.empty(200_000 + 4096 * group.rank)
        mine[:] = number + group.rank
        start = int(rng.integers(0, 100_000))
        found = [np.zeros(90_000, np.uint8) for _ in range(group.size)]
        group.allgatherv(mine[start : start + 90_000], found).wait()
        assert [set(array.tolist()) for array in found] == [{number + r} for r in range(group.size)]
        held = [*held[-3:], mine]
        del mine
    few = len(held) * (2 + 2 * group.size)  # of those that were sent
    maps = Path("/proc/self/maps").read_text("utf-8").count("memfd:rumus")
    assert 0 < maps <= few, maps
    assert len(os.listdir("/proc/self/fd")) < few + 40


def cannot_send(group: Group) -> None:
    """What rank 1 has to send will never be there."""

    def ready() -> bool:
        if group.rank == 1:
            raise ValueError("a broken device")
        return True

    into = [np.zeros(1, np.uint8) for _ in range(group.size)]
    group.allgatherv(into[group.rank], into, ready).wait()


def is_late(group: Group) -> None:
    """A program ends while much of what comes to it is not there yet."""
    mine = group.empty(8 << 20)
    held.append([np.zeros(mine.size, np.uint8) for _ in range(group.size)])
    is_time = time.monotonic() + 1.0
    group.allgatherv(mine, held[0], lambda: time.monotonic() > is_time)


held: list[Any] = []


def misfits(group: Group) -> None:
    """Parts that do not fit are an error of the call, and no wait for ever."""
    size = group.size
    parts = [np.zeros(3, np.float32) for _ in range(size)]
    into = [np.zeros(3, np.float32 if r != group.rank else np.int32) for r in range(size)]
    try:
        group.alltoallv(parts, into).wait()
    except GroupError as error:
        assert "alltoallv" in str(error)
    else:
        raise AssertionError("float32 went into int32")
    group.barrier().wait()


def rests(group: Group) -> None:
    """All ranks are stopped for longer than the deadline, as by Ctrl-Z, and then go on."""

    def rest() -> None:
        processes = " ".join(gathered)
        subprocess.Popen(["sh", "-c", f"sleep {DEADLINE + 2}; kill -CONT {processes}"])
        subprocess.run(["sh", "-c", f"kill -STOP {processes}"], check=True)

    gathered = gather_text(group, str(os.getpid()))
    steps(group, rest)


def differ(group: Group) -> None:
    """Ranks that do not train the same."""
    agreed(group, {"model": "MLP", "seed": str(min(group.rank, 1))})


def steps(group: Group, happens: Any = lambda: None) -> None:
    """Steps with an exchange each, and a loader at work; at one of them something happens."""
    loader = DataLoader(ArrayDataset(np.zeros((4000, 8), np.float32)), batch_size=8, num_workers=2)
    for step, _ in enumerate(loader):
        group.at(f"step {step}")
        if step == STEP and group.rank == 1:
            happens()
        group.max(np.zeros(3, np.int64)).wait()
        if step == 2 * STEP:
            return


def raises(group: Group) -> None:
    """Rank 1 raises."""

    def happens() -> None:
        raise ValueError("a broken sample")

    steps(group, happens)


def strays(group: Group) -> None:
    """Rank 1 makes another call than the others."""
    steps(group, lambda: largest(group, 1))


def ends(group: Group) -> None:
    """Rank 1 ends its program."""
    steps(group, lambda: sys.exit(0))


def exits(group: Group) -> None:
    """Rank 1 ends without a word."""
    steps(group, lambda: os._exit(0))


def dies(group: Group) -> None:
    """Rank 1 is killed."""
    steps(group, lambda: os.kill(os.getpid(), signal.SIGKILL))


def stops(group: Group) -> None:
    """Rank 1 is stopped."""
    steps(group, lambda: os.kill(os.getpid(), signal.SIGSTOP))


def stops_for_others(group: Group) -> None:
    """Rank 1 waits for rank 2, which is stopped, before it gives back what rank 0 has lent it."""
    if group.rank == 2:
        os.kill(os.getpid(), signal.SIGSTOP)
    sizes = [[10_000 * (r != 1 and s == 1) for s in range(3)] for r in range(3)]
    parts = [group.empty(size) for size in sizes[group.rank]]
    into = [np.zeros(of_rank[group.rank], np.uint8) for of_rank in sizes]
    delivery = group.alltoallv(parts, into, lend=True)
    delivery.parts()
    delivery.give_back()
    delivery.wait()


def computes(group: Group) -> None:
    """Rank 1 computes longer than the deadline."""
    steps(group, lambda: time.sleep(DEADLINE + 5))


def stops_at_its_end(group: Group) -> None:
    """Rank 1 is stopped when there is nothing left to do."""
    steps(group)
    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGSTOP)


def dies_at_its_end(group: Group) -> None:
    """Rank 1 is killed when the others have nothing left to do, with a deadline that is far off."""
    steps(group)
    if group.rank == 1:
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGKILL)


def ends_late(group: Group) -> None:
    """Rank 1 has work of its own at the end, longer than the deadline, which all wait for."""
    steps(group)
    if group.rank == 1:
        time.sleep(DEADLINE + 1)


def is_told_to_stop(group: Group) -> None:
    """Train until any rank has got a signal; all leave at the same step."""
    told = [0]

    def note(number: int, _: object) -> None:
        told[0] = number

    signal.signal(signal.SIGTERM, note)
    processes = gather_text(group, str(os.getpid()))
    if group.rank == 0:
        print("process", processes[1], flush=True)
    for step in range(10_000):
        group.at(f"step {step}")
        time.sleep(0.01)
        if number := largest(group, told[0]):
            leaving = gather_text(group, str(step))
            assert leaving == [str(step)] * group.size
            if group.rank == 0:
                print(f"all stop at one step for signal {number}", flush=True)
            raise SystemExit(128 + number)


if __name__ == "__main__":
    main(sys.argv[1])
