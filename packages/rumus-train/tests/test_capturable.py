"""What ``capture="auto"`` takes for safe, and the reason where it does not."""

import math
import random
import time

import numpy as np
import pytest

from rumus import nn
from rumus.tensor import Tensor
from rumus.train._capturable import reason_against

SCALE = 2.0
TABLE = [1.0]


class Plain(nn.Module):
    def __init__(self) -> None:
        self.first = nn.Linear(2, 2)
        self.more = [nn.Linear(2, 2), nn.ReLU()]
        self.factor = 0.5

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.more:
            x = layer(x)
        return helper(self.first(x)) * self.factor * math.pi


def helper(x: Tensor) -> Tensor:
    return x * SCALE if x.shape[0] > 1 else x


class Counts(Plain):
    def forward(self, x: Tensor) -> Tensor:
        self.calls = 1
        return self.first(x)


class Draws(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) * random.random()


class Looks(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) * TABLE[0]


class Holds(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.sizes = {"a": 1}


def timed(output: Tensor, target: Tensor) -> Tensor:
    return nn.mse_loss(output, target) * time.time()


def deeper(output: Tensor, target: Tensor) -> Tensor:
    return timed(output, target)


def smooth(output: Tensor, target: Tensor) -> Tensor:
    return nn.mse_loss(output, target) + np.float32(0.1)


@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (nn.Linear(2, 2), nn.mse_loss),
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1)), nn.cross_entropy_loss),
        (Plain(), nn.mse_loss),
        (Plain(), lambda output, target: nn.mse_loss(output, target) * SCALE),
    ],
)
def test_what_names_tensors_and_numbers_alone_is_safe(model: nn.Module, loss: object) -> None:
    assert reason_against(model, loss) == ""


@pytest.mark.parametrize(
    ("model", "loss", "words"),
    [
        (Counts(), nn.mse_loss, "changes calls"),
        (Draws(), nn.mse_loss, "uses random"),
        (Looks(), nn.mse_loss, "reads TABLE, a list"),
        (Holds(), nn.mse_loss, "sizes is a dict"),
        (Plain(), timed, "uses time"),
        (Plain(), deeper, "uses time"),
        (Plain(), smooth, "uses numpy"),
        (nn.Sequential(Draws()), nn.mse_loss, "uses random"),
    ],
)
def test_what_a_recording_would_freeze_is_named(model: nn.Module, loss: object, words: str) -> None:
    assert words in reason_against(model, loss)
