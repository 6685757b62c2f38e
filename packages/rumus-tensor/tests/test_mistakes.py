"""What a user gets wrong is refused by an error of rumus, on both devices, and changes nothing."""

from collections.abc import Callable

import numpy as np
import pytest

from rumus import nn
from rumus.autograd import GradientStore, borrow
from rumus.nn import functional as F  # noqa: N812
from rumus.tensor import (
    ArgumentError,
    AutogradError,
    DTypeError,
    MissingGradError,
    RumusError,
    ShapeError,
    StateDictError,
    Tensor,
    arange,
    broadcast_arrays,
    cat,
    concat,
    float16,
    hstack,
    int32,
    manual_seed,
    ones,
    stack,
    tensor,
    uint8,
    vstack,
    where,
    zeros,
)

Mistake = Callable[[Tensor], object]

MISTAKES: dict[str, tuple[Mistake, type[RumusError], str]] = {
    "a length with a fraction": (lambda x: x.reshape(2.5, 6), ArgumentError, "2.5 is no whole"),
    "a shape of letters": (lambda x: x.reshape("ab"), ArgumentError, "'a' is no whole"),
    "an axis of letters": (lambda x: x.sum("a"), ArgumentError, "sum: 'a' is no whole"),
    "a negative length": (lambda x: x[:1, :1].expand(-2, 4), ShapeError, "negative in shape"),
    "more axes than numpy has": (lambda x: x.reshape((*x.shape, *[1] * 63)), ShapeError, "65 axes"),
    "an axis too many": (
        lambda x: x.reshape((*x.shape, *[1] * 62)).unsqueeze(0),
        ShapeError,
        "at most 64",
    ),
    "an index that makes an axis too many": (
        lambda x: x.reshape((*x.shape, *[1] * 62))[None],
        ShapeError,
        "at most 64",
    ),
    "a stack of an axis too many": (
        lambda x: stack([x.reshape((*x.shape, *[1] * 62))] * 2),
        ShapeError,
        "at most 64",
    ),
    "zeros of more axes than numpy has": (
        lambda x: zeros((1,) * 65, device=x.device),
        ShapeError,
        "at most 64",
    ),
    "a step of zero": (lambda x: x[::0], ArgumentError, "step cannot be zero"),
    "a bound of letters": (lambda x: x["a":], ArgumentError, "cannot cut an axis"),
    "numpy in cat": (lambda x: cat([x, np.ones((2, 4))]), DTypeError, "number 1 is a ndarray"),
    "numpy in stack": (lambda x: stack([np.ones(2), x]), DTypeError, "number 0 is a ndarray"),
    **{
        f"a list in {name}": (call, DTypeError, f"{name} takes tensors")
        for name, call in {
            "relu": lambda x: F.relu([1.0]),
            "softmax": lambda x: F.softmax([1.0]),
            "normalize": lambda x: F.normalize([1.0]),
            "cosine_similarity": lambda x: F.cosine_similarity(x, [1.0]),
            "pairwise_distance": lambda x: F.pairwise_distance([1.0], x),
            "bilinear": lambda x: F.bilinear([1.0], x, x),
            "conv2d": lambda x: F.conv2d([1.0], x),
            "max_pool2d": lambda x: F.max_pool2d([1.0], 2),
            "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d([1.0], 2),
            "pad": lambda x: F.pad([1.0], (1, 1)),
            "interpolate": lambda x: F.interpolate([1.0], 2),
            "unfold": lambda x: F.unfold([1.0], 2),
            "pixel_shuffle": lambda x: F.pixel_shuffle([1.0], 2),
            "hstack": lambda x: hstack([x, 1.0]),
            "vstack": lambda x: vstack([1.0]),
            "concat": lambda x: concat([1.0], axis=None),
            "broadcast_arrays": lambda x: broadcast_arrays(x, [1.0]),
        }.items()
    },
    "numpy as a condition": (
        lambda x: where(np.ones((3, 4), bool), x, 0.0),
        DTypeError,
        "not a ndarray",
    ),
    "numpy in a layer": (
        lambda x: nn.Linear(4, 2, device=x.device)(np.ones((3, 4), np.float32)),
        DTypeError,
        "Linear takes tensors",
    ),
    "numpy targets": (
        lambda x: nn.cross_entropy_loss(x, np.zeros(3, np.int32)),
        DTypeError,
        "cross_entropy_loss takes tensors, not a ndarray",
    ),
    "numpy in mse": (lambda x: nn.mse_loss(x, np.ones((3, 4))), DTypeError, "mse_loss takes"),
    "a number as grad": (
        lambda x: nn.Parameter(x).sum().backward(2.0),
        AutogradError,
        "takes a tensor as grad, not a float",
    ),
    "a tensor as a key": (
        lambda x: GradientStore().get(x),
        ArgumentError,
        "parameter or parameter.id, and this is a Tensor",
    ),
    "accumulating under a name": (
        lambda x: GradientStore().accumulate("weight", x),
        ArgumentError,
        "this is a str",
    ),
    "a gradient that is not there": (
        lambda x: GradientStore()[nn.Parameter(x, name="weight")],
        MissingGradError,
        "parameter 'weight' has no gradient in the store",
    ),
    "a layer that was replaced after the optimizer was made": (
        lambda x: borrow(GradientStore(), [nn.Parameter(x, name="weight")]).__enter__(),
        MissingGradError,
        "'weight' .* no gradient .* a layer was replaced after the optimizer was made",
    ),
    "a numpy gradient": (
        lambda x: GradientStore().replace(nn.Parameter(x).id, np.ones((3, 4))),
        DTypeError,
        "not a ndarray",
    ),
    "a numpy state": (
        lambda x: nn.Linear(4, 2, bias=False).load_state_dict({"weight": np.ones((2, 4))}),
        StateDictError,
        "'weight' is a ndarray and no tensor",
    ),
    "an integer out of range": (
        lambda x: tensor([3], uint8, x.device) + 300,
        ArgumentError,
        "add: 300 does not fit uint8",
    ),
    "an integer beyond 32 bits": (
        lambda x: tensor([3], device=x.device) * 2**40,
        ArgumentError,
        "does not fit int32",
    ),
    "filling with what does not fit": (
        lambda x: zeros(2, dtype=uint8, device=x.device).fill_(256),
        ArgumentError,
        "fill_: 256 does not fit uint8",
    ),
    "NaN among integers": (
        lambda x: zeros(2, dtype=int32, device=x.device).__setitem__(0, float("nan")),
        ArgumentError,
        "nan does not fit int32",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused(name: str, device: str) -> None:
    make, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        make(ones((3, 4), device=device))


@pytest.mark.parametrize(
    "write",
    [
        lambda wide: wide.fill_(1.0),
        lambda wide: wide.add_(1.0),
        lambda wide: wide.__setitem__((0, 0), 1.0),
    ],
)
def test_an_expanded_view_is_not_written_to(write: Callable[[Tensor], None], device: str) -> None:
    base = zeros((1, 4), device=device)
    with pytest.raises(ArgumentError, match=r"expanded view.*contiguous\(\)"):
        write(base.expand(3, 4))
    assert base.tolist() == [[0.0] * 4]
    assert base.expand(3, 4).contiguous().fill_(1.0).sum().item() == 12.0


def test_a_tensor_around_a_read_only_array_is_not_written_to() -> None:
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    with pytest.raises(ArgumentError, match="read-only"):
        Tensor.from_array(array).fill_(1.0)


@pytest.mark.parametrize("numbers", [(0, 5, 0), (float("nan"),), (0.0, float("inf"))])
def test_arange_without_an_end_is_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(ArgumentError, match="arange takes finite numbers"):
        arange(*numbers)


def test_integers_of_numpy_are_lengths_and_axes(device: str) -> None:
    six = np.int64(6)
    x = zeros(six, device=device).reshape(six).reshape(np.int32(2), -1)
    assert x.shape == (2, 3)
    assert x.sum(np.int64(1)).shape == (2,)
    assert x.permute(np.array([1, 0])).shape == (3, 2)


@pytest.mark.parametrize("shape", [2.5, (2.5, 2), "ab"])
def test_a_shape_is_of_whole_numbers(shape: object) -> None:
    with pytest.raises(ArgumentError, match="no whole number"):
        zeros(shape)  # type: ignore[arg-type]


def test_a_seed_is_a_whole_number() -> None:
    with pytest.raises(ArgumentError, match=r"1\.5 is no whole number"):
        manual_seed(1.5)  # type: ignore[arg-type]


def test_probabilities_as_targets_give_float32_as_class_ids_do(device: str) -> None:
    logits, q = (
        ones(2, 4, dtype=float16, device=device),
        tensor(np.full((2, 4), 0.25), float16, device),
    )
    loss = nn.cross_entropy_loss(logits, q)
    assert loss.dtype == np.float32
    assert loss.item() == pytest.approx(np.log(4), rel=1e-6)


def test_a_sequential_takes_modules() -> None:
    with pytest.raises(ArgumentError, match="number 0 is a list"):
        nn.Sequential([nn.Linear(1, 1)])  # type: ignore[arg-type]
