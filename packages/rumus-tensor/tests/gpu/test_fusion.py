"""Fusion: fewer dispatches, and the same numbers within a unit in the last place an operation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus import gpu, nn
from rumus.nn import functional
from rumus.tensor import Tensor, float16, float32, manual_seed, tensor

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
    step = lambda x, y: (x + 1.0) * (y - 2.0).exp()  # noqa: E731
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
    assert dispatches(lambda x: (x * 3 + 1) > 20, x) == (2, 1)


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
    assert plain == 1 + sum(name in ("add", "mul", "tanh") for name in names[1:])
    if reads <= 8:
        assert fused == 1


def both(step: Callable[..., Tensor], *args: Tensor) -> int:
    """Dispatches of a step that is captured without ``fuse``, which must give the same bits."""
    captured = gpu.capture(step)
    expected, found = step(*args).numpy(), captured(*args).numpy()
    assert np.array_equal(expected, found, equal_nan=True)
    return captured.dispatches[0]


def test_operations_that_choose_among_values_are_fused_without_being_asked() -> None:
    assert both(lambda x: (x - 1.0).relu(), some(5, 9)) == 1
    assert both(lambda x: (x * 2.0).clamp(1.5, 2.5).abs(), some(5, 9)) == 1
    assert both(lambda x: x.exp().relu() * 2.0, some(5, 9)) == 2


def test_a_half_that_is_stored_is_rounded_before_it_is_compared() -> None:
    x = tensor(np.linspace(1, 2, 64, dtype=np.float16), device="gpu")
    assert both(lambda x: (x * 1.001) > x, x) == 1


def test_a_fused_chain_rounds_to_float16_between_its_operations_as_others_do() -> None:
    values = np.array([1000.0, -1000.0, 3.0, 1e-4, 0.1], np.float16)
    step = lambda x: (x * 100.0).relu() / 100.0 - x * 0.3  # noqa: E731
    x = tensor(values, device="gpu")
    assert dispatches(step, x) == (4, 1)
    fused = gpu.capture(step, fuse=True)(x).numpy()
    assert fused[0] == np.inf and fused.tobytes() == step(x).numpy().tobytes()


def test_a_product_in_float16_is_rounded_before_what_is_fused_to_it() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(5, 90, (2, 16, 24)).astype(np.float16)
    step = lambda x, y: (x @ y - 1.0) / 3.0  # noqa: E731
    args = tensor(a, device="gpu"), tensor(b.T.copy(), device="gpu")
    fused = gpu.capture(step, fuse=True)(*args).numpy()
    assert fused.tobytes() == step(*args).numpy().tobytes()
    assert np.isinf(fused).any() and not np.isinf(fused).all()


def test_relu_becomes_part_of_the_product() -> None:
    x, weight, bias = some(33, 40), some(40, 20, seed=1) - 1.0, some(20, seed=2)
    layer = nn.Linear(40, 20)
    layer.load_state_dict({"weight": weight.T.to("cpu"), "bias": bias.to("cpu")})
    layer.to_gpu()
    assert both(lambda x: layer(x - 1.0).relu(), x) == 2


@pytest.mark.parametrize("columns", [20, 21], ids=["whole vectors", "no whole vectors"])
def test_gradients_of_relu_between_layers_keep_their_bits(columns: int) -> None:
    manual_seed(0)
    first, last = nn.Linear(12, columns), nn.Linear(columns, 5)
    model = nn.Sequential(first, nn.ReLU(), last).to_gpu()
    x = some(30, 12)

    def step(x: Tensor) -> Tensor:
        gradient = model(x).square().mean().backward().pop(first.weight.id)
        assert gradient is not None
        return gradient

    with_relu_inside = 2 if columns % 4 == 0 else 0
    assert both(step, x) == 13 - with_relu_inside
    fused = gpu.capture(step, fuse=True)
    np.testing.assert_allclose(fused(x).numpy(), step(x).numpy(), rtol=1e-5, atol=1e-7)


def test_a_product_takes_whatever_follows_it() -> None:
    x, y = some(3, 17, 24), some(3, 24, 36, seed=1)
    row, turned = some(36, seed=2), some(36, 17, seed=3)
    step = lambda x, y, row, turned: ((x @ y) * 0.25 + row).tanh() + turned.T  # noqa: E731
    plain, fused = gpu.capture(step), gpu.capture(step, fuse=True)
    args = x, y, row, turned
    np.testing.assert_allclose(fused(*args).numpy(), plain(*args).numpy(), rtol=1e-6)
    assert (plain.dispatches, fused.dispatches) == ((5,), (1,))


def test_a_product_in_half_precision_is_rounded_where_it_is_made() -> None:
    x = tensor(np.random.default_rng(0).standard_normal((16, 24)).astype(np.float16), device="gpu")
    y = tensor(np.random.default_rng(1).standard_normal((24, 32)).astype(np.float16), device="gpu")
    assert both(lambda x, y: x @ y, x, y) == 1


def test_a_product_that_is_read_twice_stays_alone() -> None:
    def step(x: Tensor, y: Tensor) -> Tensor:
        product = x @ y
        return product.relu() + product

    assert both(step, some(8, 12), some(12, 16, seed=1)) == 3


def test_a_product_goes_before_a_change_of_what_it_reads() -> None:
    state = tensor(np.ones((8, 8), np.float32), device="gpu")
    gpu.persist(state.array)

    def step(x: Tensor) -> Tensor:
        product = x @ state
        state.fill_(2.0)
        return product.relu()

    captured = gpu.capture(step)
    x = some(4, 8)
    first, second = captured(x).numpy(), captured(x).numpy()
    np.testing.assert_allclose(2 * first, second, rtol=1e-6)


DROPPED = {
    "alone": (lambda x, m: functional.dropout(x, 0.3), 1),
    "behind GELU": (lambda x, m: functional.dropout(x.gelu(), 0.3), 1),
    "behind a product": (lambda x, m: functional.dropout(x * m, 0.3), 1),
    "added": (lambda x, m: m + functional.dropout(x, 0.3), 1),
    "twice": (lambda x, m: functional.dropout(x, 0.1) + functional.dropout(m, 0.3), 1),
    "added behind a matrix product": (lambda x, m: x + functional.dropout(x @ m, 0.3), 1),
}


@pytest.mark.parametrize("name", DROPPED)
@pytest.mark.parametrize("dtype", [float32, float16], ids=str)
@pytest.mark.parametrize("columns", [20, 21], ids=["whole vectors", "no whole vectors"])
def test_dropout_becomes_one_with_its_neighbours_and_keeps_its_bits(
    name: str, dtype: np.dtype[Any], columns: int
) -> None:
    step, count = DROPPED[name]
    if "matrix" in name and columns % 4:
        count = 2  # a vector of the product may lie in two rows
    x, m = (some(columns, columns, seed=seed).to(dtype) for seed in (0, 1))
    manual_seed(5)
    wanted = [step(x, m).numpy().tobytes() for _ in range(3)]
    manual_seed(5)
    fused = gpu.capture(step)
    assert [fused(x, m).numpy().tobytes() for _ in range(3)] == wanted
    assert fused.dispatches == (count,)


@pytest.mark.parametrize(("act", "count"), [("relu", 4), ("gelu", 4), ("silu", 4), ("tanh", 5)])
def test_an_activation_and_dropout_go_back_in_one_dispatch(act: str, count: int) -> None:
    """And forward, but for those that keep their result for the way back."""
    x, m = some(24, 12), some(24, 12, seed=1) - 1.0
    weight = nn.Parameter(x)

    def step(m: Tensor) -> Tensor:
        y = functional.dropout(getattr(weight * m, act)(), 0.4)
        gradient = y.backward(m).pop(weight.id)
        assert gradient is not None
        return gradient

    manual_seed(5)
    wanted = step(m).numpy()
    manual_seed(5)
    fused = gpu.capture(step)
    assert fused(m).numpy().tobytes() == wanted.tobytes()
    assert fused.dispatches == (count,)
