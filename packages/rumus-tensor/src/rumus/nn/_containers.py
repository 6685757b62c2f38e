"""Modules that hold modules or parameters: in a list, one after the other, or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any, Self, overload

from rumus._core.base import TensorBase
from rumus._core.described import type_name
from rumus._core.errors import ArgumentError, IndexRangeError
from rumus.tensor._tensor import Tensor

from ._layer import Layer
from ._module import Module
from ._parameter import Parameter


class _Listed(Module):
    """Modules in a list, named by their positions or as they were given."""

    layers: list[Module]
    _names: tuple[str, ...] = ()
    """The names, where they are not the positions."""

    def _fill(self, modules: Iterable[Module], names: Iterable[str] = ()) -> None:
        self.layers = [_checked(self, i, module) for i, module in enumerate(modules)]
        self._rename([_key(self, name) for name in names])

    def _rename(self, names: list[str]) -> None:
        plain = names == [str(i) for i in range(len(names))]
        self._names = () if plain else tuple(names)

    def _named(self) -> list[str]:
        """The name of each module; those that were put into ``layers`` by hand have their place."""
        given = self._names[: len(self.layers)]
        return [*given, *map(str, range(len(given), len(self.layers)))]

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        """As every module's, with the modules named alone."""
        names = self._named()
        for name, value in super()._attributes():
            first, _, rest = name.partition(".")
            if first == "layers" and rest:
                yield names[int(rest)], value
            else:
                yield name, value

    def forward(self, *_: Any, **__: Any) -> Any:
        """Refused: modules in a list are called one by one."""
        raise ArgumentError(
            f"a {type(self).__name__} holds modules and computes nothing: loop over it, for layer "
            "in layers: x = layer(x), or make a Sequential of them"
        )

    def append(self, module: Module) -> Self:
        """Put a module behind the others."""
        return self.insert(len(self.layers), module)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Put several modules behind the others."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, i: int, module: Module) -> Self:
        """Put a module before number ``i``, counted from the end if it is negative."""
        layers, names = list(self.layers), self._named()
        layers.insert(i, _checked(self, i, module))
        if self._names:
            free = (str(n) for n in range(len(layers)) if str(n) not in names)
            names.insert(i, next(free))
        self.layers = layers
        self._rename(names if self._names else [])
        return self

    def pop(self, i: int = -1) -> Module:
        """Take out number ``i`` and give it."""
        module = self.layers[self._position(i)]
        del self[i]
        return module

    def _position(self, i: int) -> int:
        if not isinstance(i, Integral):
            raise IndexRangeError(
                f"modules of a {type(self).__name__} have numbers, not {i!r}; a path such as "
                "'0' or 'name' is found by get_submodule(path)"
            )
        if not -len(self.layers) <= i < len(self.layers):
            raise IndexRangeError(
                f"{type(self).__name__} has {len(self.layers)} modules, and no number {i}"
            )
        return i % len(self.layers)

    def _cut(self, part: slice) -> tuple[list[Module], list[str]]:
        return self.layers[part], self._named()[part]

    def __setitem__(self, i: int, module: Module) -> None:
        layers = list(self.layers)
        layers[self._position(i)] = _checked(self, i, module)
        self.layers = layers

    def __delitem__(self, i: int | slice) -> None:
        layers, names = list(self.layers), self._named()
        at = i if isinstance(i, slice) else self._position(i)
        del layers[at], names[at]
        self.layers = layers
        self._rename(names if self._names else [])

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)


class Sequential(_Listed, Layer):
    """Modules one after the other: indexed, iterated, and cut like a list.

    Args:
        layers: Each takes the result of the one before. One dict of modules gives them names.

    Raises:
        ArgumentError: One of them is no module, or a name is no text without a point.

    Example:
        >>> from rumus.nn import Linear, ReLU
        >>> model = Sequential(Linear(4, 8), ReLU(), Linear(8, 2))
        >>> len(model), [name for name, _ in model.named_parameters()]
        (3, ['0.weight', '0.bias', '2.weight', '2.bias'])
        >>> Sequential({"first": Linear(4, 2, bias=False), "then": ReLU()})[:1]
        Sequential(
          (first): Linear(in_features=4, out_features=2, bias=False)
        )
    """

    takes_anything = True

    def __init__(self, *layers: Module | Mapping[str, Module]) -> None:
        if len(layers) == 1 and isinstance(layers[0], Mapping):
            self._fill(layers[0].values(), layers[0])
        else:
            self._fill(layers)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Apply one module after the other."""
        for layer in self.layers:
            x = layer(x)
        return x

    @overload
    def __getitem__(self, i: int) -> Module: ...

    @overload
    def __getitem__(self, i: slice) -> Sequential: ...

    def __getitem__(self, i: int | slice) -> Module:
        """One module, or a Sequential of several, which keep their names and are shared."""
        if not isinstance(i, slice):
            return self.layers[self._position(i)]
        part = Sequential()
        part._fill(*self._cut(i))
        return part


class ModuleList(_Listed):
    """A list of modules, whose parameters have the names ``0.weight`` and so on.

    A plain list in an attribute of a module does as well.

    Args:
        modules: What is in it at first.

    Raises:
        ArgumentError: One of them is no module.

    Example:
        >>> from rumus.nn import Linear
        >>> layers = ModuleList(Linear(4, 4) for _ in range(3))
        >>> layers.append(Linear(4, 1))
        ModuleList(
          (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
          (3): Linear(in_features=4, out_features=1, bias=True)
        )
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._fill(modules)

    @overload
    def __getitem__(self, i: int) -> Module: ...

    @overload
    def __getitem__(self, i: slice) -> ModuleList: ...

    def __getitem__(self, i: int | slice) -> Module:
        return (
            ModuleList(self.layers[i]) if isinstance(i, slice) else self.layers[self._position(i)]
        )

    def _shown_children(self) -> list[str]:
        """Equal neighbours in one line."""
        shown: list[tuple[int, int, str]] = []
        for i, text in enumerate(map(repr, self.layers)):
            if shown and shown[-1][2] == text:
                shown[-1] = shown[-1][0], i, text
            else:
                shown.append((i, i, text))
        return [
            f"({first}): {text}" if first == last
            else f"({first}-{last}): {last - first + 1} x {text}"
            for first, last, text in shown
        ]  # fmt: skip


class ModuleDict(Module):
    """Modules by name; a plain dict in an attribute of a module does as well.

    Args:
        modules: What is in it at first.

    Raises:
        ArgumentError: One of them is no module, or a name is no text without a point.

    Example:
        >>> from rumus.nn import Linear
        >>> heads = ModuleDict({"mean": Linear(4, 1)})
        >>> heads["scale"] = Linear(4, 1)
        >>> list(heads), [name for name, _ in heads.named_parameters()][0]
        (['mean', 'scale'], 'mean.weight')
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        self.entries: dict[str, Module] = {}
        self.update(modules or {})

    def forward(self, *_: Any, **__: Any) -> Any:
        """Refused: modules of a dict are called by their names."""
        raise ArgumentError(
            "a ModuleDict holds modules and computes nothing: call one by its name, heads[name](x)"
        )

    def update(self, modules: Mapping[str, Module]) -> None:
        """Put in what a dict holds."""
        new = {_key(self, name): _checked(self, name, m) for name, m in modules.items()}
        self.entries = {**self.entries, **new}

    def pop(self, name: str) -> Module:
        """Take out a module and give it."""
        module = self[name]
        del self[name]
        return module

    def keys(self) -> Iterable[str]:
        """The names."""
        return self.entries.keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self.entries.values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Names and modules."""
        return self.entries.items()

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        return ((name.removeprefix("entries."), value) for name, value in super()._attributes())

    def __getitem__(self, name: str) -> Module:
        return self.entries[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.update({name: module})

    def __delitem__(self, name: str) -> None:
        self.entries = {key: module for key, module in self.entries.items() if key != name}

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class ParameterList(Module):
    """A list of parameters; tensors become parameters.

    Args:
        values: What is in it at first.

    Example:
        >>> from rumus.tensor import ones
        >>> [p.shape for p in ParameterList([ones(2), ones((3, 1))])]
        [(2,), (3, 1)]
    """

    entries: list[Parameter]

    def __init__(self, values: Iterable[Tensor] = ()) -> None:
        self.entries = [_parameter(self, value) for value in values]

    def append(self, value: Tensor) -> Self:
        """Put a parameter behind the others."""
        return self.extend([value])

    def extend(self, values: Iterable[Tensor]) -> Self:
        """Put several behind the others."""
        self.entries = [*self.entries, *(_parameter(self, value) for value in values)]
        return self

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        return ((name.removeprefix("entries."), value) for name, value in super()._attributes())

    def __getitem__(self, i: int) -> Parameter:
        return self.entries[i]

    def __setitem__(self, i: int, value: Tensor) -> None:
        entries = list(self.entries)
        entries[i] = _parameter(self, value)
        self.entries = entries

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def _shown_children(self) -> list[str]:
        return [_shown(i, value) for i, value in enumerate(self.entries)]


class ParameterDict(Module):
    """Parameters by name; tensors become parameters.

    Args:
        values: What is in it at first.

    Example:
        >>> from rumus.tensor import ones
        >>> ParameterDict({"scale": ones(2)})
        ParameterDict(
          (scale): Parameter of shape (2,), float32
        )
    """

    def __init__(self, values: Mapping[str, Tensor] | None = None) -> None:
        self.entries: dict[str, Parameter] = {}
        for name, value in (values or {}).items():
            self[name] = value

    def keys(self) -> Iterable[str]:
        """The names."""
        return self.entries.keys()

    def values(self) -> Iterable[Parameter]:
        """The parameters."""
        return self.entries.values()

    def items(self) -> Iterable[tuple[str, Parameter]]:
        """Names and parameters."""
        return self.entries.items()

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        return ((name.removeprefix("entries."), value) for name, value in super()._attributes())

    def __getitem__(self, name: str) -> Parameter:
        return self.entries[name]

    def __setitem__(self, name: str, value: Tensor) -> None:
        self.entries = {**self.entries, _key(self, name): _parameter(self, value)}

    def __delitem__(self, name: str) -> None:
        self.entries = {key: value for key, value in self.entries.items() if key != name}

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def _shown_children(self) -> list[str]:
        return [_shown(name, value) for name, value in self.entries.items()]


def _checked(owner: Module, at: object, module: object) -> Module:
    if not isinstance(module, Module):
        kind = type(owner).__name__
        raise ArgumentError(
            f"{kind} takes modules, as in {kind}(a, b); number {at} is a {type_name(module)}"
            if kind == "Sequential"
            else f"{kind} takes modules; {at!r} is a {type_name(module)}"
        )
    return module


def _key(owner: Module, name: object) -> str:
    if not isinstance(name, str) or not name or "." in name:
        raise ArgumentError(
            f"{type(owner).__name__}: a name is a text without a point, not {name!r}"
        )
    return name


def _parameter(owner: Module, value: object) -> Parameter:
    if isinstance(value, Parameter):
        return value
    if isinstance(value, TensorBase):
        return Parameter(value)
    raise ArgumentError(f"{type(owner).__name__} takes tensors, not a {type_name(value)}")


def _shown(name: object, value: Parameter) -> str:
    return f"({name}): Parameter of shape {value.shape}, {value.dtype}"
