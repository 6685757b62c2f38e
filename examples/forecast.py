"""An LSTM forecasts two days of a seasonal series, and says how sure it is.

    python3 examples/forecast.py

The series has a day, a week, a slow drift and noise that is larger in the daytime. The network
reads a week and answers with a mean and a variance for each of the next 48 hours, learned with the
Gaussian negative log-likelihood; 90 % of what comes should lie in its 90 % band.
"""

# /// script
# dependencies = ["matplotlib>=3.9"]
# ///

import numpy as np
from _shared import command_line, pyplot, read, save

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.nn.functional import gaussian_nll_loss
from rumus.optim import AdamW, clip_grad_norm_
from rumus.optim.lr_scheduler import OneCycleLR
from rumus.tensor import Device, no_grad
from rumus.train import Trainer

PAST, AHEAD = 7 * 24, 48
LEARNING_RATE = 5e-3


def series(hours: int, seed: int) -> np.ndarray:
    """A load curve by the hour."""
    rng = np.random.default_rng(seed)
    t = np.arange(hours)
    day = np.sin(2 * np.pi * t / 24) + 0.4 * np.sin(4 * np.pi * t / 24 + 1)
    weekend = np.where(t // 24 % 7 >= 5, 0.5, 1.0)
    drift = np.zeros(hours)
    for hour in range(1, hours):
        drift[hour] = 0.995 * drift[hour - 1] + rng.normal(0, 0.03)
    noise = rng.normal(0, 1, hours) * np.where((t % 24 >= 6) & (t % 24 < 20), 0.15, 0.05)
    return (3 + weekend * day + drift + noise).astype(np.float32)


def windows(values: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Weeks with the clock beside them, and the two days that followed each.

    Args:
        values: The standardised series.
        first: The hour of its first value.
    """
    hour = (first + np.arange(len(values))) * 2 * np.pi
    clock = [f(hour / period) for period in (24, 168) for f in (np.sin, np.cos)]
    features = np.stack([values, *clock], 1).astype(np.float32)
    slide = np.lib.stride_tricks.sliding_window_view
    past = slide(features[:-AHEAD], PAST, axis=0).swapaxes(1, 2)
    return past, slide(values[PAST:], AHEAD, axis=0)


class Forecaster(nn.Module):
    """An LSTM, and a mean and a variance for each hour from its last state."""

    def __init__(self) -> None:
        self.lstm = nn.LSTM(5, 64, batch_first=True)
        self.head = nn.Sequential(nn.Linear(64, 128), nn.SiLU(), nn.Linear(128, 2 * AHEAD))

    def forward(self, past):
        """Means, told as changes since two days before, and variances: (batch, 48) each."""
        _, (last, _) = self.lstm(past)
        change, log_var = self.head(last[-1]).chunk(2, 1)
        return past[:, -AHEAD:, 0] + change, log_var.exp()

    def loss(self, past, future):
        """How unlikely the model holds what came."""
        mean, variance = self(past)
        return gaussian_nll_loss(mean, future, variance)


def forecasts(model: Forecaster, data, device: Device) -> tuple[np.ndarray, np.ndarray]:
    """Means and spreads for every window of a data set."""
    with no_grad():
        found = [model(batch.input) for batch in DataLoader(data, 256, device=device)]
    means, variances = ([part.numpy() for part in parts] for parts in zip(*found, strict=True))
    return np.concatenate(means), np.sqrt(np.concatenate(variances))


def main() -> None:
    """Train on the first four fifths, forecast the rest, and draw a forecast with its band."""
    options = read(command_line("forecast", __doc__, "epochs", full=5, small=1))
    values = series(1800 if options.small else 24 * 365 * 3, options.seed)
    cut = len(values) * 4 // 5
    values = (values - values[:cut].mean()) / values[:cut].std()
    train, test = ArrayDataset(*windows(values[:cut], 0)), windows(values[cut:], cut)

    device, model = options.device, Forecaster().to(options.device)
    loader = DataLoader(train, batch_size=64, shuffle=True, drop_last=True, device=device)
    trainer = Trainer(AdamW(model.parameters(), lr=LEARNING_RATE), capture=True)
    schedule = OneCycleLR(LEARNING_RATE, total_steps=options.epochs * len(loader))
    for epoch in range(options.epochs):
        trainer.reset_epoch()
        for batch in loader:
            trainer.optimizer.set_lr(schedule.get_lr())
            trainer.train_step_with(
                lambda grads, params: clip_grad_norm_(grads, params, 1.0),
                model.loss,
                batch.input,
                batch.target,
            )
            schedule.step()
        print(f"epoch {epoch + 1:3}  negative log-likelihood {trainer.epoch_avg_loss():.3f}")

    past, future = test
    mean, spread = forecasts(model, ArrayDataset(past, future), device)
    error = np.sqrt(((mean - future) ** 2).mean())
    naive = np.sqrt(((past[:, -AHEAD:, 0] - future) ** 2).mean())
    inside = (np.abs(mean - future) < 1.645 * spread).mean()
    print(f"RMSE {error:.3f} two days ahead; repeating the last two days misses by {naive:.3f}")
    print(f"{inside:.1%} of what came lies in the 90 % band")

    if (plt := pyplot()) is not None:
        figure, axes = plt.subplots(2, 1, figsize=(9, 5.5), layout="constrained")
        for cell, start in zip(axes, (0, len(future) // 2), strict=True):
            hours = np.arange(AHEAD)
            band = (mean[start] + sign * 1.645 * spread[start] for sign in (-1, 1))
            cell.plot(np.arange(-72, 0), past[start, -72:, 0], color="black", linewidth=1)
            cell.plot(hours, future[start], color="black", linewidth=1, label="what came")
            cell.plot(hours, mean[start], color="#ea580c", label="forecast")
            cell.fill_between(hours, *band, color="#ea580c", alpha=0.25, label="90 % band")
        axes[0].legend(loc="upper left", frameon=False)
        axes[1].set_xlabel("hours from now")
        figure.suptitle(f"Two days ahead: RMSE {error:.3f}, {inside:.1%} inside the 90 % band")
        save(figure, options.out / "forecast.png")


if __name__ == "__main__":
    main()
