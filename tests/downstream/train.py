"""A project of somebody else, typed strictly, that uses all four packages."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, assert_type

import numpy as np

from rumus import gpu, nn
from rumus.autograd import GradientStore, ParamId
from rumus.data import (
    ArrayDataset,
    DataItem,
    DataLoader,
    Dataset,
    LengthBatches,
    MapDataset,
    Padded,
    RecordDataset,
    StreamDataset,
    Subset,
    WeightedSampler,
    convert,
    pad_collate,
)
from rumus.nn import Parameter
from rumus.optim import SGD, Adam, AdamW, Optimizer, clip_grad_norm_
from rumus.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, StepLR
from rumus.tensor import Device, Tensor, no_grad, tensor, zeros
from rumus.train import Accuracy, EarlyStopping, OptimizerLike, RunFolder, Trainer


class Squares:
    """A data set by its shape alone: nothing is inherited."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> DataItem:
        x = np.full((1,), index / 16, np.float32)
        return DataItem(x, x * x)


class Sentence(NamedTuple):
    """A sample of several parts."""

    words: list[int]
    name: str


class Batch(NamedTuple):
    """What a collate of the project's own makes of them."""

    words: Tensor
    names: list[str]


class Sentences:
    """A data set whose samples are no DataItem."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> Sentence:
        return Sentence([index] * (index + 1), f"sentence {index}")


class Lines:
    """A stream."""

    def iterate(self, part: int, parts: int, position: Any = None) -> Iterator[Sentence]:
        yield from (Sentence([n], str(n)) for n in range(part, 6, parts))


def joined(sentences: list[Sentence]) -> Batch:
    words = [word for sentence in sentences for word in sentence.words]
    return Batch(tensor(words), [sentence.name for sentence in sentences])


def trees(path: str) -> int:
    data: Dataset[Sentence] = Sentences()
    stream: StreamDataset[Sentence] = Lines()
    assert_type(Subset(data, [0])[0], Sentence)
    assert_type(MapDataset(data, np_words)[0], dict[str, Any])
    loader = DataLoader(data, batch_sampler=LengthBatches(range(6), 2), collate=joined)
    assert_type(loader, DataLoader[Sentence, Batch])
    count = 0
    for batch in loader:
        assert_type(batch, Batch)
        assert_type(batch.words, Tensor)
        count += len(batch.names)
    for batch in DataLoader(stream, batch_size=4, collate=joined):
        assert_type(batch, Batch)
    for padded in DataLoader(MapDataset(data, np_words), 2, collate=pad_collate()):
        assert_type(padded, Padded)
        assert_type(padded.lengths["words"], Tensor)
    arrays = ArrayDataset({"x": np.zeros((4, 2)), "y": np.arange(4)})
    for parts in DataLoader(arrays, 2, sampler=WeightedSampler([1, 2, 0, 1])):
        assert_type(parts, Any)
        count += int(parts["x"].shape[0])
    assert_type(ArrayDataset(np.zeros(3), np.zeros(3))[0], DataItem)
    if path:
        assert_type(RecordDataset(path)[0], DataItem)
        records: RecordDataset[dict[str, Any]] = RecordDataset(path)
        assert_type(records[0], dict[str, Any])
    return count


class Pair(nn.Module):
    """A model of several inputs and results, whose calls are typed as its forward is."""

    def __init__(self) -> None:
        self.cell = nn.LSTM(2, 3)
        self.head = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Dropout(0.1), nn.Linear(4, 2))

    def forward(self, x: Tensor, scale: float = 1.0, *, twice: bool = False) -> tuple[Tensor, int]:
        steps, (h, c) = self.cell(x)
        assert_type((steps, h, c), tuple[Tensor, Tensor, Tensor])
        y = self.head(steps[-1]) * scale
        assert_type(y, Tensor)
        return (y * 2 if twice else y), 1


def calls(model: nn.Module) -> float:
    pair = Pair()
    assert_type(pair(zeros(4, 5, 2), 0.5, twice=True), tuple[Tensor, int])
    assert_type(nn.Linear(2, 3)(zeros(5, 2)), Tensor)
    output, _ = pair(zeros(4, 5, 2))
    targets = tensor([0, 1, 1, 0, 1])
    losses = nn.functional.cross_entropy(output, targets, reduction="none")
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)(output, targets)
    assert_type(loss, Tensor)
    assert_type(losses.mean().item(), float)
    grads = loss.backward()
    assert_type(grads[next(iter(pair.parameters()))], Tensor)
    report = model.load_state_dict(model.state_dict(), strict=False)
    assert_type(report.missing, tuple[str, ...])
    return loss.item() + losses.mean().item()


def anything(model: nn.Module) -> Any:
    return model(1, 2, three=3)


def table(folder: Path) -> str:
    (folder / "pets.csv").write_text("weight,label\n4.5,cat\n30,dog\n")
    done = convert(folder / "pets.csv", folder / "pets.rrec", missing="skip")
    assert_type(done.records, list[int])
    pets: RecordDataset[DataItem] = RecordDataset(done.paths)
    assert_type(pets.class_names(), list[str])
    return pets.class_names()[int(pets[1].target.item())]


def fitted(folder: Path) -> dict[str, float]:
    model = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 2))
    trainer = Trainer(SGD(model.parameters(), lr=0.1, momentum=0.9))
    x = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
    data = ArrayDataset(x, (x[:, 0] > 0).astype(np.int32))
    loader = DataLoader(data, batch_size=8, shuffle=True)
    assert_type(loader, DataLoader[DataItem, DataItem])
    for words in DataLoader(Sentences(), batch_size=1):
        assert_type(words, Any)
    trainer.fit(
        model,
        loader,
        nn.functional.cross_entropy,
        epochs=2,
        validate=loader,
        metrics=[Accuracy()],
        schedule=StepLR(0.1, step_size=1),
        clip=1.0,
        callbacks=[EarlyStopping("val_loss", patience=3)],
        run=RunFolder(folder / "run"),
    )
    return dict(trainer.evaluate(model, loader, loss=nn.functional.cross_entropy))


def np_words(sentence: Sentence) -> dict[str, Any]:
    return {"words": np.array(sentence.words)}


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
    print(fit("cpu"), by_hand(), trees(""), len(schedules()), len(optimizers(Net())))
    with tempfile.TemporaryDirectory() as away:
        print(calls(Net()), table(Path(away)), fitted(Path(away)))
