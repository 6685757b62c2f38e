"""Optimizers that are written outside the package, on both devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from rumus import gpu
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import CpuWork, GpuStep, Optimizer, clip_grad_norm_
from rumus.tensor import DeviceError, Tensor, tensor

FORMULA = """
fn prepare(h: Row, t: f32) -> vec2<f32> { return vec2<f32>(h.lr / t, 0.0); }
fn update(
    h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
) -> vec4<f32> {
    (*s).b = h.momentum * (*s).b + g;
    return p - c.x * (*s).b;
}
"""


class Row(NamedTuple):
    lr: float
    momentum: float


class Decaying(Optimizer):
    """``b ← μ b + g``, ``p ← p - lr / t · b`` with WGSL as text."""

    states = ("b",)
    shader = FORMULA

    def __init__(self, params: Any, lr: float = 0.1, momentum: float = 0.9, **options: bool):
        super().__init__(params, {"lr": lr, "momentum": momentum}, **options)

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        return options

    def row(self, options: dict[str, Any]) -> Row:
        return Row(options["lr"], options["momentum"])

    def update(self, h: Row, step: int, p: Any, g: Any, s: Any, scratch: Any) -> None:
        b, x = s[0], scratch[0]
        np.multiply(b, h.momentum, out=b)
        np.add(b, g, out=b)
        np.multiply(b, h.lr / step, out=x)
        np.subtract(p, x, out=p)


class Normalised(Optimizer):
    """``p ← p - lr / (t ‖g‖) · g``: a formula of whole parameters, without state."""

    elementwise = False
    states = ()
    shader = """
    fn prepare(h: Row, t: f32) -> vec2<f32> { return vec2<f32>(h.lr / t, 0.0); }
    fn measure(
        h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
    ) -> mat2x4<f32> {
        return mat2x4<f32>(g * g, vec4<f32>());
    }
    fn combine(h: Row, c: vec2<f32>, sums: vec2<f32>, size: f32) -> f32 {
        return c.x / sqrt(sums.x);
    }
    fn update(
        h: Row, c: vec2<f32>, p: vec4<f32>, g: vec4<f32>, s: ptr<function, State>
    ) -> vec4<f32> {
        return p - (*s).combined * g;
    }
    """

    def __init__(self, params: Any, lr: float = 0.1, **options: bool) -> None:
        super().__init__(params, {"lr": lr}, **options)

    def check(self, options: dict[str, Any]) -> dict[str, Any]:
        return options

    def row(self, options: dict[str, Any]) -> Row:
        return Row(options["lr"], 0.0)

    def step_cpu(self, works: Sequence[CpuWork]) -> None:
        for work in works:
            g = work.whole_gradient().reshape(-1)
            norm = np.sqrt(np.square(g, dtype=np.float64).sum())
            work.p -= g * np.float32(work.row.lr / (work.step * norm))

    def step_gpu(self, step: GpuStep) -> None:
        step.update(step.combine(step.measure()))


SHAPES = [(3, 5), (), (4097,), (0,), (301, 70)]


def expected_of(kind: type[Optimizer], p: Any, g: Any, state: dict[str, Any], t: int) -> Any:
    if kind is Normalised:
        return p - 0.1 / t * g / np.linalg.norm(g)
    state["b"] = 0.9 * state.get("b", 0.0) + g
    return p - 0.1 / t * state["b"]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kind", [Decaying, Normalised])
def test_an_optimizer_from_outside_follows_its_formula(kind: Any, dtype: Any, device: str) -> None:
    rng = np.random.default_rng(0)
    starts = [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]
    params = [Parameter(tensor(a).to(device), name=str(i)) for i, a in enumerate(starts)]
    optimizer = kind(params, maximize=True, skip_nonfinite=True)
    wanted = [a.astype(np.float64) for a in starts]
    states: list[dict[str, Any]] = [{} for _ in SHAPES]
    for step in range(5):
        params[0].requires_grad = step > 1
        store = GradientStore()
        for i, p in enumerate(params):
            if p.requires_grad:
                g = np.asarray(rng.standard_normal(p.shape), dtype)
                store.accumulate(p.id, tensor(g).to(device))
                if p.size:
                    t = step + 1 - 2 * (i == 0)
                    wanted[i] = expected_of(kind, wanted[i], -g.astype(np.float64), states[i], t)
        optimizer.step(store)
        bad = GradientStore()
        for p in params:
            bad.accumulate(p.id, tensor(np.full(p.shape, np.nan, dtype)).to(device))
        optimizer.step(bad)
    saved = optimizer.state_dict()
    assert (saved["step"], saved["skipped"], saved["steps"]["0"]) == (5, 5, 3)
    for p, want in zip(params, wanted, strict=True):
        values = saved["state"][p.name].get("master", p.numpy())
        np.testing.assert_allclose(values, want, rtol=2e-6, atol=2e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("kind", [Decaying, Normalised])
def test_an_optimizer_from_outside_can_be_captured_and_clipped(kind: Any) -> None:
    results = []
    for captured in (False, True):
        weight = Parameter(tensor(np.ones((5, 3), np.float32)).to("gpu"))
        optimizer = kind([weight])

        def step(x: Tensor, weight: Parameter = weight, optimizer: Optimizer = optimizer) -> None:
            grads = (weight * weight * x).sum().backward()
            clip_grad_norm_(grads, [weight], 0.5)
            optimizer.step(grads)

        call = gpu.capture(step) if captured else step
        for k in range(4):
            call(tensor(1.0 + k).to("gpu"))
        results.append(weight.numpy())
    np.testing.assert_array_equal(*results)


@pytest.mark.gpu
def test_wgsl_may_lie_in_a_file_and_its_errors_name_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.wgsl"
    path.write_text(FORMULA)
    kind: Any = type("FromFile", (Decaying,), {"shader": path})
    weights = [Parameter(tensor([1.0, 2.0]).to("gpu")) for _ in range(2)]
    for make, weight in zip((Decaying, kind), weights, strict=True):
        make([weight]).step((weight * 3.0).sum().backward())
    np.testing.assert_array_equal(weights[0].numpy(), weights[1].numpy())
    wrong = tmp_path / "wrong.wgsl"
    wrong.write_text(FORMULA.replace("c.x *", "c.q *"))
    kind = type("Wrong", (Decaying,), {"shader": wrong})
    with pytest.raises(gpu.KernelError, match=r"wrong\.wgsl"):
        kind(weights[:1]).step((weights[0] * 3.0).sum().backward())


def test_a_device_without_a_formula_is_refused_before_anything_changes(device: str) -> None:
    part = {"cpu": "update", "gpu": "shader"}[device]
    kind: Any = type("Half", (Decaying,), {part: getattr(Optimizer, part)})
    weight = Parameter(tensor([1.0, 2.0]).to(device))
    with pytest.raises(DeviceError, match=part):
        kind([weight]).step((weight * 3.0).sum().backward())
    assert weight.tolist() == [1.0, 2.0]
