"""Optimizer steps inside a captured step, and the kernels that they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import gpu, optim
from rumus.tensor import Tensor, no_grad, tensor

pytestmark = pytest.mark.gpu


def loss_of(params: Any, x: Tensor) -> Tensor:
    a, b = params
    return ((x @ a) * (x @ a)).sum() + (b * b).sum()


def run(make: Callable[..., Any], captured: bool, clip: float | None, **options: bool) -> Any:
    from rumus.nn import Parameter

    rng = np.random.default_rng(0)
    params = [
        Parameter(tensor(rng.standard_normal(s).astype(np.float32)).to("gpu"))
        for s in ((6, 5), (70, 33))
    ]
    optimizer = make(params, **options)

    def step(x: Tensor) -> Tensor:
        loss = loss_of(params, x)
        grads = loss.backward()
        if clip is not None:
            optim.clip_grad_norm_(grads, params, clip)
        optimizer.step(grads)
        return loss.detach()

    call = gpu.capture(step) if captured else step
    for k in range(6):
        optimizer.set_lr(0.01 / (k + 1))
        x = rng.standard_normal((4, 6)).astype(np.float32)
        if options.get("skip_nonfinite") and k == 2:
            x[0, 0] = np.inf
        call(tensor(x).to("gpu"))
    dispatches = call.dispatches if captured else ()
    return [p.numpy() for p in params], optimizer, dispatches


@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_captured_step_follows_the_eager_one_with_its_rates_and_counters(
    make_optimizer: Callable[..., Any], clip: float | None
) -> None:
    eager, one, _ = run(make_optimizer, False, clip)
    replayed, other, dispatches = run(make_optimizer, True, clip)
    assert len(dispatches) == 1
    assert (one.steps, other.steps) == (6, 6)
    for a, b in zip(eager, replayed, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)


def run_window(captured: bool) -> list[Any]:
    from rumus.nn import Parameter

    rng = np.random.default_rng(0)
    params = [
        Parameter(tensor(rng.standard_normal(s).astype(np.float32)).to("gpu"))
        for s in ((6, 5), (70, 33))
    ]
    optimizer = optim.AdamW(params, 0.01)
    accumulator = optim.GradientAccumulator(3)

    def step(xs: list[Tensor]) -> None:
        for x in xs:
            window = accumulator.add(loss_of(params, x).backward())
        assert window is not None
        optim.clip_grad_norm_(window, params, 0.5)
        optimizer.step(window)

    call = gpu.capture(step) if captured else step
    for _ in range(4):
        xs = rng.standard_normal((3, 4, 6)).astype(np.float32)
        call([tensor(x).to("gpu") for x in xs])
    return [p.numpy() for p in params]


def test_a_captured_window_of_passes_follows_the_eager_one() -> None:
    for a, b in zip(run_window(False), run_window(True), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)


def run_passes(captured: bool, steps: int, dtype: str, rows: list[int]) -> Any:
    from rumus.nn import Parameter

    rng = np.random.default_rng(0)
    params = [
        Parameter(tensor(rng.standard_normal(s).astype(dtype)).to("gpu"))
        for s in ((6, 5), (70, 33), (3,))
    ]
    optimizer = optim.AdamW(params, 0.01)
    accumulator = optim.GradientAccumulator(steps, params)

    def one_pass(x: Tensor) -> Tensor:
        loss = loss_of(params[:2], x) + (params[2] * params[2]).sum()
        window = accumulator.add(loss.backward())
        if window is not None:
            optim.clip_grad_norm_(window, params, 0.5)
            optimizer.step(window)
        return loss.detach()

    call = gpu.capture(one_pass) if captured else one_pass
    losses, states = [], []
    for count in rows:
        x = rng.standard_normal((count, 6)).astype(dtype)
        losses.append(call(tensor(x).to("gpu")))
        states.append((accumulator.state_dict(), optimizer.steps))
    dispatches = call.dispatches if captured else ()
    values = [p.numpy() for p in params] + [loss.numpy() for loss in losses]
    return values, states, dispatches


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_captured_pass_has_a_recording_for_each_part_of_a_window(steps: int, dtype: str) -> None:
    rows = [4] * (3 * steps + 1)
    eager, expected, _ = run_passes(False, steps, dtype, rows)
    replayed, states, dispatches = run_passes(True, steps, dtype, rows)
    assert len(dispatches) == min(steps, 3)
    for a, b in zip(eager, replayed, strict=True):
        np.testing.assert_array_equal(a, b)
    for (a, made), (b, replays) in zip(expected, states, strict=True):
        assert (a["added"], made) == (b["added"], replays)
        for name, total in a["sums"].items():
            np.testing.assert_array_equal(total, b["sums"][name])


def test_windows_may_mix_captured_passes_and_others() -> None:
    rows = [4, 4, 7, 4, 9, 4, 4, 4, 9, 9, 3, 4]  # a shape seen once runs uncaptured
    eager, _, _ = run_passes(False, 3, "float32", rows)
    replayed, _, dispatches = run_passes(True, 3, "float32", rows)
    assert 3 <= len(dispatches) <= 6
    for a, b in zip(eager, replayed, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_mean_that_is_kept_is_the_callers() -> None:
    from rumus.nn import Parameter

    weight = Parameter(tensor([1.0, 2.0]).to("gpu"))
    accumulator = optim.GradientAccumulator(2)

    def one_pass(x: Tensor) -> Tensor | None:
        window = accumulator.add((weight * x).sum().backward())
        return None if window is None else window.get(weight.id)

    call = gpu.capture(one_pass)
    means = [call(tensor([float(k), 1.0]).to("gpu")) for k in range(6)]
    assert [m if m is None else m.tolist() for m in means] == [
        None, [0.5, 1.0], None, [2.5, 1.0], None, [4.5, 1.0],
    ]  # fmt: skip


def test_a_state_loaded_between_captured_passes_goes_on() -> None:
    from rumus.nn import Parameter

    weight = Parameter(tensor([1.0, 2.0]).to("gpu"), name="w")
    accumulator = optim.GradientAccumulator(3, [weight])
    means = []

    def one_pass(x: Tensor) -> Tensor | None:
        window = accumulator.add((weight * x).sum().backward())
        return None if window is None else window.get(weight.id)

    call = gpu.capture(one_pass)
    for k in range(4):
        mean = call(tensor([3.0 * k, 0.0]).to("gpu"))
    saved = accumulator.state_dict()
    call(tensor([0.0, 0.0]).to("gpu"))
    accumulator.load_state_dict(saved)
    for _ in range(2):
        mean = call(tensor([3.0, 6.0]).to("gpu"))
        means.append(mean)
    assert means[0] is None
    assert means[1].tolist() == [5.0, 4.0]


def test_an_accumulator_of_captured_passes_goes_on_where_its_parameters_go() -> None:
    from rumus.nn import Parameter

    weight = Parameter(tensor([1.0, 2.0]).to("gpu"))
    accumulator = optim.GradientAccumulator(2)

    def one_pass(x: Tensor) -> None:
        accumulator.add((weight * x).sum().backward())

    call = gpu.capture(one_pass)
    for _ in range(2):
        call(tensor([3.0, 1.0]).to("gpu"))
    weight._rebind(weight.to("cpu").array, weight.to("cpu").device)
    for slope in (2.0, 4.0):
        window = accumulator.add((weight * slope).sum().backward())
    assert window is not None
    assert window.get(weight.id).tolist() == [3.0, 3.0]


def test_a_step_that_cannot_be_captured_leaves_the_window_as_it_was() -> None:
    from rumus.nn import Parameter

    weight = Parameter(tensor([1.0]).to("gpu"))
    accumulator = optim.GradientAccumulator(3)
    accumulator.add((weight * 3.0).sum().backward())

    def step() -> None:
        accumulator.add(weight.sum().backward())
        weight.numpy()

    with pytest.raises(gpu.CaptureError, match="reads a tensor back"):
        gpu.capture(step)()
    assert accumulator.added == 1
    accumulator.add((weight * 2.0).sum().backward())
    window = accumulator.add((weight * 4.0).sum().backward())
    assert window is not None
    assert window.get(weight.id).tolist() == [3.0]


def test_a_captured_step_can_be_skipped(make_optimizer: Callable[..., Any]) -> None:
    eager, one, _ = run(make_optimizer, False, 0.5, skip_nonfinite=True)
    replayed, other, _ = run(make_optimizer, True, 0.5, skip_nonfinite=True)
    assert (one.steps, one.skipped_steps) == (other.steps, other.skipped_steps) == (5, 1)
    for a, b in zip(eager, replayed, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)


def test_float16_weights_that_were_changed_between_replays_stay_changed() -> None:
    from rumus.nn import Parameter

    weight = Parameter(tensor(np.ones((4, 4), np.float16)).to("gpu"))
    optimizer = optim.SGD([weight], lr=1.0)

    def step(x: Tensor) -> None:
        optimizer.step((weight * x).sum().backward())

    captured, x = gpu.capture(step), tensor(np.ones((4, 4), np.float16)).to("gpu")
    for start in (8.0, 8.0, 2.0):
        with no_grad():
            weight.fill_(start)
        captured(x)
        captured(x)
        np.testing.assert_array_equal(weight.numpy(), np.full((4, 4), start - 2.0))


def test_a_float16_weight_that_a_captured_step_changes_by_hand_is_refused() -> None:
    from rumus.nn import Parameter

    weight = Parameter(tensor(np.ones((4, 4), np.float16)).to("gpu"))
    optimizer = optim.SGD([weight], lr=1.0)
    optimizer.step(weight.sum().backward())

    def step() -> None:
        optimizer.step(weight.sum().backward())
        with no_grad():
            weight.mul_(0.5)

    with pytest.raises(gpu.CaptureError, match=r"line \d+: a captured step changes \(mul_\)"):
        gpu.capture(step)()


def test_a_refused_captured_step_counts_for_nothing() -> None:
    from rumus.nn import Parameter

    weight = Parameter(tensor([1.0]).to("gpu"))
    optimizer = optim.AdamW([weight])

    def step() -> None:
        optimizer.step(weight.sum().backward())
        weight.numpy()

    with pytest.raises(gpu.CaptureError):
        gpu.capture(step)()
    assert optimizer.steps == 0


def count_dispatches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    original = gpu.Pipeline.dispatch

    def dispatch(self: Any, *args: Any, **kwargs: Any) -> None:
        names.append(self.name)
        original(self, *args, **kwargs)

    monkeypatch.setattr(gpu.Pipeline, "dispatch", dispatch)
    return names


@pytest.mark.parametrize("tensors", [1, 40])
def test_a_step_is_one_dispatch_and_clipping_two_whatever_the_number_of_tensors(
    tensors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rumus.nn import Parameter

    params = [Parameter(tensor(np.ones((3, 5), np.float32)).to("gpu")) for _ in range(tensors)]
    groups = [{"params": params[:1], "lr": 0.1}, {"params": params[1:]}]
    optimizer = optim.AdamW([g for g in groups if g["params"]])
    loss = (params[0] * params[0]).sum()
    for p in params[1:]:
        loss = loss + (p * p).sum()
    grads = loss.backward()
    names = count_dispatches(monkeypatch)
    optim.clip_grad_norm_(grads, params, 0.1)
    assert names == ["optim/norm.wgsl", "optim/norm_finish.wgsl"]
    optimizer.step(grads)
    assert names[2:] == ["optim/adam.wgsl"]


def test_accumulating_clamping_and_clipping_keep_a_step_at_one_dispatch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from rumus.nn import Parameter

    def loss(params: list[Parameter]) -> Tensor:
        return sum(((p * p).sum() for p in params[1:]), start=(params[0] * params[0]).sum())

    params = [Parameter(tensor(np.ones((3, 5), np.float32)).to("gpu")) for _ in range(40)]
    optimizer = optim.AdamW(params)
    accumulator = optim.GradientAccumulator(3)
    names = count_dispatches(monkeypatch)
    for _ in range(3):
        grads = loss(params).backward()
        names.clear()
        window = accumulator.add(grads)
        assert len(names) <= 4  # for 40 tensors
        assert len(grads) == 0
    assert window is not None
    names.clear()
    optim.clip_grad_value_(window, params, 1.5)
    assert len(names) == 1
    assert float(optim.clip_grad_norm_(window, params, 0.1)) == pytest.approx(1.5 * 600**0.5)
    optimizer.step(window)
    assert names[1:] == ["optim/norm.wgsl", "optim/norm_finish.wgsl", "optim/adam.wgsl"]


@pytest.mark.parametrize(("tensors", "small"), [(1, 0), (40, 0), (1, 1), (20, 20)])
def test_adafactor_takes_six_dispatches_and_one_for_small_matrices_however_many_there_are(
    tensors: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rumus.nn import Parameter

    params = [Parameter(tensor(np.ones((9, 15), np.float32)).to("gpu")) for _ in range(tensors)]
    params += [Parameter(tensor(np.ones((4, 3, 5), np.float32)).to("gpu")) for _ in range(small)]
    optimizer = optim.Adafactor(params)
    grads = sum((p * p).sum() for p in params).backward()  # type: ignore[union-attr]
    names = count_dispatches(monkeypatch)
    optimizer.step(grads)
    assert names == [
        *["optim/adafactor_small.wgsl"] * (small > 0),
        "optim/adafactor_squares.wgsl",
        "optim/adafactor_join.wgsl",
        "optim/adafactor_means.wgsl",
        "optim/adafactor.wgsl",
        "optim/adafactor.wgsl",
        "optim/adafactor.wgsl",
    ]


@pytest.mark.parametrize("device", ["gpu"])
def test_models_past_one_binding_limit_take_several_arenas(
    make_optimizer: Callable[..., Any], make_batch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = make_batch(), make_batch()
    one = make_optimizer(whole.params)
    real = gpu.limits

    def small(index: int = 0) -> dict[str, int]:
        return {**real(index), "max-storage-buffer-binding-size": 10_300}

    monkeypatch.setattr(gpu, "limits", small)
    several = make_optimizer(parts.params)
    monkeypatch.undo()
    slots: list[Any] = [p.slot for p in parts.params]
    assert len({id(s.arena) for s in slots}) > 1
    for step in range(3):
        one.step(whole.store(step))
        several.step(parts.store(step))
    for a, b in zip(whole.values(), parts.values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_lies_between_the_slots_of_an_arena_stays_zero(
    make_optimizer: Callable[..., Any],
) -> None:
    from rumus import nn

    layers = [nn.Linear(7, 5, bias=False), nn.Tanh(), nn.Linear(5, 3, bias=False)]
    model = nn.Sequential(*layers)
    model.to_gpu()
    params = model.parameters()
    optimizer = make_optimizer(params)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x = tensor(rng.standard_normal((9, 7)).astype(np.float32)).to("gpu")
        grads = (model(x) * model(x)).sum().backward()
        gradients: list[Any] = [grads.get(p.id) for p in params]
        expected = np.linalg.norm(np.concatenate([g.numpy().reshape(-1) for g in gradients]))
        norm = float(optim.clip_grad_norm_(grads, params, 1.0))
        assert norm == pytest.approx(expected, rel=1e-6)
        optimizer.step(grads)
    slots: list[Any] = [p.slot for p in params]
    for array in (slots[0].arena.data, slots[0].arena.grads):
        values = gpu.to_host(array).copy()
        for slot in slots:
            values[slot.offset : slot.offset + slot.size] = 0
        assert not values.any()


def test_float16_steps_need_no_more_than_the_bindings_that_an_adapter_has(
    make_optimizer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rumus.nn import Parameter

    start = tensor(np.linspace(1, 2, 35, dtype=np.float16).reshape(7, 5)).to("gpu")
    plain, narrow = Parameter(start), Parameter(start)
    one = make_optimizer([plain])
    real = gpu.limits
    fewest = {"max-storage-buffers-per-shader-stage": 5}
    monkeypatch.setattr(gpu, "limits", lambda index=0: {**real(index), **fewest})
    other = make_optimizer([narrow])
    monkeypatch.undo()
    for _ in range(3):
        one.step((plain * plain).sum().backward())
        other.step((narrow * narrow).sum().backward())
    np.testing.assert_array_equal(plain.numpy(), narrow.numpy())


GUARDS = [(False, False), (True, False), (False, True), (True, True)]
VARIANTS: list[Callable[..., Any]] = [
    lambda p, **o: optim.SGD(p, 0.1, **o),
    lambda p, **o: optim.SGD(p, 0.1, momentum=0.9, **o),
    lambda p, **o: optim.Adam(p, 0.1, **o),
    lambda p, **o: optim.AdamW(p, 0.1, amsgrad=True, **o),
    lambda p, **o: optim.RMSprop(p, 0.1, **o),
    lambda p, **o: optim.RMSprop(p, 0.1, momentum=0.9, centered=True, **o),
    lambda p, **o: optim.Adagrad(p, 0.1, **o),
    lambda p, **o: optim.Lion(p, 0.1, **o),
    lambda p, **o: optim.LAMB(p, 0.1, **o),
    lambda p, **o: optim.Adafactor(p, 0.1, **o),
    lambda p, **o: optim.Muon(p, 0.1, **o),
]


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize(("control", "skip"), GUARDS)
@pytest.mark.parametrize("make", VARIANTS)
def test_every_variant_of_every_kernel_compiles_and_runs(
    make: Callable[..., Any], control: bool, skip: bool, half: bool
) -> None:
    from rumus.nn import Parameter

    dtype = np.float16 if half else np.float32
    weight = Parameter(tensor(np.ones((5, 3), dtype)).to("gpu"))
    optimizer = make([weight], skip_nonfinite=skip)
    grads = (weight * weight).sum().backward()
    if control:
        optim.clip_grad_norm_(grads, [weight], 0.5)
    optimizer.step(grads)
    gpu.synchronize()
    moved = weight.numpy()
    assert moved.dtype == dtype
    assert np.isfinite(moved).all()
    assert (moved < 1).all()
