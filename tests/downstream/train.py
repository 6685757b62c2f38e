"""A project of somebody else, typed strictly, that uses all four packages."""

from collections.abc import Sequence
from typing import assert_type

import numpy as np

from rumus import gpu, nn
from rumus.autograd import GradientStore, ParamId
from rumus.data import DataItem, DataLoader, Dataset
from rumus.nn import Parameter
from rumus.optim import SGD, Adam, AdamW, Optimizer, clip_grad_norm_
from rumus.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR
from rumus.tensor import Device, Tensor, no_grad, tensor, zeros
from rumus.train import OptimizerLike, Trainer


class Squares:
    """A data set by its shape alone: nothing is inherited."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> DataItem:
        x = np.full((1,), index / 16, np.float32)
        return DataItem(x, x * x)


class Net(nn.Module):
    """A model whose attributes keep their types."""

    def __init__(self) -> None:
        self.hidden = nn.Linear(1, 8)
        self.out = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        assert_type(self.hidden, nn.Linear)
        return self.out(self.hidden(x).tanh())


class OwnOptimizer:
    """An optimizer that inherits nothing from rumus."""

    def __init__(self, params: Sequence[Parameter]) -> None:
        self.params = params

    def step(self, grads: GradientStore) -> None:
        """Take the gradients and leave the parameters."""
        for p in self.params:
            grads.pop(p.id)


def schedules() -> list[LRScheduler]:
    return [StepLR(0.1, step_size=2, gamma=0.5), CosineAnnealingLR(0.1, t_max=4, eta_min=0.01)]


def optimizers(model: nn.Module) -> list[Optimizer]:
    return [
        SGD(model.parameters(), lr=0.1, momentum=0.9),
        Adam(model.parameters(), lr=1e-3),
        AdamW(model.parameters(), lr=1e-3),
    ]


def fit(device: str) -> float:
    model = Net()
    if device == "gpu":
        model.to_gpu()
    trainer = Trainer(AdamW(model.parameters(), lr=1e-2))
    assert_type(trainer, Trainer[AdamW])
    assert_type(trainer.optimizer, AdamW)
    assert_type(Trainer(OwnOptimizer(list(model.parameters()))).optimizer, OwnOptimizer)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return nn.mse_loss(model(x), y)

    data: Dataset = Squares()
    for batch in DataLoader(data, batch_size=4, shuffle=True, num_workers=2, device=device):
        assert_type(batch.input, Tensor)
        trainer.train_step_with(
            lambda grads, params: clip_grad_norm_(grads, params, 1.0),
            loss,
            batch.input,
            batch.target,
        )
    assert_type(trainer.epoch_avg_loss(), float)
    return trainer.epoch_avg_loss()


def by_hand() -> int:
    weight = Parameter(tensor([1.0, 2.0]))
    assert_type(weight.id, ParamId)
    grads = (weight * weight).sum().backward()
    assert_type(grads, GradientStore[Tensor])
    assert_type(grads.get(weight.id), Tensor | None)
    with no_grad():
        assert_type((zeros((2, 3)) @ zeros((3, 4))).shape, tuple[int, ...])
    assert_type(weight.device, Device)
    return len(grads)


def steps(optimizer: OptimizerLike, grads: GradientStore) -> None:
    optimizer.step(grads)


if __name__ == "__main__":
    assert_type(gpu.is_available(), bool)
    print(fit("cpu"), by_hand(), len(schedules()), len(optimizers(Net())))
