"""Clipping of gradients by their common norm, and by value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from rumus.autograd import GradientStore, check_store
from rumus.nn import Parameter
from rumus.optim import _checks
from rumus.optim._contract import NORM_EPS
from rumus.optim._cpu.norm import host_norm
from rumus.optim._errors import NonFiniteGradientError, ParameterListError
from rumus.optim._expects import expects
from rumus.optim._groups import as_list
from rumus.tensor import Tensor, tensor, zeros


@expects("clip_grad_norm_(grads, model.parameters(), max_norm), where grads = loss.backward()")
def clip_grad_norm_(
    grads: GradientStore,
    params: Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    r"""Scale gradients so that the norm over all of them together is at most ``max_norm``.

    With the norm ``n = ‖(‖g₁‖, ‖g₂‖, …)‖`` of order ``norm_type``::

        g ← g · min(1, max_norm / (n + 1e-6))

    Nothing is read back from a GPU: the norm stays there, and the factor is applied by the next
    optimizer step's kernel, or when somebody looks at a gradient. Norms of gradients that overflow
    or underflow when they are squared come out right; a GPU that takes subnormal numbers for 0, as
    WGSL lets it, does so with a factor below 1.2e-38. If a gradient is not finite they all stay as
    they are; an optimizer with ``skip_nonfinite`` then leaves the step out.

    Args:
        grads: the gradients, changed in place.
        params: whose gradients to clip; one listed twice counts once, and one without a gradient
            does not count.
        max_norm: the largest norm to let through, above 0.
        norm_type: order of the norm, above 0, ``math.inf`` for the largest element (default 2).
        error_if_nonfinite: raise if the norm is infinite or NaN (default False); this waits for
            the GPU.

    Returns:
        The norm before clipping, a float32 scalar on the parameters' device: ``float(norm)`` reads
        it.

    Raises:
        HyperparameterError: ``max_norm`` or ``norm_type`` is not above 0.
        ParameterListError: ``params`` holds something else, or the gradients are on two devices.
        NonFiniteGradientError: the norm is not finite and ``error_if_nonfinite`` is set; the
            gradients are as before.

    Example:
        >>> from rumus.tensor import tensor
        >>> weight = Parameter([0.0, 0.0])
        >>> grads = GradientStore()
        >>> grads.accumulate(weight.id, tensor([3.0, 4.0]))
        >>> round(float(clip_grad_norm_(grads, [weight], max_norm=1.0)), 4)
        5.0
        >>> [round(x, 3) for x in grads.get(weight.id).tolist()]
        [0.6, 0.8]
    """
    most = _above_zero("max_norm", max_norm)
    order = _above_zero("norm_type", norm_type)
    listed = _listed(params)
    found = _gradients(grads, listed)
    if not found:
        return zeros((), device=listed[0].device if listed else "cpu")
    scale: Any
    if next(iter(found.values())).device.kind == "gpu":
        from rumus.optim._gpu.clip import device_norm

        norm, scale = device_norm(found, most, order)
    else:
        value = host_norm([g.array for g in found.values()], order)
        with np.errstate(over="ignore"):
            norm = tensor(np.float32(value))
        scale = min(1.0, most / (value + NORM_EPS)) if math.isfinite(value) else 1.0
    if error_if_nonfinite and not math.isfinite(float(norm)):
        raise NonFiniteGradientError(
            f"the gradients' norm of order {order:g} is {float(norm)}; they were left as they are"
        )
    if not (isinstance(scale, float) and scale == 1.0):
        grads.scale_by([p.id for p in found], scale)
    return norm


@expects("clip_grad_value_(grads, model.parameters(), clip_value), where grads = loss.backward()")
def clip_grad_value_(grads: GradientStore, params: Iterable[Parameter], clip_value: float) -> None:
    """Clamp every element of the gradients to ``[-clip_value, clip_value]``.

    Args:
        grads: the gradients, changed in place.
        params: whose gradients to clamp; one without a gradient is passed over.
        clip_value: the largest magnitude to let through, above 0.

    Raises:
        HyperparameterError: ``clip_value`` is not above 0.
        ParameterListError: ``params`` holds something else, or the gradients are on two devices.

    Example:
        >>> from rumus import nn, tensor
        >>> p = nn.Parameter(tensor.tensor([3.0, -1.0]))
        >>> grads = (p * p).sum().backward()
        >>> clip_grad_value_(grads, [p], 4.0)
        >>> grads[p].tolist()
        [4.0, -2.0]
    """
    limit = _above_zero("clip_value", clip_value)
    listed = _listed(params)
    found = {p.id: grad for p, grad in _gradients(grads, listed).items()}
    if any(grad.device.kind == "gpu" for grad in found.values()):
        from rumus.optim._gpu.clip import clamp

        clamped = clamp(found, limit)
    else:
        clamped = {id: grad.clamp(-limit, limit) for id, grad in found.items()}
    for id, grad in clamped.items():
        grads.replace(id, grad)


def _listed(params: Iterable[Parameter]) -> list[Parameter]:
    return [params] if isinstance(params, Parameter) else as_list(params)


def _gradients(grads: GradientStore, params: Iterable[Parameter]) -> dict[Parameter, Tensor]:
    check_store(grads)
    found: dict[Parameter, Tensor] = {}
    for parameter in params:
        if not isinstance(parameter, Parameter):
            raise ParameterListError(f"expected a Parameter, got a {type(parameter).__name__}")
        grad = grads.get(parameter.id)
        if grad is not None:
            found[parameter] = grad
    devices = sorted({str(grad.device) for grad in found.values()})
    if len(devices) > 1:
        raise ParameterListError(f"the gradients are on several devices: {', '.join(devices)}")
    return found


def _above_zero(name: str, value: float) -> float:
    if value == math.inf:
        return math.inf
    return _checks.positive(name, value)
