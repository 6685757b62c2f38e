"""Derivatives of derivatives against central differences in numpy, in float64."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from rumus import gpu, nn
from rumus._backends.table import KINDS
from rumus.autograd import Function, grad, gradcheck, gradgradcheck, leaf
from rumus.nn import Parameter
from rumus.nn.functional import cross_entropy_loss
from rumus.tensor import (
    AutogradError,
    float16,
    manual_seed,
    no_grad,
    pack,
    randn,
    tensor,
)
from rumus.tensor._ops.elementwise import DERIVATIVES

CASES = runpy.run_path(str(Path(__file__).with_name("test_gradients.py")))["CASES"]


def arguments(shapes, positive, rng):
    """Numbers that float32 holds, away from where functions have corners."""
    arrays = [rng.normal(size=shape) for shape in shapes]
    if positive:
        arrays = [np.abs(a) + 0.5 for a in arrays]
    return [np.asarray(a, np.float32).astype(np.float64) for a in arrays]


def along(total, arrays, directions, step):
    """The total at a point moved along directions."""
    return total([a + step * d for a, d in zip(arrays, directions, strict=True)])


def bend(total, arrays, directions, step=2e-3):
    """The second derivative along directions, by differences of fourth order."""
    far = [along(total, arrays, directions, k * step) for k in (-2, -1, 0, 1, 2)]
    return (-far[0] + 16 * far[1] - 30 * far[2] + 16 * far[3] - far[4]) / (12 * step**2)


def unit_steps(arrays, i):
    """A direction for each element of one array."""
    for k in np.ndindex(arrays[i].shape):
        unit = [np.zeros_like(a) for a in arrays]
        unit[i][k] = 1
        yield k, unit


def curvature(total, arrays, directions, i, step=1e-4):
    """The gradient for array i of the first derivative along directions."""
    gradient = np.zeros_like(arrays[i])
    for k, unit in unit_steps(arrays, i):
        sides = [
            along(
                total, [a + s * step * u for a, u in zip(arrays, unit, strict=True)], directions, t
            )
            for s, t in ((1, step), (1, -step), (-1, step), (-1, -step))
        ]
        gradient[k] = (sides[0] - sides[1] - sides[2] + sides[3]) / (4 * step**2)
    return gradient


def bend_gradient(total, arrays, directions, i, step=2e-3):
    """The gradient for array i of the second derivative along directions."""
    gradient = np.zeros_like(arrays[i])
    for k, unit in unit_steps(arrays, i):
        sides = [
            bend(total, [a + s * step * u for a, u in zip(arrays, unit, strict=True)], directions)
            for s in (-2, -1, 1, 2)
        ]
        gradient[k] = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * step)
    return gradient


def derived(value, params, directions):
    """The derivative of a scalar along directions, with a graph; None if it is constant."""
    if value is None or not value.requires_grad:
        return None
    grads = value.backward(create_graph=True)
    parts = [
        (grads.get(p.id) * d).sum()
        for p, d in zip(params, directions, strict=True)
        if p.id in grads
    ]
    return sum(parts[1:], parts[0])


def gradients(value, params):
    grads = value.backward(retain_graph=True) if value is not None and value.requires_grad else None
    return [
        np.zeros(p.shape) if grads is None or grads.get(p.id) is None else grads.get(p.id).numpy()
        for p in params
    ]


@pytest.mark.parametrize("case", CASES)
def test_second_and_third_derivatives_equal_central_differences(case, device):
    f, oracle, shapes, positive = CASES[case]
    rng = np.random.default_rng(5)
    arrays = arguments(shapes, positive, rng)
    weights = rng.normal(size=np.shape(oracle(*arrays))).astype(np.float32)
    directions = [rng.normal(size=shape).astype(np.float32) for shape in shapes]

    def total(moved):
        return float((weights * oracle(*moved)).sum())

    params = [Parameter(tensor(a, device=device)) for a in arrays]
    loss = (f(*params) * weights).sum()
    first = derived(loss, params, directions)
    second = derived(first, params, directions)
    for i, (twice, thrice) in enumerate(
        zip(gradients(first, params), gradients(second, params), strict=True)
    ):
        wanted = curvature(total, arrays, directions, i)
        np.testing.assert_allclose(twice, wanted, rtol=2e-4, atol=1e-4)
        wanted = bend_gradient(total, arrays, directions, i)
        np.testing.assert_allclose(thrice, wanted, rtol=1e-3, atol=1e-3)


def test_every_backward_row_has_a_derivative():
    assert [op for op in KINDS if op.endswith("_backward") and op not in DERIVATIVES] == []


CRITIC = {"weight": (6, 3), "bias": (6,), "scale": (6,), "shift": (6,), "last": (4, 6)}


def critic(x, weight, bias, scale, shift, last):
    """The first class probability of a perceptron, in numpy; analytic in all arguments."""
    a = x @ weight.T + bias
    centred = a - a.mean(1, keepdims=True)
    a = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-5) * scale + shift
    a = a / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (a + 0.044715 * a**3)))
    y = np.exp(a @ last.T)
    return y[:, 0] / y.sum(1)


def penalty(x, *weights):
    """``mean((|d critic / dx| - 1)**2)``, with the derivative by complex steps."""
    slopes = np.stack(
        [critic(x + 1e-30j * unit, *weights).imag / 1e-30 for unit in np.eye(x.shape[1])], 1
    )
    return ((np.sqrt((slopes**2).sum(1)) - 1) ** 2).mean()


def test_the_gradient_penalty_of_a_critic_has_the_gradients_of_differences(device):
    rng = np.random.default_rng(7)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in CRITIC.values()]
    data = rng.normal(size=(5, 3)).astype(np.float32)
    weights = [Parameter(tensor(a, device=device)) for a in arrays]
    model = nn.Sequential(
        nn.Linear(3, 6), nn.LayerNorm(6), nn.GELU("tanh"), nn.Linear(6, 4, bias=False), nn.Softmax()
    )
    first, norm, _, last, _ = model
    first.weight, first.bias, norm.weight, norm.bias, last.weight = weights
    x = leaf(tensor(data, device=device))
    (slope,) = grad(model(x)[:, 0].sum(), x, create_graph=True)
    loss = (slope.square().sum(1).sqrt() - 1.0).square().mean()
    doubles = [np.asarray(a, np.float64) for a in (data, *arrays)]
    np.testing.assert_allclose(loss.item(), penalty(*doubles), rtol=1e-5)
    found = grad(loss, [*weights, x])
    for given, i in zip(found, [1, 2, 3, 4, 5, 0], strict=True):
        wanted = np.zeros_like(doubles[i])
        for k in np.ndindex(wanted.shape):
            moved = [a.copy() for a in doubles]
            moved[i][k] += 1e-5
            above = penalty(*moved)
            moved[i][k] -= 2e-5
            wanted[k] = (above - penalty(*moved)) / 2e-5
        np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_second_derivatives_of_cross_entropy(reduction, device):
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(4, 5)).astype(np.float32)
    target, kept = np.array([1, -100, 4, 0], np.int32), np.array([1, 0, 1, 1])
    along_ = rng.normal(size=(4, 5)).astype(np.float32)
    x = leaf(tensor(logits, device=device))
    losses = cross_entropy_loss(
        x, tensor(target, device=device), reduction=reduction, label_smoothing=0.1
    )
    (slope,) = grad(losses.square().sum(), x, create_graph=True)
    (given,) = grad((slope * along_).sum(), x)

    def total(arrays):
        (a,) = arrays
        line = a - np.log(np.exp(a).sum(1, keepdims=True))
        q = 0.9 * np.eye(5)[target * kept] + 0.02
        losses = -(q * line).sum(1) * kept
        return losses.sum() ** 2 / 9 if reduction == "mean" else (losses**2).sum()

    wanted = curvature(total, [logits.astype(np.float64)], [along_.astype(np.float64)], 0)
    np.testing.assert_allclose(given.numpy(), wanted, rtol=1e-3, atol=1e-5)


UNARY = ["sin", "tanh", "sigmoid", "softplus", "square", "silu"]


def random_program(seed):
    """A random graph of smooth operations, as a list of steps over earlier results."""
    rng = np.random.default_rng(seed)
    steps = []
    for n in range(3, 12):
        kind = rng.choice(["unary", "add", "mul", "matmul", "sum", "slice"])
        steps.append((kind, rng.choice(UNARY), int(rng.integers(n)), int(rng.integers(n))))
    return steps


def run_program(steps, values, apply):
    values = list(values)
    for kind, op, i, j in steps:
        a, b = values[i], values[j]
        if kind == "unary":
            values.append(apply(op, a))
        elif kind == "add":
            values.append(a + b * 0.5)
        elif kind == "mul":
            values.append(a * apply("tanh", b))
        elif kind == "matmul":
            values.append(apply("tanh", a @ b))
        elif kind == "sum":
            values.append(a * 0.3 + b.sum(0) * 0.3)
        else:
            values.append(a[::-1] + b[:, ::-1])
    return sum((v.sum() for v in values[1:]), values[0].sum())


NUMPY = {
    "sin": np.sin,
    "tanh": np.tanh,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "softplus": lambda a: np.log1p(np.exp(a)),
    "square": np.square,
    "silu": lambda a: a / (1 + np.exp(-a)),
}


@pytest.mark.parametrize("seed", range(12))
def test_second_derivatives_of_random_graphs(seed, device):
    steps = random_program(seed)
    rng = np.random.default_rng(100 + seed)
    arrays = [rng.normal(size=(3, 3)).astype(np.float32) * 0.5 for _ in range(3)]
    directions = [rng.normal(size=(3, 3)).astype(np.float32) for _ in range(3)]
    params = [Parameter(tensor(a, device=device)) for a in arrays]
    loss = run_program(steps, params, lambda op, a: getattr(a, op)())
    first = derived(loss, params, directions)

    def total(moved):
        return run_program(steps, moved, lambda op, a: NUMPY[op](a))

    doubles = [np.asarray(a, np.float64) for a in arrays]
    for i, given in enumerate(gradients(first, params)):
        wanted = curvature(total, doubles, directions, i)
        scale = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(given, wanted, rtol=1e-3, atol=1e-5 * scale)


def test_gradients_with_a_graph_have_the_bits_of_those_without(device):
    manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.GELU(), nn.Linear(7, 3))
    if device == "gpu":
        model.to_gpu()
    x = randn((4, 5), device=device)
    loss = model(x).log_softmax().square().sum()
    recorded = loss.backward(create_graph=True)
    plain = loss.backward()
    for p in model.parameters():
        assert recorded[p].requires_grad
        np.testing.assert_allclose(recorded[p].numpy(), plain[p].numpy(), rtol=1e-5, atol=1e-6)


def test_a_saved_input_that_changed_is_noticed_in_the_second_pass(device):
    x = Parameter(tensor([1.0, 2.0], device=device))
    (slope,) = grad((x**3).sum(), x, create_graph=True)
    with no_grad():
        x.add_(1.0)
    with pytest.raises(AutogradError, match="changed in place"):
        slope.sum().backward()


@pytest.mark.gpu
def test_derivatives_go_from_device_to_device():
    x = leaf(tensor([1.0, 2.0]))
    (slope,) = grad((x.to_gpu() ** 3).to_cpu().sum(), x, create_graph=True)
    assert grad(slope.sum(), x)[0].tolist() == [6.0, 12.0]


def test_float16_keeps_its_dtype_in_both_passes(device):
    x = leaf(tensor([0.5, 2.0], dtype=float16, device=device))
    (slope,) = grad((x * x * x + x).sum(), x, create_graph=True)
    (bend_,) = grad(slope.sum(), x)
    assert slope.dtype == bend_.dtype == float16
    assert (slope.tolist(), bend_.tolist()) == ([1.75, 13.0], [3.0, 12.0])


class Cube(Function):
    """A user's operation, in primitives."""

    saves = (0,)

    def forward(self, be, x):
        return be.elementwise("mul", be.elementwise("square", x), x)

    def backward(self, be, grad):
        (x,) = self.saved
        return (be.elementwise("mul", grad, be.elementwise("mul", be.elementwise("square", x), 3)),)


class Foreign(Cube):
    """One whose backward leaves the primitives."""

    def backward(self, be, grad):
        (x,) = self.saved
        return (np.multiply(grad, 3 * x**2),)


class Kept(Cube):
    """One that gives back an array of its own."""

    def backward(self, be, grad):
        return (np.ones(2, np.float32),)


class Read(Cube):
    """One that reads its gradient on the host."""

    def backward(self, be, grad):
        return (be.from_host(be.to_host(grad)),)


class Ranked(Cube):
    """One with a primitive that has no derivative."""

    def backward(self, be, grad):
        be.update("add", grad, 1.0)
        return (grad,)


class Sine(Function):
    """A user's operation on numpy arrays, each of whose derivatives is one too."""

    saves = (0,)

    def __init__(self, turns=0):
        self.turns = turns

    def forward(self, be, x):
        return np.sin(x + np.float32(self.turns * np.pi / 2))

    def backward(self, be, grad):
        return (be.elementwise("mul", grad, be.apply(Sine(self.turns + 1), self.saved[0])),)


def test_a_kernel_of_ones_own_is_recorded_by_apply():
    data = np.array([0.3, 1.0, -2.0], np.float32)
    x = leaf(tensor(data))
    value = Sine()(x).sum()
    for turn in range(1, 4):
        (value,) = grad(value, x, tensor(np.ones(value.shape, np.float32)), create_graph=True)
        wanted = np.sin(data.astype(np.float64) + turn * np.pi / 2)
        np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_a_function_of_ones_own_has_second_derivatives_for_nothing(device):
    x = leaf(tensor([1.0, 2.0], device=device))
    (slope,) = grad(Cube()(x).sum(), x, create_graph=True)
    assert grad(slope.sum(), x)[0].tolist() == [6.0, 12.0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (Foreign, "Foreign.backward has no second derivative"),
        (Kept, "Kept.backward has no second derivative.*gave back an array"),
        (Read, "the primitive to_host, which has no derivative"),
        (Ranked, "the primitive update .*, which has no derivative"),
    ],
)
def test_what_has_no_second_derivative_is_named(function, message):
    x = leaf(tensor([1.0, 2.0]))
    y = function()(x * x).sum()
    with pytest.raises(AutogradError, match=message):
        grad((y * y).sum(), x, create_graph=True)


def test_no_graph_is_made_under_no_grad():
    x = leaf(tensor([1.0, 2.0]))
    y = (x * x).sum()
    with no_grad(), pytest.raises(AutogradError, match="records nothing under no_grad"):
        y.backward(create_graph=True)


@pytest.mark.gpu
def test_a_captured_step_with_a_gradient_penalty_has_the_bits_of_the_step_itself():
    manual_seed(5)
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.SiLU(), nn.Linear(8, 1)).to_gpu()
    pack(list(model.parameters()))

    def step(data):
        x = leaf(data)
        (slope,) = grad(model(x).sum(), x, create_graph=True)
        loss = model(x).mean() + (slope.square().sum(1).sqrt() - 1.0).square().mean()
        grads = loss.backward()
        with no_grad():
            for p in model.parameters():
                p.sub_(grads[p] * 0.1)
        return loss

    batches = [randn((6, 4), device="gpu") for _ in range(4)]
    start = {key: value.contiguous() for key, value in model.state_dict().items()}
    plain = [step(x).numpy().tobytes() for x in batches]
    model.load_state_dict(start)
    captured = gpu.capture(step)
    assert [captured(x).numpy().tobytes() for x in batches] == plain
    assert len(captured.dispatches) == 1


def test_what_is_flat_has_gradients_of_zeros_and_costs_nothing(device):
    ran = []

    class Watched(Function):
        def forward(self, be, x):
            return be.elementwise("mul", x, 2.0)

        def backward(self, be, grad):
            ran.append(1)
            return (be.elementwise("mul", grad, 2.0),)

    w, b, other = (Parameter(tensor([1.0, -3.0], device=device)) for _ in range(3))
    x = leaf(tensor([1.0, 2.0], device=device))
    middle = Watched()(b)
    (slope,) = grad((x * w + middle).relu().sum(), x, create_graph=True)
    assert slope.tolist() == [1.0, 0.0]
    grads = slope.sum().backward(retain_graph=True, create_graph=True)
    assert (grads[w].tolist(), grads[b].tolist(), other in grads) == ([1.0, 0.0], [0.0, 0.0], False)
    assert [g.tolist() for g in grad(slope.sum(), [middle, b, x])] == [[0.0, 0.0]] * 3
    assert ran == []


DATA = np.random.default_rng(1).permutation(np.linspace(-2, 2, 24)).reshape(4, 6) + 0.03

SCANS = {
    "cumsum": lambda a: a.cumsum(0),
    "cumprod": lambda a: a.cumprod(1),
    "logcumsumexp": lambda a: a.logcumsumexp(1),
    "cummax": lambda a: a.cummax(1)[0],
    "sort": lambda a: a.sort(1),
    "topk": lambda a: a.topk(2)[0],
    "median": lambda a: a.median(1),
}


@pytest.mark.parametrize("name", SCANS)
def test_second_derivatives_of_scans_and_sorting(name, device):
    x = tensor(DATA.astype(np.float32), device=device)

    def f(a):
        return SCANS[name](a + a.tanh()).sin()

    assert gradcheck(f, x, step=2.0**-8, rtol=2e-3)
    assert gradgradcheck(f, x, step=2.0**-8, rtol=5e-3)
