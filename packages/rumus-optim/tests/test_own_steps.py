"""A parameter's updates are numbered by themselves: one that joins later starts as a new one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import gpu, optim
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import tensor

Make = Callable[..., optim.Optimizer]

COUNTING: dict[str, Make] = {
    "Adam": lambda p, **o: optim.Adam(p, 0.01, weight_decay=0.1, **o),
    "amsgrad": lambda p, **o: optim.Adam(p, 0.01, (0.8, 0.9), amsgrad=True, **o),
    "AdamW": lambda p, **o: optim.AdamW(p, 0.01, **o),
    "SGD with dampening": lambda p, **o: optim.SGD(p, 0.05, 0.9, dampening=0.5, **o),
    "Adagrad with decay": lambda p, **o: optim.Adagrad(p, 0.05, lr_decay=0.5, **o),
    "LAMB": lambda p, **o: optim.LAMB(p, 0.01, **o),
    "Adafactor": lambda p, **o: optim.Adafactor(p, 0.5, **o),
}
SHAPES = [(3, 5), (9, 4), (70, 33)]


@pytest.fixture(params=COUNTING)
def make(request: pytest.FixtureRequest) -> Make:
    return COUNTING[request.param]


def parameters(device: str, dtypes: tuple[Any, ...] = (np.float32,) * 3) -> list[Parameter]:
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(s).astype(d) for s, d in zip(SHAPES, dtypes, strict=True)]
    return [Parameter(tensor(a).to(device), name=f"w{i}") for i, a in enumerate(starts)]


def store_for(params: list[Parameter], step: int, spoiled: bool = False) -> GradientStore:
    """Gradients of one step for those that are trained; each has its own numbers."""
    store = GradientStore()
    for p in params:
        if p.requires_grad:
            rng = np.random.default_rng((step, int(str(p.name)[1:])))
            grad = rng.standard_normal(p.shape).astype(p.dtype)
            grad[0] = np.inf if spoiled else grad[0]
            store.accumulate(p.id, tensor(grad).to(p.device))
    return store


@pytest.mark.parametrize("dtypes", [(np.float32,) * 3, (np.float32, np.float16, np.float32)])
def test_one_that_is_thawed_later_starts_as_a_new_one(make: Make, dtypes: Any, device: str) -> None:
    together, apart = parameters(device, dtypes), parameters(device, dtypes)
    one = make(together)
    together[1].requires_grad = False
    others = [make([apart[0], apart[2]])]
    for step in range(6):
        if step == 3:
            together[1].requires_grad = True
            others.append(make([apart[1]]))
        one.step(store_for(together, step))
        store = store_for(apart if step >= 3 else [apart[0], apart[2]], step)
        for other in others:
            other.step(store)
    for p, q in zip(together, apart, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert one.steps == 6
    assert one.state_dict()["steps"] == {"w0": 6, "w1": 3, "w2": 6}


def test_adam_s_correction_is_that_of_the_parameter_s_own_steps(device: str) -> None:
    late, early = (Parameter(tensor([1.0, -2.0]).to(device), name=n) for n in ("w0", "w1"))
    optimizer = optim.Adam([early, late], 0.1)
    late.requires_grad = False
    for _ in range(20):
        optimizer.step((early * 3.0).sum().backward())
    late.requires_grad = True
    optimizer.step(((early * 3.0).sum() + (late * 3.0).sum()).backward())
    # In the first step m/(1-β₁) = g and √(v/(1-β₂)) = |g|, whatever g.
    np.testing.assert_allclose(late.numpy(), [0.9, -2.1], rtol=1e-5)


def test_steps_that_were_skipped_count_for_those_that_took_part(make: Make, device: str) -> None:
    guarded, plain = parameters(device), parameters(device)
    one, other = make(guarded, skip_nonfinite=True), make(plain)
    for step in range(6):
        for params in (guarded, plain):
            params[1].requires_grad = step not in (1, 2)
        one.step(store_for(guarded, 100 + step, spoiled=True))
        one.step(store_for(guarded, step))
        other.step(store_for(plain, step))
    for p, q in zip(guarded, plain, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    saved = one.state_dict()
    assert (saved["step"], saved["skipped"]) == (6, 6)
    assert saved["steps"] == other.state_dict()["steps"] == {"w0": 6, "w1": 4, "w2": 6}


@pytest.mark.parametrize("skip", [False, True])
def test_own_steps_are_saved_with_the_state(make: Make, device: str, skip: bool) -> None:
    params, copies = parameters(device), parameters(device)
    optimizer = make(params, skip_nonfinite=skip)
    params[0].requires_grad = False
    for step in range(3):
        optimizer.step(store_for(params, step))
        if skip:
            optimizer.step(store_for(params, step, spoiled=True))
    params[0].requires_grad = True
    for p, q in zip(params, copies, strict=True):
        replace(q, p)
    resumed = make(copies, skip_nonfinite=skip)
    resumed.load_state_dict(optimizer.state_dict())
    for step in range(3, 6):
        optimizer.step(store_for(params, step))
        resumed.step(store_for(copies, step))
    for p, q in zip(params, copies, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


def replace(target: Parameter, source: Parameter) -> None:
    target.requires_grad = False
    target.copy_(source.detach())
    target.requires_grad = True


def test_a_state_of_an_earlier_version_has_one_number_for_all(make: Make, device: str) -> None:
    params, copies = parameters(device), parameters(device)
    optimizer, resumed = make(params), make(copies)
    for step in range(3):
        optimizer.step(store_for(params, step))
    state = optimizer.state_dict()
    del state["steps"]
    for p, q in zip(params, copies, strict=True):
        replace(q, p)
    resumed.load_state_dict(state)
    optimizer.step(store_for(params, 3))
    resumed.step(store_for(copies, 3))
    for p, q in zip(params, copies, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


@pytest.mark.parametrize(
    "steps", [{"w0": 1}, {"w0": 1, "w1": 1, "w2": 3}, {"w0": 1, "w1": -1, "w2": 1}, [1, 1, 1], 1]
)
def test_own_steps_that_cannot_be_are_refused(steps: Any) -> None:
    params = parameters("cpu")
    optimizer = optim.AdamW(params)
    for step in range(2):
        optimizer.step(store_for(params, step))
    before = json.dumps(optimizer.state_dict(), default=lambda a: a.tolist())
    with pytest.raises(optim.OptimizerStateError):
        optimizer.load_state_dict({**optimizer.state_dict(), "steps": steps})
    assert json.dumps(optimizer.state_dict(), default=lambda a: a.tolist()) == before


@pytest.mark.gpu
@pytest.mark.parametrize("skip", [False, True])
def test_a_captured_step_counts_for_those_that_take_part(make: Make, skip: bool) -> None:
    eager, replayed = parameters("gpu"), parameters("gpu")
    one, other = make(eager, skip_nonfinite=skip), make(replayed, skip_nonfinite=skip)

    def step(params: list[Parameter], optimizer: optim.Optimizer, x: Any) -> None:
        loss = sum(((p * p * x).sum() for p in params[1:]), start=(params[0] * x).sum())
        optimizer.step(loss.backward())

    captured = gpu.capture(lambda x: step(replayed, other, x))
    for number in range(8):
        for params in (eager, replayed):
            params[1].requires_grad = number not in (0, 1, 4)
        x = tensor(np.inf if skip and number == 5 else 1.0 + number).to("gpu")
        step(eager, one, x)
        captured(x)
    for p, q in zip(eager, replayed, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert one.state_dict()["steps"] == other.state_dict()["steps"]
    assert one.state_dict()["steps"]["w1"] == 5 - skip


@pytest.mark.gpu
def test_a_step_stays_one_dispatch_when_numbers_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    params = parameters("gpu")
    optimizer = optim.AdamW(params)
    params[2].requires_grad = False
    optimizer.step(store_for(params, 0))
    params[2].requires_grad = True
    loss = sum(((p * p).sum() for p in params[1:]), start=(params[0] * params[0]).sum())
    grads = loss.backward()
    names: list[str] = []
    original = gpu.Pipeline.dispatch

    def dispatch(self: Any, *args: Any, **kwargs: Any) -> None:
        names.append(self.name)
        original(self, *args, **kwargs)

    monkeypatch.setattr(gpu.Pipeline, "dispatch", dispatch)
    optimizer.step(grads)
    assert names == ["optim/adam.wgsl"]
