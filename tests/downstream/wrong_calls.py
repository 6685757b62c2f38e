"""Calls that a strict type checker must refuse: an ignore that ignores nothing is an error too."""

from rumus import nn
from rumus.autograd import GradientStore
from rumus.data import DataLoader, Subset
from rumus.optim import LBFGS, SGD, AdamW, clip_grad_norm_
from rumus.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from rumus.tensor import Tensor, tensor
from rumus.train import Trainer


class Names:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> str:
        return "name"


def total(samples: list[int]) -> int:
    return sum(samples)


def loss_of(x: Tensor) -> Tensor:
    return x.sum()


def tensors(x: Tensor, grads: GradientStore) -> None:
    x @ "weights"  # type: ignore[operator]
    tensor([1.0], device=3)  # type: ignore[arg-type]
    grads.get("weight")  # type: ignore[arg-type]
    x.backward().step()  # type: ignore[attr-defined]


def models(model: nn.Module) -> None:
    nn.Linear("3", 4)  # type: ignore[arg-type]
    nn.cross_entropy_loss(model)  # type: ignore[call-arg, arg-type]
    nn.Linear(3, 4)("text")  # type: ignore[arg-type]
    nn.Linear(3, 4)(1, 2)  # type: ignore[arg-type, call-arg]
    nn.functional.mse_loss(model(1), model(2), reduction="avg")  # type: ignore[arg-type]
    nn.MSELoss(reduction="avg")  # type: ignore[arg-type]
    nn.Conv2d(3, 4, 3, padding_mode="mirror")  # type: ignore[arg-type]
    nn.functional.interpolate(model(1), 4, mode="cubic")  # type: ignore[arg-type]
    nn.functional.pad(model(1), (1, 1), mode="edge")  # type: ignore[arg-type]
    model.parameters().fly()  # type: ignore[attr-defined]


def optimizers(model: nn.Module, grads: GradientStore) -> None:
    AdamW(model.parameters(), lr="fast")  # type: ignore[arg-type]
    SGD(model, lr=0.1)  # type: ignore[arg-type]
    SGD(model.parameters(), lr=0.1).step()  # type: ignore[call-arg]
    clip_grad_norm_(grads, model.parameters(), "1.0")  # type: ignore[arg-type]
    StepLR(0.1)  # type: ignore[call-arg]
    ReduceLROnPlateau(0.1, mode="low")  # type: ignore[arg-type]
    LBFGS(model.parameters(), line_search_fn="wolfe")  # type: ignore[arg-type]


def loops(trainer: Trainer[AdamW], x: Tensor) -> None:
    Trainer(0.1)  # type: ignore[type-var]
    trainer.train_step(loss_of)  # type: ignore[arg-type]
    trainer.train_step(loss_of, 3)  # type: ignore[arg-type]
    trainer.train_step(lambda: 3)  # type: ignore[arg-type, return-value]
    trainer.fit(nn.Linear(1, 1), [], nn.MSELoss(), epochs=1, schedule=0.1)  # type: ignore[arg-type]
    trainer.optimizer.momentum_of_everything()  # type: ignore[attr-defined]
    DataLoader(3, batch_size=2)  # type: ignore[call-overload]
    DataLoader(Names(), batch_size=2, collate=total)  # type: ignore[arg-type]
    Subset(Names(), [0])[0] + 1  # type: ignore[operator]
