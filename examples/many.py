"""One training on any number of processes and machines, with the same weights to the bit.

    python3 examples/many.py
    mpiexec -n 2 python3 examples/many.py
    mpiexec -n 4 python3 examples/many.py --resume --epochs 12

Each batch is cut into four shards, which the processes share. The hash of all weights that rank 0
prints at the end is the same for 1, 2, 3 and 4 of them, and for a run that was moved between
numbers of processes. Stop it when you like: it saves, and `--resume` goes on.
"""

# /// script
# dependencies = ["matplotlib>=3.9"]
# ///

from hashlib import sha256

from _digits import draw_digits
from _shared import command_line, pyplot, read, save

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import AdamW, WeightAverage
from rumus.optim.lr_scheduler import ExponentialLR
from rumus.train import (
    Accuracy,
    Event,
    Every,
    OnEvent,
    RunFolder,
    Trainer,
    Validate,
    find_group,
)

LEARNING_RATE = 2e-3


def new_model() -> nn.Module:
    """A small convolutional network, with dropout, whose streams do not depend on the ranks."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32 * 4 * 4, 10),
    )


def hash_of(model: nn.Module) -> str:
    """Of every bit of every weight."""
    digest = sha256()
    for value in model.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()[:16]


def main() -> None:
    """Train on all processes; rank 0 tells about it and draws the curve."""
    parser = command_line("many", __doc__, "epochs", full=8, small=2)
    parser.add_argument("--shards", type=int, default=4, help="the most processes it can grow to")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    options = read(parser)
    group = find_group()

    train, held_out = draw_digits(1000 if options.small else 4000, 0), draw_digits(1000, 1)
    loader = DataLoader(ArrayDataset(*train), batch_size=64, shuffle=True, seed=options.seed)
    model = new_model().to(options.device)
    optimizer = AdamW(model.parameters(), lr=LEARNING_RATE)
    losses: list[float] = []

    def at_epoch_end(run) -> None:
        losses.append(run.metrics["loss"])
        if group.rank == 0:
            print(
                f"epoch {run.progress.epoch + 1}: loss {run.metrics['loss']:.4f}, "
                f"{run.metrics['val_accuracy']:.1%} of the held-out digits are read right"
            )

    run = Trainer(optimizer, shards=options.shards).fit(
        model,
        loader,
        nn.cross_entropy_loss,
        epochs=options.epochs,
        schedule=ExponentialLR(LEARNING_RATE, gamma=0.9),
        clip=1.0,
        average=WeightAverage(model.parameters(), decay=0.99),
        validate=Validate(DataLoader(ArrayDataset(*held_out), batch_size=500), averaged=True),
        metrics=[Accuracy()],
        callbacks=[OnEvent(Event.EPOCH_END, at_epoch_end)],
        run=RunFolder(options.out, every=Every(epochs=1), resume=options.resume),
    )
    if group.rank == 0:
        print(f"{run.progress.step} steps, processes: {group.size}, weights {hash_of(model)}")
        if losses and (plt := pyplot()) is not None:
            figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
            axes.plot(range(1, len(losses) + 1), losses, marker="o")
            axes.set(xlabel="epoch", ylabel="cross-entropy", title="Digits")
            save(figure, options.out / "many.png")


if __name__ == "__main__":
    main()
