"""Captured steps: the same numbers as without, and a refusal wherever a number would be frozen."""

import gc
import itertools
import threading
from collections.abc import Callable

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.gpu._device import get_device
from rumus.nn import Parameter
from rumus.tensor import (
    AutogradError,
    Tensor,
    default_generator,
    manual_seed,
    no_grad,
    pack,
    randn,
    tensor,
    zeros,
)

pytestmark = pytest.mark.gpu


def batches(shape: tuple[int, ...], count: int = 4) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [
        tensor(rng.standard_normal(shape, dtype=np.float32), device="gpu") for _ in range(count)
    ]


class Model(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(6, 16)
        self.second = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).gelu())


def test_a_replay_gives_the_same_bits_as_the_step_itself() -> None:
    manual_seed(1)
    model = Model().to_gpu()

    def step(x: Tensor) -> Tensor:
        return model(x).tanh().sum(axis=1)

    captured = gpu.capture(step)
    for x in batches((5, 6)):
        assert captured(x).numpy().tobytes() == step(x).numpy().tobytes()
    assert len(captured.dispatches) == 1


def test_the_result_of_a_replay_stays_when_the_next_one_runs() -> None:
    captured = gpu.capture(lambda x: x * 2.0)
    first, second = batches((4,), 2)
    result = captured(first)
    expected = 2 * first.numpy()
    captured(second)
    assert (result.numpy() == expected).all()


def dispatches_of_a_gradient(forward: Callable[[Tensor], Tensor], p: Parameter) -> int:
    @gpu.capture
    def step(seed: Tensor) -> None:
        forward(p).backward(seed)

    step(zeros(forward(p).shape, device="gpu"))
    return step.dispatches[0]


def test_a_layer_norm_is_one_pass_forward_and_two_back() -> None:
    layer = nn.LayerNorm(8).to_gpu()
    pack(list(layer.parameters()))
    p = Parameter(zeros((4, 8), device="gpu"))
    assert dispatches_of_a_gradient(layer, p) == 3


def test_the_gradients_of_slices_are_added_where_they_belong() -> None:
    zeroed, written, multiplied = 1, 3, 3 + 5  # forward and back

    def product(p: Tensor) -> Tensor:
        doubled = p * 2.0
        return doubled[0] * doubled[1] * doubled[2]

    p = Parameter(zeros((3, 5), device="gpu"))
    assert dispatches_of_a_gradient(product, p) == zeroed + written + multiplied


def test_other_shapes_and_dtypes_are_recorded_anew() -> None:
    captured = gpu.capture(lambda x: (x + 1).sum())
    for shape in [(3,), (4,), (3,), (2, 2), (4,), (2, 2)]:
        (x,) = batches(shape, 1)
        assert captured(x).item() == pytest.approx(float((x.numpy() + 1).sum()), rel=1e-6)
    for _ in range(2):
        captured(tensor([1, 2, 3], device="gpu"))
    assert len(captured.dispatches) == 4


def test_arguments_that_come_once_are_not_recorded() -> None:
    captured = gpu.capture(lambda x: x + 1)
    for length in (8, 8, 3, 8):
        (x,) = batches((length,), 1)
        assert (captured(x).numpy() == x.numpy() + 1).all()
    assert len(captured.dispatches) == 1


def test_plain_values_among_the_arguments_are_part_of_the_kind() -> None:
    captured = gpu.capture(lambda x, factor: x * factor)
    (x,) = batches((4,), 1)
    for factor in (2.0, 3.0, 2.0, True, 1, 0.0, -0.0, np.float32(0.0), np.float32(-0.0)):
        expected = x.numpy() * np.float32(factor)
        for _ in range(2):
            assert captured(x, factor).numpy().tobytes() == expected.tobytes()
    for _ in range(2):
        assert np.isnan(captured(x, float("nan")).numpy()).all()
    assert len(captured.dispatches) == 9


def test_tensors_inside_tuples_and_dicts_are_arguments_too() -> None:
    captured = gpu.capture(lambda pair, named: {"sum": pair[0] + pair[1] + named["c"]})
    for a, b in zip(batches((3,)), batches((3,), 4)[::-1], strict=True):
        result = captured((a, b), {"c": a})
        np.testing.assert_allclose(result["sum"].numpy(), 2 * a.numpy() + b.numpy(), rtol=1e-6)


def test_a_tensor_from_outside_is_refused_by_name_and_line() -> None:
    stranger = tensor([1.0, 2.0], device="gpu")
    captured = gpu.capture(lambda x: x + stranger)
    with pytest.raises(gpu.CaptureError, match=r"test_capture.py, line \d+: stranger of shape"):
        captured(tensor([1.0, 2.0], device="gpu"))


def test_a_read_back_is_refused() -> None:
    captured = gpu.capture(lambda x: x * x.sum().item())
    with pytest.raises(gpu.CaptureError, match="reads a tensor back"):
        captured(tensor([1.0, 2.0], device="gpu"))


def test_an_upload_is_refused() -> None:
    captured = gpu.capture(lambda x: x + tensor(np.ones(2, np.float32)).to("gpu"))
    with pytest.raises(gpu.CaptureError, match="uploads a host array"):
        captured(tensor([1.0, 2.0], device="gpu"))


def test_a_tensor_on_the_cpu_is_refused() -> None:
    with pytest.raises(gpu.CaptureError, match="on the cpu"):
        gpu.capture(lambda x: x + 1)(tensor([1.0]))


def test_after_a_refusal_everything_works() -> None:
    stranger = tensor([1.0, 2.0], device="gpu")
    with pytest.raises(gpu.CaptureError):
        gpu.capture(lambda x: x + stranger)(tensor([1.0, 2.0], device="gpu"))
    assert (stranger + stranger).numpy().tolist() == [2.0, 4.0]
    assert gpu.capture(lambda x: x + x)(stranger).numpy().tolist() == [2.0, 4.0]


def test_dropout_draws_new_masks_and_the_same_as_without_capture() -> None:
    layer = nn.Dropout(0.5)
    x = tensor(np.ones(1000, np.float32), device="gpu")
    manual_seed(5)
    expected = [layer(x).numpy() for _ in range(4)]
    captured = gpu.capture(lambda x: layer(x))
    manual_seed(5)
    masks = [captured(x).numpy() for _ in range(4)]
    assert all((a == b).all() for a, b in zip(masks, expected, strict=True))
    assert len({mask.tobytes() for mask in masks}) == 4


def test_going_to_evaluation_mode_records_anew() -> None:
    layer = nn.Sequential(nn.Dropout(0.5))
    captured = gpu.capture(lambda x: layer(x))
    x = tensor(np.ones(100, np.float32), device="gpu")
    assert (captured(x).numpy() == 0).any()
    layer.eval()
    assert (captured(x).numpy() == 1).all()


def test_a_parameter_that_is_changed_in_place_is_seen() -> None:
    weight = Parameter(tensor([1.0, 2.0], device="gpu"))
    captured = gpu.capture(lambda x: x * weight)
    x = tensor([1.0, 1.0], device="gpu")
    captured(x)
    with no_grad():
        weight.copy_(tensor([5.0, 6.0], device="gpu"))
    assert captured(x).numpy().tolist() == [5.0, 6.0]


def test_a_replay_that_changes_a_parameter_makes_graphs_that_saved_it_invalid() -> None:
    weight = nn.Parameter(tensor([1.0, 2.0], device="gpu"))

    def step(x: Tensor) -> None:
        with no_grad():
            weight.add_(x)

    captured = gpu.capture(step)
    for _ in range(2):
        captured(tensor([1.0, 1.0], device="gpu"))
        squares = (weight * weight).sum()
    assert squares.backward().get(weight.id).tolist() == [6.0, 8.0]

    squares = (weight * weight).sum()
    captured(tensor([1.0, 1.0], device="gpu"))
    with pytest.raises(AutogradError, match="changed in place"):
        squares.backward()


def test_no_change_is_forgotten_when_recordings_come_and_go() -> None:
    state = tensor([0.0], device="gpu")
    gpu.persist(state.array)

    def step(x: Tensor) -> None:
        state.add_(x.sum())

    counts = [state._version.count]
    for _ in range(3):
        captured = gpu.capture(step)
        for length in range(1, 20):  # more kinds of input than one captured step keeps
            captured(zeros((length,), device="gpu"))
            counts.append(state._version.count)
    assert counts == sorted(set(counts))
    assert len(state._version._replays) <= 20


def test_a_parameter_that_has_moved_is_seen() -> None:
    layer = nn.Linear(2, 2, bias=False).to_gpu()
    captured = gpu.capture(lambda x: layer(x))
    (x,) = batches((3, 2), 1)
    captured(x)
    layer.to_cpu()
    with no_grad():
        layer.weight.copy_(tensor([[1.0, 0.0], [0.0, 2.0]]))
    layer.to_gpu()
    np.testing.assert_allclose(captured(x).numpy(), x.numpy() * [1.0, 2.0], rtol=1e-6)


def test_a_host_value_is_computed_for_each_replay_and_once() -> None:
    calls: list[int] = []

    def callback() -> np.ndarray:
        calls.append(len(calls) + 1)
        return np.array([calls[-1]], np.float32)

    captured = gpu.capture(lambda x: x + Tensor.from_array(gpu.host_value(callback, (1,))))
    x = tensor([10.0], device="gpu")
    assert [captured(x).item() for _ in range(3)] == [11.0, 12.0, 13.0]
    assert calls == [1, 2, 3]


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("value", [np.zeros(2, np.float32), np.zeros(1), 1.0])
def test_a_host_value_of_another_kind_than_announced_is_refused(
    value: object, captured: bool
) -> None:
    def step() -> Tensor:
        return Tensor.from_array(gpu.host_value(lambda: value, (1,)))  # type: ignore[arg-type, return-value]

    run = gpu.capture(step) if captured else step
    with pytest.raises(gpu.CaptureError, match=r"shape \(1,\) and dtype float32 was announced"):
        run()


def test_a_refused_recording_draws_no_random_numbers() -> None:
    def step() -> Tensor:
        drawn = randn(4, device="gpu")
        drawn.numpy()
        return drawn

    manual_seed(5)
    before = default_generator.state()
    with pytest.raises(gpu.CaptureError):
        gpu.capture(step)()
    assert default_generator.state() == before


def test_a_captured_step_inside_another_is_a_part_of_it() -> None:
    value = counter()
    inner = gpu.capture(lambda x: x * 2.0 + Tensor.from_array(gpu.host_value(value, (1,))))
    outer = gpu.capture(lambda x: inner(x) - 1.0)
    x = tensor([10.0], device="gpu")
    assert [outer(x).item() for _ in range(3)] == [20.0, 21.0, 22.0]
    assert inner(x).item() == 24.0
    assert len(outer.dispatches) == 1


def test_memory_inside_a_recording_is_shared_between_arrays_that_do_not_meet() -> None:
    def chain(x: Tensor) -> Tensor:
        for _ in range(20):
            x = (x @ x.T) * 0.01
        return x

    (x,) = batches((64, 64), 1)
    before = gpu.memory_stats()["live"]
    captured = gpu.capture(chain)
    result = captured(x)
    assert gpu.memory_stats()["live"] - before < 8 * x.array.nbytes
    np.testing.assert_allclose(result.numpy(), chain(x).numpy(), rtol=1e-5, atol=1e-30)


def test_dropping_a_captured_step_frees_its_memory_at_once() -> None:
    (x,) = batches((256, 256), 1)
    gc.collect()
    before = gpu.memory_stats()["live"]
    captured = gpu.capture(lambda x: (x * 2.0 + 1.0).exp())
    captured(x)
    del captured
    assert gpu.memory_stats()["live"] == before


def test_recordings_beyond_those_that_are_kept_free_their_memory() -> None:
    captured = gpu.capture(lambda x: (x @ x.T).sum())
    gc.collect()
    gc.disable()
    try:
        live = []
        for rows in range(3 * 16):
            for _ in range(2):  # arguments that come for the first time are not recorded
                captured(zeros((64 + rows % 24, 64), device="gpu"))
            live.append(gpu.memory_stats()["live"])
    finally:
        gc.enable()
    assert max(live[32:]) <= 1.25 * max(live[:32])


def test_backward_writes_the_gradients_that_it_gives_without_capture() -> None:
    manual_seed(3)
    model = Model().to_gpu()

    def gradients(x: Tensor) -> tuple[Tensor, ...]:
        grads = (model(x) ** 2).mean().backward()
        found = [grads.get(p.id) for p in model.parameters()]
        return tuple(g for g in found if g is not None)

    captured = gpu.capture(gradients)
    for x in batches((7, 6), 3):
        for ours, theirs in zip(captured(x), gradients(x), strict=True):
            assert ours.numpy().tobytes() == theirs.numpy().tobytes()


def test_recordings_that_are_dropped_leave_no_bind_groups_behind() -> None:
    device = get_device(0)
    (x,) = batches((64,), 1)
    before = len(device.queue._groups)
    for number in range(5):
        gpu.capture(lambda x, factor: (x * factor).exp(), fuse=False)(x, float(number))
    assert len(device.queue._groups) - before <= 2


def counter() -> Callable[[], np.ndarray]:
    numbers = itertools.count(1)
    return lambda: np.array([next(numbers)], np.float32)


@pytest.mark.parametrize("seconds", [1e9, -1.0])
def test_replays_that_are_submitted_together_have_host_values_of_their_own(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr("rumus.gpu._device.REPLAY_SECONDS", seconds)
    monkeypatch.setattr("rumus.gpu._device.GpuDevice._is_submitting", lambda _: False)
    total = zeros((1,), device="gpu")
    gpu.persist(total.array)
    value = counter()

    def step() -> Tensor:
        number = Tensor.from_array(gpu.host_value(value, (1,)))
        total.mul_(2.0).add_(number)
        return number

    captured = gpu.capture(step)
    gpu.synchronize()
    device = get_device(0)
    before, expected, results = device.queue.batch, 0.0, []
    for number in range(1, 12):
        results.append(captured())
        expected = 2 * expected + number
    device.submitter.call(int)  # until what was handed over is submitted
    together = device.queue.batch - before < len(results)
    assert together == (seconds > 0)
    assert total.item() == expected
    assert [result.item() for result in results] == list(range(1, 12))


def test_uploads_leave_the_memory_of_waiting_replays_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rumus.gpu._device.REPLAY_SECONDS", 1e9)
    total = zeros((1000,), device="gpu")
    gpu.persist(total.array)
    value = counter()
    for number in range(1, 6):
        captured = gpu.capture(
            lambda x: total.add_(x.exp() * Tensor.from_array(gpu.host_value(value, (1,))))
        )
        captured(zeros((1000,), device="gpu"))
        del captured  # its memory is free again, and its replay not submitted yet
        uploads = [tensor(np.full(n, 7.0, np.float32), device="gpu") for n in (1, 4, 1000, 1000)]
        assert total.numpy().tolist() == [number * (number + 1) / 2] * 1000
        assert all((upload.numpy() == 7.0).all() for upload in uploads)


class Scaling(nn.Module):
    """A module with a number, a mode and a counter."""

    def __init__(self, factor: float = 2.0) -> None:
        self.factor = factor
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor if self.training else x

    def counted(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * float(self.calls)


def test_a_mode_that_comes_back_finds_its_recording() -> None:
    module, x = Scaling(), tensor([1.0, 2.0], device="gpu")
    captured = gpu.capture(lambda x: module(x))
    for training in (True, False, True, False):
        module.train(training)
        assert captured(x).tolist() == ([2.0, 4.0] if training else [1.0, 2.0])
    assert len(captured.dispatches) == 2


def test_what_a_step_did_not_read_does_not_disturb_it() -> None:
    module, other, x = Scaling(), Scaling(), tensor([1.0, 2.0], device="gpu")
    traced: list[int] = []

    def step(x: Tensor) -> Tensor:
        traced.append(1)
        return module(x)

    captured = gpu.capture(step)
    for number in range(4):
        other.train(not other.training)
        other.factor = float(number)
        module.calls = number
        captured(x)
    assert len(traced) == 1


def test_a_number_read_outside_of_forward_is_not_frozen() -> None:
    module, x = Scaling(), tensor([1.0], device="gpu")
    captured = gpu.capture(lambda x: x * module.factor)
    for factor in (1.0, 2.0, 1.0, -0.0, 0.0):
        module.factor = factor
        assert str(captured(x).item()) == str(factor)


def test_a_frozen_parameter_is_noticed_and_its_recording_found_again() -> None:
    weight = nn.Parameter(tensor([3.0], device="gpu"))
    captured = gpu.capture(lambda x: (x * weight).requires_grad * 1.0 + x)
    x = tensor([1.0], device="gpu")
    for trained in (True, False, True):
        weight.requires_grad = trained
        assert captured(x).item() == 1.0 + trained
    assert len(captured.dispatches) == 2


def test_a_step_that_chooses_by_what_is_trained_is_recorded_for_each_choice() -> None:
    weights = [nn.Parameter(tensor([float(k)], device="gpu")) for k in (1, 10)]
    captured = gpu.capture(lambda x: sum((x * w for w in weights if w.requires_grad), x))
    x = tensor([1.0], device="gpu")
    for trained, expected in ((True, 12.0), (False, 2.0), (True, 12.0)):
        weights[1].requires_grad = trained
        assert captured(x).item() == expected


def test_a_counter_in_a_step_is_named_once_and_counts_on() -> None:
    module, x = Scaling(), tensor([1.0], device="gpu")
    captured = gpu.capture(lambda x: module.counted(x))
    with pytest.warns(RuntimeWarning, match=r"reads Scaling\.calls, which changes") as said:
        results = [captured(x).item() for _ in range(5)]
    assert results == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(said) == 1


def test_a_number_that_changes_before_each_call_is_named_once() -> None:
    module, x = Scaling(), tensor([1.0], device="gpu")
    captured = gpu.capture(lambda x: module(x))
    results = []
    with pytest.warns(RuntimeWarning, match=r"reads Scaling\.factor, which changes") as said:
        for number in range(8):
            module.factor = float(number)
            results.append(captured(x).item())
    assert results == [float(number) for number in range(8)]
    assert len(said) == 1


def test_what_a_step_leaves_behind_is_the_callers() -> None:
    kept: list[Tensor] = []

    def step(x: Tensor) -> Tensor:
        kept.append(x * 2.0)
        return x + 1.0

    captured = gpu.capture(step)
    with pytest.warns(RuntimeWarning, match=r"leaves kept\[0\] behind") as said:
        results = [captured(tensor([float(k)], device="gpu")) for k in range(5)]
    assert [k.item() for k in kept] == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert [r.item() for r in results] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(said) == 1


def test_results_that_a_caller_keeps_stay_as_they_were() -> None:
    captured = gpu.capture(lambda x: (x * 2.0, x.sum()))
    kept = [captured(tensor([float(k), 1.0], device="gpu")) for k in range(5)]
    assert [total.item() for _, total in kept] == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_another_threads_changes_of_another_model_do_not_matter() -> None:
    module, x = Scaling(), tensor([1.0], device="gpu")
    others = [Scaling() for _ in range(3)]
    stop = threading.Event()

    def validate() -> None:
        while not stop.is_set():
            for other in others:
                other.eval()
                other.train()

    thread = threading.Thread(target=validate)
    thread.start()
    try:
        for _ in range(20):
            captured = gpu.capture(lambda x: module(x))
            assert [captured(x).item() for _ in range(3)] == [2.0] * 3
            assert len(captured.dispatches) == 1
    finally:
        stop.set()
        thread.join()


def test_an_id_in_a_batch_selects_no_recording_and_is_handed_through() -> None:
    captured = gpu.capture(lambda batch: {"sum": batch["x"] + 1.0, "id": batch["id"]})
    for name in ("a", "b", "c"):
        result = captured({"x": tensor([1.0], device="gpu"), "id": name})
        assert result["id"] == name
        assert result["sum"].item() == 2.0
    assert len(captured.dispatches) == 1


def test_a_text_of_its_own_selects_a_recording() -> None:
    captured = gpu.capture(lambda x, how: getattr(x, how)())
    x = tensor([1.0, 3.0], device="gpu")
    assert [captured(x, how).item() for how in ("sum", "mean", "sum", "mean")] == [4, 2, 4, 2]
