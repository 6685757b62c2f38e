"""Each optimizer against the formula of its paper, written here in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import optim
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.tensor import tensor

Array = np.ndarray[Any, np.dtype[np.float64]]
State = dict[str, Any]
Rule = Callable[[Array, Array, State, int], Array]

SHAPES = [(), (1,), (5,), (4, 7), (2, 3, 5), (70, 1000)]
STEPS = 25


def sgd(p: Array, g: Array, s: State, t: int) -> Array:
    g = g + 0.01 * p
    s["b"] = g if t == 1 else 0.9 * s["b"] + (1 - 0.1) * g
    return p - 0.05 * s["b"]


def nesterov(p: Array, g: Array, s: State, t: int) -> Array:
    s["b"] = g if t == 1 else 0.8 * s["b"] + g
    return p - 0.05 * (g + 0.8 * s["b"])


def plain_sgd(p: Array, g: Array, s: State, t: int) -> Array:
    return p + 0.05 * g


def moments(g: Array, s: State, t: int, beta1: float, beta2: float) -> tuple[Array, Array]:
    """``m/(1 - β₁ᵗ)`` and ``√(v/(1 - β₂ᵗ))``, with as little overflow as there can be."""
    s["m"] = beta1 * s.get("m", 0.0) + (1 - beta1) * g
    s["v"] = beta2 * s.get("v", 0.0) + (1 - beta2) * g * g
    return s["m"] / (1 - beta1**t), np.sqrt(s["v"]) / math.sqrt(1 - beta2**t)


def adam(p: Array, g: Array, s: State, t: int) -> Array:
    m, root = moments(g + 0.1 * p, s, t, 0.8, 0.95)
    return p - 0.01 * m / (root + 1e-6)


def adamw(p: Array, g: Array, s: State, t: int) -> Array:
    m, root = moments(g, s, t, 0.9, 0.999)
    return p - 0.01 * 0.02 * p - 0.01 * m / (root + 1e-8)


def adamw_plain(p: Array, g: Array, s: State, t: int) -> Array:
    m, root = moments(g, s, t, 0.9, 0.999)
    return p - 0.01 * m / (root + 1e-8)


def amsgrad(p: Array, g: Array, s: State, t: int) -> Array:
    m, _ = moments(g, s, t, 0.9, 0.9)
    s["most"] = np.maximum(s.get("most", 0.0), s["v"])
    return p - 0.01 * m / (np.sqrt(s["most"]) / math.sqrt(1 - 0.9**t) + 1e-8)


def no_betas(p: Array, g: Array, s: State, t: int) -> Array:
    m, root = moments(g, s, t, 0.0, 0.0)
    return p - 0.01 * m / (root + 1e-8)


def rmsprop(p: Array, g: Array, s: State, t: int) -> Array:
    s["v"] = 0.9 * s.get("v", 0.0) + 0.1 * g * g
    return p - 0.01 * g / (np.sqrt(s["v"]) + 1e-8)


def centered(p: Array, g: Array, s: State, t: int) -> Array:
    g = g + 0.1 * p
    s["v"] = 0.9 * s.get("v", 0.0) + 0.1 * g * g
    s["a"] = 0.9 * s.get("a", 0.0) + 0.1 * g
    d = g / (np.sqrt(s["v"] - s["a"] ** 2) + 1e-8)
    s["b"] = 0.5 * s.get("b", 0.0) + d
    return p - 0.01 * s["b"]


def adagrad(p: Array, g: Array, s: State, t: int) -> Array:
    g = g + 0.1 * p
    s["v"] = s.get("v", 0.5) + g * g
    return p - 0.1 / (1 + (t - 1) * 0.2) * g / (np.sqrt(s["v"]) + 1e-10)


def lion(p: Array, g: Array, s: State, t: int) -> Array:
    m = s.get("m", np.zeros_like(p))
    u = np.sign(0.9 * m + 0.1 * g)
    s["m"] = 0.99 * m + 0.01 * g
    return p - 0.01 * (u + 0.1 * p)


def lamb(p: Array, g: Array, s: State, t: int) -> Array:
    m, root = moments(g, s, t, 0.9, 0.999)
    u = m / (root + 1e-6) + 0.01 * p
    return p - 0.01 * trust(p, u) * u


def trust(p: Array, u: Array) -> float:
    over, under = float(np.linalg.norm(p)), float(np.linalg.norm(u))
    return 1.0 if over == 0 or under == 0 else over / under


def lamb_plain(p: Array, g: Array, s: State, t: int) -> Array:
    m, root = moments(g, s, t, 0.9, 0.999)
    u = m / (root + 1e-6)
    return p - 0.01 * trust(p, u) * u


def adafactor(p: Array, g: Array, s: State, t: int) -> Array:
    def rms(x: Array) -> float:
        return float(np.sqrt(np.mean(x * x)))

    eps1, new = float(np.finfo(np.float32).eps), t**-0.8
    alpha = max(1e-3, rms(p)) * min(0.05, 1 / math.sqrt(t))
    p = p * (1 - 0.05 * 0.1)
    if p.ndim > 1:
        row, column = s.get("row", 0.0), s.get("column", 0.0)
        s["row"] = row + new * ((g * g).mean(-1, keepdims=True) - row)
        s["column"] = column + new * ((g * g).mean(-2, keepdims=True) - column)
        mean = s["row"].mean(-2, keepdims=True)
        v = s["row"] * s["column"] / np.maximum(mean, eps1)
    else:
        v = s["v"] = s.get("v", 0.0) + new * (g * g - s.get("v", 0.0))
    u = g / np.sqrt(np.maximum(v, eps1**2))
    return p - alpha / max(1.0, rms(u) / 1.0) * u


def muon(p: Array, g: Array, s: State, t: int) -> Array:
    s["b"] = 0.95 * s.get("b", 0.0) + 0.05 * g
    d = 0.05 * g + 0.95 * s["b"]
    x = d.T if p.shape[0] > p.shape[1] else d
    x = x / np.linalg.norm(x)
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    x = x.T if p.shape[0] > p.shape[1] else x
    return p * (1 - 0.02 * 0.1) - 0.02 * math.sqrt(max(1, p.shape[0] / p.shape[1])) * x


def nadam(p: Array, g: Array, s: State, t: int) -> Array:
    _, root = moments(g + 0.1 * p, s, t, 0.8, 0.95)
    mu, following = (0.8 * (1 - 0.5 * 0.96 ** (i * 0.02)) for i in (t, t + 1))
    s["product"] = s.get("product", 1.0) * mu
    n = (1 - mu) / (1 - s["product"]) * (g + 0.1 * p)
    n = n + following / (1 - s["product"] * following) * s["m"]
    return p - 0.01 * n / (root + 1e-6)


def nadam_decoupled(p: Array, g: Array, s: State, t: int) -> Array:
    _, root = moments(g, s, t, 0.999, 0.999)
    mu, following = (0.999 * (1 - 0.5 * 0.96 ** (i * 50)) for i in (t, t + 1))
    s["product"] = s.get("product", 1.0) * mu
    n = (1 - mu) / (1 - s["product"]) * g + following / (1 - s["product"] * following) * s["m"]
    return p * (1 - 0.01 * 0.1) - 0.01 * n / (root + 1e-8)


def radam(p: Array, g: Array, s: State, t: int, decay: float = 0.1, beta2: float = 0.999) -> Array:
    m, _ = moments(g + decay * p if decay else g, s, t, 0.9, beta2)
    most = 2 / (1 - beta2) - 1
    rho = most - 2 * t * beta2**t / (1 - beta2**t)
    if rho <= 5:
        return p - 0.01 * m
    rect = math.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return p - 0.01 * rect * m * math.sqrt(1 - beta2**t) / (np.sqrt(s["v"]) + 1e-8)


def radam_decoupled(p: Array, g: Array, s: State, t: int) -> Array:
    return radam(p * (1 - 0.01 * 0.1), g, s, t, 0.0, 0.9)


def adamax(p: Array, g: Array, s: State, t: int) -> Array:
    g = g + 0.1 * p
    s["m"] = 0.9 * s.get("m", 0.0) + (1 - 0.9) * g
    s["u"] = np.maximum(0.99 * s.get("u", 0.0), np.abs(g) + 1e-8)
    return p - 0.01 / (1 - 0.9**t) * (s["m"] / s["u"])


def adadelta(p: Array, g: Array, s: State, t: int) -> Array:
    g = g + 0.1 * p
    s["v"] = 0.8 * s.get("v", 0.0) + (1 - 0.8) * g * g
    d = g / np.sqrt(s["v"] + 1e-6) * np.sqrt(s.get("u", 0.0) + 1e-6)
    s["u"] = 0.8 * s.get("u", 0.0) + (1 - 0.8) * d * d
    return p - 0.5 * d


def asgd(p: Array, g: Array, s: State, t: int) -> Array:
    eta = 0.05 / (1 + 0.1 * 0.05 * (t - 1)) ** 0.75
    p = p * (1 - 0.1 * eta) - eta * (g + 0.01 * p)
    s["ax"] = s.get("ax", 0.0) + (p - s.get("ax", 0.0)) / max(1, t - 1 - 5)
    return p


def rprop(p: Array, g: Array, s: State, t: int) -> Array:
    same = np.sign(g) * np.sign(s.get("prev", np.zeros_like(p)))
    size = s.get("size", np.full_like(p, 0.01))
    size = np.where(same > 0, size * 1.3, np.where(same < 0, size * 0.4, size))
    s["size"] = np.clip(size, 1e-3, 0.1)
    s["prev"] = np.where(same < 0, 0, g)
    return p - s["size"] * np.sign(s["prev"])


def lars(p: Array, g: Array, s: State, t: int) -> Array:
    p_norm, g_norm = (float(np.linalg.norm(x)) for x in (p, g))
    ratio = 0.01 * p_norm / (g_norm + 0.1 * p_norm + 1e-8) if p_norm and g_norm else 1.0
    d = ratio * (g + 0.1 * p)
    s["b"] = 0.9 * s.get("b", 0.0) + d
    return p - 0.5 * (d + 0.9 * s["b"])


CASES: dict[str, tuple[Callable[[Any], optim.Optimizer], Rule]] = {
    "SGD": (lambda p: optim.SGD(p, 0.05, 0.9, 0.1, 0.01), sgd),
    "SGD, Nesterov": (lambda p: optim.SGD(p, 0.05, 0.8, nesterov=True), nesterov),
    "SGD, maximize": (lambda p: optim.SGD(p, 0.05, maximize=True), plain_sgd),
    "Adam": (lambda p: optim.Adam(p, 0.01, (0.8, 0.95), 1e-6, 0.1), adam),
    "Adam, betas of 0": (lambda p: optim.Adam(p, 0.01, (0.0, 0.0)), no_betas),
    "AdamW": (lambda p: optim.AdamW(p, 0.01, weight_decay=0.02), adamw),
    "AdamW, amsgrad": (
        lambda p: optim.AdamW(p, 0.01, (0.9, 0.9), weight_decay=0, amsgrad=True),
        amsgrad,
    ),
    "RMSprop": (lambda p: optim.RMSprop(p, 0.01, 0.9), rmsprop),
    "RMSprop, centered": (
        lambda p: optim.RMSprop(p, 0.01, 0.9, 1e-8, 0.1, 0.5, centered=True),
        centered,
    ),
    "Adagrad": (lambda p: optim.Adagrad(p, 0.1, 0.2, 0.1, 0.5), adagrad),
    "Lion": (lambda p: optim.Lion(p, 0.01, weight_decay=0.1), lion),
    "LAMB": (lambda p: optim.LAMB(p, 0.01), lamb),
    "Adafactor": (lambda p: optim.Adafactor(p, 0.05, weight_decay=0.1), adafactor),
    "Muon": (lambda p: optim.Muon(p, 0.02), muon),
    "NAdam": (lambda p: optim.NAdam(p, 0.01, (0.8, 0.95), 1e-6, 0.1, 0.02), nadam),
    "NAdam, decoupled": (
        lambda p: optim.NAdam(p, 0.01, (0.999, 0.999), 1e-8, 0.1, 50, True),
        nadam_decoupled,
    ),
    "RAdam": (lambda p: optim.RAdam(p, 0.01, weight_decay=0.1), radam),
    "RAdam, decoupled": (
        lambda p: optim.RAdam(p, 0.01, (0.9, 0.9), 1e-8, 0.1, True),
        radam_decoupled,
    ),
    "Adamax": (lambda p: optim.Adamax(p, 0.01, (0.9, 0.99), weight_decay=0.1), adamax),
    "Adadelta": (lambda p: optim.Adadelta(p, 0.5, 0.8, weight_decay=0.1), adadelta),
    "ASGD": (lambda p: optim.ASGD(p, 0.05, 0.1, t0=5, weight_decay=0.01), asgd),
    "Rprop": (lambda p: optim.Rprop(p, 0.01, (0.4, 1.3), (1e-3, 0.1)), rprop),
    "LARS": (lambda p: optim.LARS(p, 0.5, 0.9, 0.1, 0.01, nesterov=True), lars),
}


NO_DECAY: dict[str, tuple[Callable[[Any], optim.Optimizer], Rule]] = {
    "AdamW, no decay": (lambda p: optim.AdamW(p, 0.01, weight_decay=0), adamw_plain),
    "LAMB, no decay": (lambda p: optim.LAMB(p, 0.01, weight_decay=0), lamb_plain),
}


@pytest.mark.parametrize("name", CASES)
def test_a_trajectory_follows_the_paper_s_formula(name: str, device: str) -> None:
    make, rule = CASES[name]
    rng = np.random.default_rng(7)
    shapes = [(4, 7), (30, 12), (64, 64)] if name == "Muon" else SHAPES
    starts = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    params = [Parameter(tensor(start).to(device)) for start in starts]
    expected = [start.astype(np.float64) for start in starts]
    states: list[State] = [{} for _ in shapes]
    optimizer = make(params)
    for t in range(1, STEPS + 1):
        store = GradientStore()
        for i, p in enumerate(params):
            g = rng.standard_normal(p.shape).astype(np.float32) + 0.5
            g = g.astype(np.float32)
            store.accumulate(p.id, tensor(g).to(device))
            expected[i] = rule(expected[i], g.astype(np.float64), states[i], t)
        optimizer.step(store)
        assert len(store) == 0
    for p, wanted in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.numpy(), wanted, rtol=2e-5, atol=1e-5)


SPECIAL = [np.nan, np.inf, -np.inf, 1e20, -1e25, 3e38]


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("name", [*CASES, "AdamW, no decay", "LAMB, no decay"])
def test_nan_infinity_and_overflow_take_the_formula_s_way(
    name: str, special: float, at: int, device: str
) -> None:
    """The formula in float32, with its squares that overflow; Muon's and PyTorch's are the same."""
    make, rule = {**CASES, **NO_DECAY}[name]
    rng = np.random.default_rng(7)
    shapes = [(4, 7), (12, 5)] if name == "Muon" else [(), (6,), (4, 7), (2, 3, 5)]
    starts = [np.asarray(rng.standard_normal(shape), np.float32) for shape in shapes]
    params = [Parameter(tensor(start).to(device)) for start in starts]
    # Muon's norm and LARS's do not overflow here, and Muon's products spread NaN to all elements.
    kind = np.float64 if name in ("Muon", "LARS") else np.float32
    expected: list[Any] = [start.astype(kind) for start in starts]
    states: list[State] = [{} for _ in shapes]
    optimizer = make(params)
    for t in range(1, 4):
        store = GradientStore()
        for i, p in enumerate(params):
            g = np.asarray(rng.standard_normal(p.shape) + 0.5, np.float32)
            if t == at:
                g[(1,) * (g.ndim - 1) + (2,) if g.ndim else ()] = special
            store.accumulate(p.id, tensor(g).to(device))
            with np.errstate(all="ignore"):
                expected[i] = np.asarray(rule(expected[i], g.astype(kind), states[i], t), kind)
        optimizer.step(store)
    for p, wanted in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.numpy(), wanted.astype(np.float32), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("decay", [0.0, 4e-3, 0.5, 500.0])
@pytest.mark.parametrize("beta1", [0.0, 0.9, 0.9999])
@pytest.mark.parametrize("step", [1, 2, 40, 20_000])
def test_nadam_s_momentum_is_right_at_any_step(
    step: int, beta1: float, decay: float, device: str
) -> None:
    weight = Parameter(tensor(np.array([1.0, -2.0], np.float32)).to(device), name="w")
    optimizer = optim.NAdam([weight], 0.25, (beta1, 0.0), momentum_decay=decay)
    state = optimizer.state_dict()
    moments = {"m": np.array([0.5, 0.25], np.float32), "v": np.ones(2, np.float32)}
    optimizer.load_state_dict(
        {**state, "step": step - 1, "steps": {"w": step - 1}, "state": {"w": moments}}
    )
    store = GradientStore()
    store.accumulate(weight.id, tensor(np.ones(2, np.float32)).to(device))
    optimizer.step(store)
    mu = beta1 * (1 - 0.5 * 0.96 ** (np.arange(1, step + 2) * decay))
    product = np.prod(mu[:-1])
    m = beta1 * moments["m"].astype(np.float64) + (1 - beta1)
    moved = (1 - mu[-2]) / (1 - product) + mu[-1] / (1 - product * mu[-1]) * m
    np.testing.assert_allclose(weight.numpy(), [1.0, -2.0] - 0.25 * moved, rtol=2e-6, atol=1e-6)


MATRICES = [
    (1, 1),
    (5, 1),
    (1, 300),
    (65, 257),
    (64, 256),
    (9000, 3),
    (3, 2, 4, 8),
    (7, 31, 9),
    (0, 4),
]
VECTORS = [(), (3,), (5000,), (0,)]
LONG = [(1031, 1025), (350_000, 3), (3, 350_000)]
"""Large enough to be summed over spans of many tiles, which lines cross."""


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("shapes", [MATRICES, VECTORS, MATRICES + VECTORS, LONG])
def test_adafactor_s_factors_are_right_for_any_shape(
    shapes: list[tuple[int, ...]], dtype: Any, device: str
) -> None:
    rng = np.random.default_rng(3)
    starts = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    params = [Parameter(tensor(s).to(device), name=str(i)) for i, s in enumerate(starts)]
    expected = [start.astype(np.float64) for start in starts]
    states: list[State] = [{} for _ in shapes]
    optimizer = optim.Adafactor(params, 0.05, weight_decay=0.1)
    for t in range(1, 4):
        store = GradientStore()
        for i, p in enumerate(params):
            g = np.asarray(rng.standard_normal(p.shape) * rng.uniform(0.1, 9, p.shape[-1:]), dtype)
            store.accumulate(p.id, tensor(g).to(device))
            if p.size:
                expected[i] = adafactor(expected[i], g.astype(np.float64), states[i], t)
        optimizer.step(store)
    saved = optimizer.state_dict()["state"]
    for p, wanted, state in zip(params, expected, states, strict=True):
        arrays = saved[p.name]
        np.testing.assert_allclose(arrays.get("master", p.numpy()), wanted, rtol=2e-5, atol=1e-5)
        for name, moment in state.items():
            np.testing.assert_allclose(arrays[name], moment, rtol=2e-6)


def test_muon_brings_all_singular_values_near_one(device: str) -> None:
    rng = np.random.default_rng(0)
    start = tensor(np.zeros((20, 50), np.float32)).to(device)
    weight = Parameter(start)
    store = GradientStore()
    grad = rng.standard_normal((20, 50)).astype(np.float32)
    store.accumulate(weight.id, tensor(grad).to(device))
    optim.Muon([weight], lr=1.0, momentum=0.0, weight_decay=0.0).step(store)
    values = np.linalg.svd(weight.numpy(), compute_uv=False)
    assert values.min() > 0.5
    assert values.max() < 1.3
