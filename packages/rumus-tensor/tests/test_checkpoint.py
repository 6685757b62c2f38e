"""A checkpointed function gives the bits of the same function without, and keeps nothing."""

import gc
import weakref

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.autograd import checkpoint, grad, leaf
from rumus.nn import Parameter
from rumus.tensor import (
    AutogradError,
    Generator,
    cat,
    default_generator,
    float16,
    manual_seed,
    no_grad,
    pack,
    rand,
    randn,
    tensor,
)


def plainly(f, *inputs):
    return f(*inputs)


def bits(grads, tensors):
    return [grads[t].numpy().tobytes() for t in tensors]


class Block(nn.Module):
    """A residual block with dropout of the default generator."""

    def __init__(self, size):
        self.norm = nn.LayerNorm(size)
        self.first, self.second = nn.Linear(size, 2 * size), nn.Linear(2 * size, size)
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        return x + self.drop(self.second(self.drop(self.first(self.norm(x)).gelu())))


def blocks(device, count=3):
    manual_seed(11)
    model = nn.Sequential(*[Block(8) for _ in range(count)])
    return model if device == "cpu" else model.to_gpu()


def of_blocks(call):
    """Blocks one after the other, each in a call."""

    def loss(model, x):
        for block in model:
            x = call(block, x)
        return x.square().mean()

    return loss


def of_one_block_often(call):
    """A recurrent net: the same parameters in every call, and once outside of all."""

    def loss(model, x):
        state = model[0](x)
        for _ in range(3):
            state = call(lambda s: model[0](s) * 0.5 + model[1](x), state)
        return (state * model[1](state)).sum()

    return loss


def of_nested_blocks(call):
    def loss(model, x):
        def inner(a):
            return call(model[1], a) * 2.0 + a

        def outer(a):
            b = call(inner, model[0](a))
            return b + rand(b.shape, device=b.device) + call(inner, b)

        return call(outer, x).sum()

    return loss


def of_several_results(call):
    def loss(model, x):
        def f(a, scale):
            b = model[0](a)
            return {"both": [b, b.tanh()], "same": b, "input": a, "none": a.detach(), "n": scale}

        y = call(f, x, 2.0)
        first, second = y["both"]
        parts = [first * y["n"], second, y["same"] * y["input"], model[1](y["none"])]
        return cat(parts, 0).square().sum()

    return loss


LOSSES = [of_blocks, of_one_block_often, of_nested_blocks, of_several_results]


@pytest.mark.parametrize("make", LOSSES)
def test_gradients_have_the_same_bits(make, device):
    model = blocks(device)
    data = randn((4, 8), device=device)
    found = []
    for call in (plainly, checkpoint):
        manual_seed(4)
        x = leaf(data)
        loss = make(call)(model, x)
        grads = loss.backward()
        after = default_generator.state()
        tensors = [p for p in model.parameters() if p in grads]
        found.append((loss.numpy().tobytes(), bits(grads, [x, *tensors]), after))
    assert found[0] == found[1]
    assert len(found[0][1]) > 1


@pytest.mark.gpu
@pytest.mark.parametrize("make", LOSSES)
def test_gradients_in_arenas_have_the_same_bits(make):
    found = []
    for call in (plainly, checkpoint):
        model = blocks("gpu")
        (arena,) = pack(list(model.parameters()))
        manual_seed(4)
        grads = make(call)(model, randn((4, 8), device="gpu")).backward()
        assert all(
            grads[p].array.storage is arena.grads.storage for p in model.parameters() if p in grads
        )
        found.append(bits(grads, [p for p in model.parameters() if p in grads]))
    assert found[0] == found[1]


@pytest.mark.gpu
@pytest.mark.parametrize("make", LOSSES)
def test_a_captured_step_has_the_bits_of_the_step_itself(make):
    data = [randn((4, 8), device="gpu") for _ in range(4)]
    found = []
    for captured in (False, True):
        model = blocks("gpu")

        def step(x, model=model):
            loss = make(checkpoint)(model, x)
            grads = loss.backward()
            with no_grad():
                for p in model.parameters():
                    if p in grads:
                        p.sub_(grads[p] * 0.01)
            return loss

        call = gpu.capture(step) if captured else step
        manual_seed(9)
        losses = [call(x).numpy().tobytes() for x in data]
        found.append((losses, [p.numpy().tobytes() for p in model.parameters()]))
    assert found[0] == found[1]


@pytest.mark.parametrize("make", LOSSES)
def test_second_derivatives_are_those_without(make, device):
    model = blocks(device)
    data = randn((4, 8), device=device)
    found = []
    for call in (plainly, checkpoint):
        manual_seed(4)
        x = leaf(data)
        (slope,) = grad(make(call)(model, x), x, create_graph=True)
        grads = slope.square().sum().backward()
        found.append([grads[p].numpy() for p in model.parameters() if p in grads])
    for plain, again in zip(*found, strict=True):
        np.testing.assert_allclose(again, plain, rtol=1e-5, atol=1e-6)


def test_what_the_function_saved_goes_with_its_call(device):
    kept = []

    def f(a):
        b = a * a
        kept.append(weakref.ref(b))
        return b * b

    x = leaf(tensor([1.0, 2.0], device=device))
    gc.disable()
    try:
        y = checkpoint(f, x)
        assert kept[0]() is None
        assert y.sum().backward()[x].tolist() == [4.0, 32.0]
        assert kept[1]() is None
    finally:
        gc.enable()


def test_a_retained_graph_runs_the_function_again_each_time(device):
    runs = []

    def f(a):
        runs.append(1)
        return a * a

    x = leaf(tensor([1.0, 2.0], device=device))
    y = checkpoint(f, x).sum()
    assert y.backward(retain_graph=True)[x].tolist() == [2.0, 4.0]
    assert grad(y, x)[0].tolist() == [2.0, 4.0]
    assert len(runs) == 3
    with pytest.raises(AutogradError, match="retain_graph=True"):
        y.backward()


def test_without_gradients_the_function_is_just_called():
    runs = []

    def f(a):
        runs.append(1)
        return a * 2.0

    x = leaf(tensor([1.0]))
    assert not checkpoint(f, tensor([1.0])).requires_grad
    with no_grad():
        assert not checkpoint(f, x).requires_grad
    y = checkpoint(f, x)
    with no_grad():
        assert y.backward()[x].item() == 2.0
    assert len(runs) == 4


def test_float16_is_summed_in_float32_and_rounded_once(device):
    x = leaf(tensor([0.1, 0.7], dtype=float16, device=device))

    def f(a):
        return a * 3.1 + a * a + a

    def loss(call):
        y = call(f, x)
        return (y * y + y + x).sum()

    plain, again = (loss(call).backward()[x].numpy() for call in (plainly, checkpoint))
    assert plain.tobytes() == again.tobytes()


def test_a_change_between_the_runs_is_refused(device):
    p = Parameter(tensor([1.0, 2.0], device=device), name="p")
    x = tensor([3.0, 4.0], device=device)
    for changed, what in [(x, "input 0"), (p, "parameter 'p'")]:
        y = checkpoint(lambda a: a * p, x).sum()
        with no_grad():
            changed.add_(1.0)
        with pytest.raises(AutogradError, match=f"checkpoint saved its {what}.*changed in place"):
            y.backward()


def test_a_second_run_that_does_something_else_is_refused():
    x = leaf(tensor([1.0, 2.0]))
    shapes = iter([2, 1])
    y = checkpoint(lambda a: a[: next(shapes)] * 2.0, x).sum()
    with pytest.raises(AutogradError, match=r"gave a result 0 of shape \(2,\), and something else"):
        y.backward()
    generators = iter([Generator(1), Generator(1)])
    y = checkpoint(lambda a: nn.Dropout(0.5, next(generators))(a), x).sum()
    with pytest.raises(AutogradError, match="drew other random numbers"):
        y.backward()
    counts = iter([2, 1])
    y = checkpoint(lambda a: sum((a * rand(2) for _ in range(next(counts))), a), x).sum()
    with pytest.raises(AutogradError, match="drew other random numbers"):
        y.backward()
