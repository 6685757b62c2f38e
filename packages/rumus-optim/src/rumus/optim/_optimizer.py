"""The base of all optimizers: parameters in groups, a state, and a step that is all or nothing."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rumus.autograd import GradientStore, borrow
from rumus.nn import Parameter
from rumus.optim import _checks
from rumus.optim._contract import Engine, with_masters
from rumus.optim._cpu.engine import CpuEngine
from rumus.optim._cpu.norm import block_squares
from rumus.optim._errors import HyperparameterError, OptimizerStateError, ParameterListError
from rumus.optim._expects import expects
from rumus.optim._foreign import unknown
from rumus.optim._foreign_options import OF_OPTIMIZERS, refuse_foreign
from rumus.optim._groups import (
    Options,
    ParamGroup,
    ParamsLike,
    described,
    lr_scale,
    make_groups,
    state_keys,
)
from rumus.optim._range import in_order, parts_of, whole_parts
from rumus.optim._reading import reading
from rumus.optim._rule_base import RuleBase
from rumus.optim._state_dict import cut_snapshot, read_state, write_state
from rumus.tensor import DeviceError, FrameLock, MissingGradError, Watch, structure_version


class Optimizer(RuleBase):
    """Updates parameters from the gradients of a :class:`~rumus.autograd.GradientStore`.

    The base of all optimizers, and of those that you write. A subclass states its hyperparameters
    (:meth:`check`, :meth:`row`), its state arrays (:attr:`states`), its formula in numpy
    (:meth:`update`) and the same formula in WGSL (:attr:`shader`); the package's README has an
    example. Groups, saving, borrowing, float16 masters, skipped steps and the fused step over a
    whole model come from here and from the engines of the two devices. A subclass for one device
    leaves the other's formula out.

    Args:
        params: parameters, ``(name, parameter)`` pairs, or groups: mappings with ``"params"`` and
            the options in which a group differs. A rate of its own, ``"lr"``, is kept as a multiple
            of the optimizer's, which can be given itself: ``"lr_scale"``.
        defaults: options of groups that do not set them.
        maximize: climb instead of descending (default False).
        skip_nonfinite: leave everything as it is in a step with an infinite or NaN gradient, and
            count it in :attr:`skipped_steps` (default False).

    Raises:
        ParameterListError: no parameters, an empty group, a parameter twice, or another object.
        HyperparameterError: an option is unknown or outside its range.
        DeviceError: the parameters are on a device for which a subclass has no formula.

    Example:
        >>> from rumus import nn, tensor
        >>> model = nn.Linear(2, 1)
        >>> optimizer: Optimizer = AdamW(model.parameters(), lr=0.1)
        >>> optimizer.step(model(tensor.ones(4, 2)).sum().backward())
        >>> optimizer.steps, optimizer.get_lr()
        (1, 0.1)
    """

    def __init__(
        self,
        params: ParamsLike,
        defaults: Options,
        *,
        maximize: bool = False,
        skip_nonfinite: bool = False,
    ) -> None:
        self._groups = make_groups(params, defaults)
        self._lr = float(defaults.get("lr", 0.0))
        for group in self._groups:
            group.options = self.check(group.options)
        self._params = [p for group in self._groups for p in group.params]
        for parameter in self._params:
            self.check_parameter(parameter)
        self._parts = whole_parts(self._groups)
        self._range: tuple[int, int] | None = None
        self._maximize = bool(maximize)
        self._skip_nonfinite = bool(skip_nonfinite)
        self._keys = state_keys(self._groups)
        self._making = FrameLock()
        self._engine: Engine | None = None
        self._kinds: list[Any] = []
        self._ready_for = -1
        self._masters = Watch([])
        if str(self._params[0].device) != "cpu":
            self._ready_engine()

    if not TYPE_CHECKING:  # else checkers would take any argument, and any name

        def __new__(cls, *args: Any, **options: Any) -> Any:
            if options:
                refuse_foreign(cls.__name__, cls.__init__, options, OF_OPTIMIZERS)
            return super().__new__(cls)

        def __getattr__(self, name: str) -> Any:
            unknown(self, name)

    @expects("grads = loss.backward(); optimizer.step(grads)")
    def step(self, grads: GradientStore) -> None:
        """Update every parameter that requires a gradient, and take that out of the store.

        Gradients of other parameters stay in the store. If anything is wrong, nothing has changed.

        Float16 parameters are rounded from float32 masters. A parameter that was changed by hand
        since the last step, by ``copy_()`` or ``load_state_dict()``, is where its master goes on.

        Raises:
            ArgumentError: ``grads`` is no store.
            MissingGradError: a parameter has no gradient in the store.
            ShapeError, DTypeError, DeviceError: a gradient does not fit its parameter.
            BorrowError: another step holds the store or a parameter.
        """
        self._run(grads, None)

    def step_range(
        self, first: int, last: int, grads: GradientStore, *, finite: bool | None = None
    ) -> None:
        """Update the elements of one range, as :meth:`step` does all: the part of one process.

        The parameters lie in arenas (:func:`rumus.tensor.pack`), those of a dtype together, smaller
        dtypes first; their elements, the zeros between slots among them, are numbered through.
        The optimizer keeps states of this range alone, from now on (:meth:`own_range`). Steps of
        ranges that make up everything give the same bits as one whole step, however it is cut.

        A factor that waits for the gradients (:meth:`GradientStore.scale_by`) is applied, so that
        processes that clip by a common norm do the same. Gradients of parameters outside the
        range are taken out of the store too, and not looked at.

        Args:
            first: the first element.
            last: one past the last element; both are multiples of 256 bytes in an arena, and of an
                optimizer that takes whole parameters (``elementwise`` is False) edges of slots.
            grads: a gradient for each parameter that requires one.
            finite: whether the gradients of all ranges are finite, for ``skip_nonfinite``; False
                leaves the step out, and counts it (default: this range's gradients decide).

        Raises:
            ParameterListError: as :meth:`own_range` does, or another range is owned.
            ArgumentError, MissingGradError, ShapeError, DTypeError, DeviceError, BorrowError: as
                :meth:`step` does.
        """
        if self._range is None:
            self.own_range(first, last)
        if self._range != (first, last):
            raise ParameterListError(
                f"this optimizer keeps states of the elements {self._range}, and the step is one "
                f"of {(first, last)}: own_range() gives it another range"
            )
        self._run(grads, finite)

    def own_range(self, first: int, last: int) -> None:
        """Keep and update the elements of one range alone, from now on.

        Parameters are packed if they are not. State that is there is cut to the range; a state
        that :meth:`load_state_dict` gets is cut to it as well.

        Raises:
            ParameterListError: the range is none, or cuts where it may not (see
                :meth:`step_range`), or is no part of the one that was owned before.
        """
        parts = parts_of(self._groups, first, last, self.elementwise)
        engine, before = self._engine, None
        if engine is not None:
            before = cut_snapshot(self._ready_engine().snapshot(), self._parts, parts)
        self._parts, self._range, self._engine = parts, (first, last), None
        if before is not None:
            engine = self._ready_engine()
            engine.restore(before)
            self._masters.forget()

    def block_squares(self, grads: GradientStore) -> npt.NDArray[np.float64]:
        """The squares of the range's gradients, summed over fixed blocks: for a common norm.

        A block is 16,384 elements of a parameter, counted from its first one. Where ranges are cut
        between blocks, the sums of all ranges one after the other are those of the whole, bit for
        bit, so that ``math.sqrt(math.fsum(sums))``, and what is decided by it, does not depend on
        who computed them. The sum of a block is NaN if one of its gradients is not finite. This
        waits for the GPU.

        Args:
            grads: a gradient for each parameter that requires one.

        Returns:
            The sums, of parameters that require gradients, in order.

        Raises:
            MissingGradError: a parameter has no gradient in the store.
        """
        arrays = []
        for part in in_order(self._parts):
            if part.parameter.requires_grad:
                grad = grads.get(part.parameter.id)
                if grad is None:
                    raise MissingGradError(f"{part.parameter.label} has no gradient in the store")
                arrays.append(grad.reshape(-1)[part.start : part.stop].array)
        if self._params[0].device.kind == "cpu":
            return block_squares(arrays)
        from rumus.optim._gpu.norm import block_squares as device_squares

        return device_squares(arrays)

    def _run(self, grads: GradientStore, finite: bool | None) -> None:
        trained = [p for p in self._params if p.requires_grad]
        engine = self._ready_engine()
        with borrow(grads, trained) as held:
            if finite is False and self._skip_nonfinite:
                engine.leave_out()
            elif trained:
                engine.step(held, bool(finite))
        self._masters.look()

    @property
    def params(self) -> list[Parameter]:
        """The parameters of all groups, in order."""
        return list(self._params)

    @property
    def groups(self) -> list[Options]:
        """Each group's options, ``lr_scale`` and parameters.

        A copy: change them with :meth:`set_lr` and :meth:`set_option`.
        """
        return [
            {"params": list(g.params), **g.options, "lr_scale": g.lr_scale} for g in self._groups
        ]

    @property
    def maximize(self) -> bool:
        """Whether steps climb instead of descending."""
        return self._maximize

    @property
    def skip_nonfinite(self) -> bool:
        """Whether steps with a gradient that is not finite are left out."""
        return self._skip_nonfinite

    def get_lr(self, group: int | None = None) -> float:
        """The learning rate that groups scale, or that of one group.

        Raises:
            HyperparameterError: there is no such group.
        """
        return self._lr if group is None else float(self._group(group).options["lr"])

    def set_lr(self, lr: float, group: int | None = None) -> None:
        """Set the learning rate, of which each group keeps its multiple (``lr_scale``).

        With ``group``, set the rate of that group alone, by another ``lr_scale``: it follows later
        changes of the optimizer's rate.

        Raises:
            HyperparameterError: ``lr`` is negative or not finite, there is no such group, or the
                optimizer's rate is 0, of which a group's own is no multiple.
        """
        rate = _checks.non_negative("lr", lr)
        if group is None:
            self._change(self._groups, "lr", [rate * entry.lr_scale for entry in self._groups])
            self._lr = rate
            return
        entry = self._group(group)
        scale = lr_scale(rate, self._lr)
        self._change([entry], "lr", [rate])
        entry.lr_scale = scale

    def set_option(self, name: str, value: Any, group: int | None = None) -> None:
        """Set a hyperparameter of one group, or of all (default), from the next step on.

        The learning rate is set as :meth:`set_lr` does.

        Raises:
            HyperparameterError: no such option or group, or a value outside its range.
        """
        if name == "lr":
            self.set_lr(value, group)
            return
        chosen = self._groups if group is None else [self._group(group)]
        self._change(chosen, name, [value] * len(chosen))

    @property
    def steps(self) -> int:
        """Updates made so far, without skipped ones; on the GPU this waits for the device."""
        return 0 if self._engine is None else self._engine.counts()[0]

    @property
    def skipped_steps(self) -> int:
        """Updates left out for a gradient that was not finite; this waits for the GPU."""
        return 0 if self._engine is None else self._engine.counts()[1]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue bit for bit, keyed by parameter name.

        The name is the one given with the parameter, or ``parameter.name``; where names are
        missing or repeat, all keys are indices. Arrays are float32 numpy arrays on the host; the
        rest can be held by JSON.

        An optimizer that owns a range gives that range's state: arrays of its elements, and where
        they lie in their parameters (``segments``). :func:`join_states` makes one of them all.
        """
        snapshot = None if self._engine is None else self._engine.snapshot()
        return write_state(
            self, self._lr, self._groups, self._keys, self._parts, self._range, snapshot
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`, hyperparameters included.

        Raises:
            OptimizerStateError: another optimizer's, or of other parameters, shapes or options;
                nothing has changed then.
        """
        with reading(type(self).__name__, state):
            contents = read_state(self, self._groups, self._keys, self._parts, state)
        engine = self._ready_engine()
        if not self._exchange(self._groups, contents.options, False):
            raise OptimizerStateError(
                f"the state's options keep other arrays than {', '.join(self.states)}; make an "
                f"optimizer with the same options"
            )
        self._lr = contents.lr
        for group, scale in zip(self._groups, contents.scales, strict=True):
            group.lr_scale = scale
        engine.restore(contents.snapshot)
        self._ready_for = -1
        self._masters.forget()

    def __repr__(self) -> str:
        return described(type(self).__name__, self._lr, self._groups)

    # What the engines ask for

    def rows(self) -> list[tuple[float, ...]]:
        """The formula's numbers, one row a group, as they are now."""
        return [self.row(group.options) for group in self._groups]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The names of a row's numbers."""
        row: Any = self.rows()[0]
        return tuple(row._fields)

    def any_option(self, name: str) -> bool:
        """Whether an option is set (true, or not 0) in any group."""
        return any(bool(group.options[name]) for group in self._groups)

    def _group(self, index: int) -> Any:
        if not isinstance(index, Integral) or not 0 <= index < len(self._groups):
            raise HyperparameterError(f"no group {index!r}; there are {len(self._groups)}")
        return self._groups[index]

    def _change(self, groups: Sequence[ParamGroup], name: str, values: Sequence[Any]) -> None:
        """Give an option other values, in all of the groups or in none."""
        checked = []
        for entry, value in zip(groups, values, strict=True):
            if not isinstance(name, str) or name not in entry.options:
                known = ", ".join(sorted(entry.options))
                raise HyperparameterError(f"no option {name!r}; options are {known}")
            checked.append(self.check({**entry.options, name: value}))
        if not self._exchange(groups, checked, self._engine is None):
            raise HyperparameterError(
                f"{name}={values[0]!r} would change which state the optimizer keeps; make a new one"
            )

    def _exchange(
        self, groups: Sequence[ParamGroup], options: Sequence[Options], other_states: bool
    ) -> bool:
        """Give groups other options, unless other state arrays would go with them."""
        before = self.states
        saved = [group.options for group in groups]
        for group, values in zip(groups, options, strict=True):
            group.options = values
        if other_states or self.states == before:
            return True
        for group, values in zip(groups, saved, strict=True):
            group.options = values
        return False

    def _ready_engine(self) -> Engine:
        with self._making:
            engine, structure = self._engine, structure_version()
            if engine is None or self._ready_for != structure:
                engine = self._follow(engine)
                engine.prepare()
                self._ready_for = structure
            if self._masters.changed():
                engine.renew_masters()
                self._masters.look()
            return engine

    def _follow(self, engine: Engine | None) -> Engine:
        """The engine for the parameters' present device and dtypes, with the state so far."""
        kinds = [(p.device, p.dtype) for p in self._params]
        if engine is None or kinds != self._kinds:
            before = None if engine is None else engine.snapshot()
            engine = self._make_engine()
            if before is not None:
                engine.prepare()
                engine.restore(with_masters(before, self._parts))
            self._engine, self._kinds = engine, kinds
            self._masters = Watch([p for p in self._params if p.dtype == np.float16])
        return engine

    def _check_formula(self, device: str) -> None:
        parts = ("update", "shader") if self.elementwise else ("step_cpu", "step_gpu")
        part = parts[device != "cpu"]
        if getattr(type(self), part) == getattr(RuleBase, part):
            raise DeviceError(
                f"{type(self).__name__} has no formula for parameters on {device}: state it in "
                f"{part}, or move the parameters to another device"
            )

    def _make_engine(self) -> Engine:
        devices = sorted({str(p.device) for p in self._params})
        if len(devices) > 1:
            raise ParameterListError(
                f"the parameters of one optimizer must be on one device, got {', '.join(devices)}"
            )
        self._check_formula(devices[0])
        # No cycle: an optimizer that is dropped gives its memory back at once.
        rule = weakref.proxy(self)
        if devices == ["cpu"]:
            return CpuEngine(rule, self._parts)
        from rumus.optim._gpu.engine import GpuEngine

        return GpuEngine(rule, self._parts, self._params)
