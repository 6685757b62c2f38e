"""The loop that this project exists for, as a user writes it, on both devices."""

import gc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rumus import gpu, nn, tensor
from rumus.data import DataItem, DataLoader
from rumus.optim import AdamW, clip_grad_norm_
from rumus.optim.lr_scheduler import CosineAnnealingLR
from rumus.train import Trainer

CLASSES, FEATURES, SAMPLES = 4, 8, 256


class Clouds:
    """Points around four centres, each cloud a class."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        centres = 3 * rng.normal(size=(CLASSES, FEATURES))
        self.target = rng.integers(CLASSES, size=SAMPLES).astype(np.int32)
        noise = rng.normal(size=(SAMPLES, FEATURES))
        self.input = (centres[self.target] + noise).astype(np.float32)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> DataItem:
        return DataItem(self.input[index], self.target[index])


def new_model(device: str) -> nn.Sequential:
    tensor.manual_seed(1)
    model = nn.Sequential(nn.Linear(FEATURES, 32), nn.ReLU(), nn.Linear(32, CLASSES))
    if device == "gpu":
        model.to_gpu()
    return model


def losses_of_three_epochs(device: str, num_workers: int) -> list[float]:
    model = new_model(device)
    trainer = Trainer(AdamW(model.parameters(), lr=3e-3))
    loader = DataLoader(
        Clouds(), batch_size=32, shuffle=True, num_workers=num_workers, seed=5, device=device
    )
    losses = []
    for _ in range(3):
        for batch in loader:
            loss = trainer.train_step(
                lambda x, y: nn.cross_entropy_loss(model(x), y), batch.input, batch.target
            )
            losses.append(loss.item())
    return losses


def test_the_loop_runs_as_written_and_learns(
    device: str, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = Clouds()
    model = new_model(device)

    optimizer = AdamW(model.parameters(), lr=3e-4)
    trainer = Trainer(optimizer)
    scheduler = CosineAnnealingLR(3e-4, t_max=100, eta_min=1e-6)
    loader = DataLoader(
        dataset,
        batch_size=64,
        shuffle=True,
        drop_last=True,
        num_workers=4,
        prefetch_factor=2,
        device=device,
    )
    for epoch in range(100):
        trainer.reset_epoch()
        trainer.optimizer.set_lr(scheduler.get_lr())
        for batch in loader:
            trainer.train_step_with(
                lambda grads, params: clip_grad_norm_(grads, params, 1.0),
                lambda: nn.cross_entropy_loss(model(batch.input), batch.target),  # noqa: B023
            )
        scheduler.step()
        print(
            f"Epoch {epoch:3} | lr {scheduler.get_lr():.6f} | loss {trainer.epoch_avg_loss():.4f}"
        )

    lines = capsys.readouterr().out.splitlines()
    losses = [float(line.rpartition(" ")[2]) for line in lines]
    assert len(losses) == 100 and losses[-1] < 0.25 * losses[0]
    logits = model(tensor.tensor(dataset.input, device=device)).numpy()
    assert np.mean(logits.argmax(axis=1) == dataset.target) > 0.95


@pytest.mark.gpu
def test_both_devices_walk_the_same_way() -> None:
    np.testing.assert_allclose(
        losses_of_three_epochs("gpu", 0), losses_of_three_epochs("cpu", 0), rtol=1e-4, atol=1e-5
    )


def test_a_run_is_the_same_bit_for_bit_whatever_the_number_of_workers(device: str) -> None:
    alone = losses_of_three_epochs(device, 0)
    assert losses_of_three_epochs(device, 3) == alone


def test_a_loop_over_saved_weights_goes_on_where_it_was(device: str, tmp_path: Path) -> None:
    model, copy = new_model(device), new_model(device)
    x = tensor.tensor(Clouds().input, device=device)
    before: npt.NDArray[np.float32] = model(x).numpy()
    Trainer(AdamW(copy.parameters(), lr=0.1)).train_step(lambda: copy(x).sum())
    assert not np.array_equal(copy(x).numpy(), before)
    nn.save_file(model, tmp_path / "weights.safetensors")
    copy.load_state_dict(nn.load_file(tmp_path / "weights.safetensors"))
    np.testing.assert_array_equal(copy(x).numpy(), before)


@pytest.mark.gpu
@pytest.mark.parametrize("capture", [False, True], ids=["eager", "captured"])
def test_a_model_that_is_dropped_gives_its_memory_back_at_once(capture: bool) -> None:
    def train() -> None:
        model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3)).to_gpu()
        trainer = Trainer(AdamW(model.parameters(), lr=1e-3), capture=capture)
        x = tensor.zeros((8, 64), device="gpu")
        y = tensor.zeros((8,), dtype=tensor.int32, device="gpu")
        for _ in range(3):
            trainer.train_step(lambda x, y: nn.cross_entropy_loss(model(x), y), x, y)
        gpu.synchronize()

    train()
    gc.collect()
    before = gpu.memory_stats()["live"]
    gc.disable()
    try:
        train()
        assert gpu.memory_stats()["live"] == before
    finally:
        gc.enable()
