"""Second derivatives of scans and sorting, against differences of their gradients."""

import numpy as np
import pytest

from rumus.autograd import gradcheck, gradgradcheck
from rumus.tensor import tensor

DATA = np.random.default_rng(1).permutation(np.linspace(-2, 2, 24)).reshape(4, 6) + 0.03

CASES = {
    "cumsum": lambda a: a.cumsum(1),
    "cumsum of columns": lambda a: a.cumsum(0),
    "cumprod": lambda a: a.cumprod(1),
    "logcumsumexp": lambda a: a.logcumsumexp(1),
    "cummax": lambda a: a.cummax(1)[0],
    "sort": lambda a: a.sort(1) if not isinstance(a.sort(1), tuple) else a.sort(1)[0],
    "topk": lambda a: a.topk(2)[0],
    "median": lambda a: a.median(1),
}


@pytest.mark.parametrize("name", CASES)
def test_derivatives_are_those_of_differences(name, device):
    x = tensor(DATA.astype(np.float32), device=device)

    def f(a):
        return CASES[name](a + a.tanh()).sin()

    assert gradcheck(f, x, step=2.0**-8, rtol=2e-3)
    assert gradgradcheck(f, x, step=2.0**-8, rtol=5e-3)
