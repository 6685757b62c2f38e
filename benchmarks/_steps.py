"""A training step of a model: cross-entropy, clipping to norm 1 and AdamW, here and in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus import nn
from rumus.optim import AdamW, clip_grad_norm_
from rumus.tensor import Tensor, tensor
from rumus.train import Trainer

LEARNING_RATE = 1e-3
Array = npt.NDArray[Any]
Weights = dict[str, Tensor]


def batch_of(
    shape: tuple[int, ...], classes: int, seed: int = 0, ids: bool = False
) -> tuple[Array, Array]:
    """Random inputs, and a class for each vector, for each image (of four axes), or for each id."""
    rng = np.random.default_rng(seed)
    if ids:
        given = rng.integers(0, classes, shape, dtype=np.int32)
        return given, rng.integers(0, classes, given.size, dtype=np.int32)
    inputs = rng.standard_normal(shape, dtype=np.float32)
    samples = shape[0] if len(shape) == 4 else int(np.prod(shape[:-1]))
    return inputs, rng.integers(0, classes, samples, dtype=np.int32)


def our_step(
    model: nn.Module, weights: Weights, capture: bool, device: str = "gpu"
) -> Callable[[Tensor, Tensor], Tensor]:
    """A step of ours; returns the loss."""
    model.load_state_dict(weights)
    model.to(device)
    trainer = Trainer(AdamW(model.parameters(), lr=LEARNING_RATE), capture=capture)

    def clip(grads: Any, params: Any) -> None:
        clip_grad_norm_(grads, params, 1.0)

    def forward(x: Tensor, y: Tensor) -> Tensor:
        return nn.cross_entropy_loss(model(x), y)

    return lambda x, y: trainer.train_step_with(clip, forward, x, y)


def their_step(
    torch: Any,
    model: Any,
    weights: Weights,
    batch: tuple[Array, Array],
    graph: bool,
    device: str = "cuda",
) -> tuple[Any, Any, Any]:
    """PyTorch's step on fixed input tensors that hold a batch: the step and its inputs."""
    model.load_state_dict({k: torch.from_numpy(v.numpy().copy()) for k, v in weights.items()})
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True, capturable=graph
    )
    x, y = (torch.from_numpy(part).to(device) for part in batch)
    y = y.long()

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        return loss

    if not graph:
        return step, x, y
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.synchronize()
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        step()
    return recorded.replay, x, y


def largest_difference(
    ours: Callable[[Tensor, Tensor], Tensor],
    theirs: tuple[Any, Any, Any],
    batches: list[tuple[Array, Array]],
    device: str = "gpu",
) -> float:
    """The largest relative difference between the losses of two eager or captured steps."""
    step, x, y = theirs
    worst = 0.0
    for inputs, classes in batches:
        x.copy_(x.new_tensor(inputs))
        y.copy_(y.new_tensor(classes))
        expected = step().item()
        loss = ours(tensor(inputs, device=device), tensor(classes, device=device)).item()
        worst = max(worst, abs(loss / expected - 1))
    return worst
