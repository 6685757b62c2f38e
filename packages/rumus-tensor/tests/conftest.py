"""What several files of tests have in common."""

from collections.abc import Callable

import numpy as np
import pytest

from rumus.nn import Parameter
from rumus.tensor import Tensor, tensor


@pytest.fixture(scope="session")
def equals_central_differences() -> Callable[..., None]:
    """Checks values and gradients: ``(f, oracle, shapes, positive, device)``.

    ``f`` is a function of tensors, ``oracle`` the same of numpy's float64 arrays, ``shapes`` those
    of the arguments, whose numbers may all be above 0.3.
    """
    return check_gradients


def check_gradients(f, oracle, shapes, positive, device):
    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=shape) for shape in shapes]
    if positive:
        arrays = [np.abs(a) + 0.3 for a in arrays]
    # What the device sees is float32: the oracle starts from the same numbers.
    arrays = [np.asarray(a, np.float32).astype(np.float64) for a in arrays]
    params = [Parameter(tensor(a, device=device)) for a in arrays]
    result = f(*params)
    wanted = np.asarray(oracle(*arrays))
    np.testing.assert_allclose(result.numpy(), wanted, rtol=2e-5, atol=2e-6)
    weights = rng.normal(size=wanted.shape).astype(np.float32).astype(np.float64)
    grads = result.backward(tensor(weights, device=device))
    for i, p in enumerate(params):
        grad = grads.get(p.id)
        assert isinstance(grad, Tensor)
        assert (grad.shape, grad.dtype, grad.device) == (p.shape, p.dtype, p.device)
        np.testing.assert_allclose(
            grad.numpy(), numeric_gradient(oracle, arrays, weights, i), rtol=1e-4, atol=2e-5
        )


def numeric_gradient(f, arrays, weights, i, step=1e-6):
    """Central differences of ``sum(weights * f(*arrays))`` with respect to ``arrays[i]``."""
    gradient = np.zeros_like(arrays[i])
    for k in np.ndindex(arrays[i].shape):
        sides = []
        for sign in (1, -1):
            moved = [a.copy() for a in arrays]
            moved[i][k] += sign * step
            sides.append((f(*moved) * weights).sum())
        gradient[k] = (sides[0] - sides[1]) / (2 * step)
    return gradient
