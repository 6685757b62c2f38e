"""Text, or any other tokens, from a model that says what comes next."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from typing import Protocol, cast, overload

import numpy as np

from rumus._backends.generator import Generator, default_generator
from rumus._core.devices import CPU, Device
from rumus._core.dtypes import float32
from rumus._core.errors import ArgumentError, ShapeError
from rumus._core.mode import no_grad
from rumus._core.shapes import whole_number
from rumus.tensor._creation import from_numpy
from rumus.tensor._joining import cat, where
from rumus.tensor._multinomial import multinomial
from rumus.tensor._tensor import Tensor

from ._cache import KeyValueCache
from ._module import Module

_READ_EVERY = 16
"""Tokens between two looks for a stop: each look waits for the device."""


class LanguageModel(Protocol):
    """What :func:`generate` asks: logits of the token after each."""

    def __call__(self, ids: Tensor, cache: KeyValueCache | None = None, /) -> Tensor:
        """Logits of shape (samples, tokens, classes), of ids of shape (samples, tokens)."""
        ...


@overload
def generate(
    model: Module,
    prompts: Sequence[int],
    length: int,
    context: int,
    *,
    temperature: float = ...,
    top_k: int | None = ...,
    top_p: float | None = ...,
    stop: int | Collection[int] = ...,
    generator: Generator = ...,
) -> list[int]: ...


@overload
def generate(
    model: Module,
    prompts: Sequence[Sequence[int]],
    length: int,
    context: int,
    *,
    temperature: float = ...,
    top_k: int | None = ...,
    top_p: float | None = ...,
    stop: int | Collection[int] = ...,
    generator: Generator = ...,
) -> list[list[int]]: ...


def generate(
    model: Module,
    prompts: Sequence[int] | Sequence[Sequence[int]],
    length: int,
    context: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    stop: int | Collection[int] = (),
    generator: Generator = default_generator,
) -> list[int] | list[list[int]]:
    """Continue sequences of tokens, one token after the other.

    Each token is read once: its keys and values stay in a :class:`KeyValueCache`. On a GPU the step
    from token to token is captured. When the context is full, the cache is filled anew with its
    later half. The model is in evaluation mode meanwhile.

    Args:
        model: Called as ``model(ids, cache)`` with int32 ids of shape (samples, tokens), it gives
            logits of shape (samples, tokens, classes). It hands the cache to its attentions, and
            takes the tokens' positions from ``cache.positions(tokens)``.
        prompts: The ids to continue, at least one: of a sequence, or of several, which need not be
            equally long.
        length: How many tokens are added to each, at most.
        context: How many tokens the model looks at, at most.
        temperature: What logits are divided by; with 0 the most likely token is taken.
        top_k: From how many of the most likely tokens one is drawn; by default all.
        top_p: Of which share of the probability: from the fewest of the most likely tokens that
            have it together (Holtzman et al., arXiv:1904.09751). After ``top_k``.
        stop: The token that ends a sequence, or several; it is left out.
        generator: What tokens are drawn from; by default what ``manual_seed`` starts.

    Returns:
        The new ids; a list of them for each prompt, if there are several.

    Raises:
        ArgumentError: A number is out of its range, or a prompt is empty.
        ShapeError: The model gives something else than logits.
        CaptureError: On a GPU, the model cannot be captured.

    Example:
        >>> from rumus.nn import Embedding
        >>> from rumus.tensor import eye
        >>> class Next(Module):
        ...     def __init__(self):
        ...         self.table = Embedding.from_pretrained(eye(5).roll(1, 1))
        ...     def forward(self, ids, cache=None):
        ...         return self.table(ids)
        >>> generate(Next(), [[0], [2, 3]], 3, context=8, temperature=0)
        [[1, 2, 3], [4, 0, 1]]
    """
    _check_numbers(length, context, temperature, top_k, top_p)
    single = not len(prompts) or not isinstance(prompts[0], Sequence)
    given = cast(Sequence[Sequence[int]], [prompts] if single else prompts)
    texts = [[whole_number("generate: a token", token) for token in prompt] for prompt in given]
    if not all(texts):
        raise ArgumentError("generate: each prompt has at least one token to continue")
    _check_model(model)
    stops = {stop} if isinstance(stop, int) else set(stop)

    def choose(logits: Tensor) -> Tensor:
        return _chosen(logits, temperature, top_k, top_p, generator)

    new: list[list[int]] = [[] for _ in texts]
    with no_grad(), _evaluating(model):
        writer = _Writer(cast(LanguageModel, model), choose, len(texts), context, _place_of(model))
        while len(new[0]) < length and not all(map(stops.intersection, new)):
            before = [text + added for text, added in zip(texts, new, strict=True)]
            for tokens in writer.continued(before, length - len(new[0])):
                for added, row in zip(new, tokens, strict=True):
                    added.extend(row)
                if all(map(stops.intersection, new)):
                    break
    new = [_until(added, stops) for added in new]
    return new[0] if single else new


class _Writer:
    """A model with its cache, and the step from one token to the next."""

    def __init__(
        self,
        model: LanguageModel,
        choose: Callable[[Tensor], Tensor],
        samples: int,
        context: int,
        device: Device,
    ) -> None:
        self._model, self._choose, self._device = model, choose, device
        self._context = context
        self._cache = cache = KeyValueCache(samples, context, device)

        def step(token: Tensor) -> Tensor:
            logits = _checked(model(token, cache), samples, 1)
            cache.advance(1)
            return choose(logits[:, 0])

        self._step: Callable[[Tensor], Tensor] = step
        if device.kind == "gpu":
            from rumus import gpu  # here: without a GPU it is never loaded

            self._step = gpu.capture(step)

    def continued(self, texts: list[list[int]], most: int) -> Iterator[list[list[int]]]:
        """The next tokens of each, some at a time, as far as there is room in the context."""
        fits = max(map(len, texts)) < self._context
        window = self._context if fits else max(1, self._context // 2)
        last = [text[-window:] for text in texts]
        token = self._read(last)
        made = [token]
        for _ in range(min(most - 1, self._context - max(map(len, last)))):
            if len(made) == _READ_EVERY:
                yield cat(made, 1).tolist()
                made = []
            token = self._step(token)
            made.append(token)
        yield cat(made, 1).tolist()

    def _read(self, texts: list[list[int]]) -> Tensor:
        """Fill the cache, and choose the first token after each."""
        lengths = np.array([len(text) for text in texts], np.int32)
        ids = np.zeros((len(texts), lengths.max()), np.int32)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = text
        self._cache.reset()
        logits = self._model(from_numpy(ids, self._device), self._cache)
        _checked(logits, *ids.shape)
        self._cache.advance(from_numpy(lengths, self._device))
        return self._choose(logits[np.arange(len(texts)), lengths - 1])


def _chosen(
    logits: Tensor,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: Generator,
) -> Tensor:
    """A token for each row of logits, of shape (samples, 1)."""
    logits = logits.to(float32)
    if temperature == 0:
        return logits.argmax(-1, keepdims=True)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[-1]:
        lowest = logits.topk(top_k).values[:, -1:]
        logits = where(logits >= lowest, logits, -math.inf)
    if top_p is not None and top_p < 1:
        falling = logits.sort(descending=True)
        shares = falling.softmax(-1)
        kept = shares.cumsum(-1) - shares < top_p  # what the more likely ones leave open
        lowest = where(kept, falling, math.inf).min(-1, keepdims=True)
        logits = where(logits >= lowest, logits, -math.inf)
    return multinomial(logits.softmax(-1), 1, generator=generator)


def _check_model(model: Module) -> None:
    try:
        signature(model.forward).bind(None, None)
    except TypeError:
        raise ArgumentError(
            f"generate calls model(ids, cache), and {type(model).__name__}.forward does not take "
            "both: def forward(self, ids, cache=None), which hands the cache to its attentions"
        ) from None


def _checked(logits: object, samples: int, tokens: int) -> Tensor:
    if isinstance(logits, Tensor) and logits.ndim == 3 and logits.shape[:2] == (samples, tokens):
        return logits
    given = logits.shape if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    raise ShapeError(
        f"generate: the model gives logits of shape ({samples}, {tokens}, classes) for ids of "
        f"({samples}, {tokens}), not {given}"
    )


def _check_numbers(
    length: int, context: int, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    if length < 0 or context < 1:
        raise ArgumentError(
            f"generate: length is from 0, and context from 1, not {length} and {context}"
        )
    if not 0 <= temperature < math.inf:
        raise ArgumentError(f"generate: temperature is from 0, not {temperature}")
    if top_k is not None and top_k < 1:
        raise ArgumentError(f"generate: top_k is from 1, not {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ArgumentError(f"generate: top_p is above 0 and up to 1, not {top_p}")


def _until(tokens: list[int], stops: set[int]) -> list[int]:
    end = next((k for k, token in enumerate(tokens) if token in stops), len(tokens))
    return tokens[:end]


def _place_of(model: Module) -> Device:
    first = next(iter([*model.parameters(), *model.buffers()]), None)
    return CPU if first is None else first.device


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
