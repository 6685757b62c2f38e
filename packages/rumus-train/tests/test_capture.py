"""Captured training on the GPU: the numbers of the plain loop, whatever changes between steps."""

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.optim import SGD, AdamW, clip_grad_norm_
from rumus.tensor import Tensor, manual_seed, tensor
from rumus.train import Trainer

pytestmark = pytest.mark.gpu

Batch = tuple[Tensor, Tensor]


def batches(count: int, size: int = 16) -> list[Batch]:
    rng = np.random.default_rng(size)
    return [
        (
            tensor(rng.standard_normal((size, 8), dtype=np.float32), device="gpu"),
            tensor(rng.integers(0, 3, size, dtype=np.int32), device="gpu"),
        )
        for _ in range(count)
    ]


def make_model(dropout: float = 0.0) -> nn.Module:
    manual_seed(7)
    return nn.Sequential(
        nn.Linear(8, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, 3)
    ).to_gpu()


def train(model: nn.Module, data: list[Batch], capture: bool) -> tuple[list[float], bytes]:
    """Losses, and the bytes of all weights afterwards."""
    trainer = Trainer(AdamW(model.parameters(), lr=1e-2), capture=capture)
    manual_seed(11)
    losses = []
    for step, (x, y) in enumerate(data):
        trainer.optimizer.set_lr(1e-2 / (1 + step))
        loss = trainer.train_step_with(
            lambda grads, params: clip_grad_norm_(grads, params, 0.5),
            lambda x, y: nn.cross_entropy_loss(model(x), y),
            x,
            y,
        )
        losses.append(loss.item())
    assert trainer.epoch_avg_loss() == pytest.approx(np.mean(losses), rel=1e-6)
    return losses, b"".join(p.numpy().tobytes() for p in model.parameters())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_captured_training_is_plain_training_bit_for_bit(dropout: float) -> None:
    data = batches(6) + batches(2, size=5) + batches(3)
    plain = train(make_model(dropout), data, capture=False)
    captured = train(make_model(dropout), data, capture=True)
    assert captured == plain


def test_a_lambda_made_anew_in_every_round_is_recorded_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.1, momentum=0.9), capture=True)
    for x, y in batches(5):
        trainer.train_step(lambda x, y: _count(calls, nn.cross_entropy_loss(model(x), y)), x, y)
    # The first recording is given up, because the optimizer moves the parameters into arenas.
    assert len(calls) <= 2


def test_a_number_that_a_closure_holds_is_not_frozen() -> None:
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.0), capture=True)
    ((x, y),) = batches(1)
    losses = []
    for factor in (1.0, 2.0, 1.0):
        loss = trainer.train_step(lambda x, y: nn.cross_entropy_loss(model(x), y) * factor, x, y)  # noqa: B023
        losses.append(loss.item())
    assert losses == pytest.approx([losses[0], 2 * losses[0], losses[0]], rel=1e-6)


def test_a_batch_that_a_closure_picks_up_is_refused_by_name() -> None:
    model = make_model()
    trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=True)
    ((x, y),) = batches(1)
    with pytest.raises(gpu.CaptureError, match=r"test_capture.py, line \d+: (x|y) of shape"):
        trainer.train_step(lambda: nn.cross_entropy_loss(model(x), y))


def test_validation_between_epochs_does_not_disturb_training() -> None:
    model, reference = make_model(0.2), make_model(0.2)
    data = batches(6)
    losses = {}
    for name, module, capture in (("plain", reference, False), ("captured", model, True)):
        manual_seed(3)
        trainer = Trainer(AdamW(module.parameters(), lr=1e-2), capture=capture)
        seen = []
        for epoch in range(2):
            module.train()
            for x, y in data[epoch * 3 : epoch * 3 + 3]:
                step = lambda x, y: nn.cross_entropy_loss(module(x), y)  # noqa: B023, E731
                seen.append(trainer.train_step(step, x, y).item())
            module.eval()
            seen.append(module(data[0][0]).numpy().sum())
        losses[name] = seen
    assert losses["captured"] == losses["plain"]


def test_on_the_cpu_a_captured_trainer_trains_plainly() -> None:
    manual_seed(0)
    model = nn.Linear(2, 1)
    trainer = Trainer(SGD(model.parameters(), lr=0.1), capture=True)
    x, y = tensor([[1.0, 2.0]]), tensor([[0.0]])
    losses = [trainer.train_step(lambda: nn.mse_loss(model(x), y)).item() for _ in range(5)]
    assert losses[-1] < losses[0]


def _count(calls: list[int], loss: Tensor) -> Tensor:
    calls.append(1)
    return loss
