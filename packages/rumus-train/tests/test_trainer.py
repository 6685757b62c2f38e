"""The trainer against the same steps written out by hand, and its words for mistakes."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from rumus import nn, tensor
from rumus.autograd import GradientStore
from rumus.nn import Parameter
from rumus.optim import SGD
from rumus.tensor import ArgumentError, Device, MissingGradError, ShapeError, Tensor
from rumus.train import EmptyEpochError, Trainer
from rumus.train._exact_sum import UNITS
from rumus.train._loss_sum import LossSum

RNG = np.random.default_rng(7)
X = RNG.normal(size=(6, 3)).astype(np.float32)
Y = RNG.normal(size=(6, 1)).astype(np.float32)
W = RNG.normal(size=(3, 1)).astype(np.float32)


def weight(device: str) -> Parameter:
    return Parameter(tensor.tensor(W, device=device))


def closed_form(lr: float, steps: int) -> tuple[np.ndarray, list[float]]:
    """Gradient descent on mean((xw - y)²) in float64: weights, and the loss before each step."""
    x, y, w = (a.astype(np.float64) for a in (X, Y, W))
    losses = []
    for _ in range(steps):
        error = x @ w - y
        losses.append(float((error**2).mean()))
        w = w - lr * 2 * x.T @ error / len(x)
    return w, losses


def test_a_step_is_loss_gradient_and_descent(device: str) -> None:
    w = weight(device)
    x, y = tensor.tensor(X, device=device), tensor.tensor(Y, device=device)
    trainer = Trainer(SGD([w], lr=0.1))
    losses = [trainer.train_step(lambda: nn.mse_loss(x @ w, y)).item() for _ in range(5)]
    expected, expected_losses = closed_form(0.1, 5)
    np.testing.assert_allclose(w.numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)


def test_the_epochs_loss_is_the_mean_over_its_steps_alone(device: str) -> None:
    w = weight(device)
    trainer = Trainer(SGD([w], lr=0.0))
    for value in (100.0, 200.0):
        trainer.train_step(lambda v: (w * 0.0).sum() + v, value)
    assert trainer.epoch_avg_loss() == 150.0
    trainer.reset_epoch()
    for value in (1.0, 2.0, 6.0):
        trainer.train_step(lambda v: (w * 0.0).sum() + v, value)
    assert trainer.epoch_avg_loss() == 3.0
    assert trainer.epoch_avg_loss() == 3.0


def test_named_inputs_reach_the_forward_function(device: str) -> None:
    w = weight(device)
    trainer = Trainer(SGD([w], lr=0.1))

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return nn.mse_loss(x @ w, y)

    x, y = tensor.tensor(X, device=device), tensor.tensor(Y, device=device)
    loss = trainer.train_step(forward, x, y)
    assert loss.item() == pytest.approx(closed_form(0.1, 1)[1][0], rel=1e-5)
    assert not loss.requires_grad


def test_the_hook_sees_gradients_before_the_step_and_may_change_them() -> None:
    w = weight("cpu")
    trainer = Trainer(SGD([w], lr=1.0))
    seen = []

    def halve(grads: GradientStore, params: Sequence[Parameter]) -> None:
        (p,) = params
        grad = grads.get(p.id)
        assert p is w and grad is not None
        seen.append((p.numpy().copy(), grad.numpy().copy()))
        grads.replace(p.id, grad * 0.5)

    trainer.train_step_with(halve, lambda: (w * 3.0).sum())
    ((before, grad),) = seen
    np.testing.assert_array_equal(before, W)
    np.testing.assert_array_equal(grad, np.full_like(W, 3.0))
    np.testing.assert_allclose(w.numpy(), W - 1.5, rtol=1e-6)


def test_the_optimizer_that_was_given_comes_back() -> None:
    optimizer = SGD([weight("cpu")], lr=0.1)
    assert Trainer(optimizer).optimizer is optimizer


def test_a_loss_that_is_no_scalar_is_refused_with_its_shape() -> None:
    w = weight("cpu")
    trainer = Trainer(SGD([w], lr=0.1))
    with pytest.raises(ShapeError, match=r"\(3, 1\).*mean\(\)"):
        trainer.train_step(lambda: w * 1.0)
    np.testing.assert_array_equal(w.numpy(), W)


def test_a_forward_function_without_return_is_named_as_the_mistake() -> None:
    trainer = Trainer(SGD([weight("cpu")], lr=0.1))
    with pytest.raises(ArgumentError, match=r"NoneType.*return"):
        trainer.train_step(lambda: None)  # type: ignore[arg-type, return-value]


def test_the_mean_of_no_steps_is_an_error_that_says_why() -> None:
    trainer = Trainer(SGD([weight("cpu")], lr=0.1))
    with pytest.raises(EmptyEpochError, match="drop_last"):
        trainer.epoch_avg_loss()


def test_a_step_that_fails_does_not_count() -> None:
    w, unused = weight("cpu"), weight("cpu")
    trainer = Trainer(SGD([w, unused], lr=0.1))
    with pytest.raises(MissingGradError):
        trainer.train_step(lambda: w.sum())
    np.testing.assert_array_equal(w.numpy(), W)
    with pytest.raises(EmptyEpochError):
        trainer.epoch_avg_loss()


def test_a_loss_that_is_not_finite_is_warned_of(device: str) -> None:
    w = weight(device)
    trainer = Trainer(SGD([w], lr=0.0))
    trainer.train_step(lambda: w.sum())
    trainer.train_step(lambda: w.sum() * float("nan"))
    with pytest.warns(RuntimeWarning, match="2 steps is nan") as said:
        assert np.isnan(trainer.epoch_avg_loss())
    assert [w.filename for w in said] == [__file__]
    trainer.reset_epoch()
    trainer.train_step(lambda: (w * 0.0).sum() + 4.0)


def drawn(seed: int, count: int) -> np.ndarray:
    """Float32 numbers of all sizes and both signs, subnormal ones and neighbours that cancel."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=count) * 2.0 ** rng.integers(-140, 120, count)
    special = [0.0, -0.0, 2.0**-149, -(2.0**-149), 3.4028235e38, -3.4028235e38, 1e38, 1e-38, 0.1]
    return np.concatenate([values, special, -values[: count // 2]]).astype(np.float32)


@pytest.mark.parametrize("most", [1, 7, 2**32 - 1])
def test_the_sum_of_losses_is_exact_whatever_their_sizes(device: str, most: int) -> None:
    values = drawn(0, 300)
    weights = np.random.default_rng(1).integers(1, most, len(values), np.uint32, endpoint=True)
    losses = LossSum(Device(device))
    for value, times in zip(values, weights, strict=True):
        losses.add(tensor.tensor(value, device=device), int(times))
    total, special, before = losses.read()
    assert (special, before) == (0, len(values))
    expected = [
        int(times) * int(Fraction(float(value)) * 2**UNITS)
        for value, times in zip(values, weights, strict=True)
    ]
    assert total == sum(expected)
    losses.clear()
    assert losses.read() == (0, 0, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, np.inf], np.inf),
        ([-np.inf, 1.0], -np.inf),
        ([np.inf, -np.inf], np.nan),
        ([np.nan, 1.0], np.nan),
        ([np.inf, np.nan], np.nan),
    ],
)
def test_what_is_not_finite_stays_so_in_a_sum(
    values: list[float], expected: float, device: str
) -> None:
    losses = LossSum(Device(device))
    for value in values:
        losses.add(tensor.tensor(np.float32(value), device=device))
    np.testing.assert_equal(losses.read().special, expected)
    assert losses.read().before == next(k for k, v in enumerate(values) if not np.isfinite(v))


@pytest.mark.parametrize("capture", [False, True])
def test_small_losses_count_beside_a_large_sum(device: str, capture: bool) -> None:
    w = weight(device)
    trainer = Trainer(SGD([w], lr=0.0), capture=capture)
    for value in [2.0**24] + [1.0] * 100 + [-0.25] * 27:  # 2**24 + 1 is no float32
        loss = tensor.tensor(np.float32(value), device=device)
        trainer.train_step(lambda v: (w * 0.0).sum() + v, loss)
    assert trainer.epoch_avg_loss() == (2**24 + 100 - 27 / 4) / 128


def test_a_mean_of_half_precision_losses_does_not_overflow(device: str) -> None:
    w = weight(device)
    trainer = Trainer(SGD([w], lr=0.0))
    for value in (64000.0, 48000.0, 32000.0):
        trainer.train_step(lambda v: ((w * 0.0).sum() + v).to("float16"), value)
    assert trainer.epoch_avg_loss() == 48000.0


def test_a_model_that_moves_within_an_epoch_keeps_one_mean(device: str) -> None:
    model = nn.Linear(3, 1)
    trainer = Trainer(SGD(model.parameters(), lr=0.0))
    trainer.train_step(lambda: (model(tensor.tensor(X)) * 0.0).sum() + 1.0)
    model.to(device)
    trainer.train_step(lambda: (model(tensor.tensor(X, device=device)) * 0.0).sum() + 2.0)
    assert trainer.epoch_avg_loss() == 1.5


def test_what_is_no_optimizer_is_refused_at_once() -> None:
    with pytest.raises(ArgumentError, match=r"takes an optimizer.*not a Linear"):
        Trainer(nn.Linear(1, 1))  # type: ignore[type-var]


def test_a_loss_in_place_of_a_function_is_refused() -> None:
    w = weight("cpu")
    trainer = Trainer(SGD([w], lr=0.1))
    with pytest.raises(ArgumentError, match="forward is a function, and a Tensor was given"):
        trainer.train_step(w.sum())  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="grad_hook is a function"):
        trainer.train_step_with(None, w.sum)  # type: ignore[arg-type]
    np.testing.assert_array_equal(w.numpy(), W)


def test_a_trainer_shows_its_optimizer() -> None:
    shown = repr(Trainer(SGD(nn.Linear(2, 1).parameters(), 0.1), capture="auto"))
    assert shown.startswith("Trainer(SGD(2 parameters: lr=0.1, ")
    assert shown.endswith("capture='auto')")
