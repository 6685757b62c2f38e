"""Predict rents from a CSV file with categories and missing values.

    python3 examples/tabular.py

The script writes the file itself, by a law that it knows, with noise of 40: no model can have a
smaller error on rows that it has not seen. Categories become rows of learned tables, a missing
number becomes the mean and an indicator, and what is fitted is fitted on the training part alone.
It ends at an error of 40.8.
"""

# /// script
# dependencies = ["matplotlib>=3.9"]
# ///

import csv
from pathlib import Path

import numpy as np
from _shared import command_line, pyplot, read, save

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.optim import AdamW, no_decay_groups
from rumus.optim.lr_scheduler import CosineAnnealingLR
from rumus.tensor import cat, no_grad
from rumus.train import Trainer

NUMBERS, CATEGORIES = ("area", "year", "metro"), ("district", "heating")
DISTRICTS, HEATING = "Abel Brook Cross Dale Elm Ford Grove Hill".split(), ("gas", "heat pump", "")
NOISE = 40.0
LEARNING_RATE = 4e-3


def write_csv(path: Path, rows: int, seed: int) -> None:
    """Write flats and their rents."""
    rng = np.random.default_rng(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*NUMBERS, *CATEGORIES, "rent"])
        for _ in range(rows):
            area, year = rng.gamma(6, 12) + 18, int(rng.integers(1900, 2025))
            metro, district = rng.exponential(600), int(rng.integers(len(DISTRICTS)))
            unknown_year, no_metro = rng.random() < 0.15, rng.random() < 0.2
            heating = HEATING[rng.integers(3)]
            per_metre = 9 + 1.1 * district + (0 if no_metro else 5 * np.exp(-metro / 400))
            rent = 150 + per_metre * area**0.95 + {"gas": 0, "heat pump": 90, "": -60}[heating]
            rent += -120 if unknown_year else 0.025 * (year - 1965) ** 2
            writer.writerow([
                f"{area:.1f}", "" if unknown_year else year, "" if no_metro else f"{metro:.0f}",
                DISTRICTS[district], heating, f"{rent + rng.normal(0, NOISE):.2f}",
            ])  # fmt: skip


class Table:
    """What turns rows into arrays; fitted on the rows that it is given."""

    def __init__(self, rows: list[dict[str, str]]) -> None:
        numbers = self.numbers(rows)
        self.mean, self.spread = np.nanmean(numbers, 0), np.nanstd(numbers, 0)
        rents = self.rents(rows)
        self.rent_mean, self.rent_spread = rents.mean(), rents.std()
        self.ids = [  # 0 is for what the training part does not have
            {value: i for i, value in enumerate(sorted({row[name] for row in rows}), 1)}
            for name in CATEGORIES
        ]

    def arrays(self, rows: list[dict[str, str]]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers, indicators and ids as the columns of one array, and standardised rents."""
        numbers = (self.numbers(rows) - self.mean) / self.spread
        ids = [[known.get(row[name], 0) for name, known in zip(CATEGORIES, self.ids, strict=True)]
               for row in rows]  # fmt: skip
        columns = np.concatenate([np.nan_to_num(numbers), np.isnan(numbers), ids], 1)
        rents = (self.rents(rows) - self.rent_mean) / self.rent_spread
        return columns.astype(np.float32), rents.astype(np.float32)

    @staticmethod
    def numbers(rows: list[dict[str, str]]) -> np.ndarray:
        """The columns of numbers, NaN where nothing is written."""
        return np.array([[float(row[name] or "nan") for name in NUMBERS] for row in rows])

    @staticmethod
    def rents(rows: list[dict[str, str]]) -> np.ndarray:
        """The column to predict."""
        return np.array([float(row["rent"]) for row in rows])


class Model(nn.Module):
    """A table of four numbers a category, and a perceptron."""

    def __init__(self, ids: list[dict[str, int]]) -> None:
        self.tables = nn.ModuleList(nn.Embedding(len(known) + 1, 4) for known in ids)
        width = 2 * len(NUMBERS) + 4 * len(ids)
        self.net = nn.Sequential(
            nn.Linear(width, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 1)
        )

    def forward(self, x):
        """Standardised rents, of shape (rows,)."""
        numbers, ids = x[:, : 2 * len(NUMBERS)], x[:, 2 * len(NUMBERS) :].to("int32")
        rows = [table(ids[:, i]) for i, table in enumerate(self.tables)]
        return self.net(cat([numbers, *rows], 1)).squeeze(1)


def main() -> None:
    """Write the file, read it back, train, and compare the error with the noise."""
    options = read(command_line("tabular", __doc__, "epochs", full=40, small=3))
    path = options.out / "rents.csv"
    write_csv(path, 600 if options.small else 10_000, options.seed)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    held_out = len(rows) // 5
    table = Table(rows[held_out:])
    device, model = options.device, Model(table.ids).to(options.device)
    data = ArrayDataset(*table.arrays(rows[held_out:]))
    loader = DataLoader(data, batch_size=128, shuffle=True, drop_last=True, device=device)

    groups = no_decay_groups(model, weight_decay=1e-3)
    trainer = Trainer(AdamW(groups, lr=LEARNING_RATE), capture=True)
    schedule = CosineAnnealingLR(LEARNING_RATE, t_max=options.epochs)
    test, rents = table.arrays(rows[:held_out])[0], table.rents(rows[:held_out])
    for epoch in range(options.epochs):
        trainer.reset_epoch()
        trainer.optimizer.set_lr(schedule.get_lr())
        for batch in loader:
            trainer.train_step(lambda x, y: nn.mse_loss(model(x), y), batch.input, batch.target)
        schedule.step()
        with no_grad():
            (batch,) = DataLoader(ArrayDataset(test, rents), held_out, device=device)
            guesses = model(batch.input).numpy() * table.rent_spread + table.rent_mean
        error = float(np.sqrt(((guesses - rents) ** 2).mean()))
        if epoch % 5 == 4 or epoch + 1 == options.epochs:
            print(f"epoch {epoch + 1:3}  loss {trainer.epoch_avg_loss():.4f}  RMSE {error:.1f}")
    print(f"RMSE {error:.1f} on the held-out rows; the noise alone is {NOISE:.1f}, "
          f"and the mean rent misses by {rents.std():.1f}")  # fmt: skip

    if (plt := pyplot()) is not None:
        figure, axes = plt.subplots(figsize=(5.5, 5.5), layout="constrained")
        axes.scatter(rents, guesses, s=5, alpha=0.4)
        axes.axline((rents.mean(), rents.mean()), slope=1, color="black", linewidth=1)
        axes.set(title=f"Rents of held-out flats: RMSE {error:.1f}, noise {NOISE:.0f}",
                 xlabel="true rent", ylabel="predicted rent")  # fmt: skip
        save(figure, options.out / "tabular.png")


if __name__ == "__main__":
    main()
