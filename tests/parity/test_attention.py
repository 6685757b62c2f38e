"""Attention and the layers of a transformer give what PyTorch's give, gradients included."""

import numpy as np
import pytest
import torch

from rumus import nn
from rumus.nn import functional
from rumus.tensor import tensor

attend = functional.scaled_dot_product_attention
theirs = torch.nn.functional.scaled_dot_product_attention


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def load(ours, peer):
    """Give our module the peer's weights, which must have the same names and shapes."""
    ours.load_state_dict({k: tensor(v.detach().numpy()) for k, v in peer.state_dict().items()})
    return ours


def assert_same(y, expected, module, peer):
    """Results, and the gradients of all parameters for one loss."""
    assert np.allclose(y.numpy(), expected.detach().numpy(), rtol=2e-5, atol=2e-6)
    weight = np.random.default_rng(7).standard_normal(y.shape, dtype=np.float32)
    store = (y * tensor(weight)).sum().backward()
    (expected * torch.from_numpy(weight)).sum().backward()
    for (name, mine), (_, other) in zip(
        sorted(module.named_parameters()), sorted(peer.named_parameters()), strict=True
    ):
        got, exact = store.get(mine.id).numpy(), other.grad.numpy()
        assert np.allclose(got, exact, rtol=1e-4, atol=2e-5 * np.abs(exact).max()), name


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("lengths", [(7, 7), (5, 9), (9, 5)])
def test_scaled_dot_product_attention(lengths, causal):
    q, k, v = drawn((2, 4, lengths[0], 8), (2, 2, lengths[1], 8), (2, 2, lengths[1], 6))
    y = attend(*map(tensor, (q, k, v)), is_causal=causal, enable_gqa=True)
    expected = theirs(*map(torch.from_numpy, (q, k, v)), is_causal=causal, enable_gqa=True)
    assert np.allclose(y.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["bool", "added"])
def test_masks_with_rows_that_see_nothing(kind):
    q, k, v = drawn((2, 3, 5, 8), (2, 3, 6, 8), (2, 3, 6, 8))
    mask = np.random.default_rng(1).random((2, 1, 5, 6)) < 0.5
    mask[0, 0, 2] = False
    if kind == "added":
        mask = np.where(mask, np.float32(0.5), np.float32(-np.inf))
    y = attend(*map(tensor, (q, k, v)), tensor(mask)).numpy()
    expected = theirs(*map(torch.from_numpy, (q, k, v)), torch.from_numpy(mask)).numpy()
    assert np.allclose(y, expected, rtol=1e-5, atol=1e-6)
    assert not y[0, :, 2].any()


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["self", "cross", "other sizes"])
def test_multi_head_attention(kind, bias, batch_first):
    sizes = {"kdim": 5, "vdim": 7} if kind == "other sizes" else {}
    torch.manual_seed(0)
    peer = torch.nn.MultiheadAttention(12, 3, bias=bias, batch_first=batch_first, **sizes)
    ours = load(nn.MultiheadAttention(12, 3, bias=bias, batch_first=batch_first, **sizes), peer)
    q, k, v = drawn((4, 6, 12), (4, 6, sizes.get("kdim", 12)), (4, 6, sizes.get("vdim", 12)))
    if kind == "self":
        k = v = q
    samples = 4 if batch_first else 6
    padding = np.zeros((samples, 10 - samples), bool)
    padding[1, -2:] = True
    mine, other = [tensor(a) for a in (q, k, v)], [torch.from_numpy(a) for a in (q, k, v)]
    if kind == "self":
        mine, other = [mine[0]] * 3, [other[0]] * 3
    y, weights = ours(*mine, key_padding_mask=tensor(padding))
    expected, their_weights = peer(*other, key_padding_mask=torch.from_numpy(padding))
    assert np.allclose(weights.numpy(), their_weights.detach().numpy(), atol=1e-6)
    assert_same(y, expected, ours, peer)
    again, none = ours(*mine, key_padding_mask=tensor(padding), need_weights=False)
    assert none is None and np.allclose(again.numpy(), y.numpy(), atol=1e-6)


@pytest.mark.parametrize("need_weights", [False, True])
def test_masks_of_multi_head_attention(need_weights):
    torch.manual_seed(0)
    peer = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    ours = load(nn.MultiheadAttention(12, 3, batch_first=True), peer)
    (x,) = drawn((2, 5, 12))
    causal = np.triu(np.ones((5, 5), bool), 1)
    heads = np.random.default_rng(1).random((6, 5, 5)) < 0.3
    heads[..., 0] = False
    added = np.where(causal, -np.inf, 0.25).astype(np.float32)
    padding = np.zeros((2, 5), bool)
    padding[1, 3:] = True
    floats = np.where(padding, -np.inf, 0.0).astype(np.float32)
    for mask, pad in ((causal, None), (heads, padding), (added, floats), (added, None)):
        given = [None if m is None else m for m in (mask, pad)]
        options = {"need_weights": need_weights, "average_attn_weights": False}
        mine = [None if m is None else tensor(m) for m in given]
        other = [None if m is None else torch.from_numpy(m) for m in given]
        one, peer_one = tensor(x), torch.from_numpy(x)
        y, weights = ours(one, one, one, attn_mask=mine[0], key_padding_mask=mine[1], **options)
        expected, their_weights = peer(
            peer_one, peer_one, peer_one, attn_mask=other[0], key_padding_mask=other[1], **options
        )
        assert np.allclose(y.numpy(), expected.detach().numpy(), atol=2e-6)
        if need_weights:
            assert np.allclose(weights.numpy(), their_weights.detach().numpy(), atol=1e-6)
    single, _ = ours(one[0], one[0], one[0], is_causal=True, attn_mask=tensor(causal))
    assert np.allclose(
        single.numpy(), ours(one, one, one, attn_mask=tensor(causal))[0][0].numpy(), atol=1e-6
    )


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_layers_of_encoder_and_decoder(norm_first, activation, batch_first):
    options = {
        "dropout": 0.0,
        "norm_first": norm_first,
        "activation": activation,
        "batch_first": batch_first,
    }
    torch.manual_seed(0)
    x, memory = drawn((4, 6, 16), (4, 6, 16))
    length = 6 if batch_first else 4
    mask = np.triu(np.ones((length, length), bool), 1)
    peer = torch.nn.TransformerEncoderLayer(16, 4, 24, **options)
    ours = load(nn.TransformerEncoderLayer(16, 4, 24, **options), peer)
    y = ours(tensor(x), tensor(mask), is_causal=True)
    expected = peer(torch.from_numpy(x), torch.from_numpy(mask), is_causal=True)
    assert_same(y, expected, ours, peer)
    peer = torch.nn.TransformerDecoderLayer(16, 4, 24, **options)
    ours = load(nn.TransformerDecoderLayer(16, 4, 24, **options), peer)
    y = ours(tensor(x), tensor(memory), tensor(mask))
    expected = peer(torch.from_numpy(x), torch.from_numpy(memory), torch.from_numpy(mask))
    assert_same(y, expected, ours, peer)


def test_stacks_of_layers():
    torch.manual_seed(0)
    x, memory = drawn((4, 2, 16), (5, 2, 16))
    peer = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(16, 4, 24, dropout=0.0),
        2,
        torch.nn.LayerNorm(16),
        enable_nested_tensor=False,
    )
    ours = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 4, 24, dropout=0.0), 2, nn.LayerNorm(16)
    )
    assert_same(load(ours, peer)(tensor(x)), peer(torch.from_numpy(x)), ours, peer)
    peer = torch.nn.TransformerDecoder(torch.nn.TransformerDecoderLayer(16, 4, 24, dropout=0.0), 2)
    ours = nn.TransformerDecoder(nn.TransformerDecoderLayer(16, 4, 24, dropout=0.0), 2)
    y = load(ours, peer)(tensor(x), tensor(memory))
    assert_same(y, peer(torch.from_numpy(x), torch.from_numpy(memory)), ours, peer)
