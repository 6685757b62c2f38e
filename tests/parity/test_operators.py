"""PyTorch's database of operators: values, gradients, dtypes, views, and wrong arguments."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db

import rumus.nn.functional as F  # noqa: N812
import rumus.tensor as rt
from rumus.tensor import RumusError, Tensor

Function = Callable[..., Any]
DTYPES = (torch.float32, torch.float16, torch.int32, torch.uint8, torch.bool)
MISSING = Path(__file__).with_name("missing.txt")
FAMILIES = ("fft.", "linalg.", "masked.", "signal.", "sparse.", "special.", "torch.ops.")
"""Namespaces that rumus has no counterpart of."""


def without_dtype(f: Function) -> Function:
    """A function of PyTorch's that casts before it computes."""

    def cast_first(x: Tensor, *args: Any, dtype: Any, **kwargs: Any) -> Any:
        return f(x.to(dtype), *args, **kwargs)

    return cast_first


def made(f: Function) -> Function:
    """A function that creates, without PyTorch's own arguments."""

    def create(*args: Any, **kwargs: Any) -> Any:
        for name in ("requires_grad", "layout", "pin_memory", "memory_format"):
            kwargs.pop(name, None)
        return f(*args, **kwargs)

    return create


def moment(f: Function) -> Function:
    """A variance of PyTorch's, which divides by n - 1 unless told."""

    def corrected(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        args, flags = (
            tuple(a for a in args if not isinstance(a, bool)),
            [a for a in args if isinstance(a, bool)],
        )
        unbiased = kwargs.pop("unbiased", flags[0] if flags else True)
        correction = kwargs.pop("correction", None)
        kwargs["correction"] = int(unbiased) if correction is None else correction
        return f(x, *args, **kwargs)

    return corrected


def both(values: Function, positions: Function) -> Function:
    """A function of PyTorch's that gives values and positions."""

    def pair(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return values(x)
        return values(x, dim, keepdim), positions(x, dim, keepdim)

    return pair


def quantile(
    x: Tensor, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear"
) -> Any:
    """Between two elements in proportion, the only way here."""
    if interpolation != "linear":
        raise TypeError("unexpected keyword: interpolation")
    return rt.quantile(x, q.tolist() if isinstance(q, Tensor) else q, dim, keepdims=keepdim)


def places(f: Function) -> Function:
    """A function of numbers whose positions are int32 here."""

    def wide(*args: Any, dtype: Any = None, **kwargs: Any) -> Any:
        return f(*args, **kwargs)

    return made(wide)


def every(f: Function, given: tuple[Any, ...]) -> Any:
    """A function of each tensor, of one or of a list."""
    listed = given[0] if isinstance(given[0], list | tuple) else given
    results = tuple(map(f, listed))
    return results if listed is given[0] or len(given) > 1 else results[0]


def casting(dtype: str) -> Function:
    """Cast to a dtype."""
    return made(lambda x: x.to(dtype))


NAMED = {
    "bitwise_not": "bitwise_invert",
    "clamp": "clip",
    "eq": "equal",
    "ge": "greater_equal",
    "gt": "greater",
    "le": "less_equal",
    "lt": "less",
    "mul": "multiply",
    "ne": "not_equal",
    "neg": "negative",
    "nn.functional.triplet_margin_loss": "triplet_margin_loss",
    "rsub": "__rsub__",
    "sub": "subtract",
    "take_along_dim": "take_along_axis",
    "true_divide": "divide",
    "unsafe_chunk": "chunk",
}
ADAPTED: dict[str, Function] = {
    "T": lambda x: x.T,
    "add": lambda x, y, alpha=1: rt.add(x, y if alpha == 1 else alpha * y),
    "arange": made(lambda *a, end=None, **k: rt.arange(*a, *([] if end is None else [end]), **k)),
    "atleast_1d": lambda *x: every(rt.atleast_1d, x),
    "atleast_2d": lambda *x: every(rt.atleast_2d, x),
    "atleast_3d": lambda *x: every(rt.atleast_3d, x),
    "bool": casting("bool"),
    "byte": casting("uint8"),
    "cat": lambda x, *a, **k: rt.cat(x, *a, **k),
    "clamp_max": lambda x, y: rt.minimum(x, y),
    "clamp_min": lambda x, y: rt.maximum(x, y),
    "contiguous": made(lambda x: x.contiguous()),
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: rt.diagonal(x, offset, dim1, dim2),
    "div.floor_rounding": lambda x, y, rounding_mode: rt.floor_divide(x, y),
    "div.no_rounding_mode": lambda x, y, rounding_mode=None: x / y,
    "div.trunc_rounding": lambda x, y, rounding_mode: (x / y).trunc().to(
        rt.subtract(x, y).dtype
    ),
    "einsum": lambda x, equation: rt.einsum(equation, *x),
    "equal": lambda x, y: x.shape == y.shape and bool((x == y).all()),
    "expand_as": lambda x, y: x.expand(y.shape),
    "eye": made(rt.eye),
    "fill": lambda x, value: rt.full_like(x, value) + 0 * x,
    "flatten": lambda x, start_dim=0, end_dim=-1: x.flatten(start_dim, end_dim),
    "flip": lambda x, dims: rt.flip(x, dims),
    "float": casting("float32"),
    "half": casting("float16"),
    "int": casting("int32"),
    "mT": lambda x: x.mT,
    "max.binary": rt.maximum,
    "max.reduction_with_dim": both(Tensor.max, Tensor.argmax),
    "meshgrid.list_of_tensors": lambda x, indexing="ij": rt.meshgrid(*x, indexing=indexing),
    "meshgrid.variadic_tensors": lambda *x, indexing="ij": rt.meshgrid(*x, indexing=indexing),
    "min.binary": rt.minimum,
    "min.reduction_with_dim": both(Tensor.min, Tensor.argmin),
    "narrow": lambda x, dim, start, length: x.movedim(dim, 0)[
        start if start < 0 else slice(start, start + length)
    ].movedim(0, dim),
    "nn.functional.embedding": lambda weight, ids, **k: F.embedding(ids, weight, **k),
    "nn.functional.embedding_bag": lambda weight, ids, **k: F.embedding_bag(ids, weight, **k),
    "norm.fro": lambda x, p="fro", axes=None: rt.norm(x, 2, axes),
    "ones": made(rt.ones),
    "full": made(rt.full),
    "quantile": quantile,
    "repeat": lambda x, *shape: rt.tile(x, *shape),
    "reshape_as": lambda x, y: x.reshape(y.shape),
    "repeat_interleave": lambda x, repeats, dim=None, output_size=None: rt.repeat_interleave(
        x, repeats, axis=dim
    ),
    "rsub": lambda x, y, alpha=1: y - (x if alpha == 1 else alpha * x),
    "searchsorted": lambda x, v, out_int32=False, right=False, side=None: rt.searchsorted(
        x, v, right=right or side == "right"
    ),
    "bucketize": lambda x, edges, out_int32=False, right=False: rt.bucketize(
        x, edges, right=right
    ),
    "select": lambda x, dim, index: x.movedim(dim, 0)[index],
    "sort": lambda x, dim=-1, descending=False, stable=True: (
        rt.sort(x, dim, descending), rt.argsort(x, dim, descending)
    ),
    "split": lambda x, size, dim=0: rt.split(x, cuts(x.shape[dim], size), dim),
    "split.list_args": lambda x, size, dim=0: rt.split(x, cuts(x.shape[dim], size), dim),
    "split_with_sizes": lambda x, size, dim=0: rt.split(x, cuts(x.shape[dim], size), dim),
    "sub": lambda x, y, alpha=1: rt.subtract(x, y if alpha == 1 else alpha * y),
    "t": lambda x: x.T if x.ndim == 2 else x,
    "tensordot": lambda x, y, dims: rt.tensordot(x, y, dims),
    **{name: places(getattr(rt, name)) for name in ("tril_indices", "triu_indices")},
    "to": made(lambda x, dtype, *a, **k: x.to(dtype)),
    "view": lambda x, *shape: x.reshape(*shape),
    "view_as": lambda x, y: x.reshape(y.shape),
    "where": lambda x, condition, y: rt.where(condition, x, y),
    "zeros": made(rt.zeros),
    "nonzero": lambda x, as_tuple=False: (
        rt.nonzero(x) if as_tuple else rt.stack(list(rt.nonzero(x)), 1)
    ),
    **{name: made(getattr(rt, name)) for name in ("full_like", "ones_like", "zeros_like")},
    **{name: moment(getattr(rt, name.split(".")[0])) for name in (
        "std", "std.unbiased", "std_mean", "std_mean.unbiased", "var", "var.unbiased", "var_mean",
        "var_mean.unbiased",
    )},
    **{f"{name}.with_dtype": without_dtype(getattr(F, name.split(".")[-1])) for name in (
        "softmax", "log_softmax", "nn.functional.softmin",
    )},
}  # fmt: skip
UNLIKE = {
    **dict.fromkeys(
        "bernoulli multinomial normal normal.number_mean randn randn_like rand_like randint "
        "exponential uniform normal.in_place nn.functional.dropout nn.functional.dropout2d "
        "nn.functional.alpha_dropout".split(),
        "other random numbers",
    ),
    **dict.fromkeys("empty empty_like".split(), "whatever the memory holds"),
    **dict.fromkeys(["histogram", "unique"], "numpy's and the array API's results"),
    **dict.fromkeys(
        "linspace linspace.tensor_overload arange".split(),
        "numbers are computed in float64 and rounded once to the dtype",
    ),
    "median": "the mean of the middle two, as numpy's",
    "item": "a number, tested elsewhere",
    "to": "samples of float64, devices and memory formats",
    "norm.nuc": "a norm of singular values, which are not computed here",
    "zero_": "in place on a tensor with a gradient, which is refused",
    "logcumsumexp": "samples of 10,000, for which a float32 holds no gradient, in PyTorch neither",
    "nn.functional.batch_norm.without_cudnn": "has no samples for the CPU",
    "nn.functional.interpolate.trilinear": "not among the modes here",
    "nn.functional.silu.complex": "complex numbers",
    "nn.functional.one_hot": "samples of int64 alone, compared in test_choosing.py",
    "nn.functional.ctc_loss": "the gradient is that of the function; PyTorch's takes for granted "
    "that log_softmax comes before it; together they are compared in test_losses.py",
}
FLOATS_ONLY = {
    "add": "bools are added as int32",
    "__radd__": "likewise",
    **dict.fromkeys(
        "addbmm addmv addr baddbmm".split(), "factors of integer matrices keep their fractions"
    ),
    "hinge_embedding_loss": "targets that are neither 1 nor -1",
    "nn.functional.margin_ranking_loss": "differences of uint8",
    "nn.functional.softmin.with_dtype": "PyTorch negates before it casts",
    **dict.fromkeys("argsort kthvalue sort topk".split(), "of equal elements the first is taken"),
    **dict.fromkeys("outer kron sign __rmul__ mul".split(), "products of bools are int32"),
    **dict.fromkeys("all any".split(), "of uint8 they are bools"),
}
REFUSED = {
    "of a tensor with 0 axes": "a tensor without axes has no axis 0, as in numpy",
    "takes a tensor with axes": "likewise",
    "has not length 1": "squeeze of a longer axis, as in numpy",
    "dtype is not taken": "cast with .to",
    "integers have no negative powers": "decided",
    "does not fit uint8": "numbers outside of the dtype are not wrapped",
    "takes floats, not": "functions of reals do not guess a dtype for integers",
    "the mean is of floats": "likewise",
    r"not float(16|32)": "floats as class ids or positions",
    "samples and channels": "a batch norm of nothing at all",
    "nowhere be longer": "an empty index of more axes",
    "takes logits of shape": "class ids without classes",
    "of one sample need a class id": "a class id in an axis of its own",
    "scores and target have one shape": "scores without classes",
    "unexpected keyword": "an argument of PyTorch's alone",
    "or a length of 1 in some": "targets and variances of fewer axes",
    "takes x of": "three axes of space",
    "at least 1, not": "a stride of nothing, which stands for the kernel's size",
    "at least 1 along a padded axis": "an axis cut down to nothing before it is padded",
    "mode is one of": "between more than four pixels",
    r"the result has no '\.\.\.'": "numpy's einsum",
    "differ in length": "axes of length 1 that are broadcast before they are summed",
    "p is below 1": "nothing left to scale",
}


def cuts(length: int, size: Any) -> list[int]:
    """Where PyTorch's sizes of parts cut an axis."""
    sizes = size if isinstance(size, list | tuple) else [size] * -(-length // size)
    return list(accumulate(sizes))[:-1]


def title(op: Any) -> str:
    """The name of an operator and of its variant."""
    return op.name + (f".{op.variant_test_name}" if op.variant_test_name else "")


def counterpart(op: Any) -> Function | None:
    """What computes it here."""
    name = title(op)
    if name in ADAPTED:
        return ADAPTED[name]
    plain = NAMED.get(op.name, op.name).removeprefix("nn.functional.")
    homes = (F,) if op.name.startswith("nn.functional.") else (rt, Tensor)
    return next((getattr(home, plain) for home in homes if hasattr(home, plain)), None)


WHOLE = [op for op in op_db if not op.name.startswith(FAMILIES)]
HERE = [op for op in WHOLE if counterpart(op) is not None and title(op) not in UNLIKE]


def samples(op: Any, dtype: torch.dtype, count: int) -> list[Any]:
    """The first samples of a dtype; of floats with gradients where there are any."""
    gradients = dtype == torch.float32 and dtype in op.supported_backward_dtypes("cpu")
    return list(islice(op.sample_inputs("cpu", dtype, requires_grad=gradients), count))


def passed_over(op: Any, sample: Any, dtype: torch.dtype) -> bool:
    """Whether a sample asks for what is decided otherwise here, without an error."""
    if op.name == "cat":
        return any(part.shape == (0,) and sample.kwargs for part in sample.input)
    if op.name == "take_along_dim":
        return not sample.kwargs and len(sample.args) < 2
    if op.name == "quantile":
        return isinstance(sample.args[0], torch.Tensor)
    if op.name == "nn.functional.hinge_embedding_loss":
        return sample.input.ndim == 0
    if op.name == "nn.functional.scaled_dot_product_attention":
        return bool(sample.kwargs.get("dropout_p"))
    return title(op) in FLOATS_ONLY and dtype != torch.float32


def compute(op: Any, sample: Any, kind: Any, double: Function) -> bool:
    """Compare one sample; whether it has a counterpart."""
    arguments = (sample.input, *sample.args), dict(sample.kwargs)
    args, kwargs = double(arguments)
    wanted = op(*args, **kwargs)
    kind.leaves.clear()
    given, named = kind.ours((args, kwargs))
    half = any(
        isinstance(x, torch.Tensor) and x.dtype == torch.float16
        for x in (sample.input, *sample.args)
    )
    if half:
        given, named = kind.ours(arguments)
    function = counterpart(op)
    assert function is not None
    try:
        got = function(*given, **named)
    except (RumusError, TypeError) as error:
        if any(re.search(pattern, str(error)) for pattern in REFUSED):
            return False
        raise
    kind.check(got, wanted, 1e-3 if half else 2e-6)
    return True


def compare(op: Any, dtype: torch.dtype, count: int, kind: Any, double: Function) -> int:
    """Compare the first samples; how many have a counterpart."""
    compared = 0
    for number, sample in enumerate(samples(op, dtype, count)):
        if passed_over(op, sample, dtype):
            continue
        try:
            compared += compute(op, sample, kind, double)
        except Exception as error:
            if type(error).__name__ == "NotOursError":
                continue
            error.add_note(f"sample {number} of {dtype}: {sample}")
            raise
    return compared


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", HERE, ids=title)
def test_values_and_gradients(op: Any, comparison: Any, in_double: Function) -> None:
    compared = 0
    for dtype in DTYPES:
        if dtype in op.supported_dtypes("cpu"):
            count = 25 if dtype == torch.float32 else 5
            compared += compare(op, dtype, count, comparison("cpu"), in_double)
    assert compared


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", HERE, ids=title)
def test_views_that_leave_elements_out(op: Any, comparison: Any, in_double: Function) -> None:
    dtype = next(d for d in DTYPES if d in op.supported_dtypes("cpu"))
    compare(op, dtype, 3, comparison("cpu", spaced=True), in_double)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", HERE, ids=title)
def test_samples_on_the_gpu(op: Any, comparison: Any, in_double: Function) -> None:
    dtype = next(d for d in DTYPES if d in op.supported_dtypes("cpu"))
    compare(op, dtype, 2, comparison("gpu"), in_double)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("op", [op for op in HERE if op.error_inputs_func], ids=title)
def test_wrong_arguments_raise_errors_of_ours(op: Any, comparison: Any) -> None:
    function = counterpart(op)
    assert function is not None
    for wrong in op.error_inputs("cpu"):
        sample = wrong.sample_input
        try:
            args, kwargs = comparison().ours(((sample.input, *sample.args), dict(sample.kwargs)))
        except Exception as error:  # what has no counterpart cannot be given
            known = type(error).__name__ == "NotOursError" or "dimensions" in str(error)
            assert known or isinstance(error, RumusError)
            continue
        if op.name.startswith("__r") and not isinstance(args[0], Tensor):
            continue  # Python would not call it
        try:
            function(*args, **kwargs)
        except (RumusError, TypeError) as error:
            assert isinstance(error, RumusError) or "argument" in str(error)


def test_what_is_missing_is_listed() -> None:
    missing = sorted({title(op) for op in WHOLE if counterpart(op) is None})
    assert MISSING.read_text().split() == missing
