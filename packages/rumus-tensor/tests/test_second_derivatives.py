"""Derivatives of derivatives against central differences in numpy, in float64."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from rumus._backends.table import KINDS
from rumus.nn import Parameter
from rumus.tensor import tensor
from rumus.tensor._ops.elementwise import DERIVATIVES

CASES = runpy.run_path(str(Path(__file__).with_name("test_gradients.py")))["CASES"]


def arguments(shapes, positive, rng):
    """Numbers that float32 holds, away from where functions have corners."""
    arrays = [rng.normal(size=shape) for shape in shapes]
    if positive:
        arrays = [np.abs(a) + 0.5 for a in arrays]
    return [np.asarray(a, np.float32).astype(np.float64) for a in arrays]


def along(total, arrays, directions, step):
    """The total at a point moved along directions."""
    return total([a + step * d for a, d in zip(arrays, directions, strict=True)])


def bend(total, arrays, directions, step=2e-3):
    """The second derivative along directions, by differences of fourth order."""
    far = [along(total, arrays, directions, k * step) for k in (-2, -1, 0, 1, 2)]
    return (-far[0] + 16 * far[1] - 30 * far[2] + 16 * far[3] - far[4]) / (12 * step**2)


def unit_steps(arrays, i):
    """A direction for each element of one array."""
    for k in np.ndindex(arrays[i].shape):
        unit = [np.zeros_like(a) for a in arrays]
        unit[i][k] = 1
        yield k, unit


def curvature(total, arrays, directions, i, step=1e-4):
    """The gradient for array i of the first derivative along directions."""
    gradient = np.zeros_like(arrays[i])
    for k, unit in unit_steps(arrays, i):
        sides = [
            along(
                total, [a + s * step * u for a, u in zip(arrays, unit, strict=True)], directions, t
            )
            for s, t in ((1, step), (1, -step), (-1, step), (-1, -step))
        ]
        gradient[k] = (sides[0] - sides[1] - sides[2] + sides[3]) / (4 * step**2)
    return gradient


def bend_gradient(total, arrays, directions, i, step=2e-3):
    """The gradient for array i of the second derivative along directions."""
    gradient = np.zeros_like(arrays[i])
    for k, unit in unit_steps(arrays, i):
        sides = [
            bend(total, [a + s * step * u for a, u in zip(arrays, unit, strict=True)], directions)
            for s in (-2, -1, 1, 2)
        ]
        gradient[k] = (sides[0] - 8 * sides[1] + 8 * sides[2] - sides[3]) / (12 * step)
    return gradient


def derived(value, params, directions):
    """The derivative of a scalar along directions, with a graph; None if it is constant."""
    if value is None or not value.requires_grad:
        return None
    grads = value.backward(create_graph=True)
    parts = [
        (grads.get(p.id) * d).sum()
        for p, d in zip(params, directions, strict=True)
        if p.id in grads
    ]
    return sum(parts[1:], parts[0])


def gradients(value, params):
    grads = value.backward(retain_graph=True) if value is not None and value.requires_grad else None
    return [
        np.zeros(p.shape) if grads is None or grads.get(p.id) is None else grads.get(p.id).numpy()
        for p in params
    ]


@pytest.mark.parametrize("case", CASES)
def test_second_and_third_derivatives_equal_central_differences(case, device):
    f, oracle, shapes, positive = CASES[case]
    rng = np.random.default_rng(5)
    arrays = arguments(shapes, positive, rng)
    weights = rng.normal(size=np.shape(oracle(*arrays))).astype(np.float32)
    directions = [rng.normal(size=shape).astype(np.float32) for shape in shapes]

    def total(moved):
        return float((weights * oracle(*moved)).sum())

    params = [Parameter(tensor(a, device=device)) for a in arrays]
    loss = (f(*params) * weights).sum()
    first = derived(loss, params, directions)
    second = derived(first, params, directions)
    for i, (twice, thrice) in enumerate(
        zip(gradients(first, params), gradients(second, params), strict=True)
    ):
        wanted = curvature(total, arrays, directions, i)
        np.testing.assert_allclose(twice, wanted, rtol=2e-4, atol=1e-4)
        wanted = bend_gradient(total, arrays, directions, i)
        np.testing.assert_allclose(thrice, wanted, rtol=1e-3, atol=1e-3)


def test_every_backward_row_has_a_derivative():
    assert [op for op in KINDS if op.endswith("_backward") and op not in DERIVATIVES] == []
