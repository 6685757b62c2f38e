"""The base of every differentiable operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from rumus._backends.contract import Backend
from rumus._backends.registry import backend_of
from rumus._core.base import TensorBase, TensorT
from rumus._core.described import type_name
from rumus._core.devices import Device
from rumus._core.dtypes import is_float
from rumus._core.errors import ArgumentError, AutogradError, DeviceError, DTypeError
from rumus._core.foreign import without
from rumus._core.mode import is_grad_enabled

from ._leaf import Leaf
from ._node import Node
from ._slots import leased

observers: list[Callable[[Function, Sequence[Any], TensorBase], None]] = []
"""Called with every function that was called, its inputs and its result."""


HINTS = {
    "apply": "an instance is called with the tensors, Double()(x), and made anew for each call",
    "save_for_backward": "saves = (0,) names the inputs that backward reads, as self.saved",
    "saved_tensors": "saves = (0,) names the inputs that backward reads, as self.saved",
    "needs_input_grad": "self.wanted",
}


@without(HINTS)
class Function:
    """An operation on device arrays and its gradient; an instance is called once, with tensors.

    A subclass writes :meth:`forward` and :meth:`backward` in terms of a backend's primitives.
    Python scalars among the inputs reach :meth:`forward` as they are. Arrays that ``forward`` keeps
    on ``self`` live until the backward pass frees the graph.

    Attributes:
        saves: Positions of the inputs that ``backward`` reads, as ``self.saved``.
        saves_output: Whether ``backward`` reads the result, as ``self.output``.
        is_view: Whether the result uses the memory of the first input.
        is_part: Whether the result is a part of its only input. ``backward`` then returns memory of
            its own, and :meth:`add_part` takes its place where there is a gradient to add to.
        needs: For each input whether its gradient can be asked for, empty if none can; set before
            ``forward``, which may set the other three.
        moves_to: The device of the result, where it is not that of the inputs.

    Example:
        >>> from rumus.tensor import tensor
        >>> class Double(Function):
        ...     def forward(self, be, x):
        ...         return be.elementwise("mul", x, 2.0)
        ...     def backward(self, be, grad):
        ...         return (be.elementwise("mul", grad, 2.0),)
        >>> Double()(tensor([1.0, 2.0])).numpy()
        array([2., 4.], dtype=float32)
    """

    saves: tuple[int, ...] = ()
    saves_output: bool = False
    is_view: bool = False
    is_part: bool = False
    needs: tuple[bool, ...] = ()
    enter = None
    _wanted: tuple[bool, ...] | None = None
    moves_to: Device | None = None
    saved: tuple[Any, ...]
    output: Any

    @property
    def name(self) -> str:
        """What error messages call the operation."""
        return type(self).__name__

    @property
    def wanted(self) -> tuple[bool, ...]:
        """Inside ``backward``, the gradients that this pass asks for: ``needs``, or fewer."""
        return self._wanted or self.needs

    def forward(self, be: Backend[Any], *arrays: Any, **named: Any) -> Any:
        """The result's array; a subclass says how many arrays it takes, and names them."""
        raise AutogradError(
            f"{self.name} has no forward: a Function computes in forward(self, be, *arrays)"
        )

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """For each input its gradient of the input's shape, or None where none is ``wanted``.

        Written in terms of the backend's primitives, it can be recorded itself: see
        ``create_graph`` of :meth:`rumus.tensor.Tensor.backward`. All here are tensors then.
        """
        raise AutogradError(
            f"{self.name} has no backward, and a gradient was asked for: backward(self, be, grad) "
            "returns one for each input, or None; under no_grad() forward is enough"
        )

    def add_part(self, be: Backend[Any], grad: Any, total: Any) -> None:
        """Add the gradient to that part of the input's, in place."""
        raise NotImplementedError

    def slot(self, i: int) -> Any | None:
        """Inside ``backward``, memory to write the gradient of input ``i`` to, or None.

        A function that can write into a given array does so and returns that array; it is the
        parameter's place in the gradient arena.
        """
        return leased(i)

    def _twin(self) -> Self:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def asked_for(self, wanted: tuple[bool, ...]) -> Self:
        """The same call, whose ``backward`` gives some of the gradients."""
        twin = self._twin()
        twin._wanted = wanted
        return twin

    def recorded(self, node: Node, wrap: Callable[..., Any]) -> Self:
        """The same call, with tensors for what it saved: they go on where its inputs came from."""
        twin = self._twin()
        versions = {what: version for what, version, _ in node.versions}
        saved = []
        for i, array in zip(self.saves, self.saved, strict=True):
            kind = node.inputs[i]
            if kind is not None:
                array = wrap(array, kind[2], node.edges[i], versions[f"input {i}"])
            saved.append(array)
        twin.saved = tuple(saved)
        if self.saves_output:
            twin.output = wrap(self.output, node.device, node, versions["result"])
        return twin

    def __call__(self, *inputs: TensorBase[TensorT] | float | int | bool) -> TensorT:
        """Apply the operation and record it if a gradient can be asked for.

        Raises:
            DeviceError: The tensors are on different devices.
            DTypeError: An input is neither a tensor nor a Python number.
            AutogradError: The instance was called and recorded before.
            BorrowError: An optimizer step holds one of the parameters.
        """
        arrays: list[Any] = []
        edges: list[Node | Leaf | None] = []
        first: TensorBase[TensorT] | None = None
        needed = False
        for x in inputs:
            if not isinstance(x, TensorBase):
                if not isinstance(x, (float, int)):
                    raise DTypeError(
                        f"{self.name} takes tensors and Python numbers, not a {type_name(x)}; "
                        "make a tensor of it with rumus.tensor.tensor(...)"
                    )
                arrays.append(x)
                edges.append(None)
                continue
            if first is None:
                first = x
            elif x._device is not first._device:
                raise DeviceError(
                    f"{self.name}: tensors are on {first._device} and {x._device}; "
                    "move one with .to(device)"
                )
            arrays.append(x.array)
            edge = x._edge()
            edges.append(edge)
            needed = needed or edge is not None
        if first is None:
            raise ArgumentError(f"{self.name} needs at least one tensor")
        be = backend_of(first._device)
        if not (needed and is_grad_enabled()):
            tensor = self._wrapped(first, self.forward(be, *arrays))
            if observers:
                self._show(inputs, tensor)
            return tensor
        if self.needs:
            raise AutogradError(f"this {self.name} was called before; make a new one for each call")
        self.needs = tuple([edge is not None for edge in edges])
        result = self.forward(be, *arrays)
        try:
            has_gradient = is_float(result.dtype)
        except AttributeError:
            raise AutogradError(
                f"{self.name}.forward returned {type(result).__name__}, and not an array of the "
                "device, as its inputs are and as be's operations give them"
            ) from None
        tensor = self._wrapped(first, result)
        if has_gradient:
            tensor._node = self._node(inputs, arrays, tuple(edges), tensor)
        if observers:
            self._show(inputs, tensor)
        return tensor

    def _show(self, inputs: tuple[Any, ...], result: TensorBase) -> None:
        for observe in list(observers):
            observe(self, inputs, result)

    def _wrapped(self, first: TensorBase[TensorT], result: Any) -> TensorT:
        version = first._version if self.is_view else None
        return first._wrap(result, self.moves_to or first._device, None, version)

    def _node(
        self,
        inputs: tuple[TensorBase | float | int | bool, ...],
        arrays: list[Any],
        edges: tuple[Node | Leaf | None, ...],
        result: TensorBase,
    ) -> Node:
        """Keep what the backward pass reads."""
        self.saved = tuple(arrays[i] for i in self.saves)
        versions = [
            (f"input {i}", x._version, x._version.count)
            for i in self.saves
            if isinstance(x := inputs[i], TensorBase)
        ]
        if self.saves_output:
            self.output = result._array
            versions.append(("result", result._version, result._version.count))
        kinds = tuple(
            (x.shape, x.dtype, x._device) if isinstance(x, TensorBase) else None for x in inputs
        )
        return Node(self, edges, kinds, versions, result)
