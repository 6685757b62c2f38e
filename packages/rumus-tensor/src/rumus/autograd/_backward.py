"""Where backward passes are asked for."""

from __future__ import annotations

from rumus._core.base import TensorBase, TensorT
from rumus._core.errors import AutogradError

from ._engine import Pass, current_follower, reachable
from ._recorded import RecordedPass
from ._store import GradientStore


def backward(
    loss: TensorBase[TensorT], grad: TensorBase | None, retain_graph: bool, create_graph: bool
) -> GradientStore[TensorT]:
    """The gradients of a tensor with respect to every parameter that it depends on.

    Nodes are visited from the newest to the oldest, so contributions to one gradient are always
    added in the same order.

    Raises:
        AutogradError: The tensor has no graph, the graph was freed, something saved was changed in
            place, or a tensor of several elements comes without ``grad``.
        ShapeError: ``grad`` has another shape than the tensor.
        DeviceError: ``grad`` is on another device.
    """
    root = loss._edge()
    if root is None:
        raise no_graph("this tensor")
    run = RecordedPass(loss) if create_graph else Pass(loss)
    run.follower = None if create_graph else current_follower()
    run.begin(root, run.seed(loss, grad))
    run.go(reachable([root]), retain_graph or create_graph)
    return run.store()


def no_graph(what: str) -> AutogradError:
    """The error for a tensor without a graph."""
    return AutogradError(
        f"{what} depends on no parameter that requires a gradient, or was computed under no_grad()"
    )
