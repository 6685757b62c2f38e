"""What every optimizer promises of a step: all or nothing, its own gradients only, exact resume."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rumus import optim
from rumus.autograd import GradientStore, borrow
from rumus.nn import Linear, Module, Parameter, Sequential
from rumus.tensor import (
    BorrowError,
    DeviceError,
    DTypeError,
    MissingGradError,
    ShapeError,
    no_grad,
    tensor,
    zeros,
)

Make = Callable[..., optim.Optimizer]


def same(left: list[Any], right: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def bits(optimizer: optim.Optimizer) -> str:
    """The state dict as text, arrays included."""
    return json.dumps(optimizer.state_dict(), default=lambda a: a.tolist())


def test_gradients_of_other_parameters_stay_in_the_store(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch, other = make_batch(), Parameter([1.0])
    store = batch.store(0)
    store.accumulate(other.id, tensor([2.0]))
    make_optimizer(batch.params).step(store)
    assert list(store) == [other.id]


def broken_stores(batch: Any) -> dict[str, tuple[type[Exception], Callable[[Any], None]]]:
    middle = batch.params[1]
    elsewhere = "cpu" if batch.device == "gpu" else None

    def put(array: Any, device: str) -> Callable[[Any], None]:
        return lambda store: store.replace(middle.id, tensor(array).to(device))

    stores: dict[str, tuple[type[Exception], Callable[[Any], None]]] = {
        "missing": (MissingGradError, lambda store: store.pop(middle.id)),
        "misshapen": (ShapeError, put(np.ones((2, 2), np.float32), batch.device)),
        "of another dtype": (DTypeError, put(np.ones(middle.shape, np.float16), batch.device)),
    }
    if elsewhere is not None:
        stores["foreign"] = (DeviceError, put(np.ones(middle.shape, np.float32), elsewhere))
    return stores


def test_a_gradient_that_does_not_fit_changes_nothing(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch = make_batch()
    optimizer = make_optimizer(batch.params)
    optimizer.step(batch.store(0))
    before, state = batch.values(), bits(optimizer)
    for error, spoil in broken_stores(batch).values():
        store = batch.store(1)
        spoil(store)
        held = set(store)
        with pytest.raises(error, match="w1"):
            optimizer.step(store)
        assert set(store) == held
        assert same(batch.values(), before)
        assert bits(optimizer) == state


def test_a_store_or_parameter_that_another_step_holds_is_refused(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch = make_batch()
    optimizer = make_optimizer(batch.params)
    before, store = batch.values(), batch.store(0)
    errors: list[Exception] = []

    def try_to_step(grads: GradientStore) -> None:
        try:
            optimizer.step(grads)
        except BorrowError as error:
            errors.append(error)

    others = batch.store(1)
    with borrow(store, batch.params[:1]):
        for grads in (store, others):
            thread = threading.Thread(target=try_to_step, args=(grads,))
            thread.start()
            thread.join()
    assert len(errors) == 2
    assert same(batch.values(), before)
    assert len(others) == 3


@settings(max_examples=8, deadline=None)
@given(cut=st.integers(1, 3), seed=st.integers(0, 1000))
def test_two_optimizers_over_a_split_equal_one_over_all(cut: int, seed: int) -> None:
    for name in ("SGD", "AdamW", "RMSprop", "Lion", "LAMB", "Adafactor"):
        make: Any = getattr(optim, name)
        rng = np.random.default_rng(seed)
        starts = [rng.standard_normal(s).astype(np.float32) for s in [(3, 4), (5,), (), (70, 9)]]
        whole, split = ([Parameter(a) for a in starts] for _ in range(2))
        one, two = make(whole, lr=0.01), [make(p, lr=0.01) for p in (split[:cut], split[cut:])]
        for _ in range(3):
            grads = [rng.standard_normal(a.shape).astype(np.float32) for a in starts]
            for params, optimizers in ((whole, [one]), (split, two)):
                store = GradientStore()
                for p, g in zip(params, grads, strict=True):
                    store.accumulate(p.id, tensor(g))
                for optimizer in optimizers:
                    optimizer.step(store)
        assert same([p.numpy() for p in whole], [p.numpy() for p in split])


def test_two_optimizers_over_a_split_equal_one_over_all_on_this_device(
    make_optimizer: Make, make_batch: Any
) -> None:
    whole, split = make_batch(), make_batch()
    one = make_optimizer(whole.params)
    two = [make_optimizer(split.params[:1]), make_optimizer(split.params[1:])]
    for step in range(3):
        one.step(whole.store(step))
        store = split.store(step)
        for optimizer in two:
            optimizer.step(store)
    assert same(whole.values(), split.values())


@pytest.mark.parametrize("at", [0, 1, 4])
def test_training_continues_bit_for_bit_from_a_saved_state(
    make_optimizer: Make, make_batch: Any, at: int
) -> None:
    first = make_batch()
    optimizer = make_optimizer(first.params)
    for step in range(at):
        optimizer.step(first.store(step))
    optimizer.set_lr(0.007)
    saved, weights = optimizer.state_dict(), first.values()
    second = make_batch()
    for p, w in zip(second.params, weights, strict=True):
        p.requires_grad = False
        p.copy_(tensor(w).to(second.device))
        p.requires_grad = True
    resumed = make_optimizer(second.params)
    resumed.step(second.store(99))
    for p, w in zip(second.params, weights, strict=True):
        p.requires_grad = False
        p.copy_(tensor(w).to(second.device))
        p.requires_grad = True
    resumed.load_state_dict(saved)
    assert resumed.get_lr() == 0.007
    assert resumed.steps == at
    for step in range(at, at + 3):
        optimizer.step(first.store(step))
        resumed.step(second.store(step))
    assert same(first.values(), second.values())


@pytest.mark.gpu
def test_state_moves_with_the_parameters_to_another_device(make_optimizer: Make) -> None:
    stay, move = (Sequential(*[Linear(6, 4, bias=False) for _ in range(2)]) for _ in range(2))
    move.load_state_dict(stay.state_dict())
    optimizers = [make_optimizer(model.parameters()) for model in (stay, move)]
    for step in range(4):
        if step == 2:
            move.to("gpu")
        for model, optimizer in zip((stay, move), optimizers, strict=True):
            rng = np.random.default_rng(step)
            store = GradientStore()
            for p in model.parameters():
                g = rng.standard_normal(p.shape).astype(np.float32)
                store.accumulate(p.id, tensor(g).to(p.device))
            optimizer.step(store)
    for a, b in zip(stay.parameters(), move.parameters(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


def test_a_step_with_a_gradient_that_is_not_finite_is_skipped_and_counted(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch, clean = make_batch(), make_batch()
    guarded = make_optimizer(batch.params, skip_nonfinite=True)
    plain = make_optimizer(clean.params)
    for step in range(3):
        for bad in (np.inf, np.nan):
            store = batch.store(step)
            spoiled = np.zeros(batch.params[1].shape, np.float32)
            spoiled[-1, -1] = bad
            store.replace(batch.params[1].id, tensor(spoiled).to(batch.device))
            guarded.step(store)
            assert len(store) == 0
        guarded.step(batch.store(step))
        plain.step(clean.store(step))
    assert same(batch.values(), clean.values())
    assert guarded.skipped_steps == 6
    assert guarded.steps == 3


def test_maximize_climbs_as_the_negated_gradient_descends(
    make_optimizer: Make, make_batch: Any
) -> None:
    up, down = make_batch(), make_batch()
    climber = make_optimizer(up.params, maximize=True)
    walker = make_optimizer(down.params)
    for step in range(3):
        climber.step(up.store(step))
        walker.step(down.store(step, scale=-1.0))
    assert same(up.values(), down.values())


def test_float16_parameters_are_the_rounded_values_of_float32_masters(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch = make_batch(dtype=np.float16)
    optimizer = make_optimizer(batch.params)
    reference = [Parameter(p.numpy().astype(np.float32), name=p.name) for p in batch.params]
    exact = make_optimizer(reference)
    for step in range(20):
        store, copy = batch.store(step, 1e-2), GradientStore()
        for p, q in zip(batch.params, reference, strict=True):
            grad: Any = store.get(p.id)
            copy.accumulate(q.id, tensor(grad.numpy().astype(np.float32)))
        optimizer.step(store)
        exact.step(copy)
    state = optimizer.state_dict()["state"]
    for p, q in zip(batch.params, reference, strict=True):
        assert p.dtype == np.float16
        np.testing.assert_allclose(state[p.name]["master"], q.numpy(), rtol=1e-5, atol=1e-6)
        rounded = state[p.name]["master"].astype(np.float16)
        np.testing.assert_allclose(p.numpy(), rounded, rtol=1e-3, atol=1e-7)


def test_float16_weights_loaded_before_the_first_step_are_the_masters_start(device: str) -> None:
    weight = Parameter(tensor(np.zeros(3, np.float16)).to(device))
    optimizer = optim.SGD([weight], lr=1.0)
    with no_grad():
        weight.fill_(4.0)
    optimizer.step(weight.sum().backward())
    np.testing.assert_array_equal(weight.numpy(), np.full(3, 3.0))


def spoil(weights: Sequence[Parameter], value: float) -> None:
    with no_grad():
        for weight in weights:
            weight[0] = value


def test_float16_weights_that_were_changed_are_where_their_masters_go_on(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch = make_batch(dtype=np.float16)
    optimizer = make_optimizer(batch.params)
    optimizer.step(batch.store(0))
    with pytest.raises(MissingGradError):
        optimizer.step(GradientStore())
    spoil(batch.params, 4.0)
    before = optimizer.state_dict()["state"]
    for entry in before.values():
        assert not (entry["master"][0] == 4.0).all()
    optimizer.set_lr(0.0)
    if isinstance(optimizer, optim.Rprop):  # whose rate is its first step's
        optimizer.set_option("step_sizes", (1e-12, 1e-12))
    optimizer.step(batch.store(1))
    for p in batch.params:
        master = optimizer.state_dict()["state"][p.name]["master"]
        np.testing.assert_array_equal(master[0], np.full_like(master[0], 4.0))
        np.testing.assert_array_equal(master[1:], before[p.name]["master"][1:])
        np.testing.assert_array_equal(p.numpy()[0], master[0].astype(np.float16))


def test_a_float16_weight_that_has_overflowed_may_be_changed_beside(device: str) -> None:
    weight = Parameter(tensor(np.ones(2, np.float16)).to(device))
    optimizer = optim.SGD([weight], lr=1e5)
    optimizer.step((weight * tensor(np.array([-2.0, 0.0], np.float16)).to(device)).sum().backward())
    with no_grad():
        weight[1] = 4.0
    optimizer.set_lr(0.0)
    optimizer.step(weight.sum().backward())
    np.testing.assert_array_equal(weight.numpy(), [np.inf, 4.0])
    master = optimizer.state_dict()["state"]["0"]["master"]
    np.testing.assert_allclose(master, [2e5 + 1, 4.0])


def test_weights_that_were_swapped_for_a_while_leave_no_trace(
    make_optimizer: Make, make_batch: Any
) -> None:
    runs = []
    for swapped in (False, True):
        batch = make_batch(dtype=np.float16)
        optimizer, average = make_optimizer(batch.params), optim.WeightAverage(batch.params, 0.5)
        for step in range(4):
            optimizer.step(batch.store(step))
            average.update()
            if swapped:
                with average.applied():
                    pass
        state = optimizer.state_dict()["state"]
        runs.append([a for entry in state.values() for a in entry.values()])
    assert same(*runs)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_model_may_change_its_dtype_between_steps(
    make_optimizer: Make, make_batch: Any, dtype: Any
) -> None:
    batch = make_batch(dtype=dtype)
    model = Module()
    for number, p in enumerate(batch.params):
        setattr(model, f"w{number}", p)
    optimizer = make_optimizer(batch.params, skip_nonfinite=True)
    for step in range(2):
        optimizer.step(batch.store(step))
    before = optimizer.state_dict()
    other = np.float32 if dtype == np.float16 else np.float16
    model.to(other)
    optimizer.step(batch.store(2, np.nan))
    after = optimizer.state_dict()
    assert (after["step"], after["skipped"]) == (2, 1)
    for name, entry in after["state"].items():
        for key in before["state"][name].keys() - {"master"}:
            np.testing.assert_array_equal(entry[key], before["state"][name][key])
        assert ("master" in entry) == (other == np.float16)
    values = batch.values()
    optimizer.step(batch.store(3))
    assert optimizer.steps == 3
    assert all(p.dtype == other for p in batch.params)
    assert not same(values, batch.values())


def test_a_step_of_frozen_parameters_alone_is_none(device: str) -> None:
    weight = Parameter(tensor([1.0, 2.0]).to(device))
    optimizer = optim.AdamW([weight])
    weight.requires_grad = False
    optimizer.step(GradientStore())
    assert optimizer.steps == 0
    np.testing.assert_array_equal(weight.numpy(), [1.0, 2.0])


def test_skipped_steps_of_a_state_are_remembered_by_an_optimizer_that_skips_none(
    device: str,
) -> None:
    weight = Parameter(tensor([1.0]).to(device), name="w")
    skipping, other = optim.AdamW([weight], skip_nonfinite=True), optim.AdamW([weight])
    for factor in (1.0, np.nan, 2.0):
        skipping.step((weight * factor).sum().backward())
    other.load_state_dict(skipping.state_dict())
    assert (other.steps, other.skipped_steps) == (2, 1)
    other.step(weight.sum().backward())
    assert (other.steps, other.skipped_steps) == (3, 1)


def test_the_keys_of_a_state_stay_when_an_outer_model_is_listed() -> None:
    inner = Linear(2, 3)
    optimizer = optim.AdamW(inner.parameters())
    keys = optimizer.state_dict()["groups"][0]["params"]
    list(Sequential(inner, Linear(3, 1)).parameters())
    assert optimizer.state_dict()["groups"][0]["params"] == keys


def test_a_frozen_parameter_needs_no_gradient_and_stays(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch = make_batch()
    optimizer = make_optimizer(batch.params)
    batch.params[1].requires_grad = False
    before = batch.values()
    store = batch.store(0)
    kept = store.pop(batch.params[1].id)
    optimizer.step(store)
    assert kept is not None
    assert [np.array_equal(a, b) for a, b in zip(before, batch.values(), strict=True)] == [
        False,
        True,
        False,
    ]


def test_groups_step_with_their_own_rate_and_decay(device: str) -> None:
    start = np.full((3, 3), 2.0, np.float32)
    params = [Parameter(tensor(start).to(device)) for _ in range(3)]
    optimizer = optim.SGD(
        [{"params": params[:2], "lr": 0.5}, {"params": [params[2]], "weight_decay": 0.1}], lr=0.25
    )
    store = GradientStore()
    for p in params:
        store.accumulate(p.id, tensor(np.ones((3, 3), np.float32)).to(device))
    optimizer.step(store)
    assert [p.numpy()[0, 0] for p in params] == pytest.approx([1.5, 1.5, 2 - 0.25 * 1.2])
    assert (optimizer.get_lr(0), optimizer.get_lr(1)) == (0.5, 0.25)


def test_many_groups_and_sizes_find_their_own_numbers(device: str) -> None:
    sizes = [1, 3, 4, 64, 65, 4096, 4097, 9000, 2, 0]
    params = [Parameter(tensor(np.zeros(n, np.float32)).to(device)) for n in sizes]
    groups = [{"params": [p], "lr": 0.1 * (i + 1)} for i, p in enumerate(params)]
    store = GradientStore()
    for p in params:
        store.accumulate(p.id, tensor(np.ones(p.shape, np.float32)).to(device))
    optim.SGD(groups).step(store)
    for i, p in enumerate(params):
        np.testing.assert_allclose(p.numpy(), np.full(p.shape, -0.1 * (i + 1)), rtol=1e-6)


def test_set_lr_moves_one_group_or_all() -> None:
    optimizer = optim.SGD([{"params": Parameter([1.0])}, {"params": Parameter([1.0])}], lr=0.1)
    optimizer.set_lr(0.5, group=1)
    assert (optimizer.get_lr(0), optimizer.get_lr(1)) == (0.1, 0.5)
    optimizer.set_lr(0.2)
    assert (optimizer.get_lr(0), optimizer.get_lr(1)) == (0.2, 1.0)


def test_state_is_keyed_by_name_and_by_index_where_names_repeat() -> None:
    model = Sequential(Linear(2, 3), Linear(3, 1))
    assert optim.AdamW(model.parameters()).state_dict()["groups"][0]["params"] == [
        name for name, _ in model.named_parameters()
    ]
    twins = [Parameter([1.0], name="w"), Parameter([1.0], name="w")]
    assert optim.AdamW(twins).state_dict()["groups"][0]["params"] == ["0", "1"]
    named = [("a", twins[0]), ("b", twins[1])]
    assert optim.AdamW(named).state_dict()["groups"][0]["params"] == ["a", "b"]


def test_no_decay_groups_spare_vectors_and_named_parameters() -> None:
    model = Sequential(Linear(2, 3), Linear(3, 1))
    decayed, plain = optim.no_decay_groups(model, 0.1, no_decay=r"^1\.weight")
    assert [name for name, _ in decayed["params"]] == ["0.weight"]
    assert [name for name, _ in plain["params"]] == ["0.bias", "1.weight", "1.bias"]
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
    assert len(optim.AdamW([decayed, plain]).params) == 4


def test_gradients_with_strides_are_read_in_order(device: str) -> None:
    weight = Parameter(zeros((3, 4), device=device))
    grad = tensor(np.arange(12, dtype=np.float32).reshape(4, 3)).to(device).T
    store = GradientStore()
    store.accumulate(weight.id, grad)
    optim.SGD([weight], lr=1.0).step(store)
    np.testing.assert_array_equal(weight.numpy(), -np.arange(12).reshape(4, 3).T)


def test_gradients_of_a_backward_pass_reach_the_parameters(
    make_optimizer: Make, make_batch: Any
) -> None:
    batch, copy = make_batch(), make_batch()
    optimizer, by_hand = make_optimizer(batch.params), make_optimizer(copy.params)
    for _ in range(3):
        a, b, c = batch.params
        grads = ((a * a).sum() + (b * b).sum() + (c * c).sum()).backward()
        optimizer.step(grads)
        store = GradientStore()
        for p in copy.params:
            store.accumulate(p.id, tensor(2 * p.numpy()).to(copy.device))
        by_hand.step(store)
    for p, q in zip(batch.params, copy.params, strict=True):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-6, atol=1e-7)
