"""Learn to read handwritten digits: records, loader, model, optimizer, trainer, in one page.

    python3 -m nox -s demo
    python3 -m nox -s demo -- --device gpu --epochs 50 --out runs/long

1,797 digits of 8 × 8 pixels ship inside scikit-learn (UCI, "Optical Recognition of Handwritten
Digits"). A fifth of them, the same share of each digit, is held out and never trained on.
"""

# /// script
# dependencies = ["scikit-learn>=1.5", "matplotlib>=3.9", "rich>=13.7"]
# ///

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from rumus import nn
from rumus.data import DataLoader, RecordDataset, RecordWriter
from rumus.optim import AdamW, clip_grad_norm_
from rumus.optim.lr_scheduler import CosineAnnealingLR
from rumus.tensor import Device, manual_seed, no_grad
from rumus.train import Trainer

LEARNING_RATE = 5e-3
ROWS = 10  # of the table


@dataclass(frozen=True)
class Epoch:
    """What is known after an epoch."""

    number: int
    lr: float
    loss: float
    train_accuracy: float
    test_accuracy: float


def write_records(out: Path) -> tuple[Path, Path]:
    """Write the digits, four fifths to train on and a fifth to test on."""
    pixels, digits = load_digits(return_X_y=True)
    images = (pixels / 16).astype(np.float32)
    parts = train_test_split(images, digits, test_size=0.2, stratify=digits, random_state=0)
    train, test = out / "train.rrec", out / "test.rrec"
    for path, inputs, targets in ((train, parts[0], parts[2]), (test, parts[1], parts[3])):
        with RecordWriter(path, overwrite=True) as writer:
            writer.append_batch(inputs, targets)
    return train, test


def new_model() -> nn.Module:
    """A perceptron with two hidden layers."""
    return nn.Sequential(
        nn.Linear(64, 512),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(512, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, 10),
    )


def accuracy(model: nn.Module, dataset: RecordDataset, device: Device) -> float:
    """The share of digits that the model reads right."""
    right = 0
    model.eval()
    with no_grad():
        for batch in DataLoader(dataset, batch_size=512, device=device):
            right += int((model(batch.input).argmax(1) == batch.target).sum().item())
    model.train()
    return right / len(dataset)


def table_of(epochs: list[Epoch], total: int) -> Table:
    """About ten epochs, evenly spread, and the last."""
    table = Table(title="handwritten digits")
    for heading in ("epoch", "learning rate", "loss", "train accuracy", "test accuracy"):
        table.add_column(heading, justify="right")
    spacing = max(1, total // ROWS)
    for e in epochs:
        if e.number % spacing == 0 or e.number == total:
            shares = f"{e.train_accuracy:.2%}", f"{e.test_accuracy:.2%}"
            table.add_row(f"{e.number}", f"{e.lr:.6f}", f"{e.loss:.4f}", *shares)
    return table


def train(
    model: nn.Module, train_set: RecordDataset, test_set: RecordDataset, device: Device, epochs: int
) -> list[Epoch]:
    """Train and show how it goes."""
    optimizer = AdamW(model.parameters(), lr=LEARNING_RATE)
    trainer = Trainer(optimizer)
    scheduler = CosineAnnealingLR(LEARNING_RATE, t_max=epochs, eta_min=1e-5)
    loader = DataLoader(
        train_set,
        batch_size=64,
        shuffle=True,
        drop_last=True,
        num_workers=4,
        prefetch_factor=2,
        device=device,
    )
    columns = TextColumn("training on {task.fields[device]}"), BarColumn(40), MofNCompleteColumn()
    progress = Progress(*columns, TimeElapsedColumn())
    task = progress.add_task("", total=epochs, device=device)
    history: list[Epoch] = []
    with Live(progress, refresh_per_second=8) as live:
        for epoch in range(epochs):
            trainer.reset_epoch()
            trainer.optimizer.set_lr(scheduler.get_lr())
            for batch in loader:
                trainer.train_step_with(
                    lambda grads, params: clip_grad_norm_(grads, params, 1.0),
                    lambda x, y: nn.cross_entropy_loss(model(x), y),
                    batch.input,
                    batch.target,
                )
            history.append(
                Epoch(
                    number=epoch + 1,
                    lr=scheduler.get_lr(),
                    loss=trainer.epoch_avg_loss(),
                    train_accuracy=accuracy(model, train_set, device),
                    test_accuracy=accuracy(model, test_set, device),
                )
            )
            scheduler.step()
            progress.advance(task)
            live.update(Group(table_of(history, epochs), progress))
    return history


def draw(history: list[Epoch], path: Path) -> None:
    """Draw the curves of loss and accuracy."""
    matplotlib.use("Agg")  # a picture in a file needs no screen
    from matplotlib import pyplot as plt

    numbers = [e.number for e in history]
    final = history[-1]
    blue, orange, grey = "#2563eb", "#ea580c", "#6b7280"
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    left.plot(numbers, [e.loss for e in history], color=blue, linewidth=2)
    left.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy", yscale="log")
    for label, color, shares in (
        ("train", blue, [e.train_accuracy for e in history]),
        ("test", orange, [e.test_accuracy for e in history]),
    ):
        right.plot(numbers, [100 * s for s in shares], color=color, linewidth=2, label=label)
    right.axhline(97, color=grey, linewidth=1, linestyle=":", label="97 %")
    right.set(title="Accuracy", xlabel="epoch", ylabel="% read right", ylim=(85, 100.5))
    right.legend(loc="lower right", frameon=False)
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        f"Handwritten digits: {final.test_accuracy:.1%} of the held-out ones are read right "
        f"after {final.number} epochs"
    )
    figure.savefig(path, dpi=150)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Train a classifier of handwritten digits.")
    parser.add_argument("--device", choices=["auto", "cpu", "gpu"], default="auto")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/digits"))
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs must be 1 or more, not {options.epochs}")
    return options


def main() -> None:
    """Write records, train, save weights and curves, and say where they are."""
    options = arguments()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    device = Device(options.device)
    manual_seed(options.seed)

    train_file, test_file = write_records(out)
    model = new_model()
    if device.kind == "gpu":
        model.to_gpu()
    train_set, test_set = RecordDataset(train_file), RecordDataset(test_file)
    history = train(model, train_set, test_set, device, options.epochs)

    weights, curves = out / "digits.safetensors", out / "digits.png"
    nn.save_file(model, weights)
    draw(history, curves)
    console = Console()
    console.print(f"\n{history[-1].test_accuracy:.2%} of the held-out digits are read right")
    for what, where in (("records", train_file), ("", test_file), ("weights", weights)):
        console.print(f"{what:>8}  {where.resolve()}", soft_wrap=True)
    console.print(f"{'curves':>8}  {curves.resolve()}", soft_wrap=True)


if __name__ == "__main__":
    main()
