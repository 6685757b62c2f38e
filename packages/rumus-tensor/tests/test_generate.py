"""Tokens one after the other: as the whole sequence says, and drawn as told."""

import numpy as np
import pytest

from rumus import gpu, nn
from rumus.nn import functional
from rumus.tensor import (
    ArgumentError,
    Generator,
    ShapeError,
    arange,
    float16,
    manual_seed,
    no_grad,
    randn,
    tensor,
)

CONTEXT, CLASSES = 12, 11


class GPT(nn.Module):
    def __init__(self):
        manual_seed(1)
        self.tokens = nn.Embedding(CLASSES, 16)
        self.places = nn.Embedding(CONTEXT, 16)
        self.layers = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 2, 32, 0.1, "gelu", batch_first=True, norm_first=True), 2
        )
        self.head = nn.Linear(16, CLASSES)

    def forward(self, ids, cache=None):
        length = ids.shape[1]
        places = arange(length, device=ids.device) if cache is None else cache.positions(length)
        x = self.tokens(ids) + self.places(places)
        return self.head(self.layers(x, is_causal=True, cache=cache))


class Turning(nn.Module):
    """An attention of its own: turned queries and keys, of which several heads share one."""

    def __init__(self):
        manual_seed(2)
        self.tokens = nn.Embedding(CLASSES, 16)
        self.queries, self.both = nn.Linear(16, 16), nn.Linear(16, 2 * 8)
        self.turn = nn.RotaryPositions(8, CONTEXT)

    def forward(self, ids, cache=None):
        n, length = ids.shape
        x = self.tokens(ids)
        q = self.queries(x).reshape((n, length, 2, 8)).transpose(1, 2)
        k, v = (part.unsqueeze(1) for part in self.both(x).split(2, -1))
        at = 0 if cache is None else cache.positions(length)
        q, k = self.turn(q, at), self.turn(k, at)
        if cache is None:
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        else:
            y = cache.attend(self, q, k, v)
        y = y.transpose(1, 2).reshape((n, length, 16))
        return (x + y) @ self.tokens.weight.transpose()


class Constant(nn.Module):
    """The same probabilities whatever was read."""

    def __init__(self, shares):
        self.register_buffer("logits", tensor(shares).log())

    def forward(self, ids, cache=None):
        return self.logits.expand((*ids.shape, len(self.logits)))


def greedy_by_whole_sequences(model, prompt, count):
    ids, device = list(prompt), model.tokens.weight.device
    for _ in range(count):
        with no_grad():
            ids.append(model(tensor([ids], device=device))[0, -1].argmax().item())
    return ids[len(prompt) :]


def test_a_cache_gives_the_logits_of_the_whole_sequence(device):
    model = GPT().to(device).eval()
    ids = tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]], device=device)
    with no_grad():
        whole, cache, parts = model(ids), nn.KeyValueCache(2, CONTEXT, device), []
        for start, end in ((0, 3), (3, 4), (4, 6)):
            parts.append(model(ids[:, start:end], cache).numpy())
            cache.advance(end - start)
    assert np.allclose(np.concatenate(parts, 1), whole.numpy(), atol=2e-6)
    assert cache.lengths.tolist() == [6, 6]


@pytest.mark.parametrize(("room", "heads", "key_heads"), [(512, 4, 4), (640, 4, 2), (521, 2, 1)])
def test_a_long_cache_is_read_in_parts(room, heads, key_heads, device):
    """Of one token and of three, at the beginning, where most parts hold nothing, and later."""
    rng = np.random.default_rng(0)
    total = 150
    q = rng.standard_normal((2, heads, total, 8), np.float32) * 2
    k, v = (rng.standard_normal((2, key_heads, total, 8), np.float32) * 2 for _ in range(2))
    scores = q @ np.repeat(k, heads // key_heads, 1).swapaxes(2, 3) / np.sqrt(8)
    scores += np.where(np.tri(total), 0, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    expected = weights / weights.sum(-1, keepdims=True) @ np.repeat(v, heads // key_heads, 1)
    owner, cache = nn.Identity(), nn.KeyValueCache(2, room, device)
    with no_grad():
        for start, end in ((0, 1), (1, 4), (4, 145), (145, 146), (146, 149), (149, 150)):
            parts = (tensor(part[:, :, start:end], device=device) for part in (q, k, v))
            got = cache.attend(owner, *parts)
            cache.advance(end - start)
            assert np.allclose(got.numpy(), expected[:, :, start:end], atol=3e-6)


def test_a_cache_that_was_reset_begins_anew_in_the_same_memory(device):
    model = GPT().to(device).eval()
    cache = nn.KeyValueCache(1, CONTEXT, device)
    ids = tensor([[3, 1, 4]], device=device)
    with no_grad():
        first = model(ids, cache)
        cache.advance(3)
        memory = [buffer.array for buffer in cache.buffers()]
        cache.reset()
        assert np.array_equal(model(ids, cache).numpy(), first.numpy())
    assert all(a is b.array for a, b in zip(memory, cache.buffers(), strict=True))


def test_attention_keeps_keys_of_float16_and_gives_weights(device):
    attention = nn.MultiheadAttention(16, 4, batch_first=True).to(device).to(float16).eval()
    x = randn((2, 5, 16)).to(device).to(float16)
    with no_grad():
        whole, weights = attention(x, x, x, is_causal=True)
        cache = nn.KeyValueCache(2, 5, device)
        got, seen = attention(x, x, x, cache=cache)
    assert np.allclose(got.numpy(), whole.numpy(), atol=2e-3)
    assert np.allclose(seen.numpy(), weights.numpy(), atol=2e-3)
    assert {buffer.dtype for buffer in cache.buffers()} == {np.dtype("int32"), np.dtype("float16")}


def test_a_cache_goes_with_one_tensor_and_without_masks():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x, cache = randn((1, 2, 8)), nn.KeyValueCache(1, 4)
    with pytest.raises(ArgumentError, match="with a cache takes one tensor"):
        attention(x, x + 1, x, cache=cache)
    with pytest.raises(ArgumentError, match="no masks"):
        attention(x, x, x, key_padding_mask=tensor([[False, True]]), cache=cache)
    with pytest.raises(ShapeError, match=r"KeyValueCache of 3 sequences"), no_grad():
        attention(x, x, x, cache=nn.KeyValueCache(3, 4))
    with pytest.raises(ArgumentError, match="at least 1, not 0 and 4"):
        nn.KeyValueCache(0, 4)


def test_greedy_tokens_are_those_of_whole_sequences(device):
    model = GPT().to(device).eval()
    prompts = [[1, 2, 3], [4], [5, 6, 7, 8, 9]]
    expected = [greedy_by_whole_sequences(model, prompt, 7) for prompt in prompts]
    assert nn.generate(model, prompts, 7, CONTEXT, temperature=0) == expected
    assert nn.generate(model, prompts[0], 7, CONTEXT, temperature=0) == expected[0]


def test_an_attention_of_ones_own_keeps_what_it_likes(device):
    model = Turning().to(device).eval()
    prompts = [[1, 2, 3, 9], [4, 7]]
    expected = [greedy_by_whole_sequences(model, prompt, 6) for prompt in prompts]
    assert nn.generate(model, prompts, 6, CONTEXT, temperature=0) == expected


def test_past_the_context_the_later_half_is_read_anew(device):
    model = GPT().to(device).eval()
    prompt = [1, 2, 3, 4]
    first = greedy_by_whole_sequences(model, prompt, CONTEXT - len(prompt) + 1)
    kept = (prompt + first)[-(CONTEXT // 2) :]
    then = greedy_by_whole_sequences(model, kept, CONTEXT - len(kept) + 1)
    got = nn.generate(model, prompt, len(first) + len(then), CONTEXT, temperature=0)
    assert got == first + then
    long = (prompt + first + then)[: CONTEXT + 3]
    start = greedy_by_whole_sequences(model, long[-(CONTEXT // 2) :], 3)
    assert nn.generate(model, long, 3, CONTEXT, temperature=0) == start


def test_a_stop_ends_its_own_sequence_alone(device):
    model = GPT().to(device).eval()
    prompts = [[1, 2, 3], [5, 6, 7]]
    whole = nn.generate(model, prompts, 40, CONTEXT, temperature=0)
    stop = whole[0][4]
    cut = [row[: row.index(stop)] if stop in row else row for row in whole]
    assert nn.generate(model, prompts, 40, CONTEXT, temperature=0, stop=stop) == cut
    assert nn.generate(model, prompts[0], 40, CONTEXT, temperature=0, stop=[stop, 99]) == cut[0]


def test_the_same_seed_gives_the_same_tokens_on_both_devices(device):
    model = GPT().to(device)
    options = {"temperature": 0.8, "top_k": 6, "top_p": 0.9}
    first = nn.generate(model, [1, 2], 30, CONTEXT, generator=Generator(5), **options)
    assert nn.generate(model, [1, 2], 30, CONTEXT, generator=Generator(5), **options) == first
    host = nn.generate(model.to("cpu"), [1, 2], 30, CONTEXT, generator=Generator(5), **options)
    assert host == first
    assert nn.generate(model, [1, 2], 30, CONTEXT, generator=Generator(6), **options) != first


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0.5, 0.25, 0.15, 0.1]),
        ({"top_k": 2}, [2 / 3, 1 / 3, 0, 0]),
        ({"top_p": 0.8}, [5 / 9, 2.5 / 9, 1.5 / 9, 0]),
        ({"top_p": 0.5}, [1, 0, 0, 0]),
        ({"top_k": 3, "top_p": 0.8}, [2 / 3, 1 / 3, 0, 0]),
        ({"temperature": 0.5}, np.square([0.5, 0.25, 0.15, 0.1]) / 0.345),
        ({"top_k": 9, "top_p": 1.0}, [0.5, 0.25, 0.15, 0.1]),
    ],
)
def test_tokens_are_drawn_as_likely_as_the_options_say(options, expected):
    model = Constant([0.25, 0.5, 0.1, 0.15])
    rows = nn.generate(model, [[0]] * 2000, 2, 8, generator=Generator(1), **options)
    shares = np.bincount(np.ravel(rows), minlength=4)[[1, 0, 3, 2]] / 4000
    assert np.allclose(shares, expected, atol=4 * 0.5 / np.sqrt(4000))
    assert not shares[np.equal(expected, 0)].any()


def test_the_model_is_in_the_mode_that_it_had_before():
    model = GPT()
    model.layers.eval()
    nn.generate(model, [1], 2, CONTEXT)
    assert model.training and model.head.training and not model.layers.training


@pytest.mark.gpu
def test_on_a_gpu_the_step_is_recorded_once_and_memory_stays(monkeypatch):
    model, calls = GPT().to("gpu").eval(), []
    monkeypatch.setattr(GPT, "forward", counted(GPT.forward, calls))
    nn.generate(model, [1, 2], 11, CONTEXT)
    calls.clear()
    memory = gpu.memory_stats()
    for _ in range(3):
        nn.generate(model, [1, 2], 11, CONTEXT)
    assert len(calls) == 3 * 2
    assert gpu.memory_stats() == memory


def counted(forward, calls):
    def counting(model, ids, cache):
        calls.append(ids.shape)
        return forward(model, ids, cache)

    return counting


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([], 3, 8), {}, "at least one token"),
        (([[1], []], 3, 8), {}, "at least one token"),
        (([1, 1.5], 3, 8), {}, "a token: 1.5 is no whole number"),
        (([[1], ["a"]], 3, 8), {}, "a token: 'a' is no whole number"),
        (([1], -1, 8), {}, "length is from 0"),
        (([1], 1, 0), {}, "context from 1"),
        (([1], 1, 8), {"temperature": -1.0}, "temperature is from 0, not -1.0"),
        (([1], 1, 8), {"temperature": float("nan")}, "temperature is from 0, not nan"),
        (([1], 1, 8), {"top_k": 0}, "top_k is from 1"),
        (([1], 1, 8), {"top_p": 0.0}, "top_p is above 0"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, options, message):
    with pytest.raises(ArgumentError, match=message):
        nn.generate(Constant([0.5, 0.5]), *arguments, **options)


def test_nothing_is_added_if_nothing_is_asked_for():
    assert nn.generate(Constant([0.5, 0.5]), [[1], [1]], 0, 8) == [[], []]


def test_a_model_that_gives_no_logits_is_told_so():
    class Wrong(nn.Module):
        def forward(self, ids, cache):
            return ids

    with pytest.raises(ShapeError, match=r"logits of shape \(1, 2, classes\).*not \(1, 2\)"):
        nn.generate(Wrong(), [1, 1], 3, 8)


@pytest.mark.parametrize("need_weights", [False, True])
def test_keys_that_stand_behind_all_do_so_with_a_cache(need_weights, device):
    layer = nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True, add_zero_attn=True)
    layer.eval().to(device)
    x = randn((2, 3, 8)).to(device)
    cache = nn.KeyValueCache(2, 5, device)
    with no_grad():
        whole = layer(x, x, x, is_causal=True, need_weights=False)[0].numpy()
        for k in range(3):
            one = x[:, k : k + 1]
            found = layer(one, one, one, cache=cache, need_weights=need_weights)[0].numpy()
            cache.advance(1)
            np.testing.assert_allclose(found[:, 0], whole[:, k], rtol=1e-5, atol=1e-6)


class Answer(nn.Module):
    """A decoder of a memory, of which the last two places of the second sample are padding."""

    def __init__(self, norm_first):
        manual_seed(3)
        self.tokens = nn.Embedding(CLASSES, 16)
        self.places = nn.Embedding(CONTEXT, 16)
        layer = nn.TransformerDecoderLayer(
            16, 2, 32, 0.1, batch_first=True, norm_first=norm_first, activation="gelu"
        )
        self.layers = nn.TransformerDecoder(layer, 2)
        self.head = nn.Linear(16, CLASSES)
        self.register_buffer("memory", randn((2, 5, 16)))
        self.register_buffer("padding", tensor([[False] * 5, [False] * 3 + [True] * 2]))

    def forward(self, ids, cache=None):
        length = ids.shape[1]
        places = arange(length, device=ids.device) if cache is None else cache.positions(length)
        x = self.tokens(ids) + self.places(places)
        x = self.layers(
            x,
            self.memory,
            tgt_is_causal=True,
            memory_key_padding_mask=self.padding,
            cache=cache,
        )
        return self.head(x)


@pytest.mark.parametrize("norm_first", [False, True])
def test_a_decoder_with_a_cache_gives_the_logits_of_the_whole_sequence(norm_first, device):
    model = Answer(norm_first).to(device).eval()
    ids = tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 3, 5, 8]], device=device)
    cache = nn.KeyValueCache(2, CONTEXT, device)
    for _ in range(2):
        with no_grad():
            whole, parts = model(ids).numpy(), []
            for start, end in ((0, 3), (3, 4), (4, 6)):
                parts.append(model(ids[:, start:end], cache).numpy())
                cache.advance(end - start)
            assert np.allclose(np.concatenate(parts, 1), whole, atol=2e-6)
            cache.reset()
            model.memory.copy_(model.memory.flip(0))  # other samples: keys are found anew


def test_a_decoder_projects_its_memory_once(device, monkeypatch):
    model, seen = Answer(True).to(device).eval(), []
    projection = nn.MultiheadAttention._projection

    def counting(attention, part, x):
        seen.append(part)
        return projection(attention, part, x)

    monkeypatch.setattr(nn.MultiheadAttention, "_projection", counting)
    cache, token = nn.KeyValueCache(2, CONTEXT, device), tensor([[1], [2]], device=device)
    with no_grad():
        for _ in range(3):
            model(token, cache)
            cache.advance(1)
        assert (seen.count(0), seen.count(1), seen.count(2)) == (3 * 2, 2, 2)
        model.memory.mul_(2.0)  # changed, without a reset
        model(token, cache)
        assert seen.count(1) == 4
        model.memory = model.memory * 1.0  # another one
        model(token, cache)
        assert seen.count(1) == 6


def test_a_decoder_generates_what_whole_sequences_say(device):
    model = Answer(False).to(device).eval()
    for _ in range(2):
        drawn = nn.generate(model, [[1], [2]], 8, CONTEXT, temperature=0)
        ids = tensor([[1], [2]], device=device)
        with no_grad():
            for _ in range(8):
                following = model(ids).numpy()[:, -1].argmax(-1)
                ids = tensor(np.concatenate([ids.numpy(), following[:, None]], 1), device=device)
            assert drawn == ids[:, 1:].tolist()
            model.memory.copy_(model.memory.flip(0) * 3)


@pytest.mark.gpu
def test_a_captured_decoder_notices_a_new_memory():
    """All calls but the very first, which takes the memory, are of the captured step."""
    model = Answer(True).to("gpu").eval()
    cache = nn.KeyValueCache(2, CONTEXT, "gpu")

    @gpu.capture
    def step(token):
        logits = model(token, cache)
        cache.advance(1)
        return logits

    ids = tensor([[3, 1, 4, 1], [2, 6, 5, 3]], device="gpu")
    with no_grad():
        model(ids[:, :1], cache)
        for _ in range(4):
            cache.reset()
            found = np.concatenate([step(ids[:, k : k + 1]).numpy() for k in range(4)], 1)
            assert np.allclose(found, model(ids).numpy(), atol=2e-6)
            model.memory.copy_(model.memory.flip(1) * 1.5)


def test_sequences_of_a_cache_go_on_from_others(device):
    model = GPT().to(device).eval()
    ids = tensor([[3, 1, 4], [2, 6, 5]], device=device)
    cache = nn.KeyValueCache(2, CONTEXT, device)
    with no_grad():
        model(ids, cache)
        cache.advance(tensor([3, 2], device=device))
        cache.reorder(tensor([1, 1], device=device))
        assert cache.lengths.tolist() == [2, 2]
        found = model(tensor([[7], [8]], device=device), cache).numpy()[:, 0]
        whole = model(tensor([[2, 6, 7], [2, 6, 8]], device=device)).numpy()[:, -1]
    assert np.allclose(found, whole, atol=2e-6)
    with pytest.raises(ShapeError, match=r"of shape \(2,\), not \(3,\)"):
        cache.reorder(tensor([0, 0, 0], device=device))
