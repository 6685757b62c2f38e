"""Recurrent layers in numpy: a product and a few calls over the whole batch each step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rumus._core.threads import blas_threads

Array = npt.NDArray[Any]
_ONE = np.float32(1)
GATES = {"lstm": 4, "gru": 3, "tanh": 1, "relu": 1}


def recurrent(
    kind: str,
    inputs: Array,
    start: Array,
    weight: Array,
    bias: Array | None,
    lengths: Array | None,
    reverse: bool,
) -> tuple[Array, Array]:
    """See ``Backend.recurrent``."""
    steps, batch, _ = inputs.shape
    hidden = weight.shape[1]
    states = np.empty((len(start), steps + 1, batch, hidden), np.float32)
    states[:, -1 if reverse else 0] = start
    kept = np.empty((steps if kind in _STEPS else 0, batch, 4 * hidden), np.float32)
    turned = np.ascontiguousarray(weight.T)
    sums = np.empty((batch, weight.shape[0]), np.float32)
    with np.errstate(all="ignore"), blas_threads(batch * weight.size):
        for t, old, new in _steps(steps, reverse):
            np.matmul(states[0, old], turned, out=sums)
            if bias is not None:
                sums += bias
            if kind in _STEPS:
                _STEPS[kind](inputs[t], sums, states[:, old], states[:, new], kept[t])
            else:
                np.add(inputs[t], sums, out=sums)
                _ACTIVATIONS[kind](sums, states[0, new])
            if lengths is not None:
                idle = lengths <= t
                states[:, new, idle] = states[:, old, idle]
    return states, kept


def recurrent_backward(
    kind: str,
    states: Array,
    kept: Array,
    weight: Array,
    grad: Array,
    lengths: Array | None,
    reverse: bool,
) -> tuple[Array, Array, Array]:
    """See ``Backend.recurrent_backward``."""
    count, places, batch, hidden = states.shape
    steps = places - 1
    into = np.empty((steps, batch, GATES[kind] * hidden), np.float32)
    into_sums = np.empty_like(into) if kind == "gru" else into
    carry = np.zeros((count, batch, hidden), np.float32)
    with np.errstate(all="ignore"), blas_threads(batch * weight.size):
        for t, old, new in reversed([*_steps(steps, reverse)]):
            carry += grad[:, new]
            idle = None if lengths is None else lengths <= t
            stays = None if idle is None else carry[:, idle]
            if kind == "lstm":
                _lstm_backward(kept[t], states[1, old], states[1, new], carry, into[t])
            elif kind == "gru":
                _gru_backward(kept[t], states[0, old], carry, into[t], into_sums[t])
            else:
                _plain_backward(kind, states[0, new], carry, into[t])
            if idle is not None:
                into[t, idle] = into_sums[t, idle] = 0
                carry[:, idle] = stays
            carry[0] += np.matmul(into_sums[t], weight)
    return into, into_sums, carry + grad[:, -1 if reverse else 0]


def _steps(steps: int, reverse: bool) -> Iterator[tuple[int, int, int]]:
    """Each step in time: its number, the place of the state before it and of that after it."""
    if reverse:
        return ((t, t + 1, t) for t in reversed(range(steps)))
    return ((t, t, t + 1) for t in range(steps))


def _lstm(inputs: Array, sums: Array, before: Array, after: Array, gates: Array) -> None:
    np.add(inputs, sums, out=gates)
    i, f, g, o = _parts(gates)
    hidden = before.shape[-1]
    _sigmoid(gates[:, : 2 * hidden])
    np.tanh(g, out=g)
    _sigmoid(o)
    h, c = after
    np.multiply(f, before[1], out=c)
    c += i * g
    np.tanh(c, out=h)
    h *= o


def _gru(inputs: Array, sums: Array, before: Array, after: Array, gates: Array) -> None:
    hidden = before.shape[-1]
    opened, n, u = gates[:, : 2 * hidden], gates[:, 2 * hidden : 3 * hidden], gates[:, 3 * hidden :]
    np.add(inputs[:, : 2 * hidden], sums[:, : 2 * hidden], out=opened)
    _sigmoid(opened)
    r, z = opened[:, :hidden], opened[:, hidden:]
    u[:] = sums[:, 2 * hidden :]
    np.multiply(r, u, out=n)
    n += inputs[:, 2 * hidden :]
    np.tanh(n, out=n)
    h = after[0]
    np.multiply(_ONE - z, n, out=h)
    h += z * before[0]


_STEPS = {"lstm": _lstm, "gru": _gru}
_ACTIVATIONS: dict[str, Any] = {
    "tanh": lambda sums, h: np.tanh(sums, out=h),
    "relu": lambda sums, h: np.maximum(sums, np.float32(0), out=h),
}


def _lstm_backward(gates: Array, c_old: Array, c: Array, carry: Array, into: Array) -> None:
    i, f, g, o = _parts(gates)
    di, df, dg, do = _parts(into)
    dh, dc = carry
    shown = np.tanh(c)
    np.multiply(dh, shown, out=do)
    shown *= shown
    np.subtract(_ONE, shown, out=shown)
    shown *= dh
    shown *= o
    dc += shown
    np.multiply(dc, g, out=di)
    np.multiply(dc, c_old, out=df)
    np.multiply(dc, i, out=dg)
    hidden = c.shape[-1]
    for d, gate in ((into[:, : 2 * hidden], gates[:, : 2 * hidden]), (do, o)):
        d *= gate
        d *= _ONE - gate
    dg *= _ONE - g * g
    dh[:] = 0
    dc *= f


def _gru_backward(gates: Array, old: Array, carry: Array, into: Array, into_sums: Array) -> None:
    r, z, n, u = _parts(gates)
    hidden = old.shape[-1]
    dr, dz, dn = into[:, :hidden], into[:, hidden : 2 * hidden], into[:, 2 * hidden :]
    (dh,) = carry
    np.multiply(dh, _ONE - z, out=dn)
    dn *= _ONE - n * n
    np.multiply(dn, u, out=dr)
    dr *= r * (_ONE - r)
    np.multiply(dh, old - n, out=dz)
    dz *= z * (_ONE - z)
    into_sums[:] = into
    into_sums[:, 2 * hidden :] *= r
    dh *= z


def _plain_backward(kind: str, h: Array, carry: Array, into: Array) -> None:
    (dh,) = carry
    np.multiply(dh, _ONE - h * h if kind == "tanh" else ~(h <= 0), out=into)
    dh[:] = 0


def _parts(a: Array) -> tuple[Array, Array, Array, Array]:
    """The four quarters of the columns."""
    width = a.shape[1] // 4
    return a[:, :width], a[:, width : 2 * width], a[:, 2 * width : 3 * width], a[:, 3 * width :]


def _sigmoid(a: Array) -> None:
    """In place."""
    np.negative(a, out=a)
    np.exp(a, out=a)
    a += _ONE
    np.reciprocal(a, out=a)


class Recurrent:
    """The family's part of the backend."""

    recurrent = staticmethod(recurrent)
    recurrent_backward = staticmethod(recurrent_backward)
