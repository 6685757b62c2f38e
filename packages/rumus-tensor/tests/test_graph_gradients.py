"""Gradients of whole graphs: slices, shared arrays, ties, dtypes, and any program."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumus import nn
from rumus.autograd import Function
from rumus.nn import Parameter
from rumus.tensor import Tensor, float16, float32, maximum, tensor


@pytest.mark.parametrize("slice_first", [False, True])
def test_a_slice_adds_to_no_gradient_that_another_input_has(slice_first, device):
    p, q = (Parameter(tensor([[1.0, 2.0], [3.0, 4.0]], device=device)) for _ in range(2))
    a, b = p * 2.0, q * 3.0
    if slice_first:
        cut = a[0]
        both = a + b
    else:
        both = a + b
        cut = a[0]
    grads = (both.sum() + (cut * 5.0).sum() + (a[1] * 7.0).sum()).backward()
    assert grads.get(p.id).tolist() == [[12, 12], [16, 16]]
    assert grads.get(q.id).tolist() == [[3, 3], [3, 3]]


class Both(Function):
    """The sum of two tensors, whose gradients are one array."""

    def forward(self, be, *arrays):
        return be.elementwise("add", *arrays)

    def backward(self, be, grad):
        return grad, grad


# Operations on two arrays of SHAPE, for tensors and for numpy's complex numbers.
SHAPE = (2, 3)
OPERATIONS = {
    "add": lambda a, b: a + b,
    "multiply": lambda a, b: a * b * 0.5,
    "as it is": lambda a, b: a.reshape(SHAPE) + b * 0.0,
    "copy": lambda a, b: a.contiguous() + b if isinstance(a, Tensor) else a + b,
    "both": lambda a, b: Both()(a, b) if isinstance(a, Tensor) else a + b,
    "row": lambda a, b: a[1:] + b,
    "row of it": lambda a, b: a[0] * a[1] + a[-1] + b,
    "turned": lambda a, b: a[::-1, ::-1] * 0.5 + b * b[:, 1:2],
    "column": lambda a, b: a[:, :1] * b + a[:, 1:2],
    "part of a part": lambda a, b: a[:, 1:][:, :1] * b[0, 1:][0] + a,
    "sum": lambda a, b: a.sum(0) * 0.3 + b,
}


def evaluated(program, first):
    """The sum of everything that a program makes of an array."""
    made = [first]
    for name, i, j in program:
        made.append(OPERATIONS[name](made[i % len(made)], made[j % len(made)]))
    total = made[0]
    for array in made[1:]:
        total = total + array
    return total.sum()


PROGRAMS = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=9,
)


@given(program=PROGRAMS, of_a_result=st.booleans())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_gradients_of_any_graph_equal_complex_steps(program, of_a_result, device):
    values = np.linspace(0.2, 0.7, 6).reshape(SHAPE).astype(np.float32)
    scale = 1.5 if of_a_result else 1.0
    p = Parameter(tensor(values, device=device))
    loss = evaluated(program, p * 1.5 if of_a_result else p)
    first, second = (loss.backward(retain_graph=True).get(p.id).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    for at in np.ndindex(SHAPE):
        moved = values.astype(complex)
        moved[at] += 1e-30j
        exact = evaluated(program, moved * scale).imag / 1e-30
        assert first[at] == pytest.approx(exact, rel=1e-4, abs=1e-4)


def test_a_slice_adds_to_nothing_that_a_function_keeps(device):
    class Kept(Function):
        def forward(self, be, x):
            return be.elementwise("mul", x, 1.0)

        def backward(self, be, grad):
            if not hasattr(self, "kept"):
                self.kept = [be.full(grad.shape, 1.0, grad.dtype)]
            return (self.kept[0],)

    p = Parameter(tensor([1.0, 2.0, 3.0], device=device))
    for slice_first in (False, True):
        terms = [lambda: (p[:2] * 10.0).sum(), lambda: Kept()(p).sum()]
        first, second = (term() for term in (terms if slice_first else terms[::-1]))
        loss = first + second
        for _ in range(2):
            assert loss.backward(retain_graph=True).get(p.id).tolist() == [11, 11, 1]


def test_slices_of_a_parameter_whose_dtype_changes_between_them():
    model = nn.Module()
    model.p = p = Parameter(tensor([1.0, 1.0, 1.0, 1.0]))
    a = p[0:2].sum()
    model.to(float16)
    loss = a + p[1:3].sum().to(float32)
    assert loss.backward().get(p.id).tolist() == [1, 2, 1, 0]


def test_equal_extremes_share_the_gradient(device):
    p = Parameter(tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], device=device))
    grads = p.max(1).sum().backward()
    np.testing.assert_allclose(
        grads.get(p.id).numpy(), [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6
    )


def test_equal_arguments_of_maximum_share_the_gradient(device):
    a, b = (
        Parameter(tensor([1.0, 2.0], device=device)),
        Parameter(tensor([1.0, 5.0], device=device)),
    )
    grads = maximum(a, b).sum().backward()
    np.testing.assert_array_equal(grads.get(a.id).numpy(), [0.5, 0])
    np.testing.assert_array_equal(grads.get(b.id).numpy(), [0.5, 1])


def test_a_constant_row_has_the_gradient_zero(device):
    p = Parameter(tensor([1.5, -2.5], device=device))
    np.testing.assert_array_equal(p.floor().sum().backward().get(p.id).numpy(), [0, 0])


def test_gradients_flow_through_a_change_of_dtype(device):
    half = Parameter(tensor([1.0, 2.0], np.float16, device))
    scale = Parameter(tensor([3.0, 4.0], device=device))
    grads = (half * scale).sum().backward()
    assert grads.get(half.id).dtype == np.float16
    np.testing.assert_array_equal(grads.get(half.id).numpy(), [3, 4])
    np.testing.assert_array_equal(grads.get(scale.id).numpy(), [1, 2])


@pytest.mark.parametrize("parameter", [True, False], ids=["parameter", "result"])
def test_gradients_of_float16_are_added_up_in_float32_and_rounded_once(parameter, device):
    p = Parameter(tensor(np.ones(3), float16, device))
    x = p if parameter else p * 1.0
    loss = (x * -40000.0 + x * 40000.0 + x * 40000.0).to(float32)  # the last one comes first
    assert loss.sum().backward().get(p.id).tolist() == [40000.0] * 3

    q = Parameter(tensor(np.ones((2, 3)), float16, device))
    y = q if parameter else q * 1.0
    parts = [y[1, 1:], *(y[0].to(float32) * 1.0 for _ in range(8)), y[0].to(float32) * 2048.0]
    total = sum((part.sum() for part in parts), tensor(0.0, device=device))
    grad = total.backward().get(q.id)
    assert grad.dtype == float16
    assert grad.tolist() == [[2056.0] * 3, [0.0, 1.0, 1.0]]
