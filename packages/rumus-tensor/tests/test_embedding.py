"""Embedding, EmbeddingBag and one_hot: values and gradients against numpy in float64."""

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.nn import Embedding, EmbeddingBag, Linear, Parameter
from rumus.nn import functional as F  # noqa: N812
from rumus.tensor import (
    ArgumentError,
    DeviceError,
    DTypeError,
    IndexRangeError,
    ShapeError,
    float16,
    manual_seed,
    no_grad,
    pack,
    tensor,
    zeros,
)


def table_of(rows, columns, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def ids_of(rows, shape, seed=0):
    """Ids of which a few are frequent."""
    rng = np.random.default_rng(seed)
    return np.minimum(rng.integers(0, rows, shape), rng.integers(0, rows, shape)).astype(np.int32)


@pytest.mark.parametrize(
    ("rows", "columns", "shape"),
    [(65, 32, (4, 60)), (5000, 12, (700,)), (7, 3, (2, 3, 5)), (3, 768, (5000,)), (4, 1, (0,))],
    ids=str,
)
def test_rows_and_the_sums_of_their_gradients(rows, columns, shape, device):
    weight, ids = table_of(rows, columns), ids_of(rows, shape)
    p = Parameter(tensor(weight, device=device))
    y = F.embedding(tensor(ids, device=device), p)
    np.testing.assert_array_equal(y.numpy(), weight[ids])
    g = table_of(max(ids.size, 1), columns, 1)[: ids.size].reshape(y.shape)
    grad = y.backward(tensor(g, device=device)).get(p.id).numpy()
    exact = np.zeros(weight.shape)
    np.add.at(exact, ids, g.astype(np.float64))
    np.testing.assert_allclose(grad, exact, atol=1e-4)


def test_uint8_ids_and_float16_tables(device):
    weight = table_of(9, 6).astype(np.float16)
    p = Parameter(tensor(weight, device=device))
    ids = np.array([8, 0, 8], np.uint8)
    y = F.embedding(tensor(ids, device=device), p)
    assert y.dtype == float16
    np.testing.assert_array_equal(y.numpy(), weight[ids])
    grad = (y * 1024.0).sum().backward().get(p.id)
    assert grad.dtype == float16
    np.testing.assert_array_equal(grad.numpy()[:, 0], np.bincount(ids, minlength=9) * 1024.0)


def test_a_padding_row_starts_as_zeros_and_gets_no_gradient(device):
    layer = Embedding(5, 4, padding_idx=-2, device=device)
    assert layer.padding_idx == 3
    assert not layer.weight.numpy()[3].any()
    y = layer(tensor([3, 1, 3, 1], device=device))
    grad = y.sum().backward().get(layer.weight.id).numpy()
    np.testing.assert_array_equal(grad[:, 0], [0, 2, 0, 0, 0])


def test_a_layer_is_drawn_from_the_seed_and_shown_as_in_pytorch(device):
    manual_seed(5)
    first = Embedding(40, 50, device=device)
    manual_seed(5)
    second = Embedding(40, 50, device="cpu")
    np.testing.assert_allclose(first.weight.numpy(), second.weight.numpy(), atol=1e-6)
    assert abs(first.weight.numpy().std() - 1) < 0.05
    assert repr(Embedding(10, 3, padding_idx=0)) == "Embedding(10, 3, padding_idx=0)"
    assert repr(EmbeddingBag(10, 3)) == "EmbeddingBag(10, 3, mode='mean')"
    assert list(Embedding(4, 2).state_dict()) == ["weight"]


def test_a_table_that_is_there_already(device):
    weight = tensor(table_of(4, 3), device=device)
    frozen = Embedding.from_pretrained(weight)
    assert not frozen(tensor([1], device=device)).requires_grad
    trained = Embedding.from_pretrained(weight, freeze=False)
    np.testing.assert_array_equal(
        trained(tensor([[2]], device=device)).numpy(), weight.numpy()[[[2]]]
    )
    assert trained.weight.requires_grad
    assert (trained.num_embeddings, trained.embedding_dim) == (4, 3)


class Tied(nn.Module):
    """A model of words whose input and output tables are one."""

    def __init__(self, device):
        self.table = Embedding(11, 6, device=device)
        self.head = Linear(6, 11, bias=False, device=device)
        self.head.weight = self.table.weight

    def forward(self, ids):
        return self.head(self.table(ids).tanh())


@pytest.mark.parametrize("packed", [False, True])
def test_tied_weights_are_one_parameter_with_one_gradient(packed, device):
    model = Tied(device)
    assert [name for name, _ in model.named_parameters()] == ["table.weight"]
    if packed:
        pack(model.parameters())
    ids = ids_of(11, (3, 4))
    w = model.table.weight.numpy().astype(np.float64)
    grads = model(tensor(ids, device=device)).square().sum().backward()
    h = np.tanh(w[ids])
    into_y = 2 * h @ w.T
    exact = np.einsum("abv,abd->vd", into_y, h)
    np.add.at(exact, ids, (into_y @ w) * (1 - h**2))
    got = grads.get(model.table.weight.id).numpy()
    np.testing.assert_allclose(got, exact, rtol=1e-4, atol=1e-4)


def test_gradients_are_written_into_the_arena(device):
    layer = Embedding(20, 8, padding_idx=1, device=device)
    pack(layer.parameters())
    slot = layer.weight.slot
    ids = tensor(ids_of(20, (30,)), device=device)
    for _ in range(2):
        grads = layer(ids).sum().backward()
        grad = grads.get(layer.weight.id)
        counts = np.bincount(ids.numpy(), minlength=20)
        counts[1] = 0
        np.testing.assert_array_equal(grad.numpy(), np.repeat(counts, 8).reshape(20, 8))
        assert slot.lease() is None  # the gradient lives there
        del grads, grad


BAGS = {
    "two axes": (ids_of(6, (4, 5)), None, {}),
    "two axes, padded": (ids_of(6, (4, 5)) % 2 * 3, None, {"padding_idx": 3}),
    "offsets": (ids_of(6, (9,)), [0, 2, 2, 7], {}),
    "offsets and an empty end": (ids_of(6, (9,)), [0, 4, 9], {}),
    "offsets, padded": (ids_of(6, (9,)), [0, 3, 4, 5], {"padding_idx": int(ids_of(6, (9,))[3])}),
    "offsets with an end": (ids_of(6, (9,)), [0, 2, 9], {"include_last_offset": True}),
    "one bag": (ids_of(6, (9,)), [0], {}),
}


def bags_of(ids, offsets, include_last_offset=False, padding_idx=None):
    """The kept positions of each bag, in the flattened ids."""
    if offsets is None:
        lists = np.arange(ids.size).reshape(ids.shape)
    else:
        ends = offsets[1:] if include_last_offset else [*offsets[1:], ids.size]
        lists = [np.arange(a, b) for a, b in zip(offsets, ends, strict=False)]
    flat = ids.ravel()
    return [[k for k in bag if flat[k] != padding_idx] for bag in lists]


@pytest.mark.parametrize("mode", ["sum", "mean", "max", "weighted"])
@pytest.mark.parametrize("case", BAGS)
def test_bags_are_summed_averaged_and_their_largest_found(case, mode, device):
    ids, offsets, options = BAGS[case]
    weight = table_of(6, 3)
    p = Parameter(tensor(weight, device=device))
    factors = Parameter(
        tensor(table_of(*np.atleast_2d(ids).shape, 4).reshape(ids.shape), device=device)
    )
    given = {"per_sample_weights": factors} if mode == "weighted" else {}
    y = F.embedding_bag(
        tensor(ids, device=device),
        p,
        None if offsets is None else tensor(offsets, device=device),
        mode="sum" if mode == "weighted" else mode,
        **given,
        **options,
    )
    bags = bags_of(ids, offsets, **options)
    flat, scales = ids.ravel(), factors.numpy().ravel() if given else np.ones(ids.size)
    expected, exact, into_factors = np.zeros((len(bags), 3)), np.zeros((6, 3)), np.zeros(ids.size)
    g = table_of(len(bags), 3, 2).astype(np.float64)
    for b, bag in enumerate(bags):
        rows = weight[flat[bag]].astype(np.float64) * scales[bag, None]
        if not len(bag):
            continue
        if mode == "max":
            expected[b] = rows.max(0)
            ties = rows == rows.max(0)
            np.add.at(exact, flat[bag], ties / ties.sum(0) * g[b])
            continue
        share = 1 / len(bag) if mode == "mean" else 1
        expected[b] = rows.sum(0) * share
        np.add.at(exact, flat[bag], scales[bag, None] * share * g[b])
        into_factors[bag] = weight[flat[bag]] @ g[b]
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-6)
    grads = y.backward(tensor(g, device=device))
    np.testing.assert_allclose(grads.get(p.id).numpy(), exact, atol=1e-5)
    if given:
        np.testing.assert_allclose(grads.get(factors.id).numpy().ravel(), into_factors, atol=1e-5)


def test_a_bag_layer_gives_what_the_function_gives(device):
    layer = EmbeddingBag(6, 3, mode="sum", padding_idx=0, include_last_offset=True, device=device)
    ids, offsets = tensor([1, 0, 5], device=device), tensor([0, 2, 3], device=device)
    y = layer(ids, offsets, tensor([2.0, 1.0, 1.0], device=device))
    w = layer.weight.numpy()
    np.testing.assert_allclose(y.numpy(), [2 * w[1], w[5]], rtol=1e-6)
    nothing = zeros(2, 0, dtype="int32", device=device)
    assert EmbeddingBag(6, 3, device=device)(nothing).tolist() == [[0] * 3] * 2


def test_bags_of_float16_are_rounded_once(device):
    weight = tensor(np.full((2, 3), 60.0, np.float16), device=device)
    ids = tensor(np.zeros((2, 3000), np.int32), device=device)
    for given, offsets in ((ids, None), (ids.reshape(6000), tensor([0, 3000], device=device))):
        for padding in (None, 1):
            y = F.embedding_bag(given, weight, offsets, mode="mean", padding_idx=padding)
            assert y.dtype == float16
            assert y.tolist() == [[60.0] * 3] * 2


def test_one_hot(device):
    ids = np.array([[2, 0], [1, 2]], np.int32)
    expected = np.eye(4, dtype=np.int32)[ids]
    got = F.one_hot(tensor(ids, device=device), 4)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got.numpy(), expected)
    np.testing.assert_array_equal(F.one_hot(tensor(ids, device=device)).numpy(), expected[..., :3])


@pytest.mark.gpu
def test_captured_steps_look_up_and_sum():
    model, bag = Tied("gpu"), EmbeddingBag(11, 6, mode="max", device="gpu")

    def step(ids, offsets):
        loss = model(ids).square().mean() + bag(ids, offsets).sum()
        grads = loss.backward()
        return loss, grads.get(model.table.weight.id), grads.get(bag.weight.id)

    captured = gpu.capture(step)
    for seed in range(3):
        given = tensor(ids_of(11, (40,), seed), device="gpu"), tensor([0, 7, 30], device="gpu")
        results = captured(*given)
        for got, wanted in zip(results, step(*given), strict=True):
            np.testing.assert_allclose(got.numpy(), wanted.numpy(), rtol=1e-5, atol=1e-6)
    assert captured.dispatches


def test_second_derivatives_of_rows(device):
    weight, ids = table_of(4, 2), np.array([1, 3, 1])
    p = Parameter(tensor(weight, device=device))
    y = (F.embedding(tensor(ids, device=device), p, padding_idx=3) ** 3).sum()
    grad = y.backward(create_graph=True).get(p.id)
    counts = np.array([0, 2, 0, 0])[:, None]
    np.testing.assert_allclose(grad.numpy(), 3 * counts * weight**2, rtol=1e-5)
    second = grad.square().sum().backward().get(p.id).numpy()
    np.testing.assert_allclose(second, 36 * counts**2 * weight**3, rtol=1e-5)


IDS = [0, 1]
MISTAKES = {
    "ids that are floats": (
        lambda f, w: f.embedding(tensor([0.0], device=w.device), w),
        DTypeError,
        r"embedding takes ids of int32 or uint8, not float32; convert them with \.to\(int32\)",
    ),
    "ids that are a mask": (
        lambda f, w: f.one_hot(tensor([True], device=w.device)),
        DTypeError,
        "not bool",
    ),
    "ids in a list": (lambda f, w: f.embedding(IDS, w), DTypeError, "takes a tensor of ids"),
    "an id too large": (
        lambda f, w: f.embedding(tensor([0, 5], device=w.device), w),
        IndexRangeError,
        "embedding: index 5 is out of range for an axis of length 5",
    ),
    "a negative id": (
        lambda f, w: f.embedding(tensor([-1], device=w.device), w),
        IndexRangeError,
        "embedding: index -1",
    ),
    "a class too large": (
        lambda f, w: f.one_hot(tensor([3], device=w.device), 3),
        IndexRangeError,
        "one_hot: index 3",
    ),
    "no classes": (
        lambda f, w: f.one_hot(tensor([0], device=w.device), 0),
        ArgumentError,
        "num_classes is positive",
    ),
    "a table of one axis": (
        lambda f, w: f.embedding(tensor(IDS, device=w.device), w[0]),
        ShapeError,
        "weight of shape",
    ),
    "no such padding": (
        lambda f, w: f.embedding(tensor(IDS, device=w.device), w, padding_idx=5),
        ArgumentError,
        "padding_idx 5 is none of 5 rows",
    ),
    "a largest norm of nothing": (
        lambda f, w: f.embedding(tensor(IDS, device=w.device), w, max_norm=0.0),
        ArgumentError,
        "max_norm and norm_type are positive",
    ),
    "weights of a mean": (
        lambda f, w: f.embedding_bag(
            tensor([IDS], device=w.device), w, per_sample_weights=zeros((1, 2), device=w.device)
        ),
        ArgumentError,
        "for mode='sum'",
    ),
    "weights of another shape": (
        lambda f, w: f.embedding_bag(
            tensor([IDS], device=w.device),
            w,
            mode="sum",
            per_sample_weights=zeros(2, device=w.device),
        ),
        ShapeError,
        "per_sample_weights of this shape",
    ),
    "another mode": (
        lambda f, w: f.embedding_bag(tensor([IDS], device=w.device), w, mode="min"),
        ArgumentError,
        "'sum', 'mean' or 'max'",
    ),
    "no offsets": (
        lambda f, w: f.embedding_bag(tensor(IDS, device=w.device), w),
        ShapeError,
        "or offsets",
    ),
    "offsets that are floats": (
        lambda f, w: f.embedding_bag(tensor(IDS, device=w.device), w, zeros(1, device=w.device)),
        DTypeError,
        "not float32",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_what_does_not_fit_is_refused(case, device):
    wrong, error, words = MISTAKES[case]
    with pytest.raises(error, match=words):
        wrong(F, zeros((5, 2), device=device)).numpy()


@pytest.mark.parametrize("make", [Embedding, EmbeddingBag])
def test_layers_of_impossible_lengths_are_refused(make):
    with pytest.raises(ArgumentError, match="at least 1, not 0"):
        make(0, 3)
    with pytest.raises(ArgumentError, match="padding_idx"):
        make(2, 3, padding_idx=2)
    with pytest.raises(ArgumentError, match="max_norm"):
        make(2, 3, max_norm=-1.0)


@pytest.mark.parametrize("norm_type", [1.0, 2.0])
@pytest.mark.parametrize("make", [Embedding, EmbeddingBag])
def test_rows_of_a_larger_norm_are_scaled_down_in_the_table(make, norm_type, device):
    layer = make(4, 3, max_norm=1.5, norm_type=norm_type).to(device)
    before = layer.weight.numpy().astype(np.float64)
    with no_grad():
        layer.weight[1] = tensor([0.1, 0.2, -0.3], device=device)
    before[1] = [0.1, 0.2, -0.3]
    sizes = np.linalg.norm(before, norm_type, axis=1)
    before *= np.where(sizes > 1.5, 1.5 / (sizes + 1e-7), 1.0)[:, None]
    y = layer(tensor([[0, 1, 0]], device=device))
    grad = y.sum().backward().get(layer.weight.id)
    after = layer.weight.numpy()
    np.testing.assert_allclose(after[:2], before[:2], rtol=1e-6)
    assert (np.linalg.norm(after[3], norm_type) > 1.5) == (sizes[3] > 1.5)  # nobody looked
    rows = before[[0, 1, 0]]
    wanted = rows[None] if make is Embedding else rows.mean(0, keepdims=True)
    np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-6, atol=1e-7)
    assert grad.numpy()[0].any() and not grad.numpy()[2:].any()


@pytest.mark.gpu
def test_a_captured_step_scales_rows_down_in_each_replay():
    layer = Embedding(3, 2, max_norm=1.0).to("gpu")
    step = gpu.capture(lambda ids: layer(ids) * 1.0)
    ids = tensor([1], device="gpu")
    for value in (3.0, 4.0, 0.25):
        with no_grad():
            layer.weight.fill_(value)
        size = value * np.sqrt(2)
        row = np.full((1, 2), value / max(size + 1e-7 * (size > 1), 1.0))
        np.testing.assert_allclose(step(ids).numpy(), row, rtol=1e-6)
        np.testing.assert_allclose(layer.weight.numpy()[1:2], row, rtol=1e-6)
        assert (layer.weight.numpy()[0] == value).all()
    assert len(step.dispatches) == 1


@pytest.mark.gpu
def test_ids_on_another_device_are_refused():
    with pytest.raises(DeviceError, match="index on cpu"):
        Embedding(3, 2, device="gpu")(tensor([0]))
