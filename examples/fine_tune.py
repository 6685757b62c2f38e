"""Take a network that PyTorch trained, and teach its upper half another task with few examples.

    python3 examples/fine_tune.py
    python3 examples/fine_tune.py --checkpoint digits.safetensors

The checkpoint is a safetensors file with the names of a PyTorch state dict. Without one the script
makes it: a network that tells 0 to 5 apart, of float16, by ``safetensors.numpy`` as PyTorch's tools
write it. The new task is 6 to 9, with six drawings of each: the first convolution stays frozen, the
second learns slowly, and a new head learns at the full rate. 96 % of other drawings are then read
right; the same network without the checkpoint reads 84 %.
"""

# /// script
# dependencies = ["matplotlib>=3.9"]
# ///

from pathlib import Path

import numpy as np
from _digits import draw_digits
from _shared import command_line, pyplot, read, save
from safetensors.numpy import save_file

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import AdamW
from rumus.tensor import Device, no_grad
from rumus.train import Trainer

OLD, NEW = (0, 1, 2, 3, 4, 5), (6, 7, 8, 9)
LEARNING_RATE = 3e-3


class Reader(nn.Module):
    """Two convolutions and a head; the names are those of the same class in PyTorch."""

    def __init__(self, classes: int) -> None:
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(32 * 4 * 4, classes)

    def forward(self, images):
        """Logits of the classes."""
        x = self.pool(self.bn1(self.conv1(images)).relu())
        x = self.pool(self.bn2(self.conv2(x)).relu())
        return self.fc(x.flatten(1))


def fit(model: Reader, optimizer: AdamW, data, device: Device, epochs: int, frozen=()) -> list:
    """Train; frozen layers normalise by the statistics that they came with."""
    loader = DataLoader(data, batch_size=24, shuffle=True, device=device)
    trainer, losses = Trainer(optimizer, capture=True), []
    model.train()
    for layer in frozen:
        layer.eval()
    for _ in range(epochs):
        trainer.reset_epoch()
        for batch in loader:
            trainer.train_step(
                lambda x, y: nn.cross_entropy_loss(model(x), y), batch.input, batch.target
            )
        losses.append(trainer.epoch_avg_loss())
    return losses


def accuracy(model: Reader, data, device: Device) -> float:
    """The share of images that the model reads right."""
    right = 0
    model.eval()
    with no_grad():
        for batch in DataLoader(data, batch_size=500, device=device):
            right += int((model(batch.input).argmax(1) == batch.target).sum())
    return right / len(data)


def examples(count: int, seed: int) -> ArrayDataset:
    """Drawings for the new task."""
    images, digits = draw_digits(count, seed, NEW)
    return ArrayDataset(images, digits - NEW[0])


def make_checkpoint(path: Path, device: Device, small: bool) -> None:
    """Train on the old digits, and write what PyTorch would have written."""
    data = ArrayDataset(*draw_digits(240 if small else 2400, seed=1, digits=OLD))
    model = Reader(len(OLD)).to(device)
    fit(model, AdamW(model.parameters(), lr=LEARNING_RATE), data, device, 1 if small else 4)
    state = {}
    for name, value in model.state_dict().items():
        counts = name.endswith("num_batches_tracked")
        state[name] = value.numpy().astype(np.int64 if counts else np.float16)
    save_file(state, path, metadata={"format": "pt"})


def pretrained(path: Path) -> Reader:
    """A network with the checkpoint's layers, and a head of its own where that one does not fit."""
    model = Reader(len(NEW))
    report = model.load_state_dict(nn.load_file(path), strict=False)
    for what, names in report._asdict().items():
        print(f"{path.name}, {what}: {', '.join(names) or 'nothing'}")
    return model


def main() -> None:
    """Fine-tune, and train the same network from nothing beside it."""
    parser = command_line("fine_tune", __doc__, "epochs", full=40, small=2)
    parser.add_argument("--checkpoint", type=Path, help="a safetensors file; made unless given")
    options = read(parser)
    device, path = options.device, options.checkpoint
    if path is None:
        path = options.out / "pretrained.safetensors"
        make_checkpoint(path, device, options.small)

    few = examples(24, seed=2)
    test = examples(200 if options.small else 2000, seed=3)
    tuned = pretrained(path).to(device)
    frozen = [tuned.conv1, tuned.bn1]
    for layer in frozen:
        layer.requires_grad_(False)
    slow = [*tuned.conv2.parameters(), *tuned.bn2.parameters()]
    groups = [{"params": slow, "lr_scale": 0.1}, {"params": tuned.fc.parameters()}]
    new = Reader(len(NEW)).to(device)

    curves = {}
    for name, model, params in (("fine-tuned", tuned, groups), ("new", new, new.parameters())):
        optimizer = AdamW(params, lr=LEARNING_RATE)
        losses = fit(
            model, optimizer, few, device, options.epochs, frozen if model is tuned else ()
        )
        share = accuracy(model, test, device)
        curves[f"{name}: {share:.1%} read right"] = losses
        print(f"{name:>10}: {share:.2%} of {len(test)} new digits are read right")
    nn.save_file(tuned, options.out / "fine_tuned.safetensors")

    if (plt := pyplot()) is not None:
        figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
        for label, losses in curves.items():
            axes.plot(range(1, len(losses) + 1), losses, label=label)
        axes.set(xlabel="epoch", ylabel="cross-entropy", yscale="log")
        axes.set_title(f"Digits {NEW[0]} to {NEW[-1]}, learned from {len(few)} drawings")
        axes.legend(frameon=False)
        save(figure, options.out / "fine_tune.png")


if __name__ == "__main__":
    main()
