"""Steps over shards: any number of ranks gives the weights of one, bit for bit."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import nn, optim, tensor
from rumus.data import ArrayDataset, DataItem, DataLoader
from rumus.train import Alone, Group, GroupError, Trainer
from rumus.train._parallel.arrivals import Arrivals
from rumus.train._parallel.host_vectors import HostVectors

SHARDS = 8
SIZES = (1, 2, 3, 4, 5, 8)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(70, 12)).astype(np.float32)
Y = RNG.normal(size=(70, 3)).astype(np.float32)
Ranks = Callable[[int, Callable[[Group], Any]], list[Any]]


def digest(model: nn.Module) -> str:
    state = model.state_dict().values()
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in state)).hexdigest()


def mlp(device: str = "cpu") -> nn.Module:
    tensor.manual_seed(3)
    return nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3)).to(device)


def loader(**options: Any) -> DataLoader:
    return DataLoader(ArrayDataset(X, Y), 21, shuffle=True, seed=2, **options)


def fitted(
    group: Group,
    optimizer: Callable[..., Any] = lambda p: optim.AdamW(p, 0.01),
    model: Callable[[], nn.Module] = mlp,
    drop_last: bool = False,
    **options: Any,
) -> str:
    net = model()
    trainer = Trainer(optimizer(net.named_parameters()), group=group, shards=SHARDS)
    data = loader(drop_last=drop_last)
    run = trainer.fit(net, data, nn.mse_loss, **{"epochs": 2, **options})
    assert run.progress.samples == (63 if drop_last else 70) * run.progress.epoch
    return digest(net) + repr(run.metrics)


def same(ranks: Ranks, body: Callable[[Group], Any], sizes: tuple[int, ...] = SIZES) -> Any:
    """What one rank has, which all of any number have."""
    one = body(Alone())
    for size in sizes:
        assert ranks(size, body) == [one] * size, f"{size} ranks"
    return one


def test_any_number_of_ranks_has_the_weights_of_one(ranks: Ranks) -> None:
    assert same(ranks, fitted) != fitted(Alone(), lambda p: optim.AdamW(p, 0.02))


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "SGD": lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "Adam": lambda p: optim.Adam(p, 0.01, weight_decay=0.1),
    "NAdam": lambda p: optim.NAdam(p, 0.01),
    "RAdam": lambda p: optim.RAdam(p, 0.01),
    "Adamax": lambda p: optim.Adamax(p, 0.01),
    "Adadelta": lambda p: optim.Adadelta(p, 1.0),
    "Adagrad": lambda p: optim.Adagrad(p, 0.05),
    "RMSprop": lambda p: optim.RMSprop(p, 0.01, momentum=0.5, centered=True),
    "Rprop": lambda p: optim.Rprop(p, 0.01),
    "ASGD": lambda p: optim.ASGD(p, 0.05),
    "Lion": lambda p: optim.Lion(p, 0.001),
    "LAMB": lambda p: optim.LAMB(p, 0.01),
    "LARS": lambda p: optim.LARS(p, 0.1, momentum=0.9),
    "Adafactor": lambda p: optim.Adafactor(p, 0.05),
    "Muon": lambda p: optim.Muon([(n, w) for n, w in p if w.ndim == 2], 0.02),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_keeps_the_bits(name: str, ranks: Ranks) -> None:
    same(ranks, lambda group: fitted(group, OPTIMIZERS[name], epochs=1), (3,))


def wide() -> nn.Module:
    """A model whose largest parameter is cut."""
    tensor.manual_seed(3)
    return nn.Sequential(nn.Linear(12, 3000), nn.GELU(), nn.Linear(3000, 3))


def half() -> nn.Module:
    return mlp().to("float16")


def partly_half() -> nn.Module:
    net = mlp()
    net[0].to("float16")
    return nn.Sequential(Half(), net[0], Single(), net[1], net[2])


class Half(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.to("float16")


class Single(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.to("float32")


def frozen() -> nn.Module:
    net = nn.Sequential(mlp(), nn.ReLU(), nn.Linear(3, 3))
    for parameter in net[0][0].parameters():
        parameter.requires_grad = False
    return net


def dropped() -> nn.Module:
    net = mlp()
    return nn.Sequential(nn.Dropout(0.3), net, nn.Dropout(0.1))


def normed() -> nn.Module:
    net = mlp()
    return nn.Sequential(nn.BatchNorm1d(12), net[0], nn.BatchNorm1d(20, momentum=None), *net[1:])


CASES: dict[str, dict[str, Any]] = {
    "a cut parameter": {"model": wide, "epochs": 1},
    "float16 with masters": {"model": lambda: nn.Sequential(Half(), half(), Single())},
    "two dtypes": {"model": partly_half},
    "frozen parameters": {"model": frozen},
    "random numbers": {"model": dropped},
    "running averages": {"model": normed, "drop_last": True},
    "a clip that clips": {"clip": 0.05},
    "a clip over a cut parameter": {"model": wide, "clip": 0.05, "epochs": 1},
    "accumulation": {"accumulate": 3},
    "accumulation with all of it": {"accumulate": 2, "clip": 0.1, "model": dropped},
}


@pytest.mark.parametrize("case", CASES)
def test_a_run_keeps_the_bits_with(case: str, ranks: Ranks) -> None:
    same(ranks, lambda group: fitted(group, **CASES[case]), (2, 3, 5))


def test_averages_follow_on_every_rank(ranks: Ranks) -> None:
    def body(group: Group) -> str:
        net = mlp()
        average = optim.WeightAverage(net.named_parameters(), decay=0.8)
        trainer = Trainer(optim.SGD(net.named_parameters(), 0.1), group=group, shards=SHARDS)
        trainer.fit(net, loader(), nn.mse_loss, epochs=1, average=average)
        with average.applied():
            return digest(net)

    same(ranks, body, (3,))


def test_all_ranks_leave_out_a_step_with_a_gradient_that_is_not_finite(ranks: Ranks) -> None:
    def body(group: Group) -> Any:
        net = mlp()
        optimizer = optim.AdamW(net.named_parameters(), 0.01, skip_nonfinite=True)
        targets = Y.copy()
        targets[30] = np.inf
        data = DataLoader(ArrayDataset(X, targets), 21)
        Trainer(optimizer, group=group, shards=SHARDS).fit(net, data, nn.mse_loss, epochs=1)
        return digest(net), optimizer.steps, optimizer.skipped_steps

    _, steps, skipped = same(ranks, body, (3,))
    assert (steps, skipped) == (3, 1)


def test_a_hand_written_loop_needs_no_other_change(ranks: Ranks) -> None:
    def body(group: Group) -> Any:
        net = normed()
        trainer = Trainer(optim.AdamW(net.parameters(), 0.01), group=group, shards=SHARDS)
        losses = []
        for batch in loader(drop_last=True):
            loss = trainer.train_step(
                lambda x, y: nn.mse_loss(net(x), y), batch.input, batch.target
            )
            losses.append(loss.item())
        return digest(net), losses, trainer.epoch_avg_loss()

    same(ranks, body, (2, 3))


def adversaries(group: Group, device: str = "cpu", capture: bool = False) -> Any:
    """Two optimizers, of which the second one's loss has gradients for the first one's model."""
    net = mlp(device)
    optimizers = {
        "last": optim.SGD(net[2].parameters(), 0.1),
        "first": optim.AdamW(net[0].parameters(), 0.01),
    }

    def step(run: Any, batch: Any) -> Any:
        loss = nn.mse_loss(net(batch.input), batch.target)
        run.minimize(loss, "last", retain_graph=True)
        run.minimize(loss * -0.5, "first")
        return {"loss": loss, "each": loss * 2.0}

    data = loader(drop_last=True, device=device)
    trainer = Trainer(optimizers, group=group, shards=SHARDS, capture=capture)
    run = trainer.fit(net, data, step=step, epochs=1)
    return net, run.metrics


def test_several_optimizers_step_together(ranks: Ranks) -> None:
    def body(group: Group) -> str:
        net, metrics = adversaries(group)
        return digest(net) + repr(metrics)

    same(ranks, body, (3,))
    cut, _ = adversaries(Alone())
    net = mlp()
    last, first = optim.SGD(net[2].parameters(), 0.1), optim.AdamW(net[0].parameters(), 0.01)
    for batch in loader(drop_last=True):
        loss = nn.mse_loss(net(batch.input), batch.target)
        grads = loss.backward(retain_graph=True)
        others = (loss * -0.5).backward()
        last.step(grads)
        first.step(others)
    for a, b in zip(cut.parameters(), net.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_a_step_may_leave_the_weights_as_they_are(ranks: Ranks) -> None:
    def body(group: Group) -> str:
        net = mlp()

        def step(run: Any, batch: Any) -> Any:
            loss = nn.mse_loss(net(batch.input), batch.target)
            if run.progress.step % 2:
                run.minimize(loss)
            return {"loss": loss}

        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=SHARDS)
        run = trainer.fit(net, loader(), step=step, epochs=1)
        return digest(net) + repr(run.metrics)

    same(ranks, body, (3,))


@pytest.mark.gpu
def test_several_optimizers_are_captured_with_the_same_bits() -> None:
    eager, captured = (adversaries(Alone(), "gpu", capture)[0] for capture in (False, True))
    assert digest(eager) == digest(captured)


def test_a_loop_may_load_its_parts_alone(ranks: Ranks) -> None:
    def body(group: Group, shared: bool = True) -> Any:
        net = mlp()
        trainer = Trainer(optim.AdamW(net.parameters(), 0.01), group=group, shards=SHARDS)
        data = loader()
        batches = trainer.share(data) if shared else data
        for batch in batches:
            trainer.train_step(lambda b: nn.mse_loss(net(b.input), b.target), batch)
        return digest(net)

    one = body(Alone(), False)
    assert ranks(3, body) == [one] * 3
    plain = loader()
    assert Trainer(optim.SGD(mlp().parameters(), 0.1)).share(plain) is plain


def test_an_exchange_goes_parcel_by_parcel(ranks: Ranks, monkeypatch: pytest.MonkeyPatch) -> None:
    one = fitted(Alone(), clip=0.1)
    for name, size in (("FIRST", 16), ("PARCEL", 64), ("MOST", 128)):
        monkeypatch.setattr(f"rumus.train._parallel.layout.{name}", size)
    assert ranks(3, lambda group: fitted(group, clip=0.1)) == [one] * 3


def test_memory_that_others_may_read_is_not_free_after_an_interrupt(
    ranks: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: dict[int, list[str]] = {0: [], 1: []}

    class Interrupted(HostVectors):
        def carry(self, delivery: Any, landings: Any) -> Any:
            called, said = super().carry(delivery, landings), mine()

            def finish() -> None:
                said.append("finish")
                if len(said) == 1:
                    raise KeyboardInterrupt
                called.wait()

            called.finish = finish
            return called

        def free_rooms(self) -> None:
            mine().append("free")

    def mine() -> list[str]:
        return said[int(threading.current_thread() is not threading.main_thread())]

    monkeypatch.setattr("rumus.train._parallel.update.HostVectors", Interrupted)
    monkeypatch.setattr(Arrivals, "_finish", lambda self: None)

    def body(group: Group) -> str:
        net = mlp()
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=SHARDS)
        inputs = tensor.tensor(X), tensor.tensor(Y)
        mine().clear()
        trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), *inputs)
        mine().clear()
        with pytest.raises(KeyboardInterrupt):
            trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), *inputs)
        trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), *inputs)
        return digest(net)

    assert len(set(ranks(2, body))) == 1
    assert said == {rank: ["finish", "finish", "free"] for rank in (0, 1)}


def test_a_step_that_fails_has_changed_nothing() -> None:
    digests = []
    for fails in (False, True):
        net = normed()
        trainer = Trainer(optim.AdamW(net.parameters(), 0.01), shards=4)
        calls = 0

        def forward(x: Any, y: Any, net: nn.Module = net, fails: bool = fails) -> Any:
            nonlocal calls
            calls += 1
            if fails and calls == 3:
                raise RuntimeError("out of luck")
            return nn.mse_loss(net(x), y)

        inputs = tensor.tensor(X[:20]), tensor.tensor(Y[:20])
        if fails:
            before = digest(net)
            with pytest.raises(RuntimeError, match="luck"):
                trainer.train_step(forward, *inputs)
            assert digest(net) == before
        trainer.train_step(forward, *inputs)
        digests.append(digest(net))
    assert digests[0] == digests[1]


def test_running_averages_move_once_by_the_mean_of_the_shards(ranks: Ranks) -> None:
    def body(group: Group) -> Any:
        net = nn.BatchNorm1d(12)
        trainer = Trainer(optim.SGD(net.parameters(), 0.0), group=group, shards=3)
        trainer.train_step(lambda x: net(x).sum(), tensor.tensor(X[:20]))
        return [net.running_mean.numpy(), net.running_var.numpy(), net.num_batches_tracked.item()]

    parts = [X[0:6], X[6:13], X[13:20]]
    means = np.average([p.mean(0) for p in parts], axis=0, weights=[6, 7, 7])
    variances = np.average([p.var(0, ddof=1) for p in parts], axis=0, weights=[6, 7, 7])
    for mean, var, count in ranks(2, body):
        np.testing.assert_allclose(mean, 0.1 * means, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(var, 0.9 + 0.1 * variances, rtol=1e-5)
        assert count == 1


def test_running_averages_of_instance_norms_move_and_frozen_ones_stay(ranks: Ranks) -> None:
    def body(group: Group) -> Any:
        moving = nn.InstanceNorm1d(4, track_running_stats=True, affine=True)
        frozen = nn.BatchNorm1d(4)
        frozen.running_mean = tensor.tensor([0.1, 0.2, 0.3, 0.7])
        net = nn.Sequential(moving, frozen)
        trainer = Trainer(optim.SGD(moving.parameters(), 0.0), group=group, shards=3)
        net.train()
        frozen.eval()
        trainer.train_step(lambda x: net(x).sum(), tensor.tensor(X[:20].reshape(20, 4, 3)))
        return [
            getattr(n, name).tolist()
            for n in (moving, frozen)
            for name in ("running_mean", "running_var", "num_batches_tracked")
        ]

    mean, _, _, kept, ones, count = same(ranks, body, (2,))
    expected = 0.1 * X[:20].reshape(20, 4, 3).mean(2).mean(0)
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-7)
    assert kept == tensor.tensor([0.1, 0.2, 0.3, 0.7]).tolist()
    assert (ones, count) == ([1.0] * 4, 0)


def test_ranks_that_differ_are_told_before_the_first_step(ranks: Ranks) -> None:
    def body(group: Group, kind: str) -> None:
        net = mlp()
        if kind == "weights" and group.rank == 1:
            tensor.manual_seed(4)
            net = nn.Sequential(nn.Linear(12, 20), nn.Tanh(), nn.Linear(20, 3))
        if kind == "model" and group.rank == 2:
            net = nn.Sequential(nn.Linear(12, 21), nn.Linear(21, 3))
        lr = 0.5 if kind == "options" and group.rank == 1 else 0.9
        trainer = Trainer(optim.SGD(net.parameters(), 0.1, momentum=lr), group=group)
        own = group.rank == 1
        if kind == "seed" and own:
            tensor.manual_seed(4)
        first = int(kind == "length" and own)
        x = X + 1 if kind == "content" and own else X
        data = DataLoader(ArrayDataset(x[first:], Y[first:]), 20 + (kind == "data" and group.rank))
        held_out = DataLoader(ArrayDataset(X, Y), 10 + (kind == "validation" and own))
        epochs = 1 + (kind == "epochs" and own)
        trainer.fit(net, data, nn.mse_loss, epochs=epochs, validate=held_out)

    for kind, said in (
        ("weights", r"weights: checksum \w+ on ranks 0 and 2, checksum \w+ on rank 1"),
        ("model", r"parameters: \(20, 12\) float32.* on rank 2"),
        ("options", r"optimizer.0.momentum: 0.9 on ranks 0 and 2, 0.5 on rank 1"),
        ("data", "data, batch_size: 20 on rank 0, 21 on rank 1, 22 on rank 2"),
        ("seed", "seed: 3 on ranks 0 and 2, 4 on rank 1"),
        ("length", "data, length: 70 on ranks 0 and 2, 69 on rank 1"),
        ("content", r"data, some samples: checksum \w+ on ranks 0 and 2, checksum \w+ on rank 1"),
        ("validation", "validation data, batch_size: 10 on ranks 0 and 2, 11 on rank 1"),
        ("epochs", "epochs: 1 on ranks 0 and 2, 2 on rank 1"),
    ):
        with pytest.raises(GroupError, match=said):
            ranks(3, lambda group, kind=kind: body(group, kind))


def test_samples_that_differ_each_time_they_are_read_are_not_compared(ranks: Ranks) -> None:
    class Noisy:
        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> DataItem:
            return DataItem(X[index] + np.random.normal(), Y[index])

    def body(group: Group) -> Any:
        np.random.seed(group.rank)
        net = mlp()
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), group=group)
        run = trainer.fit(net, DataLoader(Noisy(), 4), nn.mse_loss, epochs=1)
        return run.progress.step

    assert ranks(2, body) == [2, 2]


def test_the_mean_over_shards_is_the_gradient_of_the_batch(ranks: Ranks) -> None:
    plain, cut = mlp(), mlp()
    for net, shards in ((plain, None), (cut, 5)):
        trainer = Trainer(optim.SGD(net.parameters(), 0.1), shards=shards)
        trainer.fit(net, loader(), nn.mse_loss, epochs=1)
    for a, b in zip(plain.parameters(), cut.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-4, atol=1e-6)


def test_more_shards_than_samples_leave_some_empty(ranks: Ranks) -> None:
    def body(group: Group) -> str:
        net = mlp()
        data = DataLoader(ArrayDataset(X[:7], Y[:7]), 3)
        trainer = Trainer(optim.AdamW(net.parameters(), 0.01), group=group, shards=SHARDS)
        trainer.fit(net, data, nn.mse_loss, epochs=2)
        return digest(net)

    same(ranks, body, (3, 8))


def test_each_rank_keeps_its_part_of_the_state(ranks: Ranks) -> None:
    def body(group: Group) -> int:
        net = nn.Sequential(nn.Linear(12, 30_000), nn.Linear(30_000, 3))
        optimizer = optim.AdamW(net.named_parameters(), 0.01)
        trainer = Trainer(optimizer, group=group)
        trainer.train_step(lambda x, y: nn.mse_loss(net(x), y), tensor.tensor(X), tensor.tensor(Y))
        return sum(a.size for s in optimizer.state_dict()["state"].values() for a in s.values())

    for size in (2, 3, 5):
        kept = ranks(size, body)
        assert sum(kept) == body(Alone())
        assert max(kept) <= 1.05 * sum(kept) / size


@pytest.mark.parametrize(
    ("arguments", "said"),
    [({"shards": 0}, "whole number from 1"), ({"shards": 2.0}, "whole number")],
)
def test_shards_that_are_none_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(tensor.ArgumentError, match=said):
        Trainer(optim.SGD(mlp().parameters(), 0.1), **arguments)


def test_what_does_not_go_with_shards_is_refused(ranks: Ranks) -> None:
    net = mlp()
    trainer = Trainer(optim.SGD(net.parameters(), 0.1), shards=2)
    with pytest.raises(tensor.ArgumentError, match="clip is a norm"):
        trainer.fit(net, loader(), nn.mse_loss, epochs=1, clip=lambda grads, params: None)
    with pytest.raises(tensor.ArgumentError, match="grad_hook would see a part"):
        trainer.train_step_with(lambda g, p: None, lambda x: net(x).sum(), tensor.tensor(X))
    hook = net[0].weight.register_hook(lambda grad: grad)
    with pytest.raises(tensor.ArgumentError, match="has a hook on its gradient"):
        trainer.train_step(lambda x: net(x).sum(), tensor.tensor(X))
    hook.remove()
    with pytest.raises(tensor.ArgumentError, match="as an input"):
        trainer.train_step(lambda: net(tensor.tensor(X)).sum())
    with pytest.raises(tensor.ArgumentError, match="LBFGS cannot train over shards"):
        Trainer(optim.LBFGS(net.parameters()), shards=2).fit(net, loader(), nn.mse_loss, epochs=1)

    def too_few(group: Group) -> None:
        Trainer(optim.SGD(net.parameters(), 0.1), group=group, shards=2)

    with pytest.raises(tensor.ArgumentError, match="3 processes cannot share 2 shards"):
        ranks(3, too_few)


def test_a_batch_without_samples_is_refused_by_its_name() -> None:
    model = mlp()
    trainer = Trainer(optim.SGD(model.parameters(), 0.1), shards=2)
    with pytest.raises(tensor.ArgumentError, match="without samples"):
        trainer.train_step(
            lambda x, y: nn.mse_loss(model(x), y), tensor.zeros((0, 12)), tensor.zeros((0, 3))
        )
