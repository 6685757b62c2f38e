"""A Wasserstein GAN with a gradient penalty learns where points lie.

    python3 examples/wgan_gp.py

Gulrajani et al., arXiv:1704.00028. The critic's loss holds the gradient of the critic itself
(``autograd.grad`` with ``create_graph``), so its step takes gradients of gradients. The generator's
loss leaves gradients of both networks in one store, of which its optimizer takes its own: nothing
has to be frozen, and nothing to be cleared.
"""

# /// script
# dependencies = ["matplotlib>=3.9"]
# ///

import math

import numpy as np
from _shared import command_line, pyplot, read, save

from rumus import autograd, nn, tensor
from rumus.optim import Adam
from rumus.optim.lr_scheduler import CosineAnnealingLR
from rumus.tensor import Device, no_grad, rand, randint, randn
from rumus.train import Trainer

BATCH, CENTRES, SPREAD = 256, 8, 0.08
CRITIC_STEPS, PENALTY = 5, 0.1
RATE = 1e-3


def perceptron(outputs: int) -> nn.Sequential:
    """Points in, points or a score out."""
    return nn.Sequential(
        nn.Linear(2, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, outputs)
    )


def real_points(count: int, device: Device):
    """Points around eight centres on a circle."""
    angle = randint(0, CENTRES, (count, 1), device=device).to("float32") * (math.tau / CENTRES)
    centres = tensor.cat([angle.cos(), angle.sin()], 1)
    return centres + randn((count, 2), device=device) * SPREAD


def critic_loss(critic, generator, device: Device):
    """What the critic thinks of made points less what of real ones, and the penalty."""
    real, made = real_points(BATCH, device), generator(randn((BATCH, 2), device=device)).detach()
    share = rand((BATCH, 1), device=device)
    between = autograd.leaf(real * share + made * (1 - share))
    (slope,) = autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty = ((slope.square().sum(1) + 1e-12).sqrt() - 1).square().mean()
    return critic(made).mean() - critic(real).mean() + PENALTY * penalty


def generator_loss(critic, generator, device: Device):
    """What the critic does not think of made points."""
    return -critic(generator(randn((BATCH, 2), device=device))).mean()


def hits(points: np.ndarray) -> tuple[float, int]:
    """The share of points within three spreads of a centre, and how many centres have some."""
    angles = np.arange(CENTRES) * math.tau / CENTRES
    centres = np.stack([np.cos(angles), np.sin(angles)], 1)
    distances = np.linalg.norm(points[:, None] - centres, axis=2)
    near = distances.min(1) < 3 * SPREAD
    reached = np.bincount(distances.argmin(1)[near], minlength=CENTRES)
    return float(near.mean()), int((reached > len(points) / CENTRES / 5).sum())


def main() -> None:
    """Train both networks, and draw the points that the generator makes while it learns."""
    options = read(command_line("wgan_gp", __doc__, "steps", full=2000, small=25))
    device = options.device
    generator, critic = perceptron(2).to(device), perceptron(1).to(device)
    learn_critic = Trainer(Adam(critic.parameters(), lr=RATE, betas=(0.5, 0.9)), capture=True)
    learn_generator = Trainer(Adam(generator.parameters(), lr=RATE, betas=(0.5, 0.9)), capture=True)

    frames, fixed = [], randn((2000, 2), device=device)
    schedule = CosineAnnealingLR(RATE, t_max=options.steps + 1)
    for step in range(options.steps + 1):
        if step % max(1, options.steps // 5) == 0:
            with no_grad():
                points = generator(fixed).numpy()
            frames.append((step, points))
            near, reached = hits(points)
            print(f"step {step:5}  {near:5.1%} of the points lie near a centre, at {reached} of 8")
        for trainer in (learn_critic, learn_generator):
            trainer.optimizer.set_lr(schedule.get_lr())
        for _ in range(CRITIC_STEPS):
            learn_critic.train_step(lambda: critic_loss(critic, generator, device))
        learn_generator.train_step(lambda: generator_loss(critic, generator, device))
        schedule.step()

    if (plt := pyplot()) is not None:
        with no_grad():
            real = real_points(2000, tensor.Device("cpu")).numpy()
        figure, axes = plt.subplots(1, len(frames), figsize=(14, 2.8), layout="constrained")
        for cell, (step, points) in zip(axes, frames, strict=True):
            cell.scatter(*real.T, s=1, color="#d1d5db")
            cell.scatter(*points.T, s=1, color="#2563eb")
            cell.set(title=f"step {step}", xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
            cell.axis("off")
        figure.suptitle(
            f"{near:.1%} of the generator's points lie near a centre, at {reached} of 8"
        )
        save(figure, options.out / "wgan_gp.png")


if __name__ == "__main__":
    main()
