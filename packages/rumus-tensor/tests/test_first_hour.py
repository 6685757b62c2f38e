"""What whoever comes from PyTorch or Keras types in the first hour, and what is said to it."""

import importlib
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from operator import attrgetter

import numpy as np
import pytest

from rumus import autograd, gpu, nn
from rumus import tensor as rt
from rumus.autograd import Function, _function
from rumus.autograd import _foreign as autograd_foreign
from rumus.gpu import _foreign as gpu_foreign
from rumus.nn import _foreign as nn_foreign
from rumus.nn import functional as F  # noqa: N812
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    DeviceError,
    DTypeError,
    IndexRangeError,
    RumusError,
    ShapeError,
    StateDictError,
    Tensor,
    UnknownImportError,
    UnknownNameError,
    _foreign,
    cat,
    manual_seed,
    ones,
    stack,
    tensor,
    zeros,
)


class NoBackward(Function):
    def forward(self, be, x):  # type: ignore[no-untyped-def]
        return be.elementwise("mul", x, 2.0)


class NoForward(Function):
    pass


class NoSuchRow(Function):
    def forward(self, be, x):  # type: ignore[no-untyped-def]
        return be.elementwise("multiply", x, 2.0)


class Kerassy(nn.Module):
    def call(self, x: Tensor) -> Tensor:
        return x


def npz() -> str:
    path = os.path.join(tempfile.mkdtemp(), "a.npz")
    np.savez(path, weight=np.zeros(2))
    return path


def one_hot(dtype: str) -> Tensor:
    return tensor(np.eye(3, dtype=dtype)[[0, 1, 2, 0, 1]])


LOGITS = ones((5, 3))
Case = tuple[Callable[[], object], type[Exception], str]
CASES: dict[str, Case] = {
    "integer one-hot targets": (
        lambda: F.cross_entropy(LOGITS, one_hot("int32")),
        ShapeError,
        r"not int32 of shape \(5, 3\); of one-hot rows target.argmax\(axis=1\) makes ids",
    ),
    "targets in a column": (
        lambda: F.cross_entropy(LOGITS, zeros(5, 1, dtype="int32")),
        ShapeError,
        r"target.squeeze\(1\)",
    ),
    "a list to a model": (
        lambda: nn.Sequential(nn.Linear(2, 2))([1.0, 2.0]),  # type: ignore[arg-type]
        DTypeError,
        r"Linear takes tensors, not a list; make one of it with rumus.tensor.tensor",
    ),
    "an array to a model": (
        lambda: nn.LSTM(2, 3)(np.ones((4, 1, 2))),
        DTypeError,
        "LSTM takes tensors, not a ndarray",
    ),
    "a length with a fraction": (
        lambda: nn.Linear(4.0, 2),  # type: ignore[arg-type]
        ArgumentError,
        "Linear: in_features is a whole number of at least 1, not 4.0",
    ),
    "channels with a fraction": (
        lambda: nn.Conv2d(3, 8.0, 3),  # type: ignore[arg-type]
        ArgumentError,
        "Conv2d: out_channels is a whole",
    ),
    "a norm of a fraction": (
        lambda: nn.LayerNorm(4.0),  # type: ignore[arg-type]
        ArgumentError,
        "LayerNorm: 4.0 is no whole",
    ),
    "a shape as the dtype": (
        lambda: Tensor(3, 4),  # type: ignore[arg-type]
        DTypeError,
        "4 is no dtype; take float32",
    ),
    "tensors where a list belongs": (
        lambda: cat(LOGITS, LOGITS),  # type: ignore[arg-type]
        ArgumentError,
        r"cat takes a list of tensors, as in cat\(\[a, b\]\)",
    ),
    "the same in stack": (
        lambda: stack(LOGITS, LOGITS),  # type: ignore[arg-type]
        ArgumentError,
        "stack takes a list",
    ),
    "cuda": (lambda: ones(2, device="cuda"), DeviceError, "GPUs of every maker are 'gpu'"),
    "mps": (lambda: nn.Linear(2, 2).to("mps:0"), DeviceError, "GPUs of every maker are 'gpu'"),
    "a loss called as it is made": (
        lambda: nn.MSELoss(LOGITS, LOGITS),
        ArgumentError,
        r"MSELoss\(\)\(prediction, target\); the function is rumus.nn.functional.mse_loss",
    ),
    "a path for a state": (
        lambda: nn.Linear(2, 2).load_state_dict("model.pt"),  # type: ignore[arg-type]
        StateDictError,
        r"not a str; rumus.nn.load_file\(path\)",
    ),
    "a tensor for weights": (
        lambda: nn.save_file(LOGITS, "a.safetensors"),  # type: ignore[arg-type]
        StateDictError,
        "takes a module, or tensors by name, not a Tensor",
    ),
    "Keras's call": (
        lambda: Kerassy()(LOGITS),
        NotImplementedError,
        r"Kerassy has no forward: define forward\(self, x\)",
    ),
    "an array in a parameter's place": (
        lambda: setattr(nn.Linear(2, 2), "weight", np.zeros((2, 2))),
        ArgumentError,
        r"weight is a parameter and would no longer be trained as a ndarray; write into it",
    ),
    "a module by name": (
        lambda: nn.Sequential(nn.ReLU())["fc"],  # type: ignore[call-overload]
        IndexRangeError,
        r"have numbers, not 'fc'; .* get_submodule",
    ),
    "a layer to initialise": (
        lambda: nn.init.xavier_uniform_(nn.Linear(2, 2)),  # type: ignore[type-var]
        DTypeError,
        "xavier_uniform_ takes tensors, not a Linear",
    ),
    "a summary of nothing": (
        lambda: nn.summary(nn.Linear(2, 2)),
        ArgumentError,
        r"summary\(model, example\)",
    ),
    "a batch to a model": (
        lambda: nn.Linear(2, 2)((LOGITS, LOGITS)),  # type: ignore[arg-type]
        DTypeError,
        r"not a tuple; give it a part of that, such as batch.input",
    ),
    "weights of numpy": (
        lambda: nn.load_file(npz()),
        StateDictError,
        "it is numpy's; load_state_dict takes",
    ),
    "no folder": (
        lambda: nn.save_file(nn.Linear(2, 2), "nothing/here/a.safetensors"),
        FileNotFoundError,
        "no such folder to write to.*nothing.here'",
    ),
    "no backward": (
        lambda: NoBackward()(nn.Parameter([1.0])).sum().backward(),
        AutogradError,
        "NoBackward has no backward, and a gradient was asked for",
    ),
    "no forward": (lambda: NoForward()(LOGITS), AutogradError, "NoForward has no forward"),
    "no such row": (
        lambda: NoSuchRow()(LOGITS),
        ArgumentError,
        "has no row 'multiply'; rows with such a name",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_message_says_what_to_do(name: str) -> None:
    make, error, message = CASES[name]
    with pytest.raises(error, match=message) as caught:
        make()
    assert isinstance(caught.value, RumusError | NotImplementedError | FileNotFoundError)


OF_PARAMETERS = {name: hint for name, hint in _foreign.HINTS.items() if name != "requires_grad_"}
NAMES: dict[str, tuple[object, Mapping[str, str]]] = {
    "tensor": (ones((2, 2)), _foreign.HINTS),
    "parameter": (nn.Parameter([[1.0]]), OF_PARAMETERS),
    "module": (nn.Sequential(nn.Linear(2, 2)), nn_foreign.HINTS),
    "function": (NoForward(), _function.HINTS),
    "class of a function": (NoForward, _function.HINTS),
    "rumus.tensor": (rt, _foreign._MODULE_HINTS),
    "rumus.nn": (nn, nn_foreign._MODULE_HINTS),
    "rumus.gpu": (gpu, gpu_foreign.HINTS),
    "rumus.autograd": (autograd, autograd_foreign.HINTS),
    "rumus.nn.functional": (F, nn_foreign.FUNCTIONAL_HINTS),
    "rumus.nn.augment": (nn.augment, nn_foreign.AUGMENT_HINTS),
}


@pytest.mark.parametrize("what", NAMES)
def test_names_of_other_frameworks_are_translated(what: str) -> None:
    owner, hints = NAMES[what]
    for name, hint in hints.items():
        assert not hasattr(owner, name)
        with pytest.raises(UnknownNameError) as caught:
            getattr(owner, name)
        assert str(caught.value).endswith(f"has no attribute {name!r}; here: {hint}")
        assert isinstance(owner, type) or name not in dir(owner)


def test_names_of_another_case_are_found_and_others_are_plain() -> None:
    with pytest.raises(UnknownNameError, match=r"no attribute 'ReLu'; here: there is ReLU"):
        nn.ReLu()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"no attribute 'nothing_like_it'$"):
        rt.nothing_like_it  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'l1'"):
        nn.Linear(2, 2).l1  # type: ignore[attr-defined]  # noqa: B018
    assert importlib.import_module("rumus.nn.functional") is F


IMPORTS = {
    "from rumus.tensor import cuda": r"'rumus.tensor'; here: rumus.gpu.is_available",
    "from rumus.tensor import zeroes": r"'zeroes' from 'rumus.tensor'; here: there is zeros",
    "from rumus.nn import Dense": r"'rumus.nn'; here: Linear\(in_features, out_features\)",
    "from rumus.gpu import memory_allocated": r"'rumus.gpu'; here: memory_stats\(\)",
    "from rumus.nn.functional import swish": r"'rumus.nn.functional'; here: it is silu",
    "from rumus.nn.init import xavier_uniform": r"'rumus.nn.init'; here: there is xavier_uniform_",
    "from rumus.autograd import Variable": r"'rumus.autograd'; here: rumus.nn.Parameter\(data\)",
    "from rumus import cuda": r"'cuda' from 'rumus'; here: rumus.gpu is about GPUs of any maker",
    "from rumus import Tensor": r"'rumus'; here: it is rumus.tensor.Tensor$",
}


@pytest.mark.parametrize("statement", IMPORTS)
def test_an_import_of_such_a_name_says_what_it_is_here(statement: str) -> None:
    with pytest.raises(UnknownImportError, match=IMPORTS[statement]) as caught:
        exec(statement)
    assert isinstance(caught.value, ImportError) and not isinstance(caught.value, AttributeError)
    assert caught.value.name == statement.split()[-1]


def test_other_imports_are_as_everywhere() -> None:
    with pytest.raises(ImportError, match="cannot import name 'nothing_like_it' from") as caught:
        exec("from rumus.nn import nothing_like_it")
    assert not isinstance(caught.value, UnknownImportError)
    with pytest.raises(ImportError, match="cannot import name 'nothing_like_it' from 'rumus'"):
        exec("from rumus import nothing_like_it")
    exec("from rumus.tensor import array_api, _foreign; from rumus import nn, gpu")
    namespace = importlib.import_module("rumus")
    assert not hasattr(namespace, "cuda") and not hasattr(rt, "cuda")
    with pytest.raises(UnknownNameError, match=r"no attribute 'zeros'; here: it is rumus.tensor.z"):
        namespace.zeros  # noqa: B018


def test_hints_name_what_there_is() -> None:
    hints = " ".join(hint for _, hints in NAMES.values() for hint in hints.values())
    paths = set(re.findall(r"rumus\.((?:tensor|nn|gpu|autograd)(?:\.\w+)+)", hints))
    assert len(paths) > 10
    for path in paths:
        attrgetter(path)(importlib.import_module("rumus"))


def test_a_module_of_ones_own_may_have_such_names() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            self.weights = nn.Parameter([1.0])
            self.layers = [nn.Linear(1, 1)]

        def predict(self, x: Tensor) -> Tensor:
            return x * self.weights

        def forward(self, x: Tensor) -> Tensor:
            return self.predict(x)

    own = Own()
    assert own(ones(1)).item() == 1.0
    assert "weights" in dir(own) and "predict" in dir(own)
    assert next(name for name, _ in own.named_parameters()) == "weights"


@pytest.mark.gpu
def test_a_late_fault_says_that_it_is_late_and_no_more_than_happened() -> None:
    manual_seed(0)
    logits = ones((5, 3), device="gpu")
    F.cross_entropy(logits, tensor([0, 1, 2, 3, 1], device="gpu"))
    with pytest.raises(ArgumentError, match=r"target\[3\] is 3, outside .*logits\n") as caught:
        gpu.synchronize()
    assert "before this line" in caught.value.__notes__[0]
    F.cross_entropy(logits, tensor([0, 1, 2.5, 0, 1], device="gpu"))
    with pytest.raises(ArgumentError, match=r"target\[2\] is a float that is no whole number\n"):
        gpu.synchronize()
