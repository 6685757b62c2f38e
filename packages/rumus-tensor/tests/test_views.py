"""Views, broadcasting and movement against numpy, over generated shapes and indices."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rumus import nn
from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    DeviceError,
    ShapeError,
    cat,
    no_grad,
    stack,
    tensor,
    where,
    zeros,
)

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
PER_DEVICE = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def counted(shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@PER_DEVICE
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=4))
def test_any_two_shapes_broadcast_as_in_numpy(device, shapes):
    a, b = map(counted, shapes.input_shapes)
    result = tensor(a, device=device) - tensor(b, device=device)
    assert result.shape == shapes.result_shape
    np.testing.assert_array_equal(result.numpy(), a - b)


@pytest.mark.parametrize("ndim", [33, 64])
def test_a_tensor_has_as_many_axes_as_an_array(device, ndim):
    shape = (2, *[1] * (ndim - 2), 3)
    a, b = counted(shape), counted((1,) * (ndim - 1) + (3,))
    x, y = Parameter(tensor(a, device=device)), tensor(b, device=device)
    np.testing.assert_array_equal((x - y).numpy(), a - b)
    np.testing.assert_array_equal(where(x > 2.0, x, y).numpy(), np.where(a > 2, a, b))
    np.testing.assert_array_equal(cat([x, x], -1).numpy(), np.concatenate([a, a], -1))
    np.testing.assert_array_equal(x.T.sum(0).numpy(), a.T.sum(0))
    np.testing.assert_array_equal(x[..., 1].numpy(), a[..., 1])
    grad = (x * y).sum().backward().get(x.id)
    np.testing.assert_array_equal(grad.numpy(), np.broadcast_to(b, shape))
    with no_grad():
        np.testing.assert_array_equal(x.mul_(y).numpy(), a * b)


@PER_DEVICE
@given(data=st.data())
def test_any_basic_index_gives_what_numpy_gives(device, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    a = counted(shape)
    np.testing.assert_array_equal(tensor(a, device=device)[index].numpy(), a[index])


EMPTY_OR_WHOLE = [
    slice(*bounds)
    for bounds in [
        (-9, None, -1),
        (-9, -7, -1),
        (-4, -9, -1),
        (None, -9, -1),
        (0, -9, -2),
        (9, 0, -1),
        (0, None, -1),
        (2, 2, -1),
        (9, None, 1),
        (None, 0),
    ]
]


@pytest.mark.parametrize("cut", EMPTY_OR_WHOLE, ids=str)
@pytest.mark.parametrize("axis", [0, 1])
def test_slices_that_end_before_they_begin_are_empty(cut, axis, device):
    index = (slice(None),) * axis + (cut,)
    a = counted((3, 3))
    t, p = tensor(a, device=device), nn.Parameter(tensor(a, device=device))
    assert t[index].shape == a[index].shape
    np.testing.assert_array_equal(t[index].numpy(), a[index])
    grad = p[index].sum().backward().get(p.id).numpy()
    t[index] = -1
    t[index].add_(-5)
    a[index] = -6
    np.testing.assert_array_equal(t.numpy(), a)
    np.testing.assert_array_equal(grad, a == -6)


@pytest.mark.parametrize("index", [(), ..., (..., None), (None,)], ids=str)
def test_a_tensor_without_axes_is_indexed_and_stays_one(index, device):
    t = tensor(2.0, device=device)
    part = t[index]
    assert part.shape == np.ones(())[index].shape
    assert part.exp().numpy().shape == part.shape and type(part.array) is type(t.array)
    t[index] = 5.0
    part.mul_(3.0)
    assert (t.item(), part.item()) == (15.0, 15.0)
    p = nn.Parameter(t)
    assert p[index].square().sum().backward().get(p.id).item() == 30.0


@PER_DEVICE
@given(data=st.data())
def test_assigning_to_any_basic_index_changes_what_numpy_changes(device, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=False))
    a = counted(shape)
    t = tensor(a, device=device)
    value = -1 - counted(a[index].shape)
    a[index] = value
    t[index] = value
    np.testing.assert_array_equal(t.numpy(), a)


@PER_DEVICE
@given(shape=SHAPES, data=st.data())
def test_a_chain_of_views_equals_numpys(device, shape, data):
    axes = data.draw(st.permutations(range(len(shape))))
    a = counted(shape)
    t = tensor(a, device=device).permute(axes)
    a = a.transpose(axes)
    np.testing.assert_array_equal(t.numpy(), a)
    np.testing.assert_array_equal(t.reshape(-1).numpy() if a.size else a.ravel(), a.reshape(-1))
    np.testing.assert_array_equal(t.T.contiguous().numpy(), a.T)
    np.testing.assert_array_equal((t.T + t.T).numpy(), a.T * 2)


def test_reshape_works_out_one_length(device):
    t = zeros((4, 6), device=device)
    assert t.reshape(2, -1).shape == (2, 12)
    assert t.reshape((-1,)).shape == (24,)
    assert zeros((0, 3), device=device).reshape(0, 5).shape == (0, 5)


@pytest.mark.parametrize("shape", [(5, 5), (-1, -1), (-2, -12), (7, -1), (0, -1)])
def test_reshape_refuses_shapes_that_do_not_fit(shape):
    with pytest.raises(ShapeError, match="24 elements"):
        zeros((4, 6)).reshape(shape)


def test_views_share_memory_and_copies_do_not(device):
    t = tensor(counted((2, 3)), device=device)
    views = [t.T, t[0], t.reshape(6), t.detach(), t.unsqueeze(0), t.flatten()]
    copies = [t.contiguous(), t.T.reshape(6), t + 0, tensor(t, device=device)]
    t.zero_()
    assert all(not view.numpy().any() for view in views)
    assert all(copy.numpy().any() for copy in copies)


def test_squeeze_unsqueeze_and_flatten_change_the_axes(device):
    t = zeros((1, 3, 1, 2), device=device)
    assert t.squeeze().shape == (3, 2)
    assert t.squeeze(-2).shape == (1, 3, 2)
    assert t.unsqueeze(-1).shape == (1, 3, 1, 2, 1)
    assert t.flatten(1).shape == (1, 6)
    assert t.flatten(1, 2).shape == (1, 3, 2)
    assert zeros((), device=device).flatten().shape == (1,)
    with pytest.raises(ShapeError, match="axis 1"):
        t.squeeze(1)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cat_and_stack_join_as_in_numpy(axis, device):
    a, b = counted((2, 3)), counted((2, 3)) * 10
    ta, tb = tensor(a, device=device), tensor(b, device=device)
    joined = cat([ta, tb.T.contiguous().T, ta], axis)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([a, b, a], axis))
    np.testing.assert_array_equal(stack([ta, tb], axis).numpy(), np.stack([a, b], axis))


def test_many_tensors_are_joined(device):
    parts = [tensor(counted((1, 5)) + i, device=device) for i in range(70)]
    wanted = np.concatenate([counted((1, 5)) + i for i in range(70)])
    np.testing.assert_array_equal(cat(parts).numpy(), wanted)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "float16", "int32"])
def test_views_and_joins_take_every_dtype(dtype, device):
    a = (np.arange(35).reshape(5, 7) % 3).astype(dtype)
    t = tensor(a, device=device)
    np.testing.assert_array_equal(t.T[1:, ::-1].contiguous().numpy(), a.T[1:, ::-1])
    np.testing.assert_array_equal(t[1:4, 2].numpy(), a[1:4, 2])
    np.testing.assert_array_equal(cat([t, t[:1]]).numpy(), np.concatenate([a, a[:1]]))
    t[1:3, 1:6:2] = t[0, 0]
    a[1:3, 1:6:2] = a[0, 0]
    np.testing.assert_array_equal(t.numpy(), a)


def test_cat_and_stack_say_which_shapes_do_not_fit():
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(2, 4\)"):
        cat([zeros((2, 3)), zeros((2, 4))])
    with pytest.raises(ShapeError, match=r"tensor 1 has \(3,\)"):
        stack([zeros(2), zeros(3)])
    with pytest.raises(ArgumentError, match="at least one"):
        cat([])


def test_broadcast_errors_name_both_shapes():
    with pytest.raises(ShapeError, match=r"add: shapes \(2, 3\) and \(4,\)"):
        zeros((2, 3)) + zeros(4)
    with pytest.raises(ShapeError, match=r"expand: shapes \(2, 3\) and \(3, 2\)"):
        zeros((2, 3)).expand(3, 2)


@pytest.mark.parametrize(
    "index", [5, (0, 0, 0), -6, (0, ..., ...), 1.5, "x", [0.5, 1.0], np.array([5])]
)
def test_an_index_that_does_not_fit_is_refused(index):
    with pytest.raises((ArgumentError, IndexError)):
        zeros((5, 5))[index]


def test_permute_needs_each_axis_once():
    with pytest.raises(ArgumentError, match="each once"):
        zeros((2, 3)).permute(0, 0)
    with pytest.raises(ArgumentError, match="axis 2"):
        zeros((2, 3)).transpose(0, 2)


def test_iteration_goes_over_the_first_axis():
    assert [row.tolist() for row in tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    with pytest.raises(TypeError, match="no length"):
        len(zeros(()))


@pytest.mark.gpu
def test_tensors_on_different_devices_do_not_mix():
    with pytest.raises(DeviceError, match="cpu and gpu:0"):
        zeros(2) + zeros(2, device="gpu")
