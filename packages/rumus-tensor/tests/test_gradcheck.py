"""The checker finds gradients that are wrong by little, and lets right ones pass."""

import numpy as np
import pytest

from rumus import nn
from rumus.autograd import Function, gradcheck, gradgradcheck
from rumus.nn import Parameter
from rumus.tensor import AutogradError, float16, int32, maximum, rand, tensor, where

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=(3, 4)).astype(np.float32) for _ in range(2))


class Product(Function):
    """``a * b`` with gradients that are off by factors."""

    saves = (0, 1)

    def __init__(self, *factors):
        self.factors = factors

    def forward(self, be, a, b):
        return be.elementwise("mul", a, b)

    def backward(self, be, grad):
        a, b = self.saved
        times = [(b, self.factors[0]), (a, self.factors[1])]
        return tuple(be.elementwise("mul", be.elementwise("mul", grad, x), c) for x, c in times)


class Bent(Function):
    """The sine, whose gradient is right and constant to whoever differentiates it."""

    saves = (0,)

    def forward(self, be, a):
        self.slope = be.elementwise("cos", a)
        return be.elementwise("sin", a)

    def backward(self, be, grad):
        return (be.elementwise("mul", grad, self.slope),)


RIGHT = {
    "a chain": (lambda a, b: (a @ b.T).tanh().exp().sum(0) * b[0, :3], [A, B]),
    "several results": (lambda a, b: (a * b, (a + b).sin()), [A, B]),
    "layer norm and softmax": (
        lambda a, b: nn.LayerNorm(4, device=a.device)(a * b).softmax(1).log(),
        [A, B],
    ),
    "an input that is not used": (lambda a, b: a.square(), [A, B]),
    "a linear function": (lambda a, b: a * 2.0 + b, [A, B]),
    "integers beside": (lambda a, i: where(i > 0, a, a * a), [A, (A > 0).astype(np.int32)]),
    "large and small numbers": (lambda a, b: a * b * 1e-4, [A * 100, B]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass(name, device):
    f, arrays = RIGHT[name]
    inputs = [tensor(a, device=device) for a in arrays]
    assert gradcheck(f, inputs)
    assert gradgradcheck(f, inputs)


@pytest.mark.parametrize("factors", [(1.01, 1.0), (1.0, 0.99), (-1.0, 1.0), (1.0, 0.0)])
def test_a_gradient_that_is_off_by_a_hundredth_is_found(factors, device):
    a, b = tensor(A, device=device), tensor(B, device=device)
    wrong = 0 if factors[0] != 1.0 else 1
    with pytest.raises(AutogradError, match=f"input {wrong} the gradient gives a slope of"):
        gradcheck(lambda a, b: Product(*factors)(a, b), [a, b])
    assert not gradcheck(lambda a, b: Product(*factors)(a, b), [a, b], raise_exception=False)
    assert gradcheck(lambda a, b: Product(1.0, 1.0)(a, b), [a, b])


def test_a_second_derivative_that_is_missing_is_found(device):
    a = tensor(A, device=device)
    assert gradcheck(lambda a: Bent()(a), a)
    assert not gradgradcheck(lambda a: Bent()(a), a, raise_exception=False)


def test_a_corner_is_not_a_gradient():
    corner = tensor([0.5, 0.5001, -1.0])
    assert not gradcheck(lambda a: maximum(a, 0.5), corner, raise_exception=False)
    assert gradcheck(lambda a: maximum(a, 0.5), corner, step=2.0**-14, rtol=0.9)


def test_half_precision_is_checked_with_its_own_rounding(device):
    a = tensor(A, dtype=float16, device=device)
    assert gradcheck(lambda a: a * a, a, step=2.0**-3)
    b = tensor(np.ones_like(A), dtype=float16, device=device)
    with pytest.raises(AutogradError):
        gradcheck(lambda a, b: Product(1.5, 1.0)(a, b), [a, b], step=2.0**-3)


def test_parameters_may_be_among_the_inputs():
    layer = nn.Linear(4, 2)
    assert gradcheck(lambda x, w: (x @ w.T).sigmoid(), [tensor(A), layer.weight])
    assert gradcheck(lambda x: layer(x), Parameter(A))


def test_a_function_of_chance_is_refused():
    with pytest.raises(AutogradError, match="different results for the same inputs"):
        gradcheck(lambda a: a * rand((3, 4)), tensor(A))


def test_integers_alone_have_no_gradients():
    with pytest.raises(AutogradError, match="no input of floats"):
        gradcheck(lambda a: a * 2, tensor([1, 2], dtype=int32))
