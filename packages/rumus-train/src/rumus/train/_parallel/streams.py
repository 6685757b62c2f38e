"""The random numbers of a shard: of the seed, the step and the shard, whoever computes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rumus.nn import Module
from rumus.tensor import Generator, default_generator


def own_generators(module: Module) -> list[Generator]:
    """The streams that a module has for itself."""
    own = [value for value in vars(module).values() if isinstance(value, Generator)]
    return [generator for generator in own if generator is not default_generator]


@contextmanager
def of_shard(streams: Sequence[Generator], shard: int, *step: int) -> Iterator[None]:
    """Let streams be those of a shard in a step; afterwards they are where they were."""
    before = [stream.state() for stream in streams]
    for stream in streams:
        stream.set_state(*stream.derive("step", *step).derive("shard", shard).state())
    try:
        yield
    finally:
        for stream, state in zip(streams, before, strict=True):
            stream.set_state(*state)
