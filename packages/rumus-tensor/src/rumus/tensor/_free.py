"""How methods and rows become functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from rumus._core.base import TensorBase
from rumus._core.errors import DTypeError

from ._operand import Operand, operand
from ._ops.elementwise import Elementwise
from ._tensor import Tensor

_OPERATOR = """``x1 {sign} x2``, element by element; one of the two may be a number or an array.

    Example:
        >>> {name}(tensor([6, 3]), 2).tolist()
        {example}
    """
P = ParamSpec("P")
T = TypeVar("T")


def free(
    method: Callable[Concatenate[Tensor, P], T], name: str = ""
) -> Callable[Concatenate[Tensor, P], T]:
    """A method as a function, whose first argument is the tensor.

    Args:
        method: A method of the tensor.
        name: What the function is called, where that is not the method's name.

    Example:
        >>> from rumus.tensor import tensor
        >>> free(Tensor.abs)(tensor([-2, 3])).tolist()
        [2, 3]
    """
    called = name or method.__name__

    @wraps(method)
    def function(x: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if not isinstance(x, TensorBase):
            raise _no_tensor(called, x)
        return method(x, *args, **kwargs)

    own, *others = inspect.signature(method).parameters.values()
    first = own.replace(name="x", kind=inspect.Parameter.POSITIONAL_ONLY)
    shown: Any = _called(function, called)
    shown.__signature__ = inspect.signature(method).replace(parameters=[first, *others])
    return function


def pair(
    name: str, operation: Callable[[Any, Any], Any] | None = None, sign: str = "", example: str = ""
) -> Callable[[Operand, Operand], Tensor]:
    """A function of two operands, of which one may be a number or an array.

    Args:
        name: What the function is called.
        operation: Python's operator that it is; by default a row of the elementwise table.
        sign: How the operator is written.
        example: What ``tensor([6, 3])`` and 2 give.
    """
    method: Any = getattr(Tensor, name, None)

    def row(x1: Operand, x2: Operand) -> Any:
        like = x1 if isinstance(x1, TensorBase) else x2
        return Elementwise(name)(*(operand(like, x) for x in (x1, x2)))  # type: ignore[arg-type]

    compute = operation or row

    def function(x1: Operand, x2: Operand, /) -> Tensor:
        if not isinstance(x1, TensorBase) and not isinstance(x2, TensorBase):
            raise _no_tensor(name, x1)
        result: Tensor = compute(x1, x2)
        return result

    function.__doc__ = (
        _OPERATOR.format(name=name, sign=sign, example=example) if sign else method.__doc__
    )
    named: Callable[[Operand, Operand], Tensor] = _called(function, name)
    return named


def _called(function: Any, name: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__module__ = "rumus.tensor"
    return function


def _no_tensor(name: str, value: object) -> DTypeError:
    return DTypeError(
        f"{name} takes a tensor, not a {type(value).__name__}; make one of it with "
        "rumus.tensor.tensor(...)"
    )
