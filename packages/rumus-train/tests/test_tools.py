"""Tools: what they find on problems whose answer is known, and that they leave all as it was."""

import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus import gpu, nn, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import SGD, AdamW
from rumus.tensor import ArgumentError, Tensor
from rumus.train import (
    EmptyEpochError,
    Profiler,
    ProfileSteps,
    Trainer,
    find_batch_size,
    lr_range_test,
    overfit_one_batch,
    seed_everything,
)

X = np.random.default_rng(3).normal(size=(16, 4)).astype(np.float32)
Y = np.random.default_rng(4).normal(size=(16, 1)).astype(np.float32)


def parts(device: str) -> tuple[nn.Module, Tensor, Tensor]:
    tensor.manual_seed(0)
    model = nn.Linear(4, 1).to(device)
    return model, tensor.tensor(X, device=device), tensor.tensor(Y, device=device)


def states(model: nn.Module, optimizer: Any) -> tuple[Any, ...]:
    weights = {name: value.numpy().tolist() for name, value in model.state_dict().items()}
    state = json.dumps(optimizer.state_dict(), default=lambda a: a.tolist())
    return weights, state, tensor.rand(3).tolist()


def test_the_range_test_finds_where_the_loss_falls_and_leaves_all_as_it_was(device: str) -> None:
    model, x, y = parts(device)
    optimizer = AdamW(model.parameters(), lr=0.5)
    optimizer.step(nn.mse_loss(model(x), y).backward())
    tensor.manual_seed(7)
    before = states(model, optimizer)
    tensor.manual_seed(7)
    found = lr_range_test(model, optimizer, [(x, y)], lambda b: nn.mse_loss(model(b[0]), b[1]))
    assert states(model, optimizer) == before
    assert found.rates[0] == 1e-7
    ratios = np.diff(np.log(found.rates))
    np.testing.assert_allclose(ratios, np.log(1e8) / 99)
    assert 1e-4 < found.suggestion < 10


def test_the_range_test_ends_where_the_loss_diverges() -> None:
    model, x, y = parts("cpu")
    found = lr_range_test(
        model,
        SGD(model.parameters(), lr=0.1),
        [(x, y)],
        lambda b: nn.mse_loss(model(b[0]), b[1]),
        first=1e-3,
        last=1e6,
    )
    assert len(found.rates) < 100 and math.isfinite(found.suggestion)
    assert found.suggestion < found.rates[int(np.argmin(found.smoothed))]


def test_the_range_test_has_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    model, x, y = parts("cpu")
    optimizer = SGD(model.parameters(), lr=0.1)
    found = lr_range_test(model, optimizer, [x], lambda x: nn.mse_loss(model(x), y), steps=20)
    assert "steps, suggestion=" in repr(found) and len(repr(found)) < 80
    found.plot(tmp_path / "range.png")
    assert (tmp_path / "range.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(EmptyEpochError):
        lr_range_test(model, optimizer, [], lambda x: nn.mse_loss(model(x), y))
    with pytest.raises(ArgumentError, match="ascending"):
        lr_range_test(model, optimizer, [x], lambda x: nn.mse_loss(model(x), y), first=1, last=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_chance_among_the_first_batches_suggests_no_rate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1000, 3)).astype(np.float32)
    loader = DataLoader(ArrayDataset(x, x.sum(1, keepdims=True) > 0), 10, shuffle=True, seed=seed)
    tensor.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 1))

    def loss(batch: Any) -> Tensor:
        return nn.mse_loss(model(batch.input), batch.target.to(tensor.float32))

    found = lr_range_test(model, AdamW(model.parameters()), loader, loss)
    assert 1e-3 < found.suggestion < 0.2
    assert loader.epoch == 0


def test_the_largest_batch_is_the_last_one_that_fits() -> None:
    model, _, _ = parts("cpu")
    optimizer = SGD(model.parameters(), lr=0.1)
    tried = []

    def step(size: int) -> None:
        tried.append(size)
        optimizer.step(model(tensor.ones((size, 4))).mean().backward())
        if size > 24:
            raise gpu.GpuOutOfMemoryError("full")

    before = model.state_dict()["weight"].tolist()
    assert find_batch_size(model, optimizer, step, first=3, most=4096) == 24
    assert tried == [3, 6, 12, 24, 48]
    assert model.state_dict()["weight"].tolist() == before
    with pytest.raises(gpu.GpuOutOfMemoryError):
        find_batch_size(model, optimizer, step, first=25, most=4096)


def test_the_search_for_a_batch_does_not_fill_the_hosts_memory() -> None:
    model = nn.Linear(4, 1)
    with pytest.raises(ArgumentError, match="most=256"):
        find_batch_size(model, SGD(model.parameters(), lr=0.1), lambda size: None)


@pytest.mark.gpu
def test_a_tensor_beyond_the_adapters_limit_ends_the_search() -> None:
    model = nn.Linear(4, 1).to("gpu")
    optimizer = SGD(model.parameters(), lr=0.1)
    most = gpu.limits()["max-storage-buffer-binding-size"]

    def step(size: int) -> None:
        tensor.zeros((size, 1 << 20), dtype=tensor.uint8, device="gpu")

    found = find_batch_size(model, optimizer, step)
    assert found << 20 <= most < found << 21


def test_one_batch_is_learned_by_a_model_that_can(device: str) -> None:
    model, x, _ = parts(device)
    target = x.sum(1, keepdims=True)
    optimizer = SGD(model.parameters(), lr=0.1)
    before = states(model, optimizer)[0]

    def loss(x: Tensor) -> Tensor:
        return nn.mse_loss(model(x), target)

    report = overfit_one_batch(model, optimizer, loss, x)
    assert report.passed and "can learn" in str(report)
    assert states(model, optimizer)[0] == before


@pytest.mark.parametrize(
    ("rate", "advice"), [(0.0, "does not change"), (1e6, "lower the learning rate")]
)
def test_one_batch_that_is_not_learned_gets_advice(rate: float, advice: str) -> None:
    model, x, y = parts("cpu")
    optimizer = SGD(model.parameters(), lr=rate)
    report = overfit_one_batch(model, optimizer, lambda x: nn.mse_loss(model(x), y), x, steps=5)
    assert not report.passed and advice in report.advice


def test_one_seed_serves_all_random_numbers() -> None:
    drawn = []
    for _ in range(2):
        seed_everything(11)
        drawn.append((random.random(), np.random.rand(), tensor.rand(2).tolist()))
    assert drawn[0] == drawn[1]
    with pytest.raises(ArgumentError, match="whole number"):
        seed_everything(-1)


def test_a_profile_names_operations_kernels_and_tensors(device: str, tmp_path: Path) -> None:
    from rumus.autograd import Function

    call = Function.__call__
    model, x, y = parts(device)
    with Profiler(device if device == "gpu" else None, model=model) as profiler:
        loss = nn.mse_loss(model(x), y)
        loss.backward()
    assert Function.__call__ is call
    names = {span.name for span in profiler.spans}
    assert any(name.endswith("backward") for name in names)
    assert sum(span.own for span in profiler.spans) <= sum(s.seconds for s in profiler.spans)
    assert any(held.name == "weight" and held.nbytes == 16 for held in profiler.memory)
    assert bool(profiler.kernels) == (device == "gpu")
    table = profiler.table()
    assert "operation (Python)" in table and "\ntensors  " in table
    assert ("kernel (GPU)" in table) == (device == "gpu")

    profiler.write_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    timed = [event for event in events if event["ph"] == "X"]
    assert len(timed) == len(profiler.spans) + len(profiler.kernels)
    assert min(event["ts"] for event in timed) == 0.0

    count = len(profiler.spans)
    nn.mse_loss(model(x), y).backward()
    assert len(profiler.spans) == count


@pytest.mark.parametrize("capture", [False, True])
def test_steps_of_a_run_are_profiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], device: str, capture: bool
) -> None:
    trace = tmp_path / "run" / "trace.json"

    def weights(*callbacks: ProfileSteps) -> np.ndarray:
        model, _, _ = parts(device)
        loader = DataLoader(ArrayDataset(X, Y), batch_size=4, device=device)
        trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=capture)
        trainer.fit(model, loader, nn.mse_loss, epochs=2, callbacks=callbacks)
        return model.weight.numpy()

    callback = ProfileSteps(2, 3, trace=trace)
    profiled = weights(callback)
    shown = capsys.readouterr().out
    assert shown.count("operation (Python)") == 1
    assert callback.profiler is not None
    assert "weight" in [held.name for held in callback.profiler.memory]
    calls = [span.name for span in callback.profiler.spans]
    assert calls.count("Linear") == calls.count("Linear backward") == 3
    assert json.loads(trace.read_text())["traceEvents"]
    np.testing.assert_array_equal(profiled, weights())


def test_a_run_that_ends_while_it_is_profiled_shows_what_there_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model, _, _ = parts("cpu")
    loader = DataLoader(ArrayDataset(X, Y), batch_size=4)
    trainer = Trainer(SGD(model.parameters(), lr=0.1))
    for first, words in ((3, "operation (Python)"), (4, "begins after 4 steps, and the run had 4")):
        trainer.fit(model, loader, nn.mse_loss, epochs=1, callbacks=[ProfileSteps(first)])
        assert words in capsys.readouterr().out


def test_a_profile_ends_with_an_exception() -> None:
    from rumus.autograd import Function

    call = Function.__call__
    with pytest.raises(ZeroDivisionError), Profiler():
        raise ZeroDivisionError
    assert Function.__call__ is call
    with pytest.raises(ArgumentError, match="on a GPU"):
        Profiler("cpu")
