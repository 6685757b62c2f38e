"""What the loop asks of a batch: how many samples, where they are, the input and the target."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from itertools import islice
from typing import Any

import numpy as np

from rumus.data import DataItem
from rumus.tensor import ArgumentError, Device, ShapeError, Tensor, tree


def samples_of(batch: Any) -> int:
    """The length of the first axis that all tensors of a batch share.

    Raises:
        ArgumentError: There is no tensor in it.
        ShapeError: The tensors differ in length, or one has no axis.
    """
    leaves = _tensors(batch)
    if not leaves:
        raise ArgumentError(
            f"a batch holds tensors, and this {type(batch).__name__} has none; "
            "DataLoader(ArrayDataset(inputs, targets), batch_size) makes batches of arrays"
        )
    length = leaves[0].shape[:1]
    for leaf in leaves:
        if leaf.shape[:1] != length or not length:
            shapes = ", ".join(str(leaf.shape) for leaf in leaves)
            raise ShapeError(f"the tensors of a batch have one length, not shapes {shapes}")
    return int(length[0])


def placed(batch: Any, device: Device) -> Any:
    """The batch with its tensors on a device; itself if they are there."""
    for leaf in _tensors(batch):
        if leaf.device is not device:
            return tree.map(lambda x: x.to(device) if isinstance(x, Tensor) else x, batch)
    return batch


def _tensors(batch: Any) -> list[Tensor]:
    if type(batch) is DataItem:
        return [batch.input, batch.target]
    return [leaf for leaf in tree.flatten(batch)[0] if isinstance(leaf, Tensor)]


def input_and_target(batch: Any, instead: str) -> tuple[Any, Any]:
    """The two parts of a batch.

    Args:
        batch: A DataItem, or a tuple or list of two.
        instead: What to pass for other batches.

    Raises:
        ArgumentError: It has other parts.
    """
    if isinstance(batch, DataItem):
        return batch.input, batch.target
    if type(batch) in (tuple, list) and len(batch) == 2:
        return batch[0], batch[1]
    raise ArgumentError(
        f"a batch of an input and a target is expected, and a {type(batch).__name__} came: "
        f"pass {instead}"
    )


_END = object()


class Position:
    """Where an epoch of a loader is, also of a loader that cannot say so.

    Args:
        loader: Gives the batches of an epoch each time it is iterated.
    """

    in_hand: bool

    def __init__(self, loader: Any) -> None:
        if isinstance(loader, (Tensor, np.ndarray)):
            raise ArgumentError(
                "a loader gives batches when it is iterated, and "
                f"{'a Tensor' if isinstance(loader, Tensor) else 'an array'} gives its rows; "
                "DataLoader(ArrayDataset(inputs, targets), batch_size) makes one of tensors, and "
                "[batch] is one of a single batch"
            )
        if not hasattr(loader, "__iter__"):
            raise ArgumentError(
                f"a loader gives batches when it is iterated, and a {type(loader).__name__} does "
                "not; DataLoader(dataset, batch_size) makes one"
            )
        if hasattr(loader, "__next__"):
            raise ArgumentError(
                f"a {type(loader).__name__} can be iterated once, and every epoch iterates its "
                "loader anew; pass a DataLoader, or a list of batches"
            )
        self.loader = loader
        self._says_at_end = self.remembers and "at_end" in signature(loader.state_dict).parameters
        self._skip = 0
        self._taken = 0
        self.in_hand = False
        """Whether the latest batch was given, and nothing was done with it so far."""
        self._before: dict[str, Any] = {}

    @property
    def remembers(self) -> bool:
        """Whether the loader says where it is."""
        return hasattr(self.loader, "state_dict") and hasattr(self.loader, "load_state_dict")

    def epoch(self, in_hand: bool = False) -> Iterator[Any]:
        """The batches of an epoch, or the rest of the one that was loaded.

        Args:
            in_hand: Whether the state may be asked for before anything is done with a batch.
        """
        self._taken, self._skip = self._skip, 0
        batches = iter(self.loader)
        try:
            left = islice(batches, self._taken, None)
            while True:
                if in_hand:
                    self._before = self.state_dict(ended=False)
                batch = next(left, _END)
                if batch is _END:
                    return
                self._taken += 1
                self.in_hand = in_hand
                yield batch
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def __len__(self) -> int:
        """The batches of an epoch; 0 if the loader cannot say."""
        try:
            return len(self.loader)
        except TypeError:
            return 0

    def state_dict(self, ended: bool) -> dict[str, Any]:
        """Where it is; ``ended`` tells whether all of the epoch's work is done."""
        if self.in_hand:
            return self._before
        if not self.remembers:
            return {"taken": 0 if ended else self._taken}
        if self._says_at_end:
            return {"loader": self.loader.state_dict(at_end="next" if ended else "stay")}
        return {"loader": self.loader.state_dict()}

    def load_state_dict(self, state: Any) -> None:
        """Make the next epoch go on where a loader was."""
        if "loader" in state:
            self.loader.load_state_dict(state["loader"])
        else:
            self._skip = int(state["taken"])
