"""Averaged weights over ranks: each keeps a part, and all have those of one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rumus import nn, optim, tensor
from rumus.data import ArrayDataset, DataLoader
from rumus.train import Alone, Group, Trainer, Validate

RNG = np.random.default_rng(3)
X = RNG.normal(size=(24, 12)).astype(np.float32)
Y = RNG.normal(size=(24, 3)).astype(np.float32)
Ranks = Callable[[int, Callable[[Group], Any]], list[Any]]


class Held:
    """Notes how many averages a rank holds at each step, and may end the run by a signal."""

    def __init__(self, average: optim.WeightAverage, stop: bool) -> None:
        self._average, self._stop = average, stop
        self.most = 0

    def on_step_end(self, run: Any) -> None:
        arrays = self._average.state_dict()["averages"].values()
        self.most = max(self.most, sum(array.size for array in arrays))
        if self._stop and run.progress.step == 2:
            run.interrupts.pending = signal.SIGTERM


def fitted(group: Group, device: str, dtype: str = "float32", stop: bool = False) -> Any:
    tensor.manual_seed(2)
    net = nn.Sequential(nn.Linear(12, 40), nn.Tanh(), nn.Linear(40, 40), nn.Linear(40, 3))
    net = net.to(device).to(dtype)
    average = optim.WeightAverage(net.named_parameters(), decay=0.8)
    held = Held(average, stop)
    data = DataLoader(ArrayDataset(X.astype(dtype), Y.astype(dtype)), 8)
    trainer = Trainer(optim.AdamW(net.named_parameters(), 0.01), group=group, shards=6)
    values: Any = None
    try:
        run = trainer.fit(
            net, data, nn.mse_loss, epochs=2, average=average, callbacks=[held],
            validate=Validate(data, averaged=True),
        )  # fmt: skip
        values = run.metrics
    except SystemExit as error:
        values = error.code
    weights = [p.numpy().tolist() for p in net.parameters()]
    averages = average.state_dict()["averages"]
    return held.most, (weights, {k: v.tolist() for k, v in averages.items()}, values)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("stop", [False, True])
def test_each_rank_keeps_a_part_of_the_averages(
    device: str, dtype: str, stop: bool, ranks: Ranks
) -> None:
    elements, one = fitted(Alone(), device, dtype, stop)
    assert elements == 12 * 40 + 40 + 40 * 40 + 40 + 40 * 3 + 3
    for size in (2, 6):
        found = ranks(size, lambda group: fitted(group, device, dtype, stop))
        assert [rest for _, rest in found] == [one] * size
        held = [most for most, _ in found]
        assert sum(held) == elements and max(held) <= elements / size + 40 * 40
