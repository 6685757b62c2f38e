"""Arithmetic in place: the bits of the same operation out of place, and nothing beside the view."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rumus import gpu
from rumus.tensor import Tensor, tensor, zeros

DTYPES = ["float32", "float16", "int32", "uint8"]
CUTS = {
    "whole": lambda t: t,
    "one": lambda t: t[2:3, 5:6],
    "rows": lambda t: t[1:5],
    "columns": lambda t: t[:, 4:8],
    "steps": lambda t: t[::2, 1::3],
    "backwards": lambda t: t[::-1, ::-1],
    "turned": lambda t: t.T,
}


def numbers(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(1, 9, shape)
    return values.astype(dtype)


@given(
    st.sampled_from(DTYPES),
    st.sampled_from(DTYPES),
    st.sampled_from(list(CUTS)),
    st.sampled_from(["add", "sub", "mul", "div"]),
    st.sampled_from(["int", "float", "same", "row", "column", "scalar"]),
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_in_place_is_out_of_place(
    device: str, dtype: str, other_dtype: str, cut: str, op: str, kind: str
) -> None:
    memory = tensor(numbers((7, 12), dtype, 0), device=device)
    view = CUTS[cut](memory)
    if kind in ("int", "float"):
        other: Tensor | float = 3 if kind == "int" else 2.5
    else:
        rows, columns = view.shape
        shape = {"same": (rows, columns), "row": (columns,), "column": (rows, 1), "scalar": ()}
        other = tensor(numbers(shape[kind], other_dtype, 1), device=device)
    operate = {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
    }[op]
    expected = tensor(memory.numpy().copy(), device=device)
    CUTS[cut](expected).copy_(operate(view, other))
    before = memory._version.count
    assert getattr(view, f"{op}_")(other) is view
    assert memory._version.count > before
    assert memory.numpy().tobytes() == expected.numpy().tobytes()


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
@pytest.mark.parametrize(
    ("cut", "others"),
    [
        ((slice(None), slice(0, 4)), [(3,), (1, 3), (4, 1), (4, 3), ()]),
        ((slice(1), slice(1, 7)), [(3,), (1, 3), (6, 1), (1, 1, 1)]),
        ((1,), [(3,), (8, 1), (8, 3), ()]),
        ((slice(None), slice(None), slice(0, 2)), [(2,), (8, 1), (2, 1, 1)]),
    ],
)
def test_a_view_of_small_elements_takes_a_broadcast_operand(device, dtype, cut, others) -> None:
    for shape in others:
        a, b = numbers((2, 8, 3), dtype, 0), numbers(shape, dtype, 1)
        t, operand = tensor(a, device=device), tensor(b, device=device)
        for name, op in (("add_", np.add), ("mul_", np.multiply), ("sub_", np.subtract)):
            getattr(t[cut], name)(operand)
            op(a[cut], b, out=a[cut], casting="unsafe")
        np.testing.assert_array_equal(t.numpy(), a)


@pytest.mark.parametrize("shape", [(0,), (4, 0), (0, 4), (2, 0, 3)], ids=str)
def test_arrays_without_elements_are_changed_in_place(device, shape) -> None:
    t = zeros(shape, device=device)
    before = t._version.count
    for change in (
        lambda: t.add_(1.0),
        lambda: t.sub_(zeros(shape, device=device)),
        lambda: t.mul_(t),
        lambda: t.div_(2.0),
        lambda: t.fill_(3.0),
        lambda: t.zero_(),
        lambda: t.copy_(zeros(shape, device=device)),
        lambda: t.expand(5, *shape).add_(1.0),
    ):
        assert change().size == 0
    t[...] = 2.0
    t[:0] = 1.0
    assert t.shape == shape and t._version.count > before


def test_a_tensor_changes_itself(device: str) -> None:
    t = tensor([[1.0, 2.0], [3.0, 4.0]], device=device)
    t.add_(t)
    t.mul_(t.T)
    assert t.tolist() == [[4.0, 24.0], [24.0, 64.0]]


@pytest.mark.gpu
def test_one_dispatch_changes_a_tensor_in_a_captured_step() -> None:
    state = tensor([1.0, 2.0, 3.0], device="gpu")
    gpu.persist(state.array)

    def step(x: Tensor) -> None:
        state.add_(x)

    captured = gpu.capture(step)
    for _ in range(3):
        captured(tensor([1.0, 10.0, 100.0], device="gpu"))
    assert state.tolist() == [4.0, 32.0, 303.0]
    assert captured.dispatches == (1,)
