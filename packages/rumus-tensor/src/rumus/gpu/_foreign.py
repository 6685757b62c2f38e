"""What the names of torch.cuda are here."""

from rumus._core.foreign import of_module

_STATS = "memory_stats() has the bytes in use, and the most there were"
HINTS = {
    "get_device_name": "info()",
    "get_device_properties": "info() and limits()",
    "adapter_info": "info()",
    "memory_allocated": _STATS,
    "max_memory_allocated": _STATS,
    "memory_reserved": _STATS,
    "manual_seed": "rumus.tensor.manual_seed(number) is for every device",
    "CUDAGraph": "capture(step) records a step once and replays it",
    "amp": "model.to(float16) computes in float16, with float32 masters in the optimizer",
}

missing = of_module("rumus.gpu", HINTS)
