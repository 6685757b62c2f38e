"""What the trainer costs: a step through it against the same step written out by hand.

    python benchmarks/trainer.py [--device cpu|gpu] [--json PATH]

A model so small that the step is nearly all Python: 8-8-2, batch 4, AdamW. The sum of losses is in
both, as in any loop, and the two sums must agree. They are timed in turn, in blocks, and
the ratio is that of the medians.
"""

# /// script
# dependencies = ["rich>=13.7"]
# ///

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from rumus import gpu, nn, tensor
from rumus.optim import AdamW
from rumus.tensor import Tensor, manual_seed
from rumus.train import Trainer

BLOCKS, STEPS = 40, 100


def new_model(device: str) -> tuple[nn.Sequential, AdamW]:
    """The model and its optimizer, the same each time."""
    manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)).to(device)
    return model, AdamW(model.parameters(), lr=1e-3)


def by_hand(device: str, x: Tensor, y: Tensor) -> tuple[Callable[[], None], Callable[[], float]]:
    """A step without the trainer, and what reads the sum of losses."""
    model, optimizer = new_model(device)
    total = tensor.zeros((), device=device)

    def step() -> None:
        loss = nn.cross_entropy_loss(model(x), y)
        optimizer.step(loss.backward())
        total.add_(loss.detach())

    return step, total.item


def with_trainer(
    device: str, x: Tensor, y: Tensor
) -> tuple[Callable[[], None], Callable[[], float]]:
    """The same step through the trainer."""
    model, optimizer = new_model(device)
    trainer = Trainer(optimizer)
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        trainer.train_step(lambda x, y: nn.cross_entropy_loss(model(x), y), x, y)

    return step, lambda: trainer.epoch_avg_loss() * count


def block(step: Callable[[], None], device: str) -> float:
    """Seconds a step takes, waiting for the device at the end of the block."""
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    if device == "gpu":
        gpu.synchronize()
    return (time.perf_counter() - start) / STEPS


def main() -> None:
    """Measure, print a table and write the numbers."""
    parser = argparse.ArgumentParser(description="Measure what a trainer's step costs.")
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--json", type=Path, default=Path("runs/bench/trainer.json"))
    options = parser.parse_args()
    device: str = options.device
    rng = np.random.default_rng(0)
    x = tensor.tensor(rng.normal(size=(4, 8)).astype(np.float32), device=device)
    y = tensor.tensor([0, 1, 1, 0], device=device)

    hand, hand_total = by_hand(device, x, y)
    ours, ours_total = with_trainer(device, x, y)
    times: dict[str, list[float]] = {"by hand": [], "trainer": []}
    for _ in range(BLOCKS):
        times["by hand"].append(block(hand, device))
        times["trainer"].append(block(ours, device))
    np.testing.assert_allclose(ours_total(), hand_total(), rtol=1e-5)  # one is a float32 sum

    table = Table("step", "µs, median", "spread (quartiles)", title=f"one step on the {device}")
    result: dict[str, object] = {"device": device, "blocks": BLOCKS, "steps": STEPS}
    for name, seconds in times.items():
        low, middle, high = (1e6 * q for q in statistics.quantiles(seconds, n=4))
        table.add_row(name, f"{middle:.1f}", f"{low:.1f} to {high:.1f}")
        result[name] = {"microseconds": middle, "quartiles": [low, high]}
    ratio = statistics.median(times["trainer"]) / statistics.median(times["by hand"])
    result["ratio"] = ratio
    Console().print(table, f"the trainer's step takes {ratio:.3f} × the time of the other")
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2))
    print(options.json)


if __name__ == "__main__":
    main()
