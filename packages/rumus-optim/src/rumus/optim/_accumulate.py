"""Gradients of several batches as one step's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from rumus.autograd import GradientStore, check_store
from rumus.nn import Parameter
from rumus.optim import _checks
from rumus.optim._contract import F32
from rumus.optim._errors import OptimizerStateError, ParameterListError
from rumus.optim._expects import expects
from rumus.optim._groups import flat_params, state_keys
from rumus.optim._reading import reading
from rumus.optim._window import Traced, Window, check_dtypes, check_places
from rumus.tensor import Keyed, from_numpy

if TYPE_CHECKING:
    from rumus.optim._gpu.sums import KeptSums


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

    steps: int

    def __init__(
        self, steps: int, params: Iterable[Parameter | tuple[str, Parameter]] | None = None
    ) -> None:
        self.steps = _checks.count("steps", steps)
        groups = [] if params is None else flat_params(params)
        self._params = [p for group in groups for p in group.params]
        self._keys = state_keys(groups)
        self._window = Window()
        self._kept: KeptSums | None = None
        """Where sums lie once a captured step knows them."""
        self._traced: Traced | None = None
        self._phase, self._count = Keyed(None), Keyed(0)

    def __repr__(self) -> str:
        return f"<GradientAccumulator: {self.added} of {self.steps} passes>"

    @property
    def added(self) -> int:
        """Passes in the window so far."""
        return self._window.added

    @expects("window = accumulator.add(loss.backward())")
    def add(self, grads: GradientStore) -> GradientStore | None:
        """Add the gradients of a pass, and take them out of their store.

        A captured step may add one pass of several: it has a recording for a window's first pass,
        one for those between, and one for the last, which goes on with the mean.

        Returns:
            The averaged gradients if this pass completes a window, for the optimizer; else None.

        Raises:
            ShapeError, DTypeError, DeviceError: a gradient differs from that of an earlier pass;
                nothing was added or taken then.
        """
        check_store(grads)
        given = dict(grads.items())
        on_gpu = any(grad.device.kind == "gpu" for grad in given.values())
        window = self._opened() if on_gpu else self._window
        check_dtypes(window, given)
        if self._kept is None or not on_gpu:
            window.add(given)
        else:
            check_places(window, given)
            self._kept.add(window.sums, given)
        for id, grad in given.items():
            window.dtypes[id] = grad.dtype
            grads.pop(id)
        window.added += 1
        if self._traced is None:
            self._note()
        return self.flush() if window.added == self.steps else None

    def flush(self) -> GradientStore | None:
        """The averaged gradients of a window that may be incomplete; None if it is empty."""
        sums = self._window.sums.items()
        on_gpu = self._traced is not None or any(total.device.kind == "gpu" for _, total in sums)
        window = self._opened() if on_gpu else self._window
        if window.added != self.steps:
            self._count.get()
        if not window.added:
            return None
        if self._kept is None or not on_gpu:
            self._window = Window()
            return window.means()
        means = self._kept.means(window.sums, window.dtypes, window.added)
        if self._traced is None:
            self._window = Window()
            self._note()
        else:
            self._traced.begin()
        return means

    def _opened(self) -> Window:
        """The window that gradients on a GPU go into; while a step is recorded, a copy of it."""
        from rumus import gpu

        if not gpu.is_recording():
            self._traced = None
            return self._window
        if self._traced is None:
            if self._kept is None:
                from rumus.optim._gpu.sums import KeptSums

                self._kept = KeptSums()
            self._kept.adopt(self._window.sums)
            self._note()
            self._phase.get()
            self._traced = Traced(self._window)
            gpu.when_recorded(self._end_trace)
            gpu.when_replayed(partial(self._replayed, self._traced))
        else:
            self._count.get()
        return self._traced.window

    def _end_trace(self) -> None:
        self._traced = None

    def _replayed(self, traced: Traced) -> None:
        """Be where a replay has come to."""
        before = 0 if traced.began else self._window.added - traced.start
        self._window = traced.window.copy()
        self._window.added += before
        self._note()

    def _note(self) -> None:
        """Say where the window is, for captured steps to choose their recordings by."""
        if self._kept is not None:
            window = self._window
            left = self.steps - window.added
            self._phase.set((min(window.added, 1), min(left, 2), *window.sums))
            self._count.set(window.added)

    def state_dict(self) -> dict[str, Any]:
        """The window so far: how many passes, and their sums by parameter name as float32 arrays.

        Raises:
            ParameterListError: the window is open, and has gradients of parameters that the
                accumulator was not given.
        """
        keys = dict(zip((p.id for p in self._params), self._keys, strict=True))
        sums: dict[str, F32] = {}
        for id, total in self._window.sums.items():
            if id not in keys:
                raise ParameterListError(
                    f"the window has {self.added} of {self.steps} passes, with gradients of "
                    f"parameters without a name: give them to GradientAccumulator(params=...), or "
                    f"save after a complete window"
                )
            sums[keys[id]] = np.array(total.numpy())
        return {"steps": self.steps, "added": self.added, "sums": sums}

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
        window = Window(added)
        for key, array in arrays.items():
            parameter = named[key]
            window.dtypes[parameter.id] = parameter.dtype
            window.sums.replace(parameter.id, from_numpy(array.copy()).to(parameter.device))
        if self._kept is not None:
            self._kept.adopt(window.sums)
        self._window = window
        self._note()
