"""Gradients of chosen tensors, leaves that are no parameters, and hooks on gradients."""

import pickle

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.autograd import Function, GradientStore, checkpoint, following, grad, leaf
from rumus.nn import Parameter
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    DeviceError,
    DTypeError,
    MissingGradError,
    ShapeError,
    Tensor,
    float16,
    no_grad,
    pack,
    randn,
    tensor,
)


def test_gradients_of_results_leaves_and_parameters(device):
    p = Parameter(tensor([1.0, 2.0], device=device))
    x = leaf(tensor([3.0, 4.0], device=device))
    middle = p * x
    loss = (middle * middle).sum()
    given = grad(loss, [middle, p, x])
    assert [g.tolist() for g in given] == [[6.0, 16.0], [18.0, 64.0], [6.0, 32.0]]
    assert not any(g.requires_grad for g in given)


def test_several_outputs_add_up_each_from_its_own_gradient(device):
    x = leaf(tensor([1.0, 2.0], device=device))
    square, cube = x**2, x**3
    seeds = [tensor([1.0, 0.0], device=device), tensor([0.0, 2.0], device=device)]
    assert grad([square, cube], x, seeds)[0].tolist() == [2.0, 24.0]
    y = x * 2.0
    assert grad([y.sum(), y.sum(), x.sum()], x)[0].tolist() == [5.0, 5.0]
    assert grad([x, x * 1.0], x, seeds)[0].tolist() == [1.0, 2.0]


def test_several_losses_over_one_forward_pass(device):
    x = leaf(tensor([1.0, 2.0], device=device))
    y = x * x
    first, second = y.sum(), (y * y).sum()
    assert grad(first, x, retain_graph=True)[0].tolist() == [2.0, 4.0]
    assert grad(second, [x, y], retain_graph=True)[0].tolist() == [4.0, 32.0]
    assert (first + second).backward()[x].tolist() == [6.0, 36.0]
    with pytest.raises(AutogradError, match="retain_graph=True"):
        grad(first, x)


def test_what_leads_to_no_input_is_not_computed():
    asked = []

    class Product(Function):
        saves = (0, 1)

        def forward(self, be, a, b):
            return be.elementwise("mul", a, b)

        def backward(self, be, grad):
            asked.append((self.needs, self.wanted))
            a, b = self.saved
            return be.elementwise("mul", grad, b), be.elementwise("mul", grad, a)

    p, x = Parameter([2.0]), leaf(tensor([3.0]))
    behind = Product()(p, p)
    (given,) = grad(Product()(behind, x), x)
    assert given.tolist() == [4.0]
    assert asked == [((True, True), (False, True))]


def test_a_gradient_of_a_result_is_memory_of_its_own(device):
    x = leaf(tensor([1.0, 2.0], device=device))
    y = x * 2.0
    seed = tensor([1.0, 1.0], device=device)
    given = grad(y.reshape(2), [y, x], seed)
    for g in given:
        g.zero_()
    assert seed.tolist() == [1.0, 1.0]
    assert grad(x, x, seed)[0].zero_().tolist() == [0.0, 0.0]
    assert seed.tolist() == [1.0, 1.0]


def test_an_input_that_is_not_used_is_named_or_none(device):
    x, other = (leaf(tensor([1.0], device=device)) for _ in range(2))
    later = Parameter(tensor([1.0], device=device), name="later")
    y = x * 2.0
    with pytest.raises(AutogradError, match=r"input 1 \(parameter 'later'\) has no gradient"):
        grad(y, [x, later], retain_graph=True)
    after = y * 1.0
    given = grad(y, [other, after, x], allow_unused=True)
    assert (given[0], given[1], given[2].item()) == (None, None, 2.0)


def test_what_cannot_have_a_gradient_is_refused():
    x = leaf(tensor([1.0, 2.0]))
    plain = tensor([1.0])
    with pytest.raises(AutogradError, match=r"input 0 of shape \(1,\) requires no gradient"):
        grad(x.sum(), plain)
    with pytest.raises(AutogradError, match="output 1 depends on no parameter"):
        grad([x.sum(), plain], x)
    with pytest.raises(AutogradError, match="needs grad, a tensor"):
        grad(x * 2.0, x)
    with pytest.raises(ArgumentError, match="one gradient an output: 1, not 2"):
        grad(x.sum(), x, [None, None])
    with pytest.raises(ArgumentError, match="0, not 0"):
        grad([], x)
    with pytest.raises(DTypeError, match="inputs, not a float"):
        grad(x.sum(), [1.0])
    with pytest.raises(DTypeError, match="floats, not int32"):
        leaf(tensor([1]))
    with pytest.raises(DTypeError, match="floats, not list"):
        leaf([1.0])


def test_a_leaf_shares_memory_and_not_the_graph(device):
    p = Parameter(tensor([1.0, 2.0], device=device))
    y = p * 3.0
    x = leaf(y)
    grads = (x * y).sum().backward()
    assert (grads[x].tolist(), grads[p].tolist()) == ([3.0, 6.0], [9.0, 18.0])
    with no_grad():
        y.zero_()
    assert x.tolist() == [0.0, 0.0]
    again = pickle.loads(pickle.dumps(x))
    assert again.requires_grad and again.id != x.id


def test_a_store_takes_the_parameter_for_its_key(device):
    p, q = (Parameter(tensor([1.0, 2.0], device=device)) for _ in range(2))
    grads = (p * 3.0).sum().backward()
    assert p in grads and q not in grads
    assert grads[p].tolist() == grads[p.id].tolist() == grads.get(p).tolist() == [3.0, 3.0]
    assert grads.get(q) is None
    with pytest.raises(MissingGradError, match="has no gradient in the store"):
        grads[q]
    grads.accumulate(p, grads[p])
    grads.replace(q, grads[p])
    grads.scale_by([p], 0.5)
    assert (grads.pop(p).tolist(), grads[q].tolist()) == ([3.0, 3.0], [6.0, 6.0])
    assert p not in grads and list(grads) == [q.id]


def test_a_pass_for_chosen_tensors_leaves_the_arena_alone():
    gpu.is_available() or pytest.skip("no GPU adapter")
    p = Parameter(tensor([1.0, 2.0], device="gpu"))
    (arena,) = pack([p])
    (given,) = grad((p * 3.0).sum(), p)
    assert arena.grads.storage is not given.array.storage
    assert (p * 2.0).sum().backward()[p].array.storage is arena.grads.storage


# Hooks


def test_a_hook_sees_the_whole_gradient_and_may_replace_it(device):
    x = leaf(tensor([1.0, 2.0], device=device))
    y = x * 2.0
    seen = []
    y.register_hook(lambda g: seen.append(("y", g.tolist())))
    y.register_hook(lambda g: g * 10.0)
    y.register_hook(lambda g: seen.append(("again", g.tolist())))
    handle = x.register_hook(lambda g: seen.append(("x", g.tolist())))
    loss = (y * 3.0).sum() + y.sum()
    assert loss.backward(retain_graph=True)[x].tolist() == [80.0, 80.0]
    assert seen == [("y", [4.0, 4.0]), ("again", [40.0, 40.0]), ("x", [80.0, 80.0])]
    handle.remove()
    handle.remove()
    seen.clear()
    assert grad(loss, [y, x])[0].tolist() == [40.0, 40.0]
    assert [name for name, _ in seen] == ["y", "again"]


def test_a_hook_on_a_parameter_changes_what_the_store_holds(device):
    p = Parameter(tensor([1.0, 2.0], device=device))
    kept = tensor([5.0, 6.0], device=device)
    p.register_hook(lambda g: kept)
    grads = (p * 3.0).sum().backward()
    grads[p].zero_()
    assert kept.tolist() == [5.0, 6.0]


def test_a_hook_is_part_of_the_second_derivative(device):
    x = leaf(tensor([1.0, 2.0], device=device))
    y = x * x
    handle = y.register_hook(lambda g: g * g)
    (slope,) = grad((y * y).sum(), x, create_graph=True)  # (2 x**2)**2 * 2 x
    handle.remove()
    assert slope.tolist() == [8.0, 256.0]
    assert grad(slope.sum(), x)[0].tolist() == [40.0, 640.0]


def test_a_hook_sees_float16_as_float16(device):
    x = leaf(tensor([1.0], dtype=float16, device=device))
    dtypes = []
    y = x * 1.0
    for t in (x, y):
        t.register_hook(lambda g: dtypes.append(g.dtype))
    (y * 2.0 + y + x).sum().backward()
    assert dtypes == [float16, float16]


def test_wrong_hooks_are_refused():
    x = leaf(tensor([1.0, 2.0]))
    with pytest.raises(AutogradError, match="requires no gradient"):
        tensor([1.0]).register_hook(print)
    with pytest.raises(DTypeError, match="takes a function, not a int"):
        x.register_hook(3)
    for given, error, message in [
        (tensor([1.0]), ShapeError, r"shape \(1,\); the gradient has \(2,\)"),
        (tensor([1, 2]), DTypeError, "not int32"),
        (1.0, DTypeError, "not float"),
    ]:
        handle = x.register_hook(lambda g, given=given: given)
        with pytest.raises(error, match=message):
            (x * 2.0).sum().backward()
        handle.remove()


@pytest.mark.gpu
def test_a_hook_gives_back_what_is_on_the_gradient_s_device():
    x = leaf(tensor([1.0, 2.0], device="gpu"))
    x.register_hook(lambda g: g.to_cpu())
    with pytest.raises(DeviceError, match="on cpu, not gpu"):
        (x * 2.0).sum().backward()


@pytest.mark.gpu
def test_a_captured_step_notices_hooks_that_come_and_go():
    layer = nn.Linear(3, 2).to_gpu()
    step = gpu.capture(lambda x: layer(x).sum().backward()[layer.weight])
    x = randn((4, 3), device="gpu")
    plain = step(x).numpy()
    step(x)
    handle = layer.weight.register_hook(lambda g: g * 2.0)
    np.testing.assert_array_equal(step(x).numpy(), 2 * plain)
    np.testing.assert_array_equal(step(x).numpy(), 2 * plain)
    handle.remove()
    np.testing.assert_array_equal(step(x).numpy(), plain)


def test_an_empty_store_has_no_gradient_of_a_leaf():
    assert leaf(tensor([1.0])) not in GradientStore()


def test_a_follower_is_told_of_each_gradient_when_nothing_is_added_to_it(device):
    first, twice, last = (Parameter(tensor([0.5, 2.0], device=device)) for _ in range(3))
    arena = pack([first, twice])[0]
    told = []

    def loss():
        return ((first.exp() * twice).tanh() * twice * last).sum()

    plain = loss().backward()
    expected = [plain[p].tolist() for p in (last, twice, first)]
    del plain  # which has the arena's places
    with following(lambda p, grad: told.append((p, grad.tolist(), grad))):
        grads = loss().backward()
        grad(loss(), [first])  # a pass of its own, which tells of nothing
        loss().backward(create_graph=True)
        checkpoint(lambda: loss()).backward()
    assert [p for p, _, _ in told] == [last, twice, first]
    assert [values for _, values, _ in told] == expected
    assert all(grads[p] is seen for p, _, seen in told)
    assert grads[first].tolist() == Tensor.from_array(arena.grads).tolist()[:2]
    loss().backward()
    assert len(told) == 3


def test_a_follower_is_not_told_of_passes_inside_of_the_pass(device):
    weight = Parameter(tensor([0.5, 2.0], device=device))

    class Again(Function):
        saves = (0, 1)

        def forward(self, be, x, w):
            return be.elementwise("mul", x, w)

        def backward(self, be, grad):
            x = leaf(Tensor.from_array(self.saved[0]))
            grads = (x * weight).backward(Tensor.from_array(grad))
            return grads[x].array, grads[weight].array

    told = []
    with following(lambda _, grad: told.append(grad.tolist())):
        Again()(weight * 3.0, weight).sum().backward()
    assert told == [[3.0, 12.0]]
