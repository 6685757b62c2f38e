"""The backward pass: what it gives, what it refuses, and what it does not keep."""

import threading
import weakref

import numpy as np
import pytest

from rumus._backends.registry import backend_of
from rumus.autograd import Function, GradSlot, is_grad_enabled, no_grad
from rumus.nn import Linear, Parameter
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    DeviceError,
    DTypeError,
    ShapeError,
    ones,
    tensor,
    zeros,
)


def parameter(*values, device="cpu"):
    return Parameter(tensor(values, np.float32, device))


def test_only_parameters_get_gradients(device):
    p, x = parameter(1.0, 2.0, device=device), tensor([3.0, 4.0], device=device)
    grads = (p * x).sum().backward()
    assert list(grads) == [p.id]
    assert not x.requires_grad and (p * x).requires_grad and not (x * x).requires_grad


def test_a_chain_of_ten_thousand_operations_goes_backward(device):
    p = parameter(1.0, device=device)
    y = p
    for _ in range(10_000):
        y = y + 1.0
    np.testing.assert_array_equal(y.sum().backward().get(p.id).numpy(), [1])


def test_a_graph_with_exponentially_many_paths_is_walked_once(device):
    p = parameter(1.0, device=device)
    y = p
    for _ in range(60):
        y = y * 0.5 + y * 0.5
    np.testing.assert_allclose(y.sum().backward().get(p.id).numpy(), [1], rtol=1e-5)


def test_two_losses_of_one_forward_pass(device):
    p = parameter(2.0, device=device)
    shared = p * p
    first, second = (shared * 3.0).sum(), (shared * 5.0).sum()
    a = first.backward(retain_graph=True)
    b = second.backward()
    assert (a.get(p.id).item(), b.get(p.id).item()) == (12, 20)


def test_a_freed_graph_says_retain_graph(device):
    p = parameter(2.0, device=device)
    loss = (p * p).sum()
    loss.backward()
    with pytest.raises(AutogradError, match="retain_graph=True"):
        loss.backward()


def test_a_refused_backward_pass_leaves_the_graph_as_it_was():
    p, q = parameter(2.0), parameter(3.0)
    loss = p * p + q * q
    broken = q * q
    broken.sum().backward()
    assert loss.sum().backward(retain_graph=True).get(p.id).item() == 4


def test_several_elements_need_a_gradient_to_start_from(device):
    p = parameter(1.0, 2.0, device=device)
    y = p * 3.0
    with pytest.raises(AutogradError, match=r"shape \(2,\) needs grad"):
        y.backward()
    with pytest.raises(ShapeError, match=r"grad has shape \(3,\), the tensor has \(2,\)"):
        y.backward(ones(3, device=device))
    grads = y.backward(tensor([1.0, 10.0], device=device))
    assert grads.get(p.id).tolist() == [3, 30]


def test_the_gradient_of_a_parameter_by_itself_is_one(device):
    p = parameter(5.0, device=device)
    assert p.backward().get(p.id).tolist() == [1]


def test_nothing_is_recorded_without_gradients():
    p = parameter(1.0)
    with no_grad():
        assert not is_grad_enabled()
        assert not (p * 2.0).requires_grad
        with no_grad():
            pass
        assert not is_grad_enabled()
    assert is_grad_enabled() and (p * 2.0).requires_grad

    @no_grad()
    def double(x):
        return x * 2.0

    assert not double(p).requires_grad and is_grad_enabled()
    assert not p.detach().requires_grad
    assert not (p > 0).requires_grad and not p.argmax().requires_grad


def test_no_grad_is_per_thread():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_a_frozen_parameter_gets_no_gradient(device):
    p, q = parameter(1.0, device=device), parameter(2.0, device=device)
    q.requires_grad = False
    grads = (p * q).sum().backward()
    assert p.id in grads and q.id not in grads
    with pytest.raises(AutogradError):
        (q * 2.0).sum().backward()


def test_integers_cannot_require_a_gradient():
    with pytest.raises(DTypeError, match="is int32, and only floats have gradients"):
        Parameter([1, 2])
    assert not Parameter([1, 2], requires_grad=False).requires_grad


def test_gradients_that_nobody_needs_are_not_computed():
    asked = []

    class Product(Function):
        saves = (0, 1)

        def forward(self, be, a, b):
            return be.elementwise("mul", a, b)

        def backward(self, be, grad):
            asked.append(self.needs)
            return tuple(
                be.elementwise("mul", grad, self.saved[1 - i]) if need else None
                for i, need in enumerate(self.needs)
            )

    p, x = parameter(2.0), tensor([3.0])
    assert Product()(x, p).sum().backward().get(p.id).item() == 3
    assert asked == [(False, True)]


def test_a_saved_input_that_changed_in_place_is_noticed(device):
    p, x = parameter(1.0, 2.0, device=device), tensor([3.0, 4.0], device=device)
    y = p * x
    x.add_(1)
    with pytest.raises(AutogradError, match="mul saved its input 1"):
        y.sum().backward()


def test_a_change_through_a_view_is_noticed(device):
    p, x = parameter(1.0, 2.0, device=device), tensor([[3.0, 4.0]], device=device)
    y = p * x[0]
    x.T[0] = 7.0
    with pytest.raises(AutogradError, match="changed in place"):
        y.sum().backward()


def test_a_saved_result_that_changed_in_place_is_noticed(device):
    p = parameter(1.0, 2.0, device=device)
    y = p.exp()
    with no_grad():
        y.mul_(2)
    with pytest.raises(AutogradError, match="exp saved its result"):
        y.sum().backward()


def test_changing_what_backward_does_not_read_is_allowed(device):
    p, x = parameter(1.0, 2.0, device=device), tensor([3.0, 4.0], device=device)
    y = (p + x) * 2.0 + x.reshape(2, 1).T * p
    x2 = p * 3.0
    loss = y.sum() + x2.sum()
    kept = x * 1.0
    kept.zero_()
    with no_grad():
        x2.zero_()
    np.testing.assert_array_equal(loss.backward().get(p.id).numpy(), [8, 9])


def test_a_copy_made_by_reshape_is_not_bound_to_its_source(device):
    p, x = parameter(*range(6), device=device), ones((2, 3), device=device)
    y = p * x.T.reshape(6)
    x.zero_()
    np.testing.assert_array_equal(y.sum().backward().get(p.id).numpy(), np.ones(6))


def test_tensors_with_gradients_change_in_place_under_no_grad_only(device):
    p = parameter(1.0, device=device)
    for change in (p.zero_, lambda: p.add_(1), lambda: (p * 2.0).fill_(1), lambda: p.copy_(p)):
        with pytest.raises(AutogradError, match="no_grad"):
            change()
    with pytest.raises(AutogradError, match="no_grad"):
        p[0] = 1.0
    with no_grad():
        p.fill_(3)
    assert p.item() == 3


def test_a_change_in_place_does_not_lose_gradients_silently(device):
    p, t = parameter(1.0, 2.0, device=device), zeros(2, device=device)
    for change in (lambda: t.copy_(p), lambda: t.add_(p * 2.0), lambda: t.__setitem__(0, p[1])):
        with pytest.raises(AutogradError, match="the value requires a gradient"):
            change()
    t[0] = p.detach()[1]
    with no_grad():
        t.add_(p)
    assert t.tolist() == [3, 2]


def test_gradients_in_a_store_have_memory_of_their_own(device):
    p, q = parameter(1.0, 2.0, device=device), parameter(3.0, 4.0, device=device)
    grads = (p + q).backward(ones(2, device=device))
    a, b = grads.get(p.id), grads.get(q.id)
    a.zero_()
    assert b.tolist() == [1, 1]
    p2 = parameter(1.0, 2.0, device=device)
    spread = (p2.sum() + 0.0).backward().get(p2.id)
    spread[0] = 5.0
    assert spread.tolist() == [5, 1]
    start = ones(2, device=device)
    p2.reshape(2).backward(start).get(p2.id).zero_()
    assert start.tolist() == [1, 1]


def test_a_kept_array_does_not_become_a_gradient(device):
    class Scaled(Function):
        def forward(self, be, x):
            self.factor = be.full(x.shape, 3.0, x.dtype)
            return be.elementwise("mul", x, self.factor)

        def backward(self, be, grad):
            return (self.factor,)

    p = parameter(1.0, 2.0, device=device)
    y = Scaled()(p).sum()
    y.backward(retain_graph=True).get(p.id).zero_()
    assert y.backward().get(p.id).tolist() == [3, 3]


def test_the_order_of_additions_is_the_same_every_time(device):
    rng = np.random.default_rng(0)
    values = [tensor(rng.normal(size=100) * 10.0**k, device=device) for k in range(-4, 5)]

    def gradient():
        p = Parameter(ones(100, device=device))
        return sum((p * v).sum() for v in values).backward().get(p.id).numpy()

    first = gradient()
    assert all((gradient() == first).all() for _ in range(5))


def test_a_backward_pass_frees_what_the_graph_saved():
    p = parameter(1.0, 2.0)
    y = (p * p).exp()
    saved = [weakref.ref(y._node.function), weakref.ref(y._node.edges[0].function)]
    y.sum().backward(retain_graph=True)
    assert all(function() is not None for function in saved)
    y.sum().backward()
    assert all(function() is None for function in saved)


def test_a_loss_that_is_dropped_leaves_nothing_behind():
    y = parameter(1.0)
    for _ in range(50_000):
        y = y * 2.0
    function = weakref.ref(y._node.function)
    del y
    assert function() is None


class Doubled(Function):
    """Twice the input, with a backward pass that a test replaces."""

    def __init__(self, gradient):
        self.gradient = gradient

    def forward(self, be, x):
        return be.elementwise("mul", x, 2.0)

    def backward(self, be, grad):
        return self.gradient(be, grad)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (lambda be, grad: (), "returned 0 gradients for 1 inputs"),
        (lambda be, grad: grad, r"and not a tuple .* return \(grad,\)"),
        (lambda be, grad: None, "returned NoneType, and not a tuple"),
        (lambda be, grad: (grad, grad), "returned 2 gradients for 1 inputs"),
        (lambda be, grad: (be.full((3,), 1.0, grad.dtype),), r"gradient of shape \(3,\)"),
    ],
)
def test_a_wrong_backward_is_named(gradient, message):
    p = parameter(1.0, 2.0)
    with pytest.raises(AutogradError, match=f"Doubled.backward .*{message}|{message}"):
        Doubled(gradient)(p).sum().backward()


def test_a_forward_that_gives_no_array_is_named():
    class Forgetful(Function):
        def forward(self, be, x):
            be.elementwise("mul", x, 2.0)

    with pytest.raises(AutogradError, match=r"Forgetful\.forward returned NoneType, and not"):
        Forgetful()(parameter(1.0))


def test_a_function_may_have_no_gradient_for_an_input():
    p, q = parameter(1.0), parameter(2.0)
    grads = (Doubled(lambda be, grad: (None,))(p * 3.0) + q).sum().backward()
    assert p.id not in grads and grads.get(q.id).item() == 1


def test_a_function_needs_a_tensor():
    with pytest.raises(ArgumentError, match="Doubled needs at least one tensor"):
        Doubled(None)(1.0)


def test_an_instance_is_called_once():
    p = parameter(1.0)
    double = Doubled(lambda be, grad: (grad,))
    double(p)
    with pytest.raises(AutogradError, match="make a new one"):
        double(p)


def test_threads_go_backward_at_the_same_time():
    p = Parameter(np.random.default_rng(0).normal(size=(30, 30)))
    results = []

    def work():
        y = p
        for _ in range(20):
            y = (y @ p).tanh()
        results.append(y.sum().backward().get(p.id).numpy())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8 and all((r == results[0]).all() for r in results)


@pytest.mark.gpu
def test_devices_do_not_mix_in_a_backward_pass():
    p = parameter(1.0)
    with pytest.raises(DeviceError, match="gpu:0"):
        (p * 2.0).backward(ones(1, device="gpu"))


@pytest.mark.gpu
def test_gradients_flow_from_device_to_device():
    p, q = parameter(1.0, 2.0), parameter(3.0, 4.0, device="gpu")
    grads = ((p * p).to("gpu") * q).to_cpu().sum().backward()
    assert grads.get(p.id).device is p.device and grads.get(q.id).device is q.device
    assert grads.get(p.id).tolist() == [6, 16] and grads.get(q.id).tolist() == [1, 4]


@pytest.mark.gpu
def test_a_parameter_that_moved_since_the_forward_pass_is_noticed():
    model = Linear(2, 1)
    for use in (lambda x: model(x), lambda x: x[:, :1] + model.bias):
        loss = use(ones((1, 2))).sum()
        model.to_gpu()
        with pytest.raises(AutogradError, match=r"moved to gpu:0|changed in place"):
            loss.backward()
        model.to_cpu()


def with_slot(p):
    place = backend_of(p.device).full(p.shape, 0.0, p.dtype)
    be = backend_of(p.device)
    p.slot = GradSlot(lambda: be.reshape(place, p.shape))
    return place


def test_a_gradient_is_written_to_its_slot(device):
    w, b = Parameter(ones((3, 2), device=device)), Parameter(ones(3, device=device))
    places = {p.id: with_slot(p) for p in (w, b)}
    x = tensor([[1.0, 2.0]], device=device)
    grads = (x @ w.T + b).sum().backward()
    for id, place in places.items():
        grad = grads.get(id)
        assert backend_of(grad.device).shares(grad.array, place)
    np.testing.assert_array_equal(grads.get(w.id).numpy(), [[1, 2]] * 3)
    np.testing.assert_array_equal(grads.get(b.id).numpy(), [1, 1, 1])


def test_a_slot_takes_a_sum_of_several_gradients(device):
    w = Parameter(ones((2, 2), device=device))
    place = with_slot(w)
    x = tensor([[1.0, 2.0]], device=device)
    grads = ((x @ w) @ w).sum().backward()
    grad = grads.get(w.id)
    assert backend_of(grad.device).shares(grad.array, place)
    np.testing.assert_array_equal(grad.numpy(), [[5, 5], [7, 7]])


def test_a_slot_is_not_lent_while_a_gradient_lives_in_it(device):
    p = parameter(1.0, 2.0, device=device)
    with_slot(p)
    first = (p * 2.0).sum().backward()
    second = (p * 3.0).sum().backward()
    assert first.get(p.id).tolist() == [2, 2] and second.get(p.id).tolist() == [3, 3]
    view = first.pop(p.id).reshape(1, 2)
    del first
    third = (p * 4.0).sum().backward()
    assert view.tolist() == [[2, 2]] and third.get(p.id).tolist() == [4, 4]


def test_a_slot_is_lent_again_when_its_gradient_is_gone(device):
    p = parameter(1.0, 2.0, device=device)
    place = with_slot(p)
    for factor in (2.0, 3.0):
        grad = (p * factor).sum().backward().get(p.id)
        assert backend_of(p.device).shares(grad.array, place)
        assert grad.tolist() == [factor, factor]
        del grad


def test_zeros_stay_unshared_between_parameters(device):
    p, q = parameter(1.5, device=device), parameter(2.5, device=device)
    grads = (p.floor() + q.floor() + zeros(1, device=device)).sum().backward()
    grads.get(p.id).fill_(9)
    assert grads.get(q.id).tolist() == [0]
