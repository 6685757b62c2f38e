"""Convolutions against their definition in float64, written as loops over the kernel's taps."""

import tracemalloc

import numpy as np
import pytest

from rumus import nn
from rumus.nn import functional as F  # noqa: N812
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    ShapeError,
    float16,
    int32,
    manual_seed,
    pack,
    set_num_threads,
    tensor,
    zeros,
)

RNG = np.random.default_rng(0)


def numbers(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def meetings(x, weight, stride, padding, dilation, groups):
    """For each group and tap: what it meets of x within zeros, and its place in the weight."""
    out, channels, rows, columns = weight.shape
    wide = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    size = [
        (n - d * (k - 1) - 1) // s + 1
        for n, d, k, s in zip(wide.shape[2:], dilation, (rows, columns), stride, strict=True)
    ]
    for g in range(groups):
        of, into = (slice(g * n, (g + 1) * n) for n in (channels, out // groups))
        for i in range(rows):
            for j in range(columns):
                place = tuple(
                    slice(t * d, t * d + (n - 1) * s + 1, s)
                    for t, d, n, s in zip((i, j), dilation, size, stride, strict=True)
                )
                yield wide, (slice(None), of, *place), into, (into, slice(None), i, j), size


def convolved(x, weight, bias, *options):
    """The result in float64."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    y = None
    for wide, met, into, tap, size in meetings(x, weight, *options):
        if y is None:
            y = np.zeros((len(x), len(weight), *size))
        y[:, into] += np.einsum("nchw,oc->nohw", wide[met], weight[tap])
    return y if bias is None else y + bias[:, None, None]


def gradients(x, weight, g, *options):
    """Of x and the weight, in float64."""
    x, weight, g = (a.astype(np.float64) for a in (x, weight, g))
    padding = options[1]
    plane = (n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True))
    into_x = np.zeros((*x.shape[:2], *plane))
    into_weight = np.zeros(weight.shape)
    for wide, met, into, tap, _ in meetings(x, weight, *options):
        into_x[met] += np.einsum("nohw,oc->nchw", g[:, into], weight[tap])
        into_weight[tap] = np.einsum("nchw,nohw->oc", wide[met], g[:, into])
    (up, left), (rows, columns) = padding, x.shape[2:]
    return into_x[:, :, up : up + rows, left : left + columns], into_weight


def everything(x, weight, bias, g, *options):
    """The result and the gradients of all three."""
    sums = g.sum((0, 2, 3), np.float64)
    return convolved(x, weight, bias, *options), *gradients(x, weight, g, *options), sums


# x, weight, stride, padding, dilation, groups
CASES = {
    "plain": ((2, 3, 8, 9), (4, 3, 3, 3), (1, 1), (0, 0), (1, 1), 1),
    "vectors": ((3, 8, 8, 8), (16, 8, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "1 x 1": ((3, 8, 4, 6), (12, 8, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "1 x 1, strided": ((2, 5, 7, 8), (6, 5, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    "a stride beyond the kernel": ((2, 3, 11, 13), (5, 3, 2, 1), (3, 4), (0, 1), (1, 1), 1),
    "a remainder": ((1, 3, 10, 11), (4, 3, 3, 3), (3, 2), (2, 1), (1, 1), 1),
    "dilated and strided": ((2, 2, 14, 15), (3, 2, 3, 4), (2, 3), (2, 4), (3, 2), 1),
    "patches": ((2, 4, 10, 15), (6, 2, 5, 5), (5, 5), (0, 0), (1, 1), 2),
    "groups": ((2, 12, 6, 7), (15, 4, 3, 2), (1, 2), (1, 1), (1, 1), 3),
    "depthwise": ((2, 5, 9, 8), (10, 1, 3, 3), (2, 1), (1, 1), (1, 2), 5),
    "more padding than kernel": ((1, 2, 3, 3), (3, 2, 2, 2), (1, 1), (3, 2), (1, 1), 1),
    "a single place": ((2, 9, 3, 4), (3, 9, 3, 4), (1, 1), (0, 0), (1, 1), 1),
    "a long sum": ((2, 130, 4, 4), (7, 130, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "many places": ((3, 1, 150, 160), (3, 1, 3, 3), (1, 1), (0, 0), (1, 1), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_result_and_gradients_equal_the_definition(name, device):
    x_shape, shape, stride, padding, dilation, groups = CASES[name]
    options = stride, padding, dilation, groups
    x, weight, bias = numbers(*x_shape), numbers(*shape), numbers(shape[0])
    given = [nn.Parameter(tensor(a, device=device)) for a in (x, weight, bias)]
    y = F.conv2d(*given, *options)
    g = numbers(*y.shape)
    grads = y.backward(tensor(g, device=device))
    got = [y.numpy(), *(grads.get(p.id).numpy() for p in given)]
    wanted = everything(x, weight, bias, g, *options)
    sizes = everything(*map(np.abs, (x, weight, bias, g)), *options)
    for a, exact, size in zip(got, wanted, sizes, strict=True):
        assert a.shape == exact.shape
        assert (np.abs(a - exact) <= 1e-6 * (size + 1)).all()


@pytest.mark.parametrize("name", ["plain", "dilated and strided", "patches", "groups", "depthwise"])
def test_the_transposed_convolution_is_the_adjoint(name, device):
    x_shape, shape, stride, padding, dilation, groups = CASES[name]
    x, weight = numbers(*x_shape), numbers(*shape)
    g = numbers(*convolved(x, weight, None, stride, padding, dilation, groups).shape)
    wanted, _ = gradients(x, weight, g, stride, padding, dilation, groups)
    least = [
        (n - 1) * s - 2 * p + d * (k - 1) + 1
        for n, s, p, d, k in zip(g.shape[2:], stride, padding, dilation, shape[2:], strict=True)
    ]
    more = tuple(n - m for n, m in zip(x_shape[2:], least, strict=True))
    given = [nn.Parameter(tensor(a, device=device)) for a in (g, weight)]
    bias = tensor(np.arange(x_shape[1], dtype=np.float32), device=device)
    y = F.conv_transpose2d(*given, bias, stride, padding, more, groups, dilation)
    wanted = wanted + np.arange(x_shape[1])[:, None, None]
    np.testing.assert_allclose(y.numpy(), wanted, rtol=0, atol=1e-4)
    grads = y.backward(tensor(x, device=device))
    into_g = convolved(x, weight, None, stride, padding, dilation, groups)
    _, into_weight = gradients(x, weight, g, stride, padding, dilation, groups)
    np.testing.assert_allclose(grads.get(given[0].id).numpy(), into_g, rtol=0, atol=1e-4)
    np.testing.assert_allclose(grads.get(given[1].id).numpy(), into_weight, rtol=0, atol=1e-4)


def test_lines_are_planes_of_one_column(device):
    x, weight = numbers(2, 4, 30), numbers(6, 2, 5)
    options = {"stride": 2, "padding": 3, "dilation": 2, "groups": 2}
    y = F.conv1d(tensor(x, device=device), tensor(weight, device=device), **options)
    wanted = convolved(x[:, :, None], weight[:, :, None], None, (1, 2), (0, 3), (1, 2), 2)
    np.testing.assert_allclose(y.numpy(), wanted[:, :, 0], rtol=0, atol=1e-5)
    back = F.conv_transpose1d(y, tensor(weight, device=device), None, 2, 3, 1, 2, 2)
    assert back.shape == (2, 4, 30)


def test_same_padding_of_even_kernels_puts_one_more_zero_behind(device):
    x, weight = numbers(1, 2, 5, 6), numbers(3, 2, 4, 3)
    y = F.conv2d(tensor(x, device=device), tensor(weight, device=device), padding="same")
    wide = np.pad(x, [(0, 0), (0, 0), (1, 2), (1, 1)])
    wanted = convolved(wide, weight, None, (1, 1), (0, 0), (1, 1), 1)
    assert y.shape == (1, 3, 5, 6)
    np.testing.assert_allclose(y.numpy(), wanted, rtol=0, atol=1e-5)


def test_float16_is_summed_in_float32_and_rounded_once(device):
    x, weight = (numbers(*shape).astype(np.float16) for shape in ((2, 40, 6, 5), (3, 40, 3, 3)))
    given = [nn.Parameter(tensor(a, device=device)) for a in (x, weight)]
    y = F.conv2d(*given, padding=1)
    wanted = convolved(x, weight, None, (1, 1), (1, 1), (1, 1), 1)
    assert y.dtype == float16
    np.testing.assert_allclose(y.numpy(), wanted.astype(np.float16), rtol=1e-3, atol=1e-3)
    grads = y.backward(tensor(np.ones(y.shape, np.float16), device=device))
    for p, into in zip(
        given, gradients(x, weight, np.ones(y.shape), (1, 1), (1, 1), (1, 1), 1), strict=True
    ):
        assert grads.get(p.id).dtype == float16
        np.testing.assert_allclose(grads.get(p.id).numpy(), into, rtol=2e-3, atol=2e-2)


def test_views_are_taken_as_they_are(device):
    x, weight = numbers(9, 7, 3, 2), numbers(3, 3, 4, 6)
    turned = tensor(x, device=device).permute(3, 2, 1, 0)
    cut = tensor(weight, device=device)[:, :, ::-1, 1:4]
    y = F.conv2d(turned, cut)
    wanted = convolved(
        x.transpose(3, 2, 1, 0), weight[:, :, ::-1, 1:4], None, (1, 1), (0, 0), (1, 1), 1
    )
    np.testing.assert_allclose(y.numpy(), wanted, rtol=0, atol=1e-5)


def test_no_images_give_none_and_gradients_of_zero(device):
    layer = nn.Conv2d(3, 4, 3, device=device)
    x = nn.Parameter(zeros((0, 3, 8, 8), device=device))
    y = layer(x)
    assert y.shape == (0, 4, 6, 6)
    grads = y.backward(zeros(y.shape, device=device))
    assert grads.get(x.id).shape == (0, 3, 8, 8)
    for p in layer.parameters():
        assert grads.get(p.id).numpy().shape == p.shape and not grads.get(p.id).numpy().any()


def test_not_a_number_stays_where_it_is_met(device):
    x = np.ones((1, 1, 5, 5), np.float32)
    x[0, 0, 0, 0], x[0, 0, 4, 4] = np.nan, np.inf
    y = F.conv2d(tensor(x, device=device), tensor(np.ones((1, 1, 3, 3), np.float32), device=device))
    wanted = np.full((3, 3), 9.0)
    wanted[0, 0], wanted[2, 2] = np.nan, np.inf
    np.testing.assert_array_equal(y.numpy()[0, 0], wanted)


def test_results_do_not_depend_on_the_number_of_threads():
    x, g = tensor(numbers(64, 8, 20, 20)), tensor(numbers(64, 16, 18, 18))
    manual_seed(1)
    layer = nn.Conv2d(8, 16, 3)
    results = []
    try:
        for threads in (1, 3):
            set_num_threads(threads)
            p = nn.Parameter(x)
            y = layer(p)
            grads = y.backward(g)
            results.append([y.numpy(), *(grads.get(q.id).numpy() for q in (p, layer.weight))])
    finally:
        set_num_threads(None)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.gpu
@pytest.mark.parametrize("images", [2, 300])
def test_gradients_go_into_the_arena_and_repeat_bit_for_bit(images):
    manual_seed(1)
    layer = nn.Conv2d(4, 8, 3, padding=1, device="gpu")
    x, g = (tensor(numbers(images, n, 6, 6), device="gpu") for n in (4, 8))
    grads = layer(x).backward(g)
    alone = [grads.get(p.id).numpy() for p in layer.parameters()]
    (arena,) = pack(layer.parameters())
    for _ in range(2):
        del grads  # which holds its places
        grads = layer(x).backward(g)
        for p, before in zip(layer.parameters(), alone, strict=True):
            assert grads.get(p.id).array.storage is arena.grads.storage
            np.testing.assert_array_equal(grads.get(p.id).numpy(), before)


@pytest.mark.gpu
def test_a_captured_step_with_what_follows_fused_gives_the_same():
    from rumus import gpu

    manual_seed(2)
    layer = nn.Conv2d(3, 8, 3, padding=1, device="gpu")
    x = tensor(numbers(2, 3, 8, 8), device="gpu")

    def step(x):
        return layer(x).relu() * 2.0

    replay = gpu.capture(step)
    wanted = np.maximum(
        convolved(x.numpy(), layer.weight.numpy(), layer.bias.numpy(), (1, 1), (1, 1), (1, 1), 1),
        0,
    )
    for _ in range(2):
        np.testing.assert_allclose(replay(x).numpy(), 2 * wanted, rtol=0, atol=1e-5)


@pytest.mark.gpu
def test_more_workgroups_than_one_dimension_has():
    x, weight = numbers(1, 5, 1900, 1800), numbers(5, 1, 1, 2)
    y = F.conv2d(tensor(x, device="gpu"), tensor(weight, device="gpu"), groups=5)
    wanted = x[:, :, :, :-1] * weight[:, 0, 0, 0, None, None]
    wanted += x[:, :, :, 1:] * weight[:, 0, 0, 1, None, None]
    np.testing.assert_allclose(y.numpy(), wanted, rtol=0, atol=1e-5)


def test_layers_start_uniform_within_their_bound():
    manual_seed(0)
    for layer, fan in ((nn.Conv2d(16, 32, 5), 400), (nn.ConvTranspose2d(32, 16, 5), 400)):
        for values in (layer.weight.numpy(), layer.bias.numpy()):
            assert np.abs(values).max() <= fan**-0.5
        assert abs(layer.weight.numpy().std() - (3 * fan) ** -0.5) < 0.002


def test_layers_name_and_lay_out_parameters_as_their_state_says():
    shapes = {k: v.shape for k, v in nn.ConvTranspose1d(4, 6, 3, groups=2).state_dict().items()}
    assert shapes == {"weight": (4, 3, 3), "bias": (6,)}
    shapes = {k: v.shape for k, v in nn.Conv2d(4, 6, (3, 5), bias=False).state_dict().items()}
    assert shapes == {"weight": (6, 4, 3, 5)}


MISTAKES = [
    (lambda: F.conv2d(zeros((1, 4, 8, 8)), zeros((2, 3, 3, 3))), ShapeError, "has 4 channels"),
    (lambda: F.conv2d(zeros((1, 4, 8, 8)), zeros((3, 2, 3, 3)), groups=2), ShapeError, "multiple"),
    (lambda: F.conv2d(zeros((1, 1, 4, 4)), zeros((1, 1, 7, 3)), padding=1), ShapeError, "larger"),
    (lambda: F.conv2d(zeros((4, 4)), zeros((1, 1, 3, 3))), ShapeError, r"\(N, C, H, W\)"),
    (lambda: F.conv2d(zeros((1, 1, 4, 4)), zeros((1, 1, 3))), ShapeError, "weight of 4 axes"),
    (
        lambda: F.conv2d(zeros((1, 1, 4, 4)), zeros((2, 1, 3, 3)), zeros((3,))),
        ShapeError,
        r"bias has shape \(3,\), not \(2,\)",
    ),
    (
        lambda: F.conv2d(zeros((1, 1, 4, 4), dtype=int32), zeros((1, 1, 3, 3), dtype=int32)),
        DTypeError,
        "takes floats",
    ),
    (
        lambda: F.conv2d(zeros((1, 1, 4, 4)), zeros((1, 1, 3, 3), dtype=float16)),
        DTypeError,
        "x is float32, the weight float16",
    ),
    (
        lambda: F.conv2d(zeros((1, 1, 4, 4)), zeros((1, 1, 3, 3)), stride=(1, 2, 3)),
        ArgumentError,
        "stride is one number or 2",
    ),
    (
        lambda: F.conv2d(zeros((1, 1, 4, 4)), zeros((1, 1, 3, 3)), padding="full"),
        ArgumentError,
        "'same' or 'valid'",
    ),
    (
        lambda: F.conv2d(zeros((1, 1, 4, 4)), zeros((1, 1, 3, 3)), stride=2, padding="same"),
        ArgumentError,
        "stride of 1",
    ),
    (
        lambda: F.conv_transpose2d(zeros((1, 2, 4, 4)), zeros((2, 1, 3, 3)), output_padding=1),
        ArgumentError,
        "smaller than stride",
    ),
    (
        lambda: F.conv_transpose2d(zeros((1, 2, 1, 1)), zeros((2, 1, 3, 3)), padding=2),
        ShapeError,
        "at least 1",
    ),
    (lambda: nn.Conv2d(4, 6, 3, groups=4), ArgumentError, "multiples of groups"),
    (lambda: nn.Conv2d(4, 6, 0), ArgumentError, "kernel_size is one number or 2, at least 1"),
    (lambda: nn.Conv1d(4, 6, 3)(zeros((2, 5, 9))), ShapeError, r"takes x of \(N, 4, L\)"),
    (lambda: nn.Conv2d(1, 1, 3, padding_mode="mirror"), ArgumentError, "padding_mode is one of"),
]


@pytest.mark.parametrize(("mistake", "error", "message"), MISTAKES)
def test_mistakes_say_what_was_given_and_expected(mistake, error, message):
    with pytest.raises(error, match=message):
        mistake()


def test_long_lines_take_little_memory_on_the_cpu():
    x, weight = tensor(np.ones((1, 16, 400_000), np.float32)), tensor(numbers(4, 16, 31))
    tracemalloc.start()
    try:
        y = F.conv1d(x, weight, padding="same")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 2 * (4 * (1 << 22) + x.array.nbytes + y.array.nbytes)
    wanted = weight.numpy().sum((1, 2))
    np.testing.assert_allclose(y.numpy()[0, :, 200_000], wanted, rtol=0, atol=1e-4)
