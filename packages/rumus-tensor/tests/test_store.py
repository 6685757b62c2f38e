"""Gradient stores and exclusive use."""

import threading

import numpy as np
import pytest

from rumus._backends.registry import backend_of
from rumus.autograd import GradientStore, ParamId, borrow, no_grad
from rumus.nn import Parameter
from rumus.tensor import (
    BorrowError,
    DeviceError,
    DTypeError,
    MissingGradError,
    ShapeError,
    float16,
    ones,
    tensor,
    zeros,
)


def test_a_store_is_built_by_hand(device):
    store, id = GradientStore(), ParamId()
    assert len(store) == 0 and id not in store and store.get(id) is None and store.pop(id) is None
    store.accumulate(id, ones(2, device=device))
    store.accumulate(id, ones(2, device=device))
    assert store.get(id).tolist() == [2, 2] and id in store and list(store) == [id]
    store.replace(id, zeros(3, device=device))
    assert [(key, grad.shape) for key, grad in store.items()] == [(id, (3,))]
    assert store.pop(id).shape == (3,) and len(store) == 0


def test_stores_merge_whole_or_not_at_all():
    a, b = ParamId(), ParamId()
    left, right = GradientStore(), GradientStore()
    left.accumulate(b, ones(2))
    right.accumulate(a, ones(2))
    right.accumulate(b, ones(3))
    with pytest.raises(ShapeError, match=r"\(2,\) is there, \(3,\) was added"):
        left.merge_from(right)
    assert list(left) == [b] and left.get(b).tolist() == [1, 1]
    right.replace(b, ones(2) * 3.0)
    left.merge_from(right)
    assert left.get(a).tolist() == [1, 1] and left.get(b).tolist() == [4, 4] and len(right) == 2


def test_gradients_of_different_dtypes_do_not_add_up():
    store, id = GradientStore(), ParamId()
    store.accumulate(id, ones(2))
    with pytest.raises(DTypeError, match="float32 is there, float16 was added"):
        store.accumulate(id, ones(2, dtype=float16))


def test_ids_are_unique_across_threads():
    ids = []

    def make():
        ids.extend(Parameter(zeros(1)).id for _ in range(200))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == len({repr(id) for id in ids}) == 1600


def test_a_pending_scale_is_applied_when_a_gradient_is_looked_at(device):
    p, q = Parameter(zeros(2, device=device)), Parameter(zeros(2, device=device))
    for look in (
        lambda s: s.get(p.id),
        lambda s: s.pop(p.id),
        lambda s: dict(s.items())[p.id],
        lambda s: s.accumulate(p.id, zeros(2, device=device)) or s.get(p.id),
    ):
        store = GradientStore()
        original = ones(2, device=device) * 4.0
        store.accumulate(p.id, original)
        store.accumulate(q.id, ones(2, device=device))
        store.scale_by([p.id], 0.5)
        store.scale_by([p.id], tensor([0.25, 9.0], device=device).array)
        assert look(store).tolist() == [0.5, 0.5]
        assert store.get(q.id).tolist() == [1, 1] and original.tolist() == [4, 4]


def test_a_pending_scale_is_dropped_with_its_gradient():
    store, id = GradientStore(), ParamId()
    store.accumulate(id, ones(1))
    store.scale_by([id], 5.0)
    store.replace(id, ones(1))
    assert store.get(id).item() == 1
    with pytest.raises(MissingGradError):
        store.scale_by([id, ParamId()], 3.0)
    assert store.get(id).item() == 1


def test_a_pending_scale_keeps_the_dtype(device):
    store, id = GradientStore(), ParamId()
    store.accumulate(id, ones(2, dtype=float16, device=device))
    store.scale_by([id], tensor([0.5], device=device).array)
    assert store.get(id).dtype == float16


def step(store, params, rate=1.0):
    with borrow(store, params) as held:
        for p in params:
            scale = held.scale(p)
            grad = held.grad(p) if scale is None else held.grad(p) * scale
            held.data(p)[...] -= rate * grad


def trained(count=2):
    params = [Parameter(zeros(3), name=f"p{i}") for i in range(count)]
    store = GradientStore()
    for p in params:
        store.accumulate(p.id, ones(3))
    return store, params


def test_a_step_takes_out_only_its_own_gradients():
    store, (p, q) = trained()
    step(store, [p])
    assert p.tolist() == [-1, -1, -1] and q.tolist() == [0, 0, 0]
    assert p.id not in store and q.id in store
    step(store, [q, q])
    assert q.tolist() == [-2, -2, -2] and len(store) == 0


def test_a_step_sees_the_raw_gradient_and_its_scale():
    store, (p, _) = trained()
    store.scale_by([p.id], 0.5)
    step(store, [p])
    assert p.tolist() == [-0.5] * 3


def test_a_step_gets_contiguous_arrays(device):
    p, store = Parameter(ones((2, 3), device=device).T), GradientStore()
    store.accumulate(p.id, tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], device=device).T)
    be = backend_of(p.device)
    with borrow(store, [p]) as held:
        for array in (held.data(p), held.grad(p)):
            assert be.contiguous(array) is array
        np.testing.assert_array_equal(be.to_host(held.grad(p)), [[1, 4], [2, 5], [3, 6]])


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda s, p: s.pop(p.id), MissingGradError, r"'p1' of shape \(3,\) has no gradient"),
        (lambda s, p: s.replace(p.id, ones(4)), ShapeError, r"'p1' has shape \(3,\).*\(4,\)"),
        (
            lambda s, p: s.replace(p.id, ones(3, dtype=float16)),
            DTypeError,
            "'p1' is float32.*float16",
        ),
        pytest.param(
            lambda s, p: s.replace(p.id, ones(3, device="gpu")),
            DeviceError,
            "'p1' is on cpu.*gpu:0",
            marks=pytest.mark.gpu,
        ),
    ],
)
def test_a_step_that_cannot_be_right_changes_nothing(spoil, error, message):
    store, params = trained(3)
    spoil(store, params[1])
    before = len(store)
    with pytest.raises(error, match=message):
        step(store, params)
    assert all(p.tolist() == [0, 0, 0] for p in params) and len(store) == before
    store.replace(params[1].id, ones(3))
    step(store, params)
    assert all(p.tolist() == [-1, -1, -1] for p in params)


USES = {
    "get": lambda s, p: s.get(p.id),
    "pop": lambda s, p: s.pop(p.id),
    "replace": lambda s, p: s.replace(p.id, ones(3)),
    "accumulate": lambda s, p: s.accumulate(p.id, ones(3)),
    "merge_from": lambda s, p: s.merge_from(GradientStore()),
    "merge into another": lambda s, p: GradientStore().merge_from(s),
    "scale_by": lambda s, p: s.scale_by([], 1.0),
    "len": lambda s, p: len(s),
    "in": lambda s, p: p.id in s,
    "iter": lambda s, p: list(s),
    "items": lambda s, p: s.items(),
    "borrow": lambda s, p: borrow(s, []).__enter__(),
    "borrow with another store": lambda s, p: borrow(GradientStore(), [p]).__enter__(),
    "array": lambda s, p: p.array,
    "numpy": lambda s, p: p.numpy(),
    "an operation": lambda s, p: p * 2.0,
    "a view": lambda s, p: p.reshape(3, 1),
    "detach": lambda s, p: p.detach(),
    "an earlier view": lambda s, p: p.earlier.sum(),
    "a change in place": lambda s, p: no_grad()(p.zero_)(),
    "a backward pass": lambda s, p: p.loss.backward(),
    "moving": lambda s, p: p._rebind(p._array, p.device),
}


class Watched(Parameter):
    """A parameter that remembers a view of itself and a graph that saved it."""

    def __init__(self, data):
        super().__init__(data)
        self.earlier = self.detach()
        self.loss = (self * self).sum()


@pytest.mark.parametrize("elsewhere", [False, True], ids=["nested", "another thread"])
@pytest.mark.parametrize("use", USES)
def test_what_a_step_holds_cannot_be_used(use, elsewhere):
    p, store = Watched(zeros(3)), GradientStore()
    store.accumulate(p.id, ones(3))
    errors = []

    def attempt():
        try:
            USES[use](store, p)
        except BorrowError as error:
            errors.append(error)

    with borrow(store, [p]):
        if elsewhere:
            thread = threading.Thread(target=attempt)
            thread.start()
            thread.join()
        else:
            attempt()
        assert repr(store) == "<GradientStore: held by an optimizer step>"
    assert len(errors) == 1
    assert p.tolist() == [0, 0, 0] and len(store) == 0


def test_others_can_be_used_during_a_step():
    store, (p, q) = trained()
    with borrow(store, [p]):
        assert (q * 2.0).tolist() == [0, 0, 0]
        other = GradientStore()
        other.accumulate(q.id, ones(3))
        step(other, [q])
    assert q.tolist() == [-1, -1, -1]


def test_a_step_that_raises_gives_everything_back():
    store, params = trained()
    with pytest.raises(ZeroDivisionError), borrow(store, params):
        raise ZeroDivisionError
    assert len(store) == 2 and params[0].tolist() == [0, 0, 0]


def test_arrays_of_a_step_end_with_it():
    store, (p, q) = trained()
    with borrow(store, [p]) as held:
        with pytest.raises(BorrowError, match="'p1' is not part"):
            held.data(q)
    with pytest.raises(BorrowError, match="is over"):
        held.grad(p)


def test_a_graph_that_saved_a_parameter_notices_the_step():
    p = Parameter(ones(3))
    loss = (p * p).sum()
    step(loss.backward(retain_graph=True), [p])
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_only_one_of_many_threads_steps_at_a_time():
    store, params = trained()
    barrier, outcomes = threading.Barrier(8), []

    def work():
        barrier.wait()
        try:
            step(store, params)
            outcomes.append("stepped")
        except (BorrowError, MissingGradError) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("stepped") == 1
    assert all(np.array_equal(p.numpy(), [-1, -1, -1]) for p in params)


@pytest.mark.parametrize("factor", [2, np.float32(2.0)])
def test_any_number_scales_gradients(factor: float, device: str) -> None:
    store, id = GradientStore(), ParamId()
    store.accumulate(id, ones(2, device=device))
    store.scale_by([id], factor)
    assert store.get(id).tolist() == [2.0, 2.0]


def test_float16_is_added_in_float32_and_rounded_when_looked_at(device):
    half = tensor([1.0, 2048.0], dtype=float16, device=device)
    store, p = GradientStore(), Parameter(half)
    store.accumulate(p, half)
    for _ in range(3):
        store.accumulate(p, tensor([0.0003, 1.0], dtype=float16, device=device))
    exact = np.float64(1.0) + 3 * float(np.float16(0.0003))
    assert store[p].dtype == float16
    assert store[p].tolist() == [float(np.float16(exact)), 2052.0]
    for _ in range(3):  # from where the sum was, not from what was seen of it
        store.accumulate(p, tensor([0.0003, 1.0], dtype=float16, device=device))
    assert store[p].tolist() == [float(np.float16(1.0 + 6 * float(np.float16(0.0003)))), 2054.0]
    store[p].zero_()
    store.accumulate(p, half)
    assert store.pop(p).tolist() == [1.0, 2048.0]
    other = GradientStore()
    other.accumulate(p, half)
    store.merge_from(other)
    store.merge_from(other)
    store.scale_by([p], 0.5)
    store.merge_from(other)
    assert store[p].tolist() == [2.0, 4096.0]
    with pytest.raises(DTypeError, match="float16 is there, float32 was added"):
        store.accumulate(p, tensor([1.0, 2.0], device=device))


def test_a_step_sees_sums_of_float16_as_float16(device):
    half = tensor([1.0, 2.0], dtype=float16, device=device)
    store, p = GradientStore(), Parameter(half)
    store.accumulate(p, half)
    store.accumulate(p, half)
    with borrow(store, [p]) as held:
        assert held.grad(p).dtype == float16
    assert p not in store
