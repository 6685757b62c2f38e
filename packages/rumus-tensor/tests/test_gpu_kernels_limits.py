"""Kernels on an adapter whose limits are lowered on purpose."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.gpu

PROGRAM = """
import numpy as np
from rumus import gpu
from rumus._backends.gpu import get_gpu_backend

be = get_gpu_backend(0)
rng = np.random.default_rng(0)
x = rng.standard_normal((3000, 40)).astype(np.float32)
a = be.from_host(x)
assert np.array_equal(be.to_host(be.elementwise("add", a, a)), x + x)
assert np.array_equal(be.to_host(be.copy(be.permute(a, (1, 0)))), x.T)
assert np.allclose(be.to_host(be.reduce("sum", a, (1,), False)), x.sum(1), atol=1e-4)
assert np.allclose(be.to_host(be.reduce("sum", a, (0,), False)), x.sum(0), atol=1e-3)
assert np.array_equal(be.to_host(be.arg_reduce("argmax", a, 1)), x.argmax(1))
e = np.exp(x - x.max(1, keepdims=True))
assert np.allclose(be.to_host(be.softmax(a, False)), e / e.sum(1, keepdims=True), atol=1e-6)
b = rng.standard_normal((40, 300)).astype(np.float32)
got = be.to_host(be.matmul(a, be.from_host(b)))
assert np.allclose(got, x @ b, atol=1e-4)
long = rng.standard_normal((300, 2000)).astype(np.float32)
got = be.to_host(be.matmul(be.from_host(long), be.from_host(np.ascontiguousarray(long.T))))
assert np.allclose(got, long @ long.T, rtol=1e-4, atol=1e-2)
narrow = rng.standard_normal((340_000, 2)).astype(np.float32)
got = be.to_host(be.reduce("sum", be.from_host(narrow), (0,), False))
assert np.allclose(got, narrow.sum(0, dtype=np.float64), atol=1e-2)
long = rng.standard_normal((1, 3_000_000 // 4)).astype(np.float32)
assert be.to_host(be.arg_reduce("argmax", be.from_host(long), 1)) == long.argmax(1)
tall = be.from_host(rng.standard_normal((20_000, 8)).astype(np.float32))
one = be.from_host(np.ones(8, np.float32))
y, moments = be.layer_norm(tall, one, one, 1e-5)
into_bias = be.layer_norm_sums(tall, moments, y, 1e-5)[1]
assert np.allclose(be.to_host(into_bias), be.to_host(y).sum(0), rtol=1e-4)
assert be.layer_norm_backward(tall, moments, one, y, 1e-5).shape == tall.shape
print(gpu.limits()[NAME])
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max-compute-workgroups-per-dimension", 40),
        ("max-compute-workgroup-storage-size", 16384),
        ("max-storage-buffers-per-shader-stage", 8),
        ("max-storage-buffer-binding-size", 1 << 22),
        ("max-compute-invocations-per-workgroup", 256),
    ],
)
def test_every_family_respects_a_lowered_limit(name, value):
    environment = {**os.environ, "RUMUS_GPU_LIMITS": f"{name}={value}"}
    program = f"NAME = {name!r}\n{PROGRAM}"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == value
