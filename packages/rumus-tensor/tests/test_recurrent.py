"""Recurrent layers against a loop over samples and steps in float64."""

from __future__ import annotations

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.tensor import ArgumentError, DTypeError, ShapeError, float16, manual_seed, tensor

INPUTS, HIDDEN, STEPS, BATCH = 3, 5, 6, 4
LENGTHS = [6, 1, 4, 3]
KINDS = {
    "lstm": (nn.LSTM, nn.LSTMCell, {}),
    "gru": (nn.GRU, nn.GRUCell, {}),
    "tanh": (nn.RNN, nn.RNNCell, {}),
    "relu": (nn.RNN, nn.RNNCell, {"nonlinearity": "relu"}),
}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def advanced(kind, x, state, w, v, b, c):
    """The state after one step of one sequence, from the papers' formulas."""
    xs, hs = np.split(w @ x + b, GATES[kind]), np.split(v @ state[0] + c, GATES[kind])
    if kind == "lstm":
        i, f, g, o = (p + q for p, q in zip(xs, hs, strict=True))
        cell = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return [sigmoid(o) * np.tanh(cell), cell]
    if kind == "gru":
        r, z = sigmoid(xs[0] + hs[0]), sigmoid(xs[1] + hs[1])
        n = np.tanh(xs[2] + r * hs[2])
        return [(1 - z) * n + z * state[0]]
    total = xs[0] + hs[0]
    return [np.tanh(total) if kind == "tanh" else np.where(total.real > 0, total, 0)]


GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


def expected(kind, parts, x, starts, layers, directions, lengths):
    """Outputs (steps, batch, …) and last states, layer by layer and sample by sample."""
    steps, batch, _ = x.shape
    last = [np.zeros_like(s) for s in starts]
    for layer in range(layers):
        out = np.zeros((steps, batch, directions * HIDDEN), x.dtype)
        for way in range(directions):
            end = f"l{layer}" + "_reverse" * way
            w, v = parts[f"weight_ih_{end}"], parts[f"weight_hh_{end}"]
            b, c = (parts.get(f"bias_{k}_{end}", np.zeros(len(w))) for k in ("ih", "hh"))
            for n in range(batch):
                state = [s[layer * directions + way, n] for s in starts]
                order = range(lengths[n])
                for t in reversed(order) if way else order:
                    state = advanced(kind, x[t, n], state, w, v, b, c)
                    out[t, n, way * HIDDEN : (way + 1) * HIDDEN] = state[0]
                for k, s in enumerate(state):
                    last[k][layer * directions + way, n] = s
        x = out
    return [x, *last]


def made(kind, device, **options):
    manual_seed(3)
    make, _, extra = KINDS[kind]
    return make(INPUTS, HIDDEN, **extra, **options).to(device)


def arrays(kind, rows):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((STEPS, BATCH, INPUTS)).astype(np.float32)
    count = 2 if kind == "lstm" else 1
    return x, [rng.standard_normal((rows, BATCH, HIDDEN)).astype(np.float32) for _ in range(count)]


def called(model, kind, x, starts, lengths=None):
    state = tuple(starts) if kind == "lstm" else starts[0]
    output, last = model(x, state, lengths)
    return [output, *(last if kind == "lstm" else [last])]


CASES = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 2, "bias": False},
    {"bidirectional": True, "bias": False},
]


@pytest.mark.parametrize("ends", [None, LENGTHS], ids=["whole", "lengths"])
@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_the_loop(kind, options, ends, device):
    """Gradients along random directions, by complex steps through the loop."""
    model = made(kind, device, **options)
    layers, ways = options.get("num_layers", 1), 1 + options.get("bidirectional", False)
    x, starts = arrays(kind, layers * ways)
    leaves = [nn.Parameter(tensor(a, device=device)) for a in (x, *starts)]
    results = called(model, kind, leaves[0] * 1.0, [s * 1.0 for s in leaves[1:]], ends)
    parts = {name: p.numpy().astype(np.float64) for name, p in model.named_parameters()}
    lengths = ends or [STEPS] * BATCH
    wanted = expected(kind, parts, x.astype(np.float64), starts, layers, ways, lengths)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(w.shape).astype(np.float32) for w in wanted]
    total = 0.0
    for got, want, weight in zip(results, wanted, weights, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=2e-5, atol=1e-6)
        total = total + (got * tensor(weight, device=device)).sum()
    grads = total.backward()
    named = [*zip(["x", "h", "c"], leaves, strict=False), *model.named_parameters()]
    values = {name: p.numpy().astype(complex) for name, p in named}
    for name, p in named:
        direction = rng.standard_normal(p.shape)
        moved = {**values, name: values[name] + 1e-30j * direction}
        begun = [moved[k] for k in ("h", "c")[: len(starts)]]
        outs = expected(kind, moved, moved["x"], begun, layers, ways, lengths)
        slope = sum((o.imag * w).sum() for o, w in zip(outs, weights, strict=True)) / 1e-30
        np.testing.assert_allclose(
            (grads.get(p.id).numpy() * direction).sum(), slope, rtol=1e-4, atol=1e-4, err_msg=name
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_batch_may_come_first_or_be_left_out(kind, device):
    model, first = made(kind, device), made(kind, device, batch_first=True)
    x, _ = arrays(kind, 1)
    output, _ = model(tensor(x, device=device))
    other, _ = first(tensor(x.transpose(1, 0, 2), device=device))
    np.testing.assert_array_equal(other.numpy().transpose(1, 0, 2), output.numpy())
    single, last = model(tensor(x[:, 0], device=device))
    np.testing.assert_allclose(single.numpy(), output.numpy()[:, 0], rtol=1e-5, atol=1e-6)
    assert (last[0] if kind == "lstm" else last).shape == (1, HIDDEN)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_take_one_step_of_the_layer(kind, device):
    manual_seed(3)
    _, make, extra = KINDS[kind]
    cell = make(INPUTS, HIDDEN, **extra).to(device)
    layer = made(kind, device)
    assert [f"{name}_l0" for name in cell.state_dict()] == list(layer.state_dict())
    layer.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    x, starts = arrays(kind, 1)
    begun = [tensor(s, device=device) for s in starts]
    _, *wanted = called(layer, kind, tensor(x[:1], device=device), begun)
    state = tuple(b[0] for b in begun)
    result = cell(tensor(x[0], device=device), state if kind == "lstm" else state[0])
    for got, want in zip(result if kind == "lstm" else [result], wanted, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy()[0], rtol=1e-5, atol=1e-6)
    alone = tuple(s[0] for s in state)
    result = cell(tensor(x[0, 0], device=device), alone if kind == "lstm" else alone[0])
    for got, want in zip(result if kind == "lstm" else [result], wanted, strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy()[0, 0], rtol=1e-5, atol=1e-6)


def test_float16_is_float32_inside(device):
    model = made("lstm", device)
    x, _ = arrays("lstm", 1)
    wanted, _ = model(tensor(x, device=device))
    half = model.to(float16)
    output, (h, c) = half(tensor(x, dtype="float16", device=device))
    assert {output.dtype, h.dtype, c.dtype} == {np.dtype(np.float16)}
    np.testing.assert_allclose(output.numpy(), wanted.numpy(), rtol=3e-3, atol=1e-3)


def test_large_gates_stay_finite_and_nan_stays_nan(device):
    model = made("lstm", device)
    x = np.full((2, 3, INPUTS), 1e30, np.float32)
    x[0, 1, 0] = np.nan
    output = model(tensor(x, device=device))[0].numpy()
    assert np.isfinite(output[:, [0, 2]]).all()
    assert np.isnan(output[:, 1]).all()


def test_dropout_is_between_layers_and_in_training_alone(device):
    model = made("gru", device, num_layers=2, dropout=0.5)
    x, _ = arrays("gru", 2)
    given = tensor(x, device=device)
    assert not np.array_equal(model(given)[0].numpy(), model(given)[0].numpy())
    model.eval()
    np.testing.assert_array_equal(model(given)[0].numpy(), model(given)[0].numpy())


@pytest.mark.gpu
def test_a_captured_step_is_the_same():
    model = made("lstm", "gpu", num_layers=2)
    x, _ = arrays("lstm", 2)

    def step(x, lengths):
        grads = (model(x, None, lengths)[0] ** 2).sum().backward()
        return [grads.get(p.id) for p in model.parameters()]

    batch = tensor(x, device="gpu"), tensor(LENGTHS, device="gpu")
    wanted = step(*batch)
    captured = gpu.capture(step)
    for _ in range(3):
        results = captured(*batch)
    for got, want in zip(results, wanted, strict=True):
        np.testing.assert_array_equal(got.numpy(), want.numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [(33, 70), (70, 128), (3, 200)])
@pytest.mark.gpu
def test_tiles_end_where_the_batch_and_the_state_do(kind, sizes):
    batch, hidden = sizes
    manual_seed(3)
    model = KINDS[kind][0](4, hidden, **KINDS[kind][2])
    x = tensor(np.random.default_rng(0).standard_normal((3, batch, 4)).astype(np.float32))
    weight = tensor(np.random.default_rng(1).standard_normal((3, batch, hidden)).astype("f4"))
    results = []
    for place in ("cpu", "gpu"):
        model.to(place)
        given = nn.Parameter(x.to(place))
        output, _ = model(given * 1.0)
        grads = (output * weight.to(place)).sum().backward()
        found = [output, *(grads.get(p.id) for p in (given, *model.parameters()))]
        results.append([a.numpy() for a in found])
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_nothing_in_a_batch_is_nothing(device):
    output, last = made("gru", device)(tensor(np.zeros((2, 0, INPUTS), "f4"), device=device))
    assert output.shape == (2, 0, HIDDEN)
    assert last.shape == (1, 0, HIDDEN)


def test_mistakes_say_what_was_expected():
    model = made("lstm", "cpu")
    x = tensor(np.zeros((2, 4, INPUTS), "f4"))
    with pytest.raises(ShapeError, match=r"\(steps, batch, input_size\).*of 3, .*not \(2, 4, 7\)"):
        model(tensor(np.zeros((2, 4, 7), "f4")))
    with pytest.raises(ShapeError, match="at least one step"):
        model(tensor(np.zeros((0, 4, INPUTS), "f4")))
    with pytest.raises(ShapeError, match=r"here \(1, 4, 5\), not \(1, 4, 6\)"):
        model(x, (tensor(np.zeros((1, 4, 6), "f4")), tensor(np.zeros((1, 4, 5), "f4"))))
    with pytest.raises(ShapeError, match="lengths are 4 whole numbers"):
        model(x, None, [1, 2])
    with pytest.raises(ShapeError, match="from 0 to 2, the length of what is padded, and one is 3"):
        model(x, None, [1, 2, 3, 0])
    with pytest.raises(DTypeError, match="float16, the weights float32"):
        model(x.to("float16"))
    with pytest.raises(ArgumentError, match="hidden_size is a whole number"):
        nn.LSTM(3, 0)
    with pytest.raises(ArgumentError, match="nonlinearity"):
        nn.RNN(3, 4, nonlinearity="sine")
    with pytest.raises(ShapeError, match=r"the state has shape \(batch, 5\)"):
        nn.GRUCell(3, 5)(x[0], x[0])
