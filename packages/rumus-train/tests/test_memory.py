"""GPU memory over a long training loop: as much after many steps as after a few."""

import gc

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.optim import AdamW, clip_grad_norm_
from rumus.tensor import Tensor, manual_seed, tensor
from rumus.train import Trainer

pytestmark = pytest.mark.gpu

IN_FLIGHT = 256 << 10


@pytest.mark.parametrize("capture", [False, True], ids=["plain", "captured"])
def test_many_steps_hold_the_memory_of_a_few(capture: bool) -> None:
    manual_seed(0)
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 5)).to_gpu()
    trainer = Trainer(AdamW(model.parameters(), lr=1e-3), capture=capture)
    rng = np.random.default_rng(0)

    def steps(count: int, alone: bool = False) -> dict[str, int]:
        for _ in range(count):
            if alone:  # nothing waits on its way to the GPU meanwhile
                gpu.synchronize()
            x = tensor(rng.standard_normal((24, 32), dtype=np.float32), device="gpu")
            y = tensor(rng.integers(0, 5, 24, dtype=np.int32), device="gpu")
            trainer.train_step_with(
                lambda grads, params: clip_grad_norm_(grads, params, 1.0), forward, x, y
            )
        gpu.synchronize()
        gc.collect()
        return gpu.memory_stats()

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return nn.cross_entropy_loss(model(x), y)

    warm = steps(30, alone=True)
    late = steps(300, alone=True)
    assert late["live"] == warm["live"]
    assert late["reserved"] <= max(warm["reserved"], 1.25 * warm["peak"])
    assert late["peak"] <= 1.05 * warm["peak"]
    assert late["reserved"] <= 1.25 * late["peak"]

    warm = steps(100)
    late = steps(2000)
    assert late["live"] == warm["live"]
    # How much waits on its way to the GPU depends on the threads' turns, three batches at most; a
    # buffer of the smallest size left in each step would be 512 KiB.
    assert late["reserved"] <= warm["reserved"] + IN_FLIGHT
    assert late["peak"] <= warm["peak"] + IN_FLIGHT
    assert late["reserved"] <= 1.25 * late["peak"]
