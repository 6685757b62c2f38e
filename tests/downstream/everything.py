"""A program that uses the whole public surface, as a user's checker sees it: nothing is unknown."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

from rumus import autograd, gpu, nn
from rumus import tensor as rt
from rumus.data import ArrayDataset, DataItem, DataLoader, MapDataset, random_split
from rumus.nn import augment
from rumus.nn import functional as F  # noqa: N812
from rumus.optim import (
    LBFGS,
    SGD,
    AdamW,
    GradientAccumulator,
    Lion,
    Muon,
    Optimizer,
    WeightAverage,
    clip_grad_norm_,
    no_decay_groups,
)
from rumus.optim.lr_scheduler import (
    CosineAnnealingLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from rumus.tensor import Tensor, float16, int32, tensor, zeros
from rumus.train import (
    F1,
    Accuracy,
    Alone,
    Callback,
    CsvLogger,
    EarlyStopping,
    Every,
    Group,
    KeepBest,
    Log,
    Logger,
    Metric,
    Run,
    RunFolder,
    Trainer,
    Validate,
    find_group,
    seed_everything,
)


def tensors(device: str) -> float:
    x = rt.arange(12.0, device=device).reshape(3, 4)
    on_gpu = "gpu:1" if device == "gpu" else "cpu"
    assert_type(rt.ones(2, 3, device=on_gpu), Tensor)
    assert_type(x[0, 1:], Tensor)
    assert_type(x[..., None], Tensor)
    assert_type(x[x > 3], Tensor)
    assert_type(x[tensor([0, 2])], Tensor)
    assert_type(2 - x / 3 + np.float32(1.0), Tensor)
    assert_type(x @ x.T, Tensor)
    assert_type(x == 1, Tensor)
    assert_type(-x.sum(axis=0).mean(), Tensor)
    assert_type(x.max(axis=1, keepdims=True), Tensor)
    assert_type(x.argmax(dim=1), Tensor)
    assert_type(x.shape, tuple[int, ...])
    assert_type(x.to(float16).to(int32), Tensor)
    assert_type(rt.exp(x), Tensor)
    assert_type(rt.clip(x, 0, 1), Tensor)
    assert_type(rt.maximum(x, 1), Tensor)
    assert_type(rt.where(x > 0, x, 0.0), Tensor)
    assert_type(rt.einsum("ij->ji", x), Tensor)
    assert_type(rt.split(x, 2, axis=1), tuple[Tensor, ...])
    assert_type(rt.unique_counts(x).counts, Tensor)
    assert_type(rt.cat([x, x], axis=1), Tensor)
    assert_type(rt.stack([x, x]), Tensor)
    assert_type(rt.meshgrid(x[0], x[1], indexing="ij"), tuple[Tensor, ...])
    assert_type(rt.unique(x), Tensor)
    values, indices = x.topk(2)
    assert_type((values, indices), tuple[Tensor, Tensor])
    assert_type(x.detach().numpy(), npt.NDArray[Any])
    assert_type(len(x), int)
    assert_type(bool(x[0, 0] == 0), bool)
    with rt.no_grad():
        x += 1
        x[0] = 0.0
        assert_type(x.copy_(zeros(3, 4)), Tensor)
    for row in x:
        assert_type(row, Tensor)
    return x.sum().item()


class Double(autograd.Function):
    """A function of the project's own."""

    saves = (0,)

    def forward(self, be: Any, x: Any) -> Any:
        return be.elementwise("mul", x, 2.0)

    def backward(self, be: Any, grad: Any) -> tuple[Any | None, ...]:
        return (be.elementwise("mul", grad, 2.0),)


class Net(nn.Module):
    """A model of many layers."""

    def __init__(self, classes: int) -> None:
        self.augment = nn.Sequential(augment.RandomHorizontalFlip(), augment.ColorJitter(0.2))
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding="same", padding_mode="reflect", bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
        )
        self.pool = nn.MaxPool2d(2)
        self.blocks = nn.ModuleList([nn.Linear(16, 16), nn.Linear(16, 16)])
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, classes)
        self.register_buffer("seen", zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.body(self.augment(x)))
        x = F.max_pool2d(x, 1).flatten(1).reshape(x.shape[0], 1, 16)
        for block in self.blocks:
            x = F.gelu(block(x), approximate="tanh")
        mixed, weights = self.attention(x, x, x)
        assert_type((mixed, weights), tuple[Tensor, Tensor | None])
        return self.head(Double()(self.norm(x + mixed)).mean(axis=1))


class Near(Metric[float]):
    """A metric of the project's own."""

    name = "near"

    def measure(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        near = output.argmax(axis=1) == target
        return {"near": near.sum(), "all": rt.ones_like(near).sum()}

    def result(self, totals: Mapping[str, Any]) -> float:
        return float(totals["near"] / totals["all"])


class Told(Callback):
    """A callback of the project's own."""

    def on_epoch_end(self, run: Run) -> None:
        assert_type(run.progress.epoch, int)
        assert_type(run.loss, Tensor | None)
        if run.progress.epoch > 3:
            run.stop("enough")


class Lines(Logger):
    """A sink of the project's own."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.lines.append(f"{step}: {dict(values)}")


def images(count: int) -> DataLoader[DataItem, DataItem]:
    rng = np.random.default_rng(0)
    data = ArrayDataset(rng.random((count, 1, 4, 4), np.float32), np.arange(count) % 3)
    train, rest = random_split(data, [0.75, 0.25], seed=1)
    assert_type(train[0].input, Tensor)
    assert_type(len(MapDataset(rest, lambda item: item)), int)
    return DataLoader(train, batch_size=4, shuffle=True, drop_last=True, device="cpu")


def by_hand(model: Net, loader: DataLoader[DataItem, DataItem]) -> float:
    optimizer = AdamW(no_decay_groups(model, 0.01), lr=1e-3)
    schedule = OneCycleLR(1e-2, total_steps=10, anneal_strategy="linear")
    accumulator = GradientAccumulator(2)
    average = WeightAverage(model.parameters(), decay=0.9)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1, reduction="mean")
    total = 0.0
    for x, y in loader:
        loss = criterion(model(x), y)
        assert_type(loss, Tensor)
        window = accumulator.add(loss.backward())
        if window is not None:
            assert_type(clip_grad_norm_(window, model.parameters(), 1.0), Tensor)
            optimizer.set_lr(schedule.get_lr())
            optimizer.step(window)
            schedule.step()
            average.update()
        assert_type(loss.item(), float)
        total += loss.item()
    with average.applied():
        assert_type(model.eval(), Net)
    return total


def others(model: Net) -> tuple[list[Optimizer], list[LRScheduler]]:
    weights = [p for p in model.parameters() if p.ndim == 2]
    assert_type(weights, list[nn.Parameter])
    schedules = SequentialLR([StepLR(0.1, 2), CosineAnnealingLR(0.1, t_max=3)], [2])
    assert_type(ReduceLROnPlateau(0.1, mode="max").get_lr(), float)
    return [Muon(weights, lr=0.1), Lion(weights, lr=1e-3)], [schedules]


def closure() -> float:
    point = nn.Parameter([1.0, -2.0])
    optimizer = LBFGS([point], max_iter=5, line_search_fn="strong_wolfe")
    assert_type(optimizer.step(lambda: (point * point).sum()), Tensor)
    (grad,) = autograd.grad((point**3).sum(), [point])
    assert_type(grad, Tensor)
    return point[0].item()


def trained(model: Net, loader: DataLoader[DataItem, DataItem], folder: Path) -> dict[str, Any]:
    group: Group = find_group()
    assert_type(Alone().size, int)
    trainer = Trainer(SGD(model.parameters(), lr=0.1, momentum=0.9), group=group)

    def step(run: Run, batch: DataItem) -> Mapping[str, Tensor]:
        loss = F.cross_entropy(model(batch.input), batch.target)
        run.minimize(loss)
        return {"loss": loss}

    with CsvLogger(folder / "log.csv") as logger:
        run = trainer.fit(
            model,
            loader,
            step=step,
            epochs=2,
            validate=Validate(loader, loss=F.cross_entropy),
            metrics=[Near(), Accuracy(), F1(3, average="macro")],
            schedule=CosineAnnealingLR(0.1, t_max=2),
            clip=1.0,
            callbacks=[Told(), EarlyStopping("val_loss", mode="min"), Log(logger)],
            run=RunFolder(folder / "run", every=Every(epochs=1), keep=KeepBest("val_loss")),
        )
    assert_type(run, Run)
    assert_type(run.stopped, str | None)
    return trainer.evaluate(model, loader, F.cross_entropy, metrics=[Near()])


@gpu.capture
def captured(x: Tensor, times: int) -> Tensor:
    return (x * times).relu()


def saved(model: Net, path: Path) -> nn.LoadReport:
    nn.save_file(model, path)
    state = nn.load_file(path)
    assert_type(state, dict[str, Tensor])
    assert_type(str(nn.summary(model, zeros(1, 1, 4, 4))), str)
    if gpu.is_available():
        assert_type(captured(zeros(2, device="gpu"), 3), Tensor)
    return model.load_state_dict(state)


def main(folder: Path) -> None:
    seed_everything(0)
    model, loader = Net(3), images(16)
    print(tensors("cpu"), by_hand(model, loader), len(others(model)[0]), closure())
    print(trained(model, loader, folder), saved(model, folder / "net.safetensors"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as away:
        main(Path(away))
