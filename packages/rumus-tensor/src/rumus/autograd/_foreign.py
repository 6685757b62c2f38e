"""What the names of torch.autograd are here."""

from rumus._core.foreign import of_module

_NO_GRAD = "with no_grad():"
HINTS = {
    "Variable": "rumus.nn.Parameter(data) requires a gradient, as leaf(x) does",
    "backward": "loss.backward() returns the gradients, and grad(outputs, inputs) some of them",
    "functional": "grad(outputs, inputs, create_graph=True) is differentiable itself",
    "inference_mode": _NO_GRAD,
    "set_grad_enabled": _NO_GRAD,
    "enable_grad": "gradients are recorded but under no_grad()",
    "profiler": "rumus.train.Profiler",
}

missing = of_module("rumus.autograd", HINTS)
