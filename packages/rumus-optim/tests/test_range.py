"""Ranges of an optimizer's elements: together one whole step, with the state shared out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from rumus import gpu, optim
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import OptimizerStateError, ParameterListError
from rumus.tensor import Tensor, no_grad, pack, tensor

SHAPES = ((6, 5), (70, 33), (3,), (0, 4), (), (40, 50), (9, 9))
MAKERS: dict[str, Callable[..., optim.Optimizer]] = {
    "AdamW": lambda p, **o: optim.AdamW(p, 0.01, **o),
    "LAMB": lambda p, **o: optim.LAMB(p, 0.01, **o),
    "Adafactor": lambda p, **o: optim.Adafactor(p, 0.05, **o),
}


class Replica:
    """Parameters with an optimizer, and the same gradients from a seed in each replica."""

    def __init__(
        self, make: Callable[..., Any], device: str, dtypes: Sequence[str], **options: Any
    ):
        try:
            self._make(make, device, dtypes, SHAPES, options)
        except ParameterListError:  # Muon takes matrices
            self._make(make, device, dtypes, [s for s in SHAPES if len(s) == 2], options)

    def _make(
        self, make: Any, device: str, dtypes: Sequence[str], shapes: Any, options: Any
    ) -> None:
        rng = np.random.default_rng(0)
        self.params = [
            Parameter(tensor(rng.standard_normal(shape), dtype=dtypes[i % len(dtypes)]).to(device))
            for i, shape in enumerate(shapes)
        ]
        self.device = device
        pairs = [(f"p{i}", p) for i, p in enumerate(self.params)]
        groups = [{"params": pairs[:3], "lr_scale": 0.5}, {"params": pairs[3:]}]
        self.optimizer = make(groups, **options)

    def grads(self, seed: int, bad: int | None = None) -> GradientStore:
        rng = np.random.default_rng(seed)
        store = GradientStore()
        for i, p in enumerate(self.params):
            values = rng.standard_normal(p.shape).astype(p.dtype)
            if i == bad:
                values[...] = np.nan
            store.accumulate(p.id, tensor(values).to(self.device))
        return store

    def edges(self, elementwise: bool) -> list[int]:
        """Where ranges may begin and end."""
        found, at = [0], 0
        for arena in pack(sorted(self.params, key=lambda p: p.dtype.itemsize)):
            offsets = [slot.offset for slot in arena.slots if slot.offset]
            step = 256 // arena.data.dtype.itemsize
            found += [
                at + e for e in (range(step, arena.data.size, step) if elementwise else offsets)
            ]
            at += arena.data.size
            found.append(at)
        return sorted(set(found))

    def arrays(self) -> list[Any]:
        return [p.numpy() for p in self.params]


def cuts(edges: list[int], seed: int, count: int) -> list[tuple[int, int]]:
    """Uneven ranges that make up everything, one of them empty."""
    inner = np.random.default_rng(seed).choice(edges[1:-1], count - 2, replace=False).tolist()
    return list(pairwise(sorted([0, *inner, inner[0], edges[-1]])))


def merged(replicas: list[Replica], ranges: list[tuple[int, int]]) -> list[Any]:
    """The parameters, each range from the replica that owns it."""
    whole = replicas[0]
    order = sorted(whole.params, key=lambda p: p.dtype.itemsize)
    result: dict[int, Any] = {}
    at = 0
    for arena in pack(order):
        for slot in arena.slots:
            k = next(i for i, p in enumerate(whole.params) if p is slot.parameter)
            flat = np.zeros(slot.size, whole.params[k].dtype)
            for replica, (first, last) in zip(replicas, ranges, strict=True):
                values = replica.params[k].numpy().reshape(-1)
                start = max(first - at - slot.offset, 0)
                stop = min(last - at - slot.offset, slot.size)
                if start < stop:
                    flat[start:stop] = values[start:stop]
            result[k] = flat.reshape(whole.params[k].shape)
        at += arena.data.size
    return [result[k] for k in range(len(whole.params))]


def compare(a: Sequence[Any], b: Sequence[Any]) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def size_of(state: Any) -> int:
    return sum(a.size for arrays in state["state"].values() for a in arrays.values())


@pytest.mark.parametrize("dtypes", [("float32",), ("float16",), ("float16", "float32")])
def test_steps_of_ranges_are_one_whole_step_bit_for_bit(
    make_optimizer: Callable[..., Any], dtypes: tuple[str, ...], device: str
) -> None:
    make = make_optimizer
    whole = Replica(make, device, dtypes)
    probe = Replica(make, device, dtypes)
    elementwise = probe.optimizer.elementwise
    ranges = cuts(probe.edges(elementwise), 0, 5 if elementwise else 4)
    replicas = [Replica(make, device, dtypes) for _ in ranges]
    for step in range(3):
        whole.optimizer.step(whole.grads(step))
        for replica, (first, last) in zip(replicas, ranges, strict=True):
            grads = replica.grads(step)
            replica.optimizer.step_range(first, last, grads)
            assert len(grads) == 0
    compare(merged(replicas, ranges), whole.arrays())
    states = [replica.optimizer.state_dict() for replica in replicas]
    expected = whole.optimizer.state_dict()
    joined = optim.join_states(states[::-1])
    assert {k: v for k, v in joined.items() if k != "state"} == {
        k: v for k, v in expected.items() if k != "state"
    }
    for key, arrays in expected["state"].items():
        assert joined["state"][key].keys() == arrays.keys()
        compare(list(joined["state"][key].values()), list(arrays.values()))
    kept = sum(size_of(state) for state in states)
    assert kept == size_of(expected)


@pytest.mark.parametrize("name", ["AdamW", "Adafactor"])
def test_a_run_goes_on_in_other_ranges(name: str, device: str) -> None:
    make = MAKERS[name]
    whole = Replica(make, device, ("float16", "float32"))
    edges = whole.edges(whole.optimizer.elementwise)
    first, second = cuts(edges, 1, 4), cuts(edges, 2, 3)
    replicas = [Replica(make, device, ("float16", "float32")) for _ in first]
    for step in range(2):
        whole.optimizer.step(whole.grads(step))
        for replica, (a, b) in zip(replicas, first, strict=True):
            replica.optimizer.step_range(a, b, replica.grads(step))
    values = merged(replicas, first)
    joined = optim.join_states([replica.optimizer.state_dict() for replica in replicas])
    others = [Replica(make, device, ("float16", "float32")) for _ in second]
    for replica, (a, b) in zip(others, second, strict=True):
        with no_grad():
            for p, value in zip(replica.params, values, strict=True):
                p.copy_(tensor(value).to(device))
        replica.optimizer.own_range(a, b)
        replica.optimizer.load_state_dict(joined)
        replica.optimizer.step_range(a, b, replica.grads(2))
        again = Replica(make, device, ("float16", "float32")).optimizer
        again.own_range(a, b)
        again.load_state_dict(replica.optimizer.state_dict())
        assert again.state_dict()["segments"] == replica.optimizer.state_dict()["segments"]
    whole.optimizer.step(whole.grads(2))
    compare(merged(others, second), whole.arrays())
    assert [replica.optimizer.steps for replica in others] == [3] * len(second)


def test_a_range_cuts_the_state_that_is_there(device: str) -> None:
    whole, part = (Replica(MAKERS["AdamW"], device, ("float32",)) for _ in range(2))
    edges = whole.edges(True)
    first, last = edges[3], edges[-4]
    for replica in (whole, part):
        replica.optimizer.step(replica.grads(0))
    part.optimizer.own_range(first, last)
    whole.optimizer.step(whole.grads(1))
    part.optimizer.step(part.grads(1))
    expected = merged([part, whole, part], [(0, first), (first, last), (last, edges[-1])])
    compare(part.arrays(), expected)
    with pytest.raises(ParameterListError, match="no state of a part"):
        part.optimizer.own_range(0, last)


def test_ranges_skip_together_what_their_owner_says(device: str) -> None:
    make = MAKERS["AdamW"]
    whole = Replica(make, device, ("float32",), skip_nonfinite=True)
    ranges = cuts(whole.edges(True), 3, 4)
    replicas = [Replica(make, device, ("float32",), skip_nonfinite=True) for _ in ranges]
    for step in range(4):
        bad = 1 if step == 1 else None
        whole.optimizer.step(whole.grads(step, bad))
        for replica, (first, last) in zip(replicas, ranges, strict=True):
            grads = replica.grads(step, bad)
            replica.optimizer.step_range(first, last, grads, finite=bad is None)
    compare(merged(replicas, ranges), whole.arrays())
    for replica in (whole, *replicas):
        assert (replica.optimizer.steps, replica.optimizer.skipped_steps) == (3, 1)


def test_ranges_of_frozen_and_scaled_gradients_follow_the_whole_step(device: str) -> None:
    make = MAKERS["AdamW"]
    whole = Replica(make, device, ("float32",))
    ranges = cuts(whole.edges(True), 4, 4)
    replicas = [Replica(make, device, ("float32",)) for _ in ranges]
    for step in range(3):
        for replica in (whole, *replicas):
            replica.params[1].requires_grad = step != 1
            grads = replica.grads(step)
            grads.scale_by([p.id for p in replica.params], 0.25)
            if replica is whole:
                replica.optimizer.step(grads)
            else:
                replica.optimizer.step_range(*ranges[replicas.index(replica)], grads)
    compare(merged(replicas, ranges), whole.arrays())


def test_cuts_where_none_may_be_are_refused(device: str) -> None:
    replica = Replica(MAKERS["AdamW"], device, ("float32",))
    with pytest.raises(ParameterListError, match=r"64 elements .* 3 beyond"):
        replica.optimizer.own_range(0, 67)
    with pytest.raises(ParameterListError, match="not within"):
        replica.optimizer.own_range(0, 10**9)
    lamb = Replica(MAKERS["LAMB"], device, ("float32",))
    with pytest.raises(ParameterListError, match="edges, 64 and 2432, and not at 128"):
        lamb.optimizer.own_range(128, 2432)
    replica.optimizer.step_range(0, 64, replica.grads(0))
    with pytest.raises(ParameterListError, match=r"\(0, 64\)"):
        replica.optimizer.step_range(64, 128, replica.grads(0))
    other = Replica(MAKERS["AdamW"], device, ("float32",))
    with pytest.raises(OptimizerStateError, match="join_states"):
        other.optimizer.load_state_dict(replica.optimizer.state_dict())
    with pytest.raises(OptimizerStateError, match="do not make up"):
        optim.join_states([replica.optimizer.state_dict()])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_sums_of_squares_over_blocks_do_not_depend_on_the_cut(dtype: str, device: str) -> None:
    rng = np.random.default_rng(0)
    shapes = ((100, 700), (5,), (40_000,))
    arrays = [(rng.standard_normal(shape) * 10.0).astype(dtype) for shape in shapes]

    def sums(first: int | None, last: int | None) -> Any:
        params = [Parameter(tensor(a).to(device)) for a in arrays]
        optimizer = optim.AdamW(params)
        if first is not None and last is not None:
            optimizer.own_range(first, last)
        grads = GradientStore()
        for p, a in zip(params, arrays, strict=True):
            grads.accumulate(p.id, tensor(a).to(device))
        return optimizer.block_squares(grads)

    whole = sums(None, None)
    assert len(whole) == 5 + 1 + 3
    expected = sum(float((a.astype(np.float64) ** 2).sum()) for a in arrays)
    assert math.fsum(whole) == pytest.approx(expected, rel=1e-6)
    align = 256 // arrays[0].itemsize
    offset = -(-70_000 // align) * align
    last = offset + align + -(-40_000 // align) * align
    edges = [0, 3 * 16384, offset, offset + align, offset + align + 16384, last]
    np.testing.assert_array_equal(np.concatenate([sums(a, b) for a, b in pairwise(edges)]), whole)
    arrays[2][20_000] = np.inf
    assert np.isnan(sums(None, None)).tolist() == [False] * 7 + [True, False]


def test_sums_of_squares_reach_beyond_float32(device: str) -> None:
    weight = Parameter(tensor([1.0, 2.0]).to(device))
    optimizer = optim.SGD([weight], 0.1)
    for scale in (3e30, 2e-30):
        grads = GradientStore()
        grads.accumulate(weight.id, tensor([scale, 0.0]).to(device))
        (total,) = optimizer.block_squares(grads)
        assert total == pytest.approx(float(np.float32(scale)) ** 2, rel=1e-6)


def test_masters_of_a_range_follow_weights_that_were_changed(device: str) -> None:
    whole, part = (Replica(MAKERS["AdamW"], device, ("float16",)) for _ in range(2))
    edges = whole.edges(True)
    first, last = edges[2], edges[-3]
    part.optimizer.own_range(first, last)
    for step in range(3):
        for replica in (whole, part):
            if step == 1:
                with no_grad():
                    replica.params[1][3] = 4.0
            replica.optimizer.step(replica.grads(step))
    start = Replica(MAKERS["AdamW"], device, ("float16",))
    with no_grad():
        start.params[1][3] = 4.0
    cut = [(0, first), (first, last), (last, edges[-1])]
    compare(part.arrays(), merged([start, whole, start], cut))


@pytest.mark.gpu
def test_a_captured_step_of_a_range_follows_the_eager_one() -> None:
    eager, captured = (Replica(MAKERS["AdamW"], "gpu", ("float16", "float32")) for _ in range(2))
    edges = eager.edges(True)
    for replica in (eager, captured):
        replica.optimizer.own_range(edges[1], edges[-2])

    def step(replica: Replica, x: Tensor) -> None:
        losses = [(p * p).to("float32").sum() * x for p in replica.params]
        replica.optimizer.step(sum(losses[1:], start=losses[0]).backward())

    replay = gpu.capture(lambda x: step(captured, x))
    for k in range(4):
        x = tensor(np.float32(0.5 + k)).to("gpu")
        step(eager, x)
        replay(x)
    compare(eager.arrays(), captured.arrays())
    assert len(replay.dispatches) == 1
    assert captured.optimizer.steps == 4
