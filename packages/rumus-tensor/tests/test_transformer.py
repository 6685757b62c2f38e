"""Multi-head attention, layers of a transformer and positions; beside PyTorch in tests/parity."""

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.nn import functional
from rumus.tensor import (
    ArgumentError,
    DTypeError,
    ShapeError,
    float16,
    manual_seed,
    no_grad,
    ones,
    rand,
    randn,
    tensor,
)


def names(module):
    return {name: value.shape for name, value in module.state_dict().items()}


def test_parameters_are_named_and_laid_out_as_in_pytorch():
    assert names(nn.MultiheadAttention(8, 2)) == {
        "in_proj_weight": (24, 8),
        "in_proj_bias": (24,),
        "out_proj.weight": (8, 8),
        "out_proj.bias": (8,),
    }
    assert names(nn.MultiheadAttention(8, 2, bias=False, kdim=3, vdim=5)) == {
        "q_proj_weight": (8, 8),
        "k_proj_weight": (8, 3),
        "v_proj_weight": (8, 5),
        "out_proj.weight": (8, 8),
    }
    layer = nn.TransformerDecoderLayer(8, 2, 16)
    heads = {name.split(".")[0] for name in names(layer)}
    assert heads == {
        "self_attn", "multihead_attn", "linear1", "linear2", "norm1", "norm2", "norm3"
    }  # fmt: skip
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, nn.LayerNorm(8))
    assert "layers.1.self_attn.in_proj_weight" in names(stack) and "norm.weight" in names(stack)


def test_layers_of_a_stack_begin_equal_and_are_their_own():
    stack = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)
    first, second = (layer.linear1.weight for layer in stack.layers)
    assert np.array_equal(first.numpy(), second.numpy()) and first.id != second.id


def test_attention_is_the_same_with_and_without_weights(device):
    attention = nn.MultiheadAttention(16, 4, batch_first=True).to(device)
    x = randn((2, 9, 16)).to(device)
    with no_grad():
        y, weights = attention(x, x, x, is_causal=True)
        again, none = attention(x, x, x, is_causal=True, need_weights=False)
    assert none is None and np.allclose(y.numpy(), again.numpy(), atol=1e-6)
    assert np.allclose(weights.numpy().sum(-1), 1, atol=1e-6)
    assert not np.triu(weights.numpy(), 1).any()


def test_a_layer_trains_on_both_devices_alike(device):
    manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=True)
    x = randn((2, 9, 16))
    exact = layer.eval()(x, is_causal=True)
    expected = exact.sum().backward().get(layer.self_attn.in_proj_weight.id).numpy()
    layer.to(device)
    y = layer(x.to(device), is_causal=True)
    got = y.sum().backward().get(layer.self_attn.in_proj_weight.id).numpy()
    assert np.allclose(y.numpy(), exact.numpy(), atol=2e-6)
    assert np.allclose(got, expected, atol=2e-5 * np.abs(expected).max())


def test_dropout_acts_in_training_alone():
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.5)
    x = randn((5, 2, 16))
    assert not np.array_equal(layer(x).numpy(), layer(x).numpy())
    layer.eval()
    assert np.array_equal(layer(x).numpy(), layer(x).numpy())


@pytest.mark.gpu
def test_a_captured_layer_gives_what_it_gives_uncaptured():
    layer = nn.TransformerDecoderLayer(16, 4, 32, dropout=0.0, batch_first=True).to("gpu")
    x, memory = randn((2, 9, 16)).to("gpu"), randn((2, 5, 16)).to("gpu")
    expected = layer(x, memory, tgt_is_causal=True).numpy()
    captured = gpu.capture(lambda x, memory: layer(x, memory, tgt_is_causal=True))
    for _ in range(2):
        assert np.array_equal(captured(x, memory).numpy(), expected)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_positions_turn_pairs(device, interleaved):
    rotary = nn.RotaryPositions(8, 20, base=100.0, interleaved=interleaved).to(device)
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 8), dtype=np.float32)
    got = rotary(tensor(x, device=device), start=4).numpy()
    order = np.arange(8).reshape(4, 2) if interleaved else np.arange(8).reshape(2, 4).T
    pairs = x[..., order[:, 0]] + 1j * x[..., order[:, 1]]
    angles = np.arange(4, 9)[:, None] * 100.0 ** (-np.arange(4) / 4)
    turned = pairs * np.exp(1j * angles)
    assert np.allclose(got[..., order[:, 0]], turned.real, atol=1e-6)
    assert np.allclose(got[..., order[:, 1]], turned.imag, atol=1e-6)
    assert rotary(tensor(x, float16, device)).dtype == float16


def test_sinusoidal_positions_are_added(device):
    positions = nn.SinusoidalPositions(6, 10).to(device)
    got = positions(tensor(np.zeros((2, 3, 6), np.float32), device=device), start=2).numpy()
    angles = np.arange(2, 5)[:, None] * 10_000.0 ** (-np.arange(0, 6, 2) / 6)
    assert np.allclose(got[:, :, 0::2], np.sin(angles), atol=1e-6)
    assert np.allclose(got[:, :, 1::2], np.cos(angles), atol=1e-6)


@pytest.mark.parametrize("make", [nn.RotaryPositions, nn.SinusoidalPositions])
def test_each_sequence_may_have_positions_of_its_own(make, device):
    positions, x = make(8, 20).to(device), randn((2, 3, 5, 8)).to(device)
    starts = [0, 7]
    at = tensor([[start + k for k in range(5)] for start in starts], device=device)
    expected = [positions(x[k], start=start).numpy() for k, start in enumerate(starts)]
    assert np.allclose(positions(x, at).numpy(), expected, atol=1e-6)
    with pytest.raises(ShapeError, match=r"\(N, length\).*not \(2, 4\)"):
        positions(x, at[:, :4])


def test_alibi_takes_from_scores_by_distance():
    bias = nn.alibi_bias(4, 3, 5).numpy()
    slopes = np.array([0.25, 0.0625, 0.015625, 0.00390625])[:, None, None]
    distance = np.abs(np.arange(5) - np.arange(2, 5)[:, None])
    assert np.allclose(bias, -slopes * distance)
    six = nn.alibi_bias(6, 1, 2).numpy()[:, 0, 0]
    assert np.allclose(-six, [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3])
    q = rand((1, 4, 3, 8))
    k = rand((1, 4, 5, 8))
    assert functional.scaled_dot_product_attention(q, k, k, tensor(bias)).shape == (1, 4, 3, 8)


def test_what_does_not_fit_is_said():
    with pytest.raises(ArgumentError, match="divides"):
        nn.MultiheadAttention(10, 3)
    with pytest.raises(ArgumentError, match="dropout"):
        nn.MultiheadAttention(9, 3, dropout=1.0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = rand((2, 5, 8))
    with pytest.raises(ShapeError, match="end in 8, 8 and 8"):
        attention(x, rand((2, 5, 7)), x)
    with pytest.raises(ShapeError, match="one batch"):
        attention(x, rand((3, 5, 8)), rand((3, 5, 8)))
    with pytest.raises(ShapeError, match="value for each key"):
        attention(x, x, rand((2, 6, 8)))
    with pytest.raises(ShapeError, match="attn_mask has shape"):
        attention(x, x, x, attn_mask=ones((5, 4), dtype=bool))
    with pytest.raises(ShapeError, match="key_padding_mask has shape"):
        attention(x, x, x, key_padding_mask=ones((5, 2), dtype=bool))
    with pytest.raises(DTypeError, match="bool or of floats"):
        attention(x, x, x, attn_mask=ones((5, 5), dtype="int32"))
    with pytest.raises(ArgumentError, match="'relu', 'gelu'"):
        nn.TransformerEncoderLayer(8, 2, activation="swish")
    with pytest.raises(ArgumentError, match="even"):
        nn.RotaryPositions(7)
    with pytest.raises(ShapeError, match="max_length"):
        nn.RotaryPositions(8, 4)(rand((5, 8)))
    with pytest.raises(ShapeError, match=r"\(…, 8\)"):
        nn.SinusoidalPositions(8)(rand((5, 7)))
    with pytest.raises(ArgumentError, match="at least 1"):
        nn.alibi_bias(0, 3)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize(("learned", "zero"), [(True, False), (False, True), (True, True)])
def test_a_learned_and_a_zero_key_stand_behind_the_others(
    learned, zero, need_weights, causal, device
):
    manual_seed(0)
    options = {"add_bias_kv": learned, "add_zero_attn": zero, "batch_first": True}
    attention = nn.MultiheadAttention(8, 2, **options).to(device)
    x = np.random.default_rng(0).standard_normal((3, 5, 8)).astype(np.float32)
    given = tensor(x, device=device)
    got, weights = attention(given, given, given, need_weights=need_weights, is_causal=causal)
    state = {name: p.numpy().astype(np.float64) for name, p in attention.state_dict().items()}
    q, k, v = np.split(x @ state["in_proj_weight"].T + state["in_proj_bias"], 3, axis=-1)
    for name, part in (("bias_k", k), ("bias_v", v)):
        extra = [np.broadcast_to(state[name], (3, 1, 8))] if learned else []
        extra += [np.zeros((3, 1, 8))] if zero else []
        part = np.concatenate([part, *extra], 1)
        k, v = (part, v) if name == "bias_k" else (k, part)
    q, k, v = (a.reshape(3, -1, 2, 4).swapaxes(1, 2) for a in (q, k, v))
    scores = q @ k.swapaxes(-1, -2) / 2
    if causal:
        scores[..., :5][..., ~np.tri(5, dtype=bool)] = -np.inf
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    joined = (shares @ v).swapaxes(1, 2).reshape(3, 5, 8)
    wanted = joined @ state["out_proj.weight"].T + state["out_proj.bias"]
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-6)
    if need_weights:
        np.testing.assert_allclose(weights.numpy(), shares.mean(1), rtol=1e-5, atol=1e-6)
    grads = got.sum().backward()
    for bias in (attention.bias_k, attention.bias_v):
        assert (bias is not None) == learned and (bias is None or grads.get(bias.id) is not None)
