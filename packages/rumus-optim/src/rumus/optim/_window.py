"""A window of passes whose gradients are added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rumus.autograd import GradientStore, ParamId
from rumus.tensor import DeviceError, DTypeError, ShapeError, Tensor

if TYPE_CHECKING:
    from rumus.optim._gpu.flats import Flat, Layout


@dataclass
class Window:
    """Passes that were added up.

    Attributes:
        added: how many.
        sums: float32, by parameter.
        dtypes: of the gradients.
        totals: buffers that are summed as a whole; the store has views of them.
    """

    added: int = 0
    sums: GradientStore = field(default_factory=GradientStore)
    dtypes: dict[ParamId, np.dtype[Any]] = field(default_factory=dict)
    totals: list[tuple[Layout, Tensor]] = field(default_factory=list)

    def copy(self) -> Window:
        """The same sums in a window of its own."""
        other = Window(self.added, dtypes=dict(self.dtypes))
        other.sums.merge_from(self.sums)
        return other

    def add(self, given: dict[ParamId, Tensor]) -> None:
        """Add gradients, those that share a buffer at once."""
        flats = [flat for flat in _flats(given) if self._fits(flat)]
        apart = GradientStore()
        for id in given.keys() - {id for flat in flats for id in flat.layout.places}:
            apart.replace(id, given[id].to(np.float32))
        self.sums.merge_from(apart)
        self.totals = [t for t in self.totals if not any(id in apart for id in t[0].places)]
        for flat in flats:
            self._add_whole(flat)

    def means(self) -> GradientStore:
        """The means, in the memory of the sums."""
        sums, dtypes, count = self.sums, self.dtypes, self.added
        whole = {id for layout, _ in self.totals for id in layout.places}
        for layout, total in self.totals:
            _finish_whole(sums, layout, total, count)
        apart = [id for id in sums if id not in whole]
        for id in apart:
            if dtypes[id] != np.float32:
                mean: Any = sums.get(id)
                sums.replace(id, (mean * (1 / count)).to(dtypes[id]))
        if count > 1:
            _scale(sums, [id for id in apart if dtypes[id] == np.float32], count)
        return sums

    def _fits(self, flat: Flat) -> bool:
        """Whether a buffer can be added as a whole."""
        known = any(layout == flat.layout for layout, _ in self.totals)
        return known or not any(id in self.sums for id in flat.layout.places)

    def _add_whole(self, flat: Flat) -> None:
        narrow = flat.whole.dtype != np.float32
        whole = flat.whole.to(np.float32) if narrow else flat.whole
        for layout, total in self.totals:
            if layout == flat.layout:
                total.add_(whole)
                return
        total = whole if narrow else whole * 1.0
        self.totals.append((flat.layout, total))
        for id, view in flat.layout.views(total).items():
            self.sums.replace(id, view)


class Traced:
    """A window while a step is recorded.

    Attributes:
        window: what it is at this line of the step.
        start: the passes before the step.
        began: whether the step has completed a window, and begun another.
    """

    def __init__(self, window: Window) -> None:
        self.window, self.start, self.began = window.copy(), window.added, False

    def begin(self) -> None:
        """Let the next window begin."""
        self.window, self.began = Window(), True


def check_dtypes(window: Window, given: Mapping[ParamId, Tensor]) -> None:
    """Raise unless gradients have the dtypes of those before.

    Raises:
        DTypeError: one has another.
    """
    for id, grad in given.items():
        known = window.dtypes.get(id, grad.dtype)
        if grad.dtype != known:
            raise DTypeError(f"gradient of {id}: {known} is there, {grad.dtype} was added")


def check_places(window: Window, given: Mapping[ParamId, Tensor]) -> None:
    """Raise unless gradients fit those before.

    Raises:
        ShapeError, DeviceError: one does not.
    """
    for id, grad in given.items():
        known = window.sums.get(id)
        if known is not None and known.shape != grad.shape:
            raise ShapeError(f"gradient of {id}: {known.shape} is there, {grad.shape} was added")
        if known is not None and known.device is not grad.device:
            raise DeviceError(f"gradient of {id}: one is on {known.device}, one on {grad.device}")


def _finish_whole(sums: GradientStore, layout: Layout, total: Tensor, count: int) -> None:
    """Let the store have the means of a buffer that was summed as a whole."""
    if count > 1:
        total.mul_(1 / count)
    dtype = next(iter(layout.places.values())).dtype
    if dtype != np.float32:
        for id, view in layout.views(total.to(dtype)).items():
            sums.replace(id, view)


def _flats(grads: dict[ParamId, Tensor]) -> list[Flat]:
    if not any(grad.device.kind == "gpu" for grad in grads.values()):
        return []
    from rumus.optim._gpu.flats import find_flats

    return find_flats(grads)


def _scale(store: GradientStore, ids: Iterable[ParamId], count: int) -> None:
    """Divide gradients by a number, in the optimizer's step if they are on a GPU."""
    by_device: dict[Any, list[ParamId]] = {}
    for id in ids:
        grad: Any = store.get(id)
        by_device.setdefault(grad.device, []).append(id)
    for device, group in by_device.items():
        on_gpu = device.kind == "gpu"
        store.scale_by(group, _device_share(count, device.index) if on_gpu else 1 / count)


@cache
def _device_share(count: int, index: int) -> Any:
    from rumus import gpu
    from rumus.optim._gpu.norm import Control

    with gpu.outside_capture():
        return Control(gpu.persist(gpu.full((4,), 1 / count, np.float32, index)))
