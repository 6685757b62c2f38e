"""Times of kernels on the GPU."""

import numpy as np
import pytest

from rumus import gpu, tensor

pytestmark = pytest.mark.gpu


def test_every_dispatch_is_timed_under_its_kernels_name() -> None:
    x = tensor.ones((300, 300), device="gpu")
    with gpu.kernel_times() as times:
        y = x @ x
        z = y.sum()
    assert z.item() == 300.0**3
    names = [time.name for time in times]
    assert any("matmul" in name for name in names) and len(names) >= 2
    assert all(time.seconds >= 0 for time in times) and sum(t.seconds for t in times) > 0
    assert [t.began for t in times] == sorted(t.began for t in times)
    with gpu.kernel_times() as others:
        pass
    assert others == []


def test_more_dispatches_than_a_set_has_timestamps_give_the_same_numbers() -> None:
    x = tensor.zeros(3, device="gpu")
    with gpu.kernel_times() as times:
        for _ in range(1500):
            x = x + 1.0
    assert len(times) == 1500
    np.testing.assert_array_equal(x.numpy(), [1500, 1500, 1500])


def test_a_replay_runs_while_kernels_are_timed() -> None:
    step = gpu.capture(lambda x: x * 2.0 + 1.0)
    x = tensor.ones(4, device="gpu")
    for _ in range(3):
        step(x)
    with gpu.kernel_times():
        assert step(x).tolist() == [3.0] * 4
