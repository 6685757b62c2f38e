"""Storages whose values come from elsewhere: who uses them waits for what is needed, in time."""

from collections.abc import Callable, Collection

import numpy as np
import pytest

from rumus import gpu
from rumus.tensor import Tensor, from_numpy, no_grad, tensor, zeros

pytestmark = pytest.mark.gpu
PART = 4
"""Elements that come at once."""


class Late:
    """Twelve numbers, of which each part comes when it is needed."""

    def __init__(self) -> None:
        self.values = zeros(12, device="gpu")
        gpu.persist(self.values.array)
        self.rest: set[int] = set()
        self.said: list[list[int]] = []
        self.number = 0.0

    def send(self) -> None:
        """All numbers will be larger by one."""
        self.number += 1.0
        self.rest = {0, 1, 2}

    @property
    def is_waiting(self) -> bool:
        return bool(self.rest)

    def parts(self, start: int, stop: int) -> Collection[int]:
        return range(start // (4 * PART), -(-stop // (4 * PART)))

    def bring(self, parts: Collection[int] | None = None) -> None:
        needed = self.rest & set(self.rest if parts is None else parts)
        if needed:
            self.said.append(sorted(needed))
        self.rest -= needed
        for part in needed:
            place = self.values[part * PART : (part + 1) * PART]
            with no_grad():
                place.copy_(from_numpy(np.full(PART, self.number, np.float32)).to("gpu"))


@pytest.fixture
def late() -> Late:
    made = Late()
    gpu.guard(made.values.array, made)
    made.send()
    return made


USES: dict[str, tuple[Callable[[Tensor], object], list[list[int]]]] = {
    "a view": (lambda t: (t[5:7] * 1.0).tolist(), [[1]]),
    "a reversed one": (lambda t: (t[7:3:-1] * 1.0).tolist(), [[1]]),
    "steps": (lambda t: (t[1:12:9] * 1.0).tolist(), [[0, 1, 2]]),
    "a matrix": (lambda t: t.reshape(3, 4)[1:, :2] @ tensor([1.0, 2.0], device="gpu"), [[1, 2]]),
    "a read": (lambda t: t[8:].tolist(), [[2]]),
    "nothing": (lambda t: t[3:3].tolist(), []),
}


@pytest.mark.parametrize("use", USES)
def test_what_is_used_comes_first(use: str, late: Late) -> None:
    call, expected = USES[use]
    found = call(late.values)
    assert late.said == expected
    numbers = found.numpy() / 3 if isinstance(found, Tensor) else np.array(found)
    assert (numbers == 1.0).all()
    assert late.values.tolist() == [1.0] * 12


def test_what_is_written_from_the_host_is_not_overwritten_by_what_comes(late: Late) -> None:
    gpu.from_host(np.full(12, 7.0, np.float32), out=late.values.array)
    assert late.values.tolist() == [7.0] * 12
    late.send()
    reader = gpu.ReadAhead(48)
    reader.begin(late.values.array)
    assert reader.wait(np.empty(12, np.float32)).tolist() == [2.0] * 12


def test_a_replay_waits_where_it_first_needs_a_part(late: Late) -> None:
    def step(x: Tensor) -> Tensor:
        first = x * late.values[:4]
        again = first + late.values[2:4].sum()
        return again * late.values[8:]

    captured = gpu.capture(step)
    x = tensor([1.0, 2.0, 3.0, 4.0], device="gpu")
    for k in range(4):
        late.said.clear()
        n = float(k + 1)
        assert captured(x).tolist() == [(v * n + 2 * n) * n for v in (1.0, 2.0, 3.0, 4.0)]
        assert late.said == [[0], [2]] and late.rest == {1}
        assert late.values.tolist() == [n] * 12
        late.send()
    assert len(captured.dispatches) == 1


def test_a_recording_from_before_and_arguments_wait_too() -> None:
    late = Late()
    captured = gpu.capture(lambda x: x + late.values[:4])
    x = zeros(4, device="gpu")
    assert captured(x).tolist() == [0.0] * 4
    gpu.guard(late.values.array, late)
    late.send()
    assert captured(x).tolist() == [1.0] * 4
    late.send()
    double = gpu.capture(lambda x: x * 2.0)
    assert double(late.values[4:8]).tolist() == [4.0] * 4
    gpu.guard(late.values.array, None)
    late.send()
    assert captured(x).tolist() != [3.0] * 4


def test_a_new_guard_is_asked_by_old_recordings_and_the_old_one_brings_the_rest(late: Late) -> None:
    captured = gpu.capture(lambda x: x + late.values[:4])
    x = zeros(4, device="gpu")
    assert captured(x).tolist() == [1.0] * 4
    second = Late()
    second.values = late.values
    gpu.guard(late.values.array, second)
    assert late.rest == set() and late.values.tolist() == [1.0] * 12
    second.number = 4.0
    second.send()
    assert captured(x).tolist() == [5.0] * 4


def test_what_a_step_returns_untouched_comes_too(late: Late) -> None:
    captured = gpu.capture(lambda x: (x * 2.0, late.values))
    for k in range(3):
        assert captured(zeros(4, device="gpu"))[1].tolist() == [k + 1.0] * 12
        late.send()
