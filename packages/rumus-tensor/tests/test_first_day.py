"""Mistakes of the first day, and what is said to each: options of other frameworks, shapes."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from rumus import autograd, gpu, nn
from rumus import tensor as rt
from rumus.nn import functional as F  # noqa: N812
from rumus.nn._foreign import OPTION_HINTS
from rumus.tensor import (
    ArgumentError,
    DeviceError,
    DTypeError,
    RumusError,
    ShapeError,
    Tensor,
    cat,
    empty,
    full,
    ones,
    rand,
    randn,
    tensor,
    zeros,
)

make: Any = nn  # to checkers, whom no wrong option passes


def make_any(function: Any) -> Any:
    return function


LOGITS, IDS = zeros((4, 3)), tensor([0, 1, 2, 0])

CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "an option of a layer without any": (
        lambda: make.ReLU(inplace=True),
        ArgumentError,
        "ReLU has no option 'inplace'; here: leave it out",
    ),
    "an option beside others": (
        lambda: nn.Sequential(make.Conv2d(1, 2, 3, dtype="float16")),
        ArgumentError,
        r"Conv2d has no option 'dtype'; here: layers are float32; layer.to\(dtype\)",
    ),
    "images whose channels are last": (
        lambda: nn.Conv2d(3, 8, 3)(zeros((2, 8, 8, 3))),
        ShapeError,
        r"not \(2, 8, 8, 3\); channels come first: x.movedim\(-1, 1\)",
    ),
    "classes that are last": (
        lambda: F.cross_entropy(zeros((2, 5, 3)), zeros((2, 5), dtype="int32")),
        ShapeError,
        r"the classes are axis 1: logits.movedim\(-1, 1\) puts the 3 there",
    ),
    "probabilities for nll_loss": (
        lambda: F.nll_loss(LOGITS, LOGITS),
        ShapeError,
        r"class ids of shape \(4,\) not float32 of shape \(4, 3\); of one-hot rows .* makes ids$",
    ),
    "probabilities for nll_loss of one sample": (
        lambda: F.nll_loss(LOGITS[0], LOGITS[0]),
        ShapeError,
        r"a class id of shape \(\), not \(3,\)",
    ),
    "another number of positive weights": (
        lambda: F.binary_cross_entropy_with_logits(LOGITS, LOGITS, pos_weight=ones(2)),
        ShapeError,
        r"pos_weight: shapes \(2,\) and \(4, 3\)",
    ),
    "a target longer than its row": (
        lambda: F.ctc_loss(zeros((5, 2, 3)), tensor([[1, 2], [1, 2]]), [5, 5], [2, 3]),
        ShapeError,
        "target_lengths are from 0 to 2, .* one is 3",
    ),
    "more steps than there are": (
        lambda: F.ctc_loss(zeros((5, 2, 3)), tensor([[1, 2], [1, 2]]), [6, 5], [2, 2]),
        ShapeError,
        "input_lengths are from 0 to 5, .* one is 6",
    ),
    "a layer that gives several results within Sequential": (
        lambda: nn.Sequential(nn.LSTM(3, 4), nn.Linear(4, 2))(zeros((5, 2, 3))),
        DTypeError,
        r"not a tuple; give it a part of that, .* outputs\[0\] of an LSTM",
    ),
    "several results to a loss": (
        lambda: F.cross_entropy((LOGITS, 1), IDS),  # type: ignore[arg-type]
        DTypeError,
        "cross_entropy takes tensors, not a tuple; give it a part of that",
    ),
    "a list of integers as a parameter": (
        lambda: nn.Parameter([1, 2]),
        DTypeError,
        r"^the parameter is int32, and only floats have gradients: Parameter\(x.to\(float32\)\)",
    ),
    "PyTorch's number of steps": (
        lambda: rt.linspace(0.0, 1.0, steps=5),  # type: ignore[call-arg]
        ArgumentError,
        "^linspace has no option 'steps'; here: num$",
    ),
    "a device and a dtype": (
        lambda: LOGITS.to("cpu", "float16"),  # type: ignore[call-arg]
        ArgumentError,
        r"one target, not 2; here: a device or a dtype alone, .*: x.to\(device\).to\(dtype\)",
    ),
    "a device by name": (
        lambda: LOGITS.to(device="cpu"),  # type: ignore[call-arg]
        ArgumentError,
        "to takes no option 'device'; here: a device or",
    ),
    "a model's dtype by name": (
        lambda: nn.Linear(2, 2).to("cpu", dtype="float16"),  # type: ignore[call-arg]
        ArgumentError,
        r"no option 'dtype'; .* model.to\(device\).to\(dtype\)",
    ),
    "no target": (
        lambda: LOGITS.to(None),
        DTypeError,
        "a device or a dtype, .*, not None",
    ),
    "no_grad without parentheses": (
        lambda: make_any(rt.no_grad)(lambda: 1),
        ArgumentError,
        r"^no_grad takes nothing: @no_grad\(\) above a function",
    ),
    "a list of modules that is called": (
        lambda: nn.ModuleList([nn.Linear(3, 3)])(LOGITS),
        ArgumentError,
        "a ModuleList holds modules .* loop over it",
    ),
    "a dict of modules that is called": (
        lambda: nn.ModuleDict({"a": nn.Linear(3, 3)})(LOGITS),
        ArgumentError,
        r"heads\[name\]\(x\)",
    ),
    "one state of two": (
        lambda: nn.LSTM(3, 4)(zeros((5, 2, 3)), zeros((1, 2, 4))),  # type: ignore[arg-type]
        ArgumentError,
        r"a pair of states, \(h, c\)",
    ),
    "a shape for an example": (
        lambda: nn.summary(nn.Linear(4, 2), (8, 4)),  # type: ignore[arg-type]
        ArgumentError,
        r"not its shape \(8, 4\): summary\(model, tensor.zeros\(8, 4\)\)",
    ),
    "a model without a cache": (
        lambda: nn.generate(nn.Sequential(nn.Embedding(3, 3)), [1], 2, 4),
        ArgumentError,
        r"calls model\(ids, cache\), and Sequential.forward does not take both",
    ),
    "a tensor to checkpoint": (
        lambda: autograd.checkpoint(LOGITS),  # type: ignore[arg-type]
        ArgumentError,
        r"checkpoint\(block, x\), not a Tensor",
    ),
    "a tensor to capture": (
        lambda: gpu.capture(LOGITS),  # type: ignore[arg-type]
        ArgumentError,
        "the function of a step, not a Tensor",
    ),
}


Foreign = type("Tensor", (), {"__module__": "torch", "shape": (4, 3), "ndim": 2})
"""What a tensor of PyTorch's is to us, as far as messages go."""
Float = type("dtype", (), {"__module__": "torch", "__repr__": lambda _: "torch.float16"})
MIXTURES: dict[str, Callable[[Any], object]] = {
    "Linear takes tensors, not a torch.Tensor; make one of it": nn.Linear(3, 2),
    "mse_loss takes tensors, not a torch.Tensor": lambda x: F.mse_loss(LOGITS, x),
    "number 0 is a torch.Tensor": lambda x: cat([x], 0),
    "dropout takes tensors, not a torch.Tensor": lambda x: F.dropout(x),
    "'weight' is a torch.Tensor and no tensor": lambda x: nn.save_file({"weight": x}, "a"),
    "'bias' is a torch.Tensor and no tensor": lambda x: nn.Linear(1, 1).load_state_dict(
        {"weight": ones(1, 1), "bias": x}
    ),
    "number 0 is a torch.Tensor$": lambda x: nn.Sequential(x),
    "or the name of one, such as 'gpu' and 'float16', not torch.float16": lambda x: LOGITS.to(
        Float()
    ),
    "^torch.float16 is no dtype; take float32": lambda x: zeros(2, dtype=Float()),
    "^None is no dtype": lambda x: rt.randint(0, 2, (2,), dtype=None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("message", MIXTURES)
def test_tensors_of_another_framework_are_called_by_its_name(message: str) -> None:
    with pytest.raises(RumusError, match=message):
        MIXTURES[message](Foreign())


@pytest.mark.parametrize("name", CASES)
def test_the_message_says_what_to_do(name: str) -> None:
    call, error, message = CASES[name]
    with pytest.raises(error, match=message) as caught:
        call()
    assert isinstance(caught.value, RumusError)


@pytest.mark.parametrize("function", [zeros, ones, empty, rand, randn, tensor, full])
def test_new_tensors_have_no_options_of_pytorch(function: Any) -> None:
    wanted = rf"^{function.__name__} has no option 'requires_grad'; here: autograd.leaf\(x\)"
    for arguments in ((2,), ((2,), 1.0)):
        with pytest.raises(ArgumentError, match=wanted):
            function(*arguments, requires_grad=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing_like_it'"):
        function(2, nothing_like_it=1)


def test_a_module_of_ones_own_may_have_such_options() -> None:
    class Own(nn.Module):
        def __init__(self, dtype: str, **others: object) -> None:
            self.dtype, self.others = dtype, others

    own = Own(dtype="float16", inplace=True)
    assert own.dtype == "float16" and own.others == {"inplace": True}
    assert copy.deepcopy(own).dtype == pickle.loads(pickle.dumps(nn.ReLU())).training * "float16"


def test_other_arguments_are_refused_as_ever() -> None:
    for call in (lambda: make.ReLU(1), lambda: make.Tanh(size=1), lambda: make.Linear(1, 1, on=2)):
        with pytest.raises(TypeError, match=r"takes no arguments|unexpected keyword argument"):
            call()
    assert all(hint and not hint.endswith(".") for hint in OPTION_HINTS.values())


@pytest.mark.gpu
def test_operations_on_two_devices_have_the_names_that_were_called() -> None:
    x: Tensor = ones((4, 3))
    calls: dict[str, Callable[[Tensor], object]] = {
        "cat": lambda y: cat([x, y], 0),
        "matmul": lambda y: x @ y.transpose(),
        "cross_entropy": lambda y: F.cross_entropy(y, IDS),
        "scaled_dot_product_attention": lambda y: F.scaled_dot_product_attention(x, y, x),
    }
    for name, call in calls.items():
        with pytest.raises(DeviceError, match=f"^{name}: tensors are on .* and "):
            call(x.to("gpu"))
    with pytest.raises(DeviceError, match=r"^cross_entropy: tensors"):
        F.cross_entropy(x.to("gpu"), IDS, reduction="none")
