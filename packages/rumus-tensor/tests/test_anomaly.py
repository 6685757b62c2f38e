"""The operation and the line that first made a number that is not finite."""

import inspect
import threading

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.autograd import Function, checkpoint, detect_anomaly, grad, leaf
from rumus.nn import Parameter
from rumus.tensor import AutogradError, no_grad, tensor, where
from rumus.tensor._ops.elementwise import Elementwise


def line():
    """The line after the call, as error messages write it."""
    return f"{__file__}, line {inspect.currentframe().f_back.f_lineno + 1}"


def message(run):
    with pytest.raises(AutogradError) as error:
        run()
    return str(error.value)


def test_the_operation_and_its_line_are_named_going_forward(device):
    x = leaf(tensor([1.0, 0.0, -1.0], device=device))
    with detect_anomaly():
        y = x * 2.0

        def run():
            nonlocal where_
            where_ = line()
            return y.log()

        where_ = ""
        assert message(run) == (
            "detect_anomaly: log gave 1 NaN and 1 infinite among 3 elements of finite inputs, "
            f"called at {where_}"
        )


def test_the_operation_and_its_line_are_named_going_backward(device):
    x = leaf(tensor([0.0, 4.0], device=device))
    with detect_anomaly():
        where_ = line()
        y = x.sqrt()
        loss = (y * 3.0).sum()
        said = message(loss.backward)
    assert said == (
        "detect_anomaly: sqrt gave input 0 a gradient with 1 infinite among 2 elements, "
        f"called at {where_}"
    )


def test_a_line_of_a_layer_is_the_users(device):
    class Net(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)

        def forward(self, x):
            self.line = line()
            return self.layer(x).log()

    net = Net()
    if device == "gpu":
        net.to_gpu()
    with no_grad():
        net.layer.weight.zero_()
        net.layer.bias.fill_(-1.0)
    with detect_anomaly():
        assert net_line(net, device) in message(lambda: net(tensor([[1.0, 2.0]], device=device)))


def net_line(net, device):
    with no_grad():
        net.layer.bias.fill_(1.0)
    net(tensor([[1.0, 2.0]], device=device))
    with no_grad():
        net.layer.bias.fill_(-1.0)
    return net.line


def test_what_comes_from_outside_is_said_so():
    x = tensor([1.0, np.nan])
    with detect_anomaly():
        assert "add gave 1 NaN among 2 elements of input 1, which was not finite" in message(
            lambda: tensor([1.0, 2.0]) + x
        )
        assert "sum gave input 0 a gradient with 2 NaN" in message(
            lambda: leaf(tensor([1.0, 2.0])).sum().backward(tensor(np.nan))
        )


def test_masks_and_tests_are_no_anomaly(device):
    x = leaf(tensor([[1.0, 2.0, 3.0]], device=device))
    holes = tensor([[np.nan, 1.0, np.inf]], device=device)
    with detect_anomaly():
        scores = where(tensor([[True, False, True]], device=device), x, -np.inf)
        y = scores.softmax()
        known = where(holes.isfinite(), holes, 0.0)
        assert (y * known).sum().backward()[x].tolist() == [[0.0, 0.0, 0.0]]
    assert y.tolist()[0][1] == 0.0


def test_it_is_over_with_its_block_and_holds_for_its_thread(device):
    x = tensor([0.0], device=device)
    results = []
    with detect_anomaly():
        other = threading.Thread(target=lambda: results.append((1.0 / x).item()))
        other.start()
        other.join()
        assert "div gave 1 infinite" in message(lambda: 1.0 / x)
    assert results == [np.inf] == [(1.0 / x).item()]


def test_a_function_may_be_decorated():
    @detect_anomaly()
    def step(x):
        return x.log()

    assert "log gave 1 infinite" in message(lambda: step(tensor([0.0])))
    assert step(tensor([1.0])).item() == 0.0


def test_second_runs_and_recorded_passes_name_the_forward_line(device):
    x = leaf(tensor([0.0, 4.0], device=device))
    where_ = line()
    root = lambda a: a.sqrt()  # noqa: E731
    with detect_anomaly():
        y = checkpoint(root, x).sum()
        assert where_ in message(y.backward)
        y = root(x).sum()
        assert where_ in message(lambda: grad(y, x, create_graph=True))


def test_a_graph_from_before_has_no_line():
    p = Parameter([0.0])
    y = p.sqrt()
    with detect_anomaly():
        assert message(y.backward).endswith("1 elements, called outside of detect_anomaly()")


def test_a_users_function_is_named_too():
    class Broken(Function):
        def forward(self, be, x):
            return be.elementwise("mul", x, 2.0)

        def backward(self, be, grad):
            return (be.full(grad.shape, np.inf, grad.dtype),)

    with detect_anomaly():
        loss = Broken()(leaf(tensor([1.0, 2.0]))).sum()
        assert "Broken gave input 0 a gradient with 2 infinite" in message(loss.backward)


@pytest.mark.gpu
def test_a_captured_step_is_refused_with_what_to_do():
    step = gpu.capture(lambda x: Elementwise("mul")(x, 2.0))
    x = tensor([1.0], device="gpu")
    step(x)
    with detect_anomaly(), pytest.raises(gpu.CaptureError, match="runs under detect_anomaly"):
        gpu.capture(lambda x: x * 3.0)(x)
