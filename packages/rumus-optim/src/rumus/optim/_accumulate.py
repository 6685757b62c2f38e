"""Gradients of several batches as one step's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from rumus.autograd import GradientStore, ParamId, check_store
from rumus.nn import Parameter
from rumus.optim import _checks
from rumus.optim._contract import F32
from rumus.optim._errors import OptimizerStateError, ParameterListError
from rumus.optim._groups import flat_params, state_keys
from rumus.optim._reading import reading
from rumus.tensor import DTypeError, Tensor, from_numpy

if TYPE_CHECKING:
    from rumus.optim._gpu.flats import Flat, Layout


class GradientAccumulator:
    """Averages the gradients of several backward passes, so that one step sees a larger batch.

    The average divides by the number of passes that were really added, so the last window of an
    epoch, which may be shorter, is scaled right. Sums are float32, also of float16 gradients, whose
    mean is rounded once. On a GPU, gradients in an optimizer's arenas are added in one dispatch for
    each arena.

    Args:
        steps: passes in a window, at least 1.
        params: parameters, or ``(name, parameter)`` pairs, by whose names :meth:`state_dict` saves
            an open window (default: none, and only complete windows can be saved).

    Raises:
        HyperparameterError: ``steps`` is below 1.
        ParameterListError: a parameter comes twice, or ``params`` holds something else.

    Example:
        >>> from rumus.nn import Parameter
        >>> from rumus.tensor import tensor
        >>> weight = Parameter([0.0])
        >>> accumulator = GradientAccumulator(steps=2)
        >>> for slope in (1.0, 3.0):
        ...     window = accumulator.add((weight * slope).sum().backward())
        >>> window.get(weight.id).item()
        2.0
    """

    def __init__(
        self, steps: int, params: Iterable[Parameter | tuple[str, Parameter]] | None = None
    ) -> None:
        self.steps = _checks.count("steps", steps)
        groups = [] if params is None else flat_params(params)
        self._params = [p for group in groups for p in group.params]
        self._keys = state_keys(groups)
        self._start()

    def _start(self) -> None:
        self._added = 0
        self._sums = GradientStore()
        self._dtypes: dict[ParamId, np.dtype[Any]] = {}
        self._totals: list[tuple[Layout, Tensor]] = []
        """Buffers that are summed as a whole; the store has views of them."""

    @property
    def added(self) -> int:
        """Passes in the window so far."""
        return self._added

    def add(self, grads: GradientStore) -> GradientStore | None:
        """Add the gradients of a pass, and take them out of their store.

        Returns:
            The averaged gradients if this pass completes a window, for the optimizer; else None.

        Raises:
            CaptureError: from a captured step that leaves a window incomplete, as its replays would
                add nothing.
            ShapeError, DTypeError, DeviceError: a gradient differs from that of an earlier pass;
                nothing was added or taken then.
        """
        check_store(grads)
        given = dict(grads.items())
        self._check_dtypes(given)
        if any(grad.device.kind == "gpu" for grad in given.values()):
            _refuse_open_window(self)
        flats = [flat for flat in _flats(given) if self._fits(flat)]
        apart = GradientStore()
        for id in given.keys() - {id for flat in flats for id in flat.layout.places}:
            apart.replace(id, given[id].to(np.float32))
        self._sums.merge_from(apart)
        self._totals = [t for t in self._totals if not any(id in apart for id in t[0].places)]
        for flat in flats:
            self._add_whole(flat)
        for id, grad in given.items():
            self._dtypes[id] = grad.dtype
            grads.pop(id)
        self._added += 1
        return self.flush() if self._added == self.steps else None

    def flush(self) -> GradientStore | None:
        """The averaged gradients of a window that may be incomplete; None if it is empty."""
        if not self._added:
            return None
        sums, totals, dtypes, count = self._sums, self._totals, self._dtypes, self._added
        self._start()
        whole = {id for layout, _ in totals for id in layout.places}
        for layout, total in totals:
            _finish_whole(sums, layout, total, count)
        apart = [id for id in sums if id not in whole]
        for id in apart:
            if dtypes[id] != np.float32:
                mean: Any = sums.get(id)
                sums.replace(id, (mean * (1 / count)).to(dtypes[id]))
        if count > 1:
            _scale(sums, [id for id in apart if dtypes[id] == np.float32], count)
        return sums

    def state_dict(self) -> dict[str, Any]:
        """The window so far: how many passes, and their sums by parameter name as float32 arrays.

        Raises:
            ParameterListError: the window is open, and has gradients of parameters that the
                accumulator was not given.
        """
        keys = dict(zip((p.id for p in self._params), self._keys, strict=True))
        sums: dict[str, F32] = {}
        for id, total in self._sums.items():
            if id not in keys:
                raise ParameterListError(
                    f"the window has {self._added} of {self.steps} passes, with gradients of "
                    f"parameters without a name: give them to GradientAccumulator(params=...), or "
                    f"save after a complete window"
                )
            sums[keys[id]] = np.array(total.numpy())
        return {"steps": self.steps, "added": self._added, "sums": sums}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue the window of :meth:`state_dict`; ``steps`` stays as it was made.

        Raises:
            OptimizerStateError: it has other parameters or shapes, or more passes than a window
                here; nothing has changed then.
        """
        with reading("a GradientAccumulator", state):
            added = _checks.count("added", state["added"], least=0, most=self.steps - 1)
            arrays = {key: np.asarray(a, np.float32) for key, a in state["sums"].items()}
        named = dict(zip(self._keys, self._params, strict=True))
        for key, array in arrays.items():
            if key not in named:
                raise OptimizerStateError(
                    f"the state has a sum for {key!r}; the accumulator's parameters are "
                    f"{', '.join(self._keys) or 'none'}"
                )
            if array.shape != named[key].shape:
                raise OptimizerStateError(
                    f"{key}'s sum has shape {array.shape}, the parameter {named[key].shape}"
                )
        if arrays and not added:
            raise OptimizerStateError("the state has sums of no passes")
        self._start()
        self._added = added
        for key, array in arrays.items():
            parameter = named[key]
            self._dtypes[parameter.id] = parameter.dtype
            self._sums.replace(parameter.id, from_numpy(array.copy()).to(parameter.device))

    def check_complete(self) -> None:
        """Forget a window that the captured step of its gradients left incomplete.

        Raises:
            CaptureError: there was one.
        """
        from rumus.gpu import CaptureError

        added = self._added
        self._start()
        if added:
            raise CaptureError(
                f"the captured step adds {added} of {self.steps} passes to a GradientAccumulator: "
                f"a replay starts from nothing again, so let one step do all passes of a window"
            )

    def _check_dtypes(self, given: Mapping[ParamId, Tensor]) -> None:
        for id, grad in given.items():
            known = self._dtypes.get(id, grad.dtype)
            if grad.dtype != known:
                raise DTypeError(f"gradient of {id}: {known} is there, {grad.dtype} was added")

    def _fits(self, flat: Flat) -> bool:
        """Whether a buffer can be added as a whole."""
        known = any(layout == flat.layout for layout, _ in self._totals)
        return known or not any(id in self._sums for id in flat.layout.places)

    def _add_whole(self, flat: Flat) -> None:
        narrow = flat.whole.dtype != np.float32
        whole = flat.whole.to(np.float32) if narrow else flat.whole
        for layout, total in self._totals:
            if layout == flat.layout:
                total.add_(whole)
                return
        total = whole if narrow else whole * 1.0
        self._totals.append((flat.layout, total))
        for id, view in flat.layout.views(total).items():
            self._sums.replace(id, view)


def _finish_whole(sums: GradientStore, layout: Layout, total: Tensor, count: int) -> None:
    """Let the store have the means of a buffer that was summed as a whole."""
    if count > 1:
        total.mul_(1 / count)
    dtype = next(iter(layout.places.values())).dtype
    if dtype != np.float32:
        for id, view in layout.views(total.to(dtype)).items():
            sums.replace(id, view)


def _refuse_open_window(accumulator: GradientAccumulator) -> None:
    from rumus import gpu

    gpu.when_recorded(accumulator.check_complete)


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
