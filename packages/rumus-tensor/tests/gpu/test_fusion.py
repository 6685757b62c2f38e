"""Fusion: fewer dispatches, and the same numbers within a unit in the last place an operation."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus import gpu
from rumus.tensor import Tensor, tensor

pytestmark = pytest.mark.gpu


def dispatches(step: Callable[..., Tensor], *args: Tensor) -> tuple[int, int]:
    """Of a step without and with fusion, after a check that both give the same numbers."""
    plain, fused = gpu.capture(step), gpu.capture(step, fuse=True)
    expected, found = plain(*args).numpy(), fused(*args).numpy()
    operations = plain.dispatches[0]
    if expected.dtype.kind == "f":
        np.testing.assert_array_max_ulp(found, expected, maxulp=operations)
    else:
        assert (found == expected).all()
    return plain.dispatches[0], fused.dispatches[0]


def some(*shape: int, seed: int = 0) -> Tensor:
    values = np.random.default_rng(seed).uniform(0.5, 1.5, shape).astype(np.float32)
    return tensor(values, device="gpu")


def test_a_chain_becomes_one_dispatch() -> None:
    assert dispatches(lambda x: ((x * 2.0 + 1.0).exp() / x).sqrt(), some(33, 7)) == (5, 1)


def test_two_chains_that_meet_become_one_dispatch() -> None:
    step = lambda x, y: (x + 1.0) * (y - 2.0).abs()  # noqa: E731
    assert dispatches(step, some(40), some(40, seed=1)) == (4, 1)


def test_broadcast_operands_stay_broadcast() -> None:
    step = lambda x, row, column: ((x + row) * column + row) * 0.5  # noqa: E731
    assert dispatches(step, some(6, 8), some(8, seed=1), some(6, 1, seed=2)) == (4, 1)


def test_a_transposed_operand_is_read_in_place() -> None:
    assert dispatches(lambda x, y: (x.T + y) * 3.0, some(5, 9), some(9, 5, seed=1)) == (2, 1)


def test_a_result_with_two_readers_is_not_computed_twice() -> None:
    def step(x: Tensor) -> Tensor:
        shared = x.exp()
        return (shared + 1.0).sum() + (shared * 2.0).sum()

    plain, fused = dispatches(step, some(50))
    assert plain - fused == 0


def test_a_result_that_is_returned_is_still_written() -> None:
    def step(x: Tensor) -> tuple[Tensor, Tensor]:
        middle = x * 2.0
        return middle, middle + 1.0

    x = some(20)
    middle, result = gpu.capture(step, fuse=True)(x)
    assert (middle.numpy() == 2 * x.numpy()).all()
    assert (result.numpy() == 2 * x.numpy() + 1).all()


def test_a_reduction_ends_a_chain_and_begins_another() -> None:
    step = lambda x: (x * 2.0 + 1.0).sum(axis=1) * 0.5 + 3.0  # noqa: E731
    plain, fused = dispatches(step, some(8, 32))
    assert plain - fused == 2


def test_integers_and_comparisons_fuse_too() -> None:
    x = tensor(np.arange(-50, 50, dtype=np.int32), device="gpu")
    assert dispatches(lambda x: (x * 3 + 1) > 20, x) == (3, 1)


def test_an_in_place_write_between_two_links_keeps_them_apart() -> None:
    state = tensor(np.ones(16, np.float32), device="gpu")
    gpu.persist(state.array)

    def step(x: Tensor) -> Tensor:
        before = state * 1.0
        state.add_(x)
        return before + 0.0 * state

    x = some(16)
    fused = gpu.capture(step, fuse=True)
    assert (fused(x).numpy() == 1).all()
    np.testing.assert_allclose(fused(x).numpy(), 1 + x.numpy(), rtol=1e-6)


@given(
    st.lists(st.sampled_from(["add", "mul", "neg", "tanh", "abs", "max"]), min_size=2, max_size=9)
)
@settings(max_examples=15, deadline=None)
def test_any_chain_of_one_reader_each_becomes_one_dispatch(names: list[str]) -> None:
    y = some(24, seed=3)
    table: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "add": lambda x, y: x + y,
        "mul": lambda x, y: x * y,
        "neg": lambda x, y: -x,
        "tanh": lambda x, y: x.tanh(),
        "abs": lambda x, y: x.abs(),
        "max": lambda x, y: x.clamp(0.25, 2.0),
    }

    def step(x: Tensor, y: Tensor) -> Tensor:
        for name in names:
            x = table[name](x, y)
        return x

    reads = 2 + sum(name in ("add", "mul") for name in names)
    plain, fused = dispatches(step, some(24), y)
    assert plain == len(names)
    if reads <= 8:
        assert fused == 1
