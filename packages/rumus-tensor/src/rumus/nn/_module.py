"""The base of everything that has parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from rumus._backends.generator import Generator
from rumus._core import structure, usage
from rumus._core.devices import CPU, Device, DeviceLike
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, DTypeError
from rumus._core.foreign import without
from rumus._core.options import one_target, refuse_foreign
from rumus.tensor._tensor import Tensor, device_or_dtype

from . import _hooks
from ._foreign import HINTS, OPTION_HINTS
from ._parameter import Parameter, keep
from ._paths import flat, join
from ._state import LoadReport, load

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class Computes(Protocol[P, R]):
    """What has a ``forward``."""

    def forward(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """What a call computes."""
        ...


@without(HINTS)
class Module(_hooks.Hooking):
    """A part of a model: parameters, buffers, other modules, and a ``forward``.

    Parameters and modules are found in the attributes, also inside lists, tuples and dicts; there
    is nothing to register and no ``super().__init__()`` to call. Their names are the paths to them,
    such as ``layers.0.weight``. A plain tensor does not take the place of a parameter: that raises
    :class:`~rumus.tensor.ArgumentError`.

    Attributes:
        training: Whether layers like :class:`Dropout` act as in training; see :meth:`train`.

    Example:
        >>> from rumus.tensor import ones
        >>> class Scale(Module):
        ...     def __init__(self) -> None:
        ...         self.factor = Parameter(ones(1))
        ...     def forward(self, x: Tensor) -> Tensor:
        ...         return x * self.factor
        >>> [name for name, _ in Scale().named_parameters()]
        ['factor']
    """

    training: bool = True
    _buffers: tuple[str, ...] = ()
    _transient: tuple[str, ...] = ()
    """The buffers that are not saved."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; a subclass writes it."""
        raise NotImplementedError(
            f"{type(self).__name__} has no forward: define forward(self, x), which computes what "
            "calling the module gives"
        )

    def __call__(self: Computes[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of :meth:`forward`, with the hooks that were registered around it.

        To type checkers it has the parameters and the result of the subclass's ``forward``.
        """
        module: Any = self
        if module._hooks:
            result: R = _hooks.call(module, args, kwargs)
            return result
        return self.forward(*args, **kwargs)

    if not TYPE_CHECKING:  # else type checkers would let any argument be given

        def __new__(cls, *args: Any, **options: Any) -> Self:
            if options:
                refuse_foreign(cls.__name__, cls.__init__, options, OPTION_HINTS)
            if cls.__init__ is object.__init__ and (args or options):
                raise TypeError(f"{cls.__name__}() takes no arguments")
            return super().__new__(cls)

    if not TYPE_CHECKING:  # else type checkers would let any name be assigned

        def __setattr__(self, name: str, value: Any) -> None:
            before = self.__dict__.get(name)
            if isinstance(value, Tensor):
                _check_kind(name, before, value)
                if name in self._buffers:
                    _settle(name, value)
            elif isinstance(before, Parameter) and isinstance(value, _NO_PARAMETERS):
                _check_kind(name, before, value)
            if isinstance(value, _BAKED_IN) and _differ(before, value):
                structure.bump()
            reads = usage.current()
            if reads is not None:
                reads.wrote(self, name)
            super().__setattr__(name, value)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in self._buffers:
            _settle(name, getattr(self, name))

    # What is inside

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside, by name."""
        for name, value in self._attributes():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules directly inside."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (named ``prefix``) and all inside it, each once, by path."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inside = [(join(path, name), child) for name, child in module.named_children()]
            stack.extend(reversed(inside))

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def get_submodule(self, path: str) -> Module:
        """The module at a path such as ``"layers.0"``; this one for ``""``.

        Raises:
            ArgumentError: There is none; the message lists those that are there.
        """
        inside = self._paths()
        for name, module in inside:
            if name == path:
                return module
        names = ", ".join(name for name, _ in inside if name)
        raise ArgumentError(f"{type(self).__name__} has no module {path!r}, but {names or 'none'}")

    def apply(self, function: Callable[[Module], object]) -> Self:
        """Call a function with all modules inside and then with this one, each once.

        Example:
            >>> from rumus.nn import Linear, Sequential, init
            >>> def zeroed(module: Module) -> None:
            ...     if isinstance(module, Linear):
            ...         init.zeros_(module.weight)
            >>> Sequential(Linear(2, 1, bias=False)).apply(zeroed)[0].weight.tolist()
            [[0.0, 0.0]]
        """
        for module in reversed(list(self.modules())):
            function(module)
        return self

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters by path; one that is shared comes once, under its first path.

        A parameter without a name of its own is called by its path from here on.
        """
        seen: set[int] = set()
        for path, module in self.named_modules():
            for name, value in module._attributes():
                if isinstance(value, Parameter) and id(value) not in seen:
                    seen.add(id(value))
                    value._found_at(join(path, name))
                    yield join(path, name), value

    def parameters(self) -> list[Parameter]:
        """All parameters, each once, in the order of the attributes."""
        return [parameter for _, parameter in self.named_parameters()]

    def count_parameters(self, trainable: bool = False) -> int:
        """How many numbers the parameters have, each parameter once.

        Args:
            trainable: Whether to leave out those that are frozen.
        """
        return sum(p.size for p in self.parameters() if p.requires_grad or not trainable)

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """All buffers by path."""
        for path, module in self.named_modules():
            for name in module._buffers:
                yield join(path, name), getattr(module, name)

    def buffers(self) -> list[Tensor]:
        """All buffers."""
        return [buffer for _, buffer in self.named_buffers()]

    def register_buffer(self, name: str, value: Tensor, persistent: bool = True) -> None:
        """Set an attribute that is saved and moved with the module, but not trained.

        A plain tensor attribute is neither saved nor moved.

        Args:
            name: A Python name; declare it in the class (``mean: Tensor``) for type checkers.
            value: The tensor.
            persistent: Whether it is part of :meth:`state_dict`.

        Raises:
            ArgumentError: The name is no Python name, or that of a parameter.
            DTypeError: The value is no tensor.
        """
        if not name.isidentifier():
            raise ArgumentError(f"a buffer's name is a Python name, not {name!r}")
        if not isinstance(value, Tensor):
            raise DTypeError(f"buffer {name!r} is a tensor, not a {type(value).__name__}")
        _check_kind(name, self.__dict__.get(name), value)
        if name not in self._buffers:
            self._buffers = (*self._buffers, name)
        others = tuple(other for other in self._transient if other != name)
        self._transient = others if persistent else (*others, name)
        setattr(self, name, value)

    # Mode and place

    def train(self, mode: bool = True) -> Self:
        """Put this module and all inside it into training mode."""
        changing = [module for module in self.modules() if module.training != mode]
        for module in changing:
            module.training = mode
        return self

    def eval(self) -> Self:
        """Put this module and all inside it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self, value: bool = True) -> Self:
        """Make all parameters trainable, or freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad = value
        return self

    @one_target("model")
    def to(self, target: DeviceLike | npt.DTypeLike) -> Self:
        """Move all parameters and buffers to a device, or turn floats into another float, in place.

        Args:
            target: A device, its name, or float32 or float16.

        Raises:
            DeviceError: The device is unknown, or cannot be used; nothing has moved.
            DTypeError: The dtype is no float.
            BorrowError: An optimizer step holds a parameter.
        """
        target = device_or_dtype(target)
        if not (isinstance(target, Device) or is_float(target)):
            raise DTypeError(f"weights are float32 or float16, not {target}")
        params = [(p, _moved(p, target)) for p in self.parameters()]
        buffers = [
            (module, name, module._moved_buffer(name, target))
            for module in self.modules()
            for name in module._buffers
        ]
        for parameter, tensor in params:
            if tensor.array is not parameter.array:
                parameter._rebind(tensor.array, tensor.device)
        for module, name, tensor in buffers:
            if tensor.array is not getattr(module, name).array:
                setattr(module, name, tensor)
        return self

    def _moved_buffer(self, name: str, target: Device | np.dtype[Any]) -> Tensor:
        """What a buffer becomes when the module moves; layers may keep its dtype."""
        return _moved(getattr(self, name), target)

    def to_gpu(self) -> Self:
        """Move to the best GPU, in place.

        Raises:
            GpuUnavailableError: There is none.
        """
        return self.to("gpu")

    def to_cpu(self) -> Self:
        """Move to the CPU, in place."""
        return self.to(CPU)

    # Weights by name

    def state_dict(self) -> dict[str, Tensor]:
        """All parameters and persistent buffers by path; they share the module's memory.

        What several modules hold comes under each of its paths, as in PyTorch.
        """
        state: dict[str, Tensor] = {}
        for path, module in self._paths():
            for name, value in module._attributes():
                if isinstance(value, Parameter):
                    state[join(path, name)] = value.detach()
            for name in module._buffers:
                if name not in module._transient:
                    state[join(path, name)] = getattr(module, name)
        return state

    def load_state_dict(self, state: Mapping[str, Tensor], strict: bool = True) -> LoadReport:
        """Copy weights into the module: all of them, or, on any mismatch, none.

        Floats become the module's own, float32 or float16.

        Args:
            state: Tensors by path, on any device.
            strict: Whether names that are missing or unexpected, and other shapes, are an error.
                Otherwise these are left out, as the head of a model for other classes is.

        Returns:
            What was left out. Weights that are tied need but one of their names in the state.

        Raises:
            StateDictError: Names, shapes or kinds of numbers do not match, or a value is no tensor;
                the message lists all of them.
            ArgumentError: A buffer is an expanded view or read-only, and cannot be written to.
        """
        return load(type(self).__name__, self.state_dict(), state, strict)

    # Inside

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        """Every attribute, and every element of lists, tuples and dicts, by path."""
        for name, value in vars(self).items():
            if name != "_hooks":
                yield from flat(name, value)

    def _paths(self, prefix: str = "", above: tuple[Module, ...] = ()) -> list[tuple[str, Module]]:
        """As :meth:`named_modules`, with a module that several hold under each of its paths."""
        found = [(prefix, self)]
        above = (*above, self)
        for name, child in self.named_children():
            if all(child is not outer for outer in above):
                found += child._paths(join(prefix, name), above)
        return found

    def extra_repr(self) -> str:
        """What ``repr`` shows between the brackets; a subclass may write it."""
        return ""

    def __repr__(self) -> str:
        inside = self._shown_children()
        extra = self.extra_repr()
        if not inside:
            return f"{type(self).__name__}({extra})"
        lines = "\n".join([*([extra] if extra else []), *inside]).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {lines}\n)"

    def _shown_children(self) -> list[str]:
        return [f"({name}): {child!r}" for name, child in self.named_children()]


def _check_kind(name: str, before: object, after: object) -> None:
    if isinstance(before, Parameter) and not isinstance(after, Parameter):
        kind = "tensor" if isinstance(after, Tensor) else type(after).__name__
        raise ArgumentError(
            f"{name} is a parameter and would no longer be trained as a {kind}; write into it with "
            "copy_() under no_grad(), or assign a Parameter"
        )


def _settle(name: str, buffer: Tensor) -> None:
    """Let captured steps use a buffer, recorded anew; inside of one it cannot become another."""
    structure.bump()
    if buffer.device.kind == "gpu":
        from rumus.gpu import _capture

        _capture.refuse(f"replaces the buffer {name!r}, where copy_() would write into it")
        keep(buffer.array, buffer.device)


def _differ(before: object, after: object) -> bool:
    """Whether two attributes differ: numbers and strings by value, the rest by identity."""
    if type(before) is not type(after) or not isinstance(after, _BY_VALUE):
        return before is not after
    return bool(before != after)


def _noted(module: Module, name: str) -> Any:
    """``Module.__getattribute__`` while a step is recorded: what it reads is noted."""
    value = object.__getattribute__(module, name)
    reads = usage.current()
    if reads is not None:
        for held in value if name == "__dict__" else (name,):
            found = _held(module, held)
            if isinstance(found, _NOTED):
                reads.note(module, held, _held, found)
    return value


def _held(module: Module, name: str) -> Any:
    """An attribute of a module or its class as it lies there; no code runs."""
    for place in (object.__getattribute__(module, "__dict__"), *map(vars, type(module).__mro__)):
        if name in place:
            return place[name]
    return _NOTHING


def _observe(noting: bool) -> None:
    if noting:
        Module.__getattribute__ = _noted  # type: ignore[method-assign, assignment]
    elif "__getattribute__" in vars(Module):
        del Module.__getattribute__


usage.observers.append(_observe)


_NOTHING = object()
_BY_VALUE = (bool, int, float, str, np.generic, type(None))
# Attributes that a captured step takes over as they are when it is recorded.
_BAKED_IN = (*_BY_VALUE, tuple, list, dict, Generator, Module, Parameter)
_NO_PARAMETERS = (np.ndarray, np.generic, list, tuple, float, int)
_NOTED = (*_BAKED_IN, Tensor)


def _moved(tensor: Tensor, target: Device | np.dtype[Any]) -> Tensor:
    kept = isinstance(target, np.dtype) and not is_float(tensor.dtype)
    return tensor.detach() if kept else tensor.detach().to(target)
