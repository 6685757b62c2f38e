"""Exponential moving averages of weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from rumus.nn import Parameter
from rumus.optim import _checks
from rumus.optim._contract import F32
from rumus.optim._cpu.average import HostAverages
from rumus.optim._errors import OptimizerStateError, ParameterListError
from rumus.optim._groups import flat_params, state_keys
from rumus.optim._reading import reading
from rumus.tensor import Tensor, no_grad


class WeightAverage:
    r"""A moving average of parameters, which often generalises better than the last values.

    After each optimizer step, with the parameters ``p``::

        a ← decay · a + (1 - decay) · p          a = p at first

    Polyak & Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992, in its
    exponential form. Averages are float32, also of float16 parameters.

    Args:
        params: parameters, or ``(name, parameter)`` pairs.
        decay: in [0, 1) (default 0.999).

    Raises:
        HyperparameterError: ``decay`` is outside its range.
        ParameterListError: no parameters, one of them twice, or another object.

    Example:
        >>> from rumus.tensor import no_grad
        >>> weight = Parameter([0.0])
        >>> average = WeightAverage([weight], decay=0.9)
        >>> with no_grad():
        ...     _ = weight.fill_(10.0)
        >>> average.update()
        >>> with average.applied():
        ...     round(weight.item(), 3)
        1.0
        >>> weight.item()
        10.0
    """

    def __init__(
        self, params: Iterable[Parameter | tuple[str, Parameter]], decay: float = 0.999
    ) -> None:
        self._decay = _checks.fraction("decay", decay)
        groups = flat_params(params)
        self._params = groups[0].params
        self._keys = state_keys(groups)
        self._kept = list(range(len(self._params)))
        """The positions of those whose averages are here."""
        self._values = self._fresh()

    def __repr__(self) -> str:
        return f"<WeightAverage: {len(self._params)} parameters, decay {self._decay:g}>"

    @property
    def params(self) -> list[Parameter]:
        """The parameters, in the order in which they were given."""
        return list(self._params)

    @property
    def decay(self) -> float:
        """The share of an average that an update keeps; may be set.

        Raises:
            HyperparameterError: set to a number outside [0, 1).
        """
        return self._decay

    @decay.setter
    def decay(self, decay: float) -> None:
        self._decay = _checks.fraction("decay", decay)

    def update(self) -> None:
        """Move the averages towards the parameters' present values."""
        if not self._kept:
            return
        if self._values.device != self._params[0].device:
            arrays = self._values.read()
            self._values = self._fresh()
            self._values.write(arrays)
        self._values.move(self._share)

    def keep(self, params: Iterable[Parameter]) -> None:
        """Keep the averages of some of the parameters alone, as one of several processes does.

        From now on only these are moved, applied, and in :meth:`state_dict`; other averages are
        forgotten, and begin with the parameters' values where they are kept again.

        Args:
            params: Some of the parameters.

        Raises:
            ParameterListError: One of them is not averaged.

        Example:
            >>> first, second = Parameter([1.0], name="a"), Parameter([2.0], name="b")
            >>> average = WeightAverage([first, second])
            >>> average.keep([second])
            >>> list(average.state_dict()["averages"])
            ['b']
        """
        positions = {id(p): k for k, p in enumerate(self._params)}
        chosen = list(params)
        strange = [p.label for p in chosen if id(p) not in positions]
        if strange:
            raise ParameterListError(
                f"keep() takes some of the averaged parameters, and {', '.join(strange)} is none"
            )
        before = dict(zip(self._kept, self._read_all(), strict=True))
        self._kept = sorted({positions[id(p)] for p in chosen})
        self._values = self._fresh()
        fresh = dict(zip(self._kept, self._read_all(), strict=True))
        self._write_all([before.get(k, fresh[k]) for k in self._kept])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the parameters have the averages' values for a while, for validation or saving."""
        with no_grad():
            before = [self._params[k].detach() * 1.0 for k in self._kept]
            self._copy(self._values.tensors() if self._kept else [])
        try:
            yield
        finally:
            with no_grad():
                self._copy(before)

    def state_dict(self) -> dict[str, Any]:
        """The averages as float32 numpy arrays by parameter name, and the decay."""
        keys = [self._keys[k] for k in self._kept]
        averages = dict(zip(keys, self._read_all(), strict=True))
        return {"decay": self.decay, "averages": averages}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`.

        Raises:
            OptimizerStateError: of other parameters or shapes; nothing has changed then.
        """
        with reading("a WeightAverage", state):
            arrays = self._read(state)
            decay = _checks.fraction("decay", state.get("decay"))
        self._write_all(arrays)
        self._decay = decay

    def _share(self) -> float:
        return 1 - self._decay

    def _read(self, state: Mapping[str, Any]) -> list[F32]:
        given = state.get("averages")
        keys = [self._keys[k] for k in self._kept]
        if not isinstance(given, Mapping) or not set(keys) <= set(given) <= set(self._keys):
            names = ", ".join(given) if isinstance(given, Mapping) else repr(given)
            raise OptimizerStateError(f"expected averages of {', '.join(self._keys)}, got {names}")
        arrays = [np.asarray(given[key], np.float32) for key in keys]
        params = [self._params[k] for k in self._kept]
        for key, parameter, array in zip(keys, params, arrays, strict=True):
            if array.shape != parameter.shape:
                raise OptimizerStateError(
                    f"{key}'s average has shape {array.shape}, the parameter {parameter.shape}"
                )
        return arrays

    def _copy(self, values: list[Tensor]) -> None:
        for k, value in zip(self._kept, values, strict=True):
            parameter = self._params[k]
            parameter.copy_(value.to(parameter.dtype))

    def _read_all(self) -> list[F32]:
        averages: list[F32] = self._values.read() if self._kept else []
        return averages

    def _write_all(self, arrays: list[F32]) -> None:
        if self._kept:
            self._values.write(arrays)

    def _fresh(self) -> Any:
        kept = [self._params[k] for k in self._kept]
        if not kept:
            return None
        if kept[0].device.kind == "cpu":
            return HostAverages(kept)
        from rumus.optim._gpu.average import DeviceAverages

        return DeviceAverages(kept)
