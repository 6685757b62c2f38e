"""The worked example of docs/kernels.md, run as it stands there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rumus import gpu
from rumus.nn import Parameter
from rumus.tensor import ArgumentError, tensor

pytestmark = pytest.mark.gpu

PAGE = (Path(__file__).parents[1] / "docs" / "kernels.md").read_text()


@pytest.fixture
def softshrink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function that the page ends up with."""
    monkeypatch.chdir(tmp_path)
    (wgsl,) = re.findall(r"```wgsl\n(.*?)```", PAGE, re.DOTALL)
    python, _fault = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    Path("softshrink.wgsl").write_text(wgsl)
    names: dict[str, Any] = {}
    exec(python, names)
    return names["softshrink"]


@pytest.mark.parametrize("threshold", [0.5, 1.25])
def test_the_example_computes_values_and_gradients(softshrink: Any, threshold: float) -> None:
    x = np.random.default_rng(0).standard_normal((70, 300)).astype(np.float32)
    parameter = Parameter(tensor(x, device="gpu"))
    y = softshrink(parameter.T, threshold)
    expected = np.sign(x) * np.maximum(np.abs(x) - np.float32(threshold), 0)
    np.testing.assert_allclose(y.numpy(), expected.T, rtol=1e-6)
    grad = (y * y).sum().backward().get(parameter.id)
    assert grad is not None
    np.testing.assert_allclose(grad.numpy(), 2 * expected, rtol=1e-6)


def test_the_example_refuses_what_its_kernel_does_not_read(softshrink: Any) -> None:
    for x in (tensor([1.0]), tensor([1, 2], device="gpu")):
        with pytest.raises(ArgumentError, match="float32 on a GPU"):
            softshrink(x)


def test_the_example_can_be_captured(softshrink: Any) -> None:
    captured = gpu.capture(lambda x: softshrink(x, 0.5))
    for value in (2.0, -3.0, 0.25):
        x = tensor([value], device="gpu")
        assert captured(x).item() == pytest.approx(np.sign(value) * max(abs(value) - 0.5, 0.0))
