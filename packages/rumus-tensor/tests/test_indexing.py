"""``t[…]`` read, written and differentiated by any index that numpy takes."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rumus import gpu, nn
from rumus.nn import Parameter
from rumus.tensor import (
    AutogradError,
    DeviceError,
    IndexRangeError,
    ShapeError,
    Tensor,
    no_grad,
    tensor,
    zeros,
)

MANY = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def counted(shape, dtype=np.float32):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@st.composite
def cases(draw):
    """A shape, an order of its axes, and an index with at least one array or mask."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    order = draw(st.permutations(range(len(shape))))
    arrays = draw(hnp.broadcastable_shapes((2, 3), max_dims=2, max_side=3))
    items, axis, has_array, has_ellipsis = [], 0, False, False
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["int", "slice", "new", "rest", "array", "array", "mask"]))
        if kind == "new":
            items.append(None)
            if len(items) > 6:
                break
            continue
        if kind == "rest":
            if has_ellipsis or draw(st.booleans()):
                break
            items.append(...)
            has_ellipsis = True
            axis += draw(st.integers(0, len(shape) - axis))
            continue
        if kind == "int":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            items.append(draw(st.slices(n)))
        elif kind == "array":
            items.append(draw(hnp.arrays(np.int32, arrays, elements=st.integers(-n, n - 1))))
            has_array = True
        else:
            axes = draw(st.integers(1, min(2, len(shape) - axis)))
            items.append(draw(hnp.arrays(np.bool_, shape[axis : axis + axes])))
            has_array = True
            axis += axes - 1
        axis += 1
    if not has_array:
        items = [hnp.arrays(np.int32, (2, 1), elements=st.integers(-shape[0], shape[0] - 1))]
        items = [draw(items[0])]
    return shape, order, tuple(items)


def given_as(draw, item, device):
    """An array as a tensor of the device, as itself or as a list."""
    if not isinstance(item, np.ndarray):
        return item
    forms = [lambda a: tensor(a, device=device), lambda a: a]
    if item.ndim and item.size:
        forms.append(lambda a: a.tolist())
    return draw(st.sampled_from(forms))(item)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32, np.uint8])
@pytest.mark.parametrize(
    ("shape", "index"),
    [
        ((2, 2, 1), (None, slice(None), np.array([True, False]), 0)),
        ((2, 1, 1), (None, slice(None), np.array([True]), 0)),
        ((2, 1, 3), (None, slice(None), 0, np.array([True, False, True]))),
        ((3, 1), (None, np.array([True, False, True]), 0)),
        ((3, 1), (np.array([True, False, True]), 0, None)),
        ((1, 3), (0, None, np.array([True, False, True]))),
        ((1, 3), (None, 0, np.array([True, False, True]))),
    ],
)
def test_a_mask_beside_a_new_axis_and_an_integer_writes_where_numpys_does(
    shape, index, dtype, device
):
    expected = counted(shape).astype(dtype)
    t = tensor(expected, device=device)
    chosen = expected[index]
    for value in (7 + np.arange(chosen.size).reshape(chosen.shape), np.array(5)):
        t[index] = tensor(value.astype(dtype), device=device)
        expected[index] = value
        np.testing.assert_array_equal(t.numpy(), expected)


def check_refused(t, index):
    """An index beyond an axis is an error, on a GPU of the next call that waits for it.

    A GPU does not look at indices that select nothing.
    """
    try:
        part = t[index]
        part.numpy()
    except IndexRangeError:
        return
    assert t.device == "gpu" and not part.size


@pytest.mark.parametrize("index", [(..., [3], slice(0, 0)), (slice(0, 0), 5), (2, [3]), ([0, -3],)])
def test_an_index_beyond_an_axis_is_refused_where_nothing_is_selected_too(index, device):
    t = zeros((2, 3, 1), device=device)
    check_refused(t, index)
    check_refused(t, tuple(np.array(i) if isinstance(i, list) else i for i in index))
    on_device = tuple(tensor(i, np.int32, device) if isinstance(i, list) else i for i in index)
    check_refused(t, on_device)
    assert t.sum().item() == 0.0  # nothing is left to be raised


@MANY
@given(case=cases(), data=st.data())
def test_any_index_reads_writes_and_sends_gradients_where_numpys_does(device, case, data):
    shape, order, items = case
    back = np.argsort(order)
    a = np.ascontiguousarray(counted(shape).transpose(back))
    p = Parameter(tensor(a, device=device))
    b = a.transpose(order)
    index = tuple(given_as(data.draw, item, device) for item in items)
    try:
        expected = b[items]
    except (IndexError, DeprecationWarning):  # numpy 2.1 warns where nothing is selected
        check_refused(p.permute(*order), index)
        return
    part = p.permute(*order)[index]
    assert part.shape == expected.shape
    np.testing.assert_array_equal(part.numpy(), expected)

    weights = np.cos(np.arange(expected.size)).reshape(expected.shape).astype(np.float32)
    grad = (part * tensor(weights, device=device)).sum().backward().get(p.id).numpy()
    sums = np.zeros(shape)
    np.add.at(sums, items, weights.astype(np.float64))
    np.testing.assert_allclose(grad, sums.transpose(back), atol=1e-5)

    dtype = data.draw(st.sampled_from([np.float32, np.float16, np.int32, np.uint8]))
    values = (7 + np.arange(expected.size).reshape(expected.shape)).astype(dtype)
    if expected.ndim and expected.shape[0] and data.draw(st.booleans()):
        values = values[:1]
    t, c = tensor(a.astype(dtype), device=device), b.astype(dtype)
    t.permute(*order)[index] = tensor(values, device=device)
    c[items] = values
    np.testing.assert_array_equal(t.permute(*order).numpy(), c)


@pytest.mark.parametrize(
    "index",
    [
        True,
        False,
        np.True_,
        (True, [0, 1]),
        (slice(1), False),
        [],
        ([], slice(None)),
        np.array(1),
        (np.array(1), slice(None), 2),
        [True, False],
        (0, slice(None), [1, 2]),
        (slice(None), 0, [1, 2]),
        ([0, 1], ..., [1, 2]),
        ([0, 1], None, [1, 2]),
        (..., [[0, 1], [1, 0]]),
        [[0, 1], [1, 0]],
        (range(2), [0, 2]),
    ],
    ids=str,
)
def test_corners_of_numpys_rules(index, device):
    a = counted((2, 3, 4))
    t = tensor(a, device=device)
    assert t[index].shape == a[index].shape
    np.testing.assert_array_equal(t[index].numpy(), a[index])
    a[index] = -1.0
    t[index] = -1.0
    np.testing.assert_array_equal(t.numpy(), a)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32, np.uint8, np.bool_])
def test_every_dtype_is_read_and_written(dtype, device):
    a = (counted((5, 7)) % 3).astype(dtype)
    t = tensor(a, device=device)
    np.testing.assert_array_equal(t[[4, 0, -1], 1:].numpy(), a[[4, 0, -1], 1:])
    assert t[[0]].dtype == dtype
    t[:, [6, 0]] = t[:, [1, 2]]
    a[:, [6, 0]] = a[:, [1, 2]]
    np.testing.assert_array_equal(t.numpy(), a)


def test_of_repeated_positions_the_last_in_row_major_order_stays(device):
    rng = np.random.default_rng(0)
    for rows, count, columns in ((3, 100_000, 1), (50, 2000, 8)):
        a, at = np.zeros((rows, columns), np.float32), rng.integers(0, rows, (count // 4, 4))
        values = rng.standard_normal((count // 4, 4, columns)).astype(np.float32)
        t = tensor(a, device=device)
        t[tensor(at, device=device)] = tensor(values, device=device)
        last = {int(k): v for k, v in zip(at.ravel(), values.reshape(count, columns), strict=True)}
        np.testing.assert_array_equal(t.numpy(), [last[k] for k in range(rows)])


def test_a_change_by_index_is_read_changed_and_written(device):
    a, t = counted((3, 4)), tensor(counted((3, 4)), device=device)
    for x in (a, t):
        x[1] += 5
        x[[0, 0, 2]] += 1
        x[:, [1]] *= 2
    mask = a > 8
    a[mask] -= 100
    t[t > 8] -= 100
    np.testing.assert_array_equal(t.numpy(), a)
    assert mask.any()


def test_writing_through_a_view_changes_the_tensor(device):
    t = tensor(counted((4, 6)), device=device)
    a = counted((4, 6))
    for x in (t, a):
        x.T[1::2][:, [0, 3]] = -1
        x[::-1, ::2][[0, 1], [2, 0]] = -2
    t[1:].T.reshape(18)[[0, 1]] = -3  # a copy
    np.testing.assert_array_equal(t.numpy(), a)


def test_a_mask_with_one_value_is_written_without_waiting(device):
    a, t = counted((2, 3, 4)), tensor(counted((2, 3, 4)), device=device)
    mask = counted((2, 3)) % 2 == 0
    a[mask] = [1, 2, 3, 4]
    t[tensor(mask, device=device)] = tensor([1.0, 2, 3, 4], device=device)
    a[:, :, [True, False, True, False]] = 9
    t[..., [True, False, True, False]] = 9
    np.testing.assert_array_equal(t.numpy(), a)


def test_more_elements_than_a_dispatch_has_groups(device):
    n = 65_536 * 64 * 4 + 3
    t = tensor(np.arange(n, dtype=np.int32), device=device)
    at = np.array([n - 1, 0, n // 2, -2])
    assert t[at].tolist() == [*at.tolist()[:3], n - 2]
    backwards = t[tensor(np.arange(n - 1, -1, -1), device=device)]
    assert backwards[[0, n - 1]].tolist() == [n - 1, 0]


WRONG = {
    "too large": (lambda t: [5], "index 5 is out of range for an axis of length 3"),
    "too small": (lambda t: [-4], "index -4 is out of range for an axis of length 3"),
    "one of several": (lambda t: ([0, 1], [1, 9]), "index 9 is out of range for an axis"),
    "from nothing": (lambda t: (slice(0), [0]), None),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_position_out_of_range_is_named(case, device):
    make, words = WRONG[case]
    t = zeros((3, 4), device=device)
    if words is None:
        with pytest.raises(IndexRangeError, match="length 0"):
            t[:0][[0]]
        return
    with pytest.raises(IndexRangeError, match=f"indexing: {words}"):
        t[make(t)].numpy()
    with pytest.raises(IndexRangeError, match=f"indexing: {words}"):
        t[make(t)] = tensor(np.ones(4), device=device)[:1]
        t.numpy()
    inside = [(0, 1)] if case == "one of several" and device == "gpu" else []
    assert [tuple(place) for place in np.argwhere(t.numpy())] == inside


REFUSED = {
    "floats": (np.array([0.5]), IndexRangeError, "by integers and bools, not by float64"),
    "a word": ("x", IndexRangeError, "not by str"),
    "a ragged list": ([[0], [0, 1]], IndexRangeError, "no regular grid"),
    "too many": ((0, 0, [0]), IndexRangeError, "3 axes does not fit"),
    "a mask of another shape": (np.ones(4, bool), IndexRangeError, r"a mask of shape \(4,\)"),
    "a mask that is too long": (np.ones((3, 5), bool), IndexRangeError, r"axes of shape \(3, 4\)"),
    "arrays that do not broadcast": (([0, 1], [0, 1, 2]), IndexRangeError, "do not broadcast"),
    "two rests": ((..., [0], ...), IndexRangeError, "does not fit"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_index_is_refused(case, device):
    index, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        zeros((3, 4), device=device)[index]


def test_values_that_do_not_fit_are_refused(device):
    t = zeros((3, 4), device=device)
    with pytest.raises(ShapeError, match=r"does not fit|do not broadcast"):
        t[[0, 1]] = zeros((3, 4), device=device)
    with pytest.raises(ShapeError, match=r"does not fit|do not broadcast"):
        t[tensor(np.ones((3, 4), bool), device=device)] = zeros((5,), device=device)


def test_changes_by_index_are_not_recorded(device):
    p = Parameter(zeros((3,), device=device))
    with pytest.raises(AutogradError, match="requires a gradient"):
        p[[0]] = 1.0
    with pytest.raises(AutogradError, match="value requires a gradient"):
        zeros((3,), device=device)[[0]] = p[[0]]
    y = (p * p).sum()
    with no_grad():
        p[[0, 2]] = 4.0
    with pytest.raises(AutogradError, match="changed in place"):
        y.backward()
    assert p.tolist() == [4.0, 0.0, 4.0]


def test_an_index_that_changes_before_the_backward_pass_is_noticed(device):
    p, at = Parameter(zeros((3,), device=device)), tensor([0, 1], device=device)
    y = p[at].sum()
    at.add_(1)
    with pytest.raises(AutogradError, match="indexing saved its input 1"):
        y.backward()


@pytest.mark.gpu
def test_an_index_on_another_device_is_refused():
    with pytest.raises(DeviceError, match="index on cpu"):
        zeros((3,), device="gpu")[tensor([0])]


@pytest.mark.gpu
def test_captured_steps_index_by_tensors_and_refuse_masks():
    a = counted((6, 4))
    model = nn.Linear(4, 2, device="gpu")
    at = tensor([5, 0, 0], device="gpu")

    def step(x, index):
        out = model(x[index])
        x = x + 0.0
        x[index] = 1.0
        x[x > 9] = 0.0
        grads = out.square().mean().backward()
        return out, x, grads.get(model.weight.id)

    captured, x = gpu.capture(step), tensor(a, device="gpu")
    for _ in range(3):
        got = captured(x, at)
    for ours, wanted in zip(got, step(x, at), strict=True):
        np.testing.assert_allclose(ours.numpy(), wanted.numpy(), rtol=1e-6)
    assert captured.dispatches
    with pytest.raises(gpu.CaptureError, match=r"masked_fill"):
        gpu.capture(lambda t: t[t > 1.0])(x)


def test_second_derivatives_flow_through_an_index(device):
    x = np.array([1.0, 2.0, 3.0], np.float32)
    p = Parameter(tensor(x, device=device))
    y = (p[[0, 2, 0]] ** 3).sum()
    first = y.backward(create_graph=True).get(p.id)
    np.testing.assert_allclose(first.numpy(), 3 * x**2 * [2, 0, 1], rtol=1e-6)
    second = (first**2).sum().backward().get(p.id)
    # d/dx of (6 x0^2)^2 + (3 x2^2)^2
    np.testing.assert_allclose(second.numpy(), [144 * x[0] ** 3, 0, 36 * x[2] ** 3], rtol=1e-6)


def test_integers_and_slices_are_views_still(device):
    t = zeros((3, 4), device=device)
    t[1:, None, ..., 2].fill_(1.0)
    assert t.sum().item() == 2.0
    assert isinstance(t[np.int64(1)], Tensor)
