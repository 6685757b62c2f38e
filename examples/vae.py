"""A variational autoencoder lays drawn digits out on a plane, and draws new ones from it.

    python3 examples/vae.py

Kingma and Welling, arXiv:1312.6114. The encoder answers with a place and its uncertainty, the
decoder draws what lies there; the loss is the number of nats that an image costs (less is better).
"""

# /// script
# dependencies = ["matplotlib>=3.9"]
# ///

from statistics import NormalDist

import numpy as np
from _digits import SIDE, draw_digits
from _shared import command_line, pyplot, read, save

from rumus import nn
from rumus.data import ArrayDataset, DataLoader
from rumus.nn.functional import binary_cross_entropy_with_logits
from rumus.optim import AdamW
from rumus.optim.lr_scheduler import CosineAnnealingLR
from rumus.tensor import Device, no_grad, randn, tensor
from rumus.train import Trainer

LATENT = 2
LEARNING_RATE = 2e-3


class VAE(nn.Module):
    """An encoder into a plane and a decoder out of it."""

    def __init__(self) -> None:
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(SIDE * SIDE, 512),
            nn.SiLU(),
            nn.Linear(512, 256),
            nn.SiLU(),
            nn.Linear(256, 2 * LATENT),
        )
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, 256),
            nn.SiLU(),
            nn.Linear(256, 512),
            nn.SiLU(),
            nn.Linear(512, SIDE * SIDE),
            nn.Unflatten(1, (1, SIDE, SIDE)),
        )

    def encode(self, images):
        """The mean and the logarithm of the variance of an image's place."""
        return self.encoder(images).chunk(2, 1)

    def loss(self, images):
        """Nats an image: what its pixels cost given its place, and what the place costs."""
        mean, log_var = self.encode(images)
        place = mean + (log_var * 0.5).exp() * randn(mean.shape, device=mean.device)
        pixels = binary_cross_entropy_with_logits(self.decoder(place), images, reduction="sum")
        divergence = (mean.square() + log_var.exp() - 1 - log_var).sum() * 0.5
        return (pixels + divergence) / len(images)


def held_out(model: VAE, images, labels, device: Device) -> tuple[float, np.ndarray]:
    """The nats that held-out images cost, and their places."""
    (batch,) = DataLoader(ArrayDataset(images, labels), len(images), device=device)
    with no_grad():
        return model.loss(batch.input).item(), model.encode(batch.input)[0].numpy()


def grid(model: VAE, side: int, device: Device) -> np.ndarray:
    """What the decoder draws at the quantiles of the normal distribution, as one picture."""
    quantiles = [NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)]
    places = tensor([[x, -y] for y in quantiles for x in quantiles], device=device)
    with no_grad():
        images = model.decoder(places).sigmoid().numpy()
    return images.reshape(side, side, SIDE, SIDE).swapaxes(1, 2).reshape(side * SIDE, -1)


def main() -> None:
    """Train, print what an image costs, and draw the grid and the map."""
    options = read(command_line("vae", __doc__, "epochs", full=60, small=2))
    device = options.device
    train = draw_digits(500 if options.small else 10_000, seed=options.seed)
    images, labels = draw_digits(200 if options.small else 2000, seed=options.seed + 1)
    loader = DataLoader(
        ArrayDataset(*train), batch_size=128, shuffle=True, drop_last=True, device=device
    )
    model = VAE().to(device)
    trainer = Trainer(AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0), capture=True)
    schedule = CosineAnnealingLR(LEARNING_RATE, t_max=options.epochs, eta_min=1e-5)
    for epoch in range(options.epochs):
        trainer.reset_epoch()
        trainer.optimizer.set_lr(schedule.get_lr())
        for batch in loader:
            trainer.train_step(model.loss, batch.input)
        schedule.step()
        if epoch % 10 == 9 or epoch + 1 == options.epochs:
            nats, places = held_out(model, images, labels, device)
            print(f"epoch {epoch + 1:3}  {trainer.epoch_avg_loss():.2f} nats an image, "
                  f"held out {nats:.2f}")  # fmt: skip

    if (plt := pyplot()) is not None:
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
        left.imshow(grid(model, 16, device), cmap="gray_r")
        left.set_title("drawn by the decoder, place by place")
        left.axis("off")
        dots = right.scatter(*places.T, c=labels, s=4, cmap="tab10", vmin=-0.5, vmax=9.5)
        figure.colorbar(dots, ax=right, ticks=range(10))
        right.set(title="where held-out digits lie", aspect="equal", xlim=(-4, 4), ylim=(-4, 4))
        figure.suptitle(f"A digit of {SIDE} × {SIDE} pixels costs {nats:.1f} nats")
        save(figure, options.out / "vae.png")


if __name__ == "__main__":
    main()
