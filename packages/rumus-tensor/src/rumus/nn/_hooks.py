"""Hooks: what is called around a module's forward pass, and when gradients pass it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rumus._backends.contract import Backend
from rumus._core.base import TensorBase
from rumus._core.errors import AutogradError
from rumus.autograd._function import Function
from rumus.tensor._tensor import Tensor

Hook = tuple[str, Callable[..., Any]]
"""``"before"``, ``"after"`` or ``"backward"``, and what is called."""


class Hooking:
    """A module, as far as hooks know it."""

    _hooks: tuple[Hook, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What is called between the hooks."""
        raise NotImplementedError

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have ``hook(module, args)`` called before each forward pass.

        A captured step calls hooks when it is recorded, and not when it is replayed: what they
        compute with tensors is replayed, what else they do is not repeated.

        Args:
            hook: Gives None, or arguments to take the place of the positional ones.

        Returns:
            What takes the hook off again.
        """
        return RemovableHandle(self, ("before", hook))

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have ``hook(module, args, result)`` called after each forward pass.

        Captured steps are as said in :meth:`register_forward_pre_hook`.

        Args:
            hook: Gives None, or a result to take the place of the module's.

        Returns:
            What takes the hook off again.

        Example:
            >>> from rumus.nn import Linear
            >>> from rumus.tensor import ones
            >>> layer = Linear(2, 3)
            >>> with layer.register_forward_hook(lambda module, args, y: print(y.shape)):
            ...     y = layer(ones((5, 2)))
            (5, 3)
        """
        return RemovableHandle(self, ("after", hook))

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Have ``hook(module, grad_input, grad_output)`` called when gradients have passed.

        Both are tuples, of the positional tensors that went in and of the tensors that came out; a
        gradient that nobody asked for is None. Where none goes in, the hook is called when the
        first comes. Captured steps are as said in :meth:`register_forward_pre_hook`.

        Args:
            hook: Gives None, or for a module of one input the gradient to pass on instead.

        Returns:
            What takes the hook off again.
        """
        return RemovableHandle(self, ("backward", hook))


class RemovableHandle:
    """A hook that was registered; :meth:`remove` takes it off, as does the end of a ``with``.

    Example:
        >>> from rumus.tensor import ones
        >>> layer = Linear(2, 1)
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 0.0 + 1.0)
        >>> layer(ones(1, 2)).tolist()
        [[1.0]]
        >>> handle.remove()
    """

    def __init__(self, module: Hooking, hook: Hook) -> None:
        self._module, self._hook = module, hook
        module._hooks = (*module._hooks, hook)

    def remove(self) -> None:
        """Take the hook off; once is enough."""
        module = self._module
        module._hooks = tuple(hook for hook in module._hooks if hook is not self._hook)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def call(module: Hooking, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The forward pass with all hooks around it."""
    hooks = module._hooks
    for when, hook in hooks:
        if when == "before":
            changed = hook(module, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
    backward = [hook for when, hook in hooks if when == "backward"]
    watch = _Watch(module, backward) if backward else None
    if watch is not None:
        args = watch.inputs(args)
    result = module.forward(*args, **kwargs)
    for when, hook in hooks:
        if when == "after":
            changed = hook(module, args, result)
            result = result if changed is None else changed
    return result if watch is None else watch.outputs(result)


class _Watch:
    """The gradients of one call's inputs and outputs, until all are known and hooks are called."""

    def __init__(self, module: Hooking, hooks: Sequence[Callable[..., Any]]) -> None:
        self._module, self._hooks = module, hooks
        self._into: list[Tensor | None] = []
        self._out: list[Tensor | None] = []
        self._awaited: set[int] = set()

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, with tensors whose gradients are noticed."""
        passed = []
        for arg in args:
            if isinstance(arg, TensorBase):
                at = len(self._into)
                self._into.append(None)
                if arg.requires_grad:
                    self._awaited.add(at)
                    arg = _Passed(self._input_came, at)(arg)
            passed.append(arg)
        self._first = frozenset(self._awaited)
        return tuple(passed)

    def outputs(self, result: Any) -> Any:
        """The result, with tensors whose gradients are noticed."""
        if isinstance(result, TensorBase):
            return self._output(result)
        if isinstance(result, (tuple, list)):
            made = [self._output(r) if isinstance(r, TensorBase) else r for r in result]
            return type(result)(made)
        return result

    def _output(self, result: Any) -> Any:
        at = len(self._out)
        self._out.append(None)
        return _Passed(self._output_came, at)(result) if result.requires_grad else result

    def _output_came(self, at: int, grad: Tensor) -> Tensor | None:
        self._out[at] = grad
        if not self._first:
            self._call()
        return None

    def _input_came(self, at: int, grad: Tensor) -> Tensor | None:
        self._into[at] = grad
        self._awaited.discard(at)
        if self._awaited:
            return None
        changed = self._call()
        self._awaited = set(self._first)
        if changed is None:
            return None
        if len(self._first) > 1:
            raise AutogradError(
                f"a backward hook of {type(self._module).__name__} gave other gradients for "
                f"{len(self._first)} inputs; that can be done for one input alone"
            )
        given = changed[at] if isinstance(changed, tuple) else changed
        return given if isinstance(given, Tensor) else None

    def _call(self) -> Any:
        """Call the hooks; what the last one gave for the inputs' gradients."""
        result: Any = None
        for hook in self._hooks:
            changed = hook(self._module, tuple(self._into), tuple(self._out))
            if changed is not None:
                result = changed
                self._into = list(changed) if isinstance(changed, tuple) else [changed]
        return result


class _Passed(Function):
    """The same tensor; what it is told of its gradient may give another one."""

    is_view = True

    def __init__(self, came: Callable[[int, Any], Any], at: int) -> None:
        self.came, self.at = came, at

    @property
    def name(self) -> str:
        """What the hook is on."""
        return "backward hook"

    def forward(self, be: Backend[Any], *arrays: Any) -> Any:
        """Pass on."""
        return be.reshape(arrays[0], arrays[0].shape)

    def backward(self, be: Backend[Any], grad: Any) -> tuple[Any | None, ...]:
        """Tell, and pass on."""
        is_tensor = isinstance(grad, TensorBase)
        shown = grad if is_tensor else Tensor._wrap(grad, self.place)
        changed = self.came(self.at, shown)
        if changed is None:
            return (grad,)
        return (changed if is_tensor else changed.array,)

    def __call__(self, *inputs: Any) -> Any:
        """Apply; the device is what gradients are shown on."""
        self.place = inputs[0].device
        return super().__call__(*inputs)
