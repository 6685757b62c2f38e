"""PyTorch's database of modules: parameters by name and in order, results and gradients."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch.testing._internal.common_modules import module_db

from rumus import nn, tensor
from rumus.tensor import RumusError

HERE = [info for info in module_db if hasattr(nn, info.name.removeprefix("nn."))]
MISSING = """
    AdaptiveAvgPool3d AdaptiveMaxPool3d AvgPool3d BatchNorm3d CircularPad3d ConstantPad3d Conv3d
    ConvTranspose3d FractionalMaxPool2d FractionalMaxPool3d InstanceNorm3d LPPool1d LPPool2d
    LPPool3d LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d
    LazyConvTranspose3d LinearCrossEntropyLoss LocalResponseNorm MaxPool3d ReflectionPad3d
    ReplicationPad3d Softmax2d Transformer ZeroPad3d
""".split()
UNLIKE = {
    "CTCLoss": "the gradient is that of the function; PyTorch's takes log_softmax for granted",
    "TransformerEncoder": "its samples begin with a layer of PyTorch's own",
}
REFUSED = {
    "of a tensor with 0 axes": "a tensor without axes has no axis 0, as in numpy",
    "unexpected keyword|has no option": "an argument of PyTorch's alone",
}


def inputs(info: Any, training: bool) -> list[Any]:
    """PyTorch's samples of a module's arguments."""
    torch.manual_seed(0)
    found = info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=True, training=training
    )
    return list(found)


def compare(info: Any, sample: Any, training: bool, kind: Any, double: Any) -> bool:
    """Compare one sample; whether it has a counterpart."""
    begun, given = sample.constructor_input, sample.forward_input
    theirs = info.module_cls(*begun.args, **begun.kwargs).float().train(training)
    args, kwargs = double((given.args, given.kwargs))
    try:
        made = kind.ours((begun.args, dict(begun.kwargs)))
        if made[1].get("proj_size") == 0:
            del made[1]["proj_size"]
        ours = getattr(nn, info.name.removeprefix("nn."))(*made[0], **made[1]).to(kind.device)
        ours.train(training)
        state = {name: tensor.tensor(x.numpy()) for name, x in theirs.state_dict().items()}
        assert list(ours.state_dict()) == list(state)
        ours.load_state_dict(state)
        kind.leaves.clear()
        taken = kind.ours((args, kwargs))
        first = [taken[1].pop("input")] if "input" in taken[1] else []
        got = ours(*first, *taken[0], **taken[1])
    except (RumusError, TypeError) as error:
        if any(re.search(pattern, str(error)) for pattern in REFUSED):
            return False
        raise
    theirs.double()
    kind.leaves += zip(ours.parameters(), theirs.parameters(), strict=True)
    kind.check(got, theirs(*args, **kwargs), 5e-6)
    return True


def run(info: Any, training: bool, count: int, kind: Any, double: Any) -> int:
    """Compare the first samples; how many have a counterpart."""
    compared = 0
    for number, sample in enumerate(inputs(info, training)[:count]):
        try:
            compared += compare(info, sample, training, kind, double)
        except Exception as error:
            if type(error).__name__ == "NotOursError":
                continue
            error.add_note(f"sample {number}: {sample.constructor_input} {sample.forward_input}")
            raise
    return compared


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(
    "info", [i for i in HERE if i.name.removeprefix("nn.") not in UNLIKE], ids=lambda i: i.name
)
def test_results_and_gradients(info: Any, training: bool, comparison: Any, in_double: Any) -> None:
    count = 100 if info.name == "nn.MultiheadAttention" else 12
    assert run(info, training, count, comparison("cpu"), in_double)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "info", [i for i in HERE if i.name.removeprefix("nn.") not in UNLIKE], ids=lambda i: i.name
)
def test_a_sample_on_the_gpu(info: Any, comparison: Any, in_double: Any) -> None:
    run(info, False, 1, comparison("gpu"), in_double)


def test_what_is_missing_is_listed() -> None:
    names = {info.name.removeprefix("nn.") for info in module_db}
    assert sorted(n for n in names if not hasattr(nn, n)) == MISSING
