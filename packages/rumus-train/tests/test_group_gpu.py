"""Steps over shards on a GPU: the way over the host changes no bit."""

from __future__ import annotations

import gc
import hashlib
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from rumus import gpu, nn, optim, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.tensor import MissingGradError
from rumus.train import Alone, Group, GroupError, Trainer
from rumus.train._parallel.arrivals import Arrivals
from rumus.train._parallel.device_vectors import DeviceVectors
from rumus.train._parallel.exchange import Exchange
from rumus.train._parallel.layout import Layout, Span
from rumus.train._parallel.rows import Letters
from rumus.train._parallel.update import Update

pytestmark = pytest.mark.gpu
RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 12)).astype(np.float32)
Y = RNG.normal(size=(40, 3)).astype(np.float32)
Ranks = Callable[[int, Callable[[Group], Any]], list[Any]]


class To(nn.Module):
    def __init__(self, dtype: str) -> None:
        self.dtype = dtype

    def forward(self, x: Any) -> Any:
        return x.to(self.dtype)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(12, 30), nn.GELU(), nn.Dropout(0.2), nn.Linear(30, 3))


def normed() -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(12), nn.Linear(12, 3))


def half() -> nn.Module:
    return nn.Sequential(To("float16"), mlp().to("float16"), To("float32"))


def frozen() -> nn.Module:
    net = mlp()
    net[0].weight.requires_grad = False
    return net


def fitted(group: Group, model: Callable[[], nn.Module], capture: Any, **options: Any) -> Any:
    tensor.manual_seed(4)
    net = model().to("gpu")
    trainer = Trainer(
        optim.AdamW(net.named_parameters(), 0.01), capture=capture, group=group, shards=4
    )
    data = DataLoader(ArrayDataset(X, Y), 16, shuffle=True, drop_last=True)
    run = trainer.fit(net, data, nn.mse_loss, epochs=2, **options)
    state = net.state_dict().values()
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in state)).hexdigest(), run.metrics


CASES: dict[str, Any] = {
    "an MLP": (mlp, False, {}),
    "captured steps": (mlp, True, {"clip": 0.3}),
    "captured accumulation": (mlp, "auto", {"accumulate": 2}),
    "running averages, captured": (normed, True, {}),
    "float16 with masters": (half, False, {"clip": 0.3}),
    "frozen parameters": (frozen, False, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_ranks_with_a_gpu_have_the_bits_of_one(case: str, ranks: Ranks) -> None:
    model, capture, options = CASES[case]
    one = fitted(Alone(), model, capture, **options)
    if capture:
        assert one == fitted(Alone(), model, False, **options)
    for size in (2, 3):
        assert ranks(size, lambda group: fitted(group, model, capture, **options)) == [one] * size


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parcels of a few numbers."""
    monkeypatch.setattr("rumus.train._parallel.layout.PARCEL", 64)
    for file in ("layout", "arrivals"):
        monkeypatch.setattr(f"rumus.train._parallel.{file}.FIRST", 32)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("case", CASES)
def test_parcels_are_read_while_the_backward_pass_goes_on(
    case: str, ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, capture, options = CASES[case]
    one = fitted(Alone(), model, capture, **options)
    said: dict[int, list[str]] = {}
    for kind, name in ((Exchange, "read"), (Update, "add"), (Update, "step")):
        call = getattr(kind, name)

        def spied(self: Any, *args: Any, name: str = name, call: Any = call) -> Any:
            said.setdefault(self._group.rank, []).append(name)
            return call(self, *args)

        monkeypatch.setattr(kind, name, spied)
    for size in (2, 4):
        assert ranks(size, lambda group: fitted(group, model, capture, **options)) == [one] * size
        for calls in said.values():
            steps = " ".join(calls).split("step")[:-1]
            ahead = [step[: step.rindex("add")].count("read") for step in steps]
            assert ahead and all(ahead), calls
        said.clear()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("capture", [False, True])
def test_weights_come_while_the_next_forward_pass_goes_on(
    capture: bool, ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    for kind, name in ((Arrivals, "_put"), (Update, "expect"), (Update, "begin")):
        call = getattr(kind, name)

        def spied(self: Any, *args: Any, name: str = name, call: Any = call) -> Any:
            rank = self._rank if isinstance(self, Arrivals) else self._group.rank
            said.extend([name] * (rank == 1))
            return call(self, *args)

        monkeypatch.setattr(kind, name, spied)
    one = fitted(Alone(), mlp, capture)
    assert ranks(2, lambda group: fitted(group, mlp, capture)) == [one] * 2
    _, *passes = " ".join(said).split("expect")
    forward = [p.partition("begin")[0].count("_put") for p in passes]
    assert sum(forward[2:]) > 0 and not forward[0], said
    assert not any(p.partition("begin")[2].count("_put") for p in passes[:-1]), said


@pytest.mark.usefixtures("small")
def test_only_some_ranks_look_at_the_weights(ranks: Ranks) -> None:
    x = tensor.tensor(X, device="gpu")

    def body(group: Group) -> Any:
        tensor.manual_seed(4)
        net = mlp().to("gpu").eval()
        evaluate = gpu.capture(lambda x: net(x))  # recorded before the weights are exchanged
        with tensor.no_grad():
            evaluate(x)
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=2)
        found = []
        for k in range(3):
            trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), x, y)
            if group.rank == k % group.size:
                with tensor.no_grad():
                    found.append(evaluate(x).sum().item())
        return found

    y = tensor.tensor(Y, device="gpu")
    one = body(Alone())
    assert ranks(2, body) == [one[::2], one[1:2]]


@pytest.mark.usefixtures("small")
def test_several_optimizers_take_turns_at_the_same_weights(ranks: Ranks) -> None:
    x, y = tensor.tensor(X, device="gpu"), tensor.tensor(Y, device="gpu")

    def body(group: Group) -> Any:
        tensor.manual_seed(4)
        net = mlp().to("gpu").eval()
        evaluate = gpu.capture(lambda x: (net(x), net[0].bias))
        trainers = [
            Trainer(kind(net.parameters(), 0.1), group=group, shards=4)
            for kind in (optim.SGD, optim.Adam)
        ]
        found = []
        for k in (0, 0, 1, 0, 1, 1):
            trainers[k].train_step(lambda x, y: nn.mse_loss(net(x), y), x, y)
            with tensor.no_grad():
                found.append([t.sum().item() for t in evaluate(x)])
        return found

    one = body(Alone())
    for size in (2, 3):
        assert ranks(size, body) == [one] * size


def odd() -> nn.Module:
    sizes = (12, 11, 7, 13, 3)
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    for layer in layers[:3]:
        layer.bias.requires_grad = False
    return nn.Sequential(To("float16"), nn.Sequential(*layers).to("float16"), To("float32"))


@pytest.mark.usefixtures("small")
def test_halves_are_exchanged_wherever_parcels_begin_and_end(ranks: Ranks) -> None:
    one = fitted(Alone(), odd, False)
    assert ranks(3, lambda group: fitted(group, odd, False)) == [one] * 3


def test_halves_are_read_as_they_were_wherever_they_begin_and_end() -> None:
    net = nn.Linear(5, 3).to("float16").to("gpu")
    arenas = Layout([*net.parameters()], 1, elementwise=True).arenas
    vectors = DeviceVectors(arenas, lambda nbytes: np.empty(nbytes, np.uint8), lambda: None)
    before, is_time = gpu.to_host(arenas[0].data), threading.Event()
    vectors._out.send(is_time.wait)
    spans = [Span(0, *ends) for ends in ((0, 3), (3, 8), (1, 2), (2, 8))]
    reads = [vectors.begin_weights([span]) for span in spans]
    with tensor.no_grad():
        for parameter in net.parameters():
            parameter.copy_(parameter * 0)
    is_time.set()
    for span, read in zip(spans, reads, strict=True):
        read.wait()
        np.testing.assert_array_equal(read.array, before[span.start : span.stop])


def test_a_fault_in_a_step_is_raised_and_nobody_waits(ranks: Ranks) -> None:
    def body(group: Group) -> None:
        net = mlp().to("gpu")
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=2)
        x, y = tensor.tensor(X, device="gpu"), tensor.full((40,), 7, dtype="int32", device="gpu")
        with pytest.raises((tensor.ArgumentError, GroupError), match="outside the classes"):
            trainer.train_step(lambda x, y: nn.functional.cross_entropy(net(x), y), x, y)

    ranks(2, body)


def first() -> nn.Module:
    net = mlp()
    for parameter in [*net.parameters()][1:]:
        parameter.requires_grad = False
    return net


@pytest.mark.usefixtures("small")
def test_one_rank_may_own_all_that_is_trained(
    ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[int] = []
    call = Exchange.gather_sums

    def spied(self: Any, *args: Any) -> Any:
        rests.append(len(self.arrivals._coming))
        return call(self, *args)

    monkeypatch.setattr(Exchange, "gather_sums", spied)
    one = fitted(Alone(), first, False)
    assert ranks(2, lambda group: fitted(group, first, False)) == [one] * 2
    assert rests and not any(rests)


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Without the garbage collector of Python."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("capture", [False, True])
def test_no_memory_of_the_device_waits_for_the_garbage_collector(
    capture: bool, ranks: Ranks
) -> None:
    x, y = tensor.tensor(X, device="gpu"), tensor.tensor(Y, device="gpu")

    def looped(group: Group) -> Any:
        net = mlp().to("gpu")
        trainer = Trainer(
            optim.AdamW(net.parameters(), 0.01), capture=capture, group=group, shards=4
        )
        live = []
        for _ in range(12):
            trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), x, y)
            live.append(gpu.memory_stats()["live"])
        assert live[-1] < 1.1 * live[4], live  # of both ranks
        net.state_dict()["0.weight"].tolist(), net[3].bias.tolist()
        return weakref.ref(net[0].weight.array.storage)

    def fitted(group: Group) -> Any:
        net = mlp().to("gpu")
        data = DataLoader(ArrayDataset(X, Y), 16)
        trainer = Trainer(
            optim.AdamW(net.parameters(), 0.01), capture=capture, group=group, shards=4
        )
        trainer.fit(net, data, nn.mse_loss, epochs=1)
        return weakref.ref(net[0].weight.array.storage)

    for body in (looped, fitted):
        for found in (*ranks(2, body), body(Alone())):
            assert found() is None


def test_sums_take_no_memory_of_the_device_between_steps(ranks: Ranks) -> None:
    x, y = tensor.tensor(X, device="gpu"), tensor.tensor(Y, device="gpu")

    def body(group: Group) -> int:
        net = nn.Sequential(nn.Linear(12, 4000), nn.Linear(4000, 3)).to("gpu")
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=2)
        for _ in range(3):
            trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), x, y)
        group.barrier().wait()
        return int(gpu.memory_stats()["live"])

    weights = 4 * (13 * 4000 + 4001 * 3)
    before = gpu.memory_stats()["live"]
    # Of each rank the weights and gradients, and half of these from the other rank.
    live = min(ranks(2, body)) - before
    assert live < 2 * 2.75 * weights, live


def test_where_nothing_is_trained_ranks_are_told_so(ranks: Ranks) -> None:
    def body(group: Group) -> None:
        net = mlp().to("gpu")
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=2)
        for parameter in net.parameters():
            parameter.requires_grad = False
        with pytest.raises(tensor.AutogradError, match="depends on no parameter"):
            trainer.train_step(
                lambda x, y: nn.mse_loss(net(x), y),
                tensor.tensor(X, device="gpu"),
                tensor.tensor(Y, device="gpu"),
            )

    assert ranks(2, body) == [None, None]


@pytest.mark.usefixtures("small")
def test_a_step_that_fails_when_others_have_some_of_it_is_not_taken_again(ranks: Ranks) -> None:
    def body(group: Group) -> None:
        net = mlp().to("gpu")
        spare = nn.Parameter(tensor.zeros(3, device="gpu"))
        trainer = Trainer(optim.SGD([spare, *net.parameters()], 0.1), group=group, shards=2)
        x, y = tensor.tensor(X, device="gpu"), tensor.tensor(Y, device="gpu")
        for error, what in ((MissingGradError, "no gradient"), (GroupError, "cannot be taken")):
            with pytest.raises(error, match=what):
                trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), x, y)

    assert ranks(2, body) == [None, None]


def test_nobody_waits_for_the_losses_of_a_step_before_they_are_wanted(
    ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[int, list[str]] = {}
    for owner, name in ((Update, "step"), (Letters, "_outputs")):
        call = getattr(owner, name)

        def spied(*args: Any, name: str = name, call: Any = call) -> Any:
            said.setdefault(threading.get_ident(), []).append(name)
            return call(*args)

        monkeypatch.setattr(owner, name, spied)
    ranks(2, lambda group: fitted(group, mlp, True))
    assert list(said.values()) == [["step", "step", "_outputs", "_outputs"] * 2] * 2


def test_a_captured_loop_has_the_bits_of_one_that_is_not(ranks: Ranks) -> None:
    def body(group: Group, capture: bool = True) -> Any:
        tensor.manual_seed(4)
        net = mlp().to("gpu")
        trainer = Trainer(
            optim.AdamW(net.parameters(), 0.01), capture=capture, group=group, shards=4
        )
        losses = []
        for batch in DataLoader(ArrayDataset(X, Y), 16, device="gpu"):
            loss = trainer.train_step(
                lambda x, y: nn.mse_loss(net(x), y), batch.input, batch.target
            )
            losses.append(loss.item())
        return [p.numpy().tolist() for p in net.parameters()], losses

    one = body(Alone(), False)
    assert ranks(2, body) == [one, one]
