"""Random numbers that are the same on every device: a counter-based generator.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3", SC'11) turns a key and a counter of two 32-bit words each into two random words. There is
no state to carry from element to element, so a kernel computes any element by itself::

    key     = (seed & 0xffffffff, seed >> 32)        the seed of manual_seed, 64 bits
    counter = (i >> 1, position)                     i: row-major index; position: of the call
    w0, w1  = threefry2x32(key, counter)

    uniform[i] = (w >> 8) * 2**-24                   w = w0 where i is even, w1 where it is odd
    normal[i]  = r * cos(theta)  (i even),  r * sin(theta)  (i odd)          Box and Muller (1958)
                 r = sqrt(-2 * log(1 - u0)),  theta = 2 * pi * u1
                 u0, u1 = (w0 >> 8) * 2**-24, (w1 >> 8) * 2**-24
    integer[i] = low + floor(w * span / 2**32)       of span numbers from low on

The cipher, in arithmetic modulo 2**32::

    ks = (key0, key1, 0x1BD11BDA ^ key0 ^ key1)
    x0, x1 = counter0 + ks[0], counter1 + ks[1]
    for r in 0 .. 19:
        x0 = x0 + x1;  x1 = rotate_left(x1, R[r % 8]) ^ x0     R = 13 15 26 6 17 29 16 24
        if r % 4 == 3:                                          s = (r + 1) / 4 = 1 .. 5
            x0 = x0 + ks[s % 3];  x1 = x1 + ks[(s + 1) % 3] + s

Every call takes one position, whatever its size. ``uniform`` and ``integer`` are the same bit for
bit on every device; ``normal`` differs by the rounding of ``log``, ``sin`` and ``cos``.

A stream for a purpose has a key of its own, which the same cipher makes of a path, part by part::

    key -> threefry2x32(key, (n & 0xffffffff, 2**31 + (n >> 32)))    for a number n below 2**62
    key -> threefry2x32(key, (CRC32C of its UTF-8, 3 * 2**30))       for a string

Draws take the counters below 2**31, so a stream shares no words with those derived from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from rumus._core.errors import ArgumentError, StateDictError
from rumus._core.frames import FrameLock
from rumus._core.shapes import whole_number

from .draws import Source, source_of

_SEEDS = 1 << 64
_POSITIONS = 1 << 32
_NUMBERS = 1 << 62
_OF_NUMBERS, _OF_STRINGS = 0x80000000, 0xC0000000  # the upper halves of counters
_MASK = 0xFFFFFFFF
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_CASTAGNOLI = 0x82F63B78

Words: TypeAlias = npt.NDArray[np.uint32]
W = TypeVar("W", int, Words)


class Generator:
    """A seed, and the number of the next call.

    Args:
        seed: From 0 to 2**64 - 1.
        position: The number of the first call, modulo 2**32.

    Example:
        >>> root = Generator(7)
        >>> root.derive("order", 0).next() == root.derive("order", 1).next()
        False
        >>> root.derive("step", 3, 0).state() == root.derive("step").derive(3, 0).state()
        True
    """

    def __init__(self, seed: int = 0, position: int = 0) -> None:
        self._lock = FrameLock()
        self.set_state(seed, position)

    def __repr__(self) -> str:
        seed, position = self.state()
        return f"Generator(seed={seed}, position={position})"

    def set_state(self, seed: int, position: int = 0) -> None:
        """Restart from a seed, at a position.

        Raises:
            ArgumentError: The seed is no whole number, negative, or longer than 64 bits.
        """
        seed, position = whole_number("seed", seed), whole_number("position", position)
        if not 0 <= seed < _SEEDS:
            raise ArgumentError(f"a seed is a whole number from 0 to 2**64 - 1, not {seed}")
        with self._lock:
            self._seed, self._position = seed, position % _POSITIONS

    def state(self) -> tuple[int, int]:
        """The seed and the position of the next call."""
        with self._lock:
            return self._seed, self._position

    def next(self) -> tuple[int, int]:
        """The seed and the position of one call, which is thereby used up."""
        return self.source().next()

    def source(self) -> Source:
        """What one draw comes from: asked for when an operation is called, drawn from at each run.

        A captured step draws from it before every replay. Within a checkpointed function it draws
        what the function drew before, when that is run again.
        """
        return source_of(self, _Fresh(self))

    def derive(self, *path: str | int) -> Generator:
        """The stream of a purpose: independent of this one, and of those of every other path.

        It depends on the seed and the path alone, not on what was drawn before.

        Args:
            path: At least one name or number from 0 to 2**62 - 1, such as ``("order", epoch)``.

        Raises:
            ArgumentError: The path is empty, or a part of it is something else.
        """
        if not path:
            raise ArgumentError('a path has at least one part, as in derive("order", epoch)')
        seed = self.state()[0]
        key = seed & _MASK, seed >> 32
        for part in path:
            key = threefry2x32(key, *_counter(part))
        return Generator(key[0] | key[1] << 32)

    def derive_seeds(self, *columns: npt.ArrayLike) -> npt.NDArray[np.uint64]:
        """The seeds of many streams at once: those of ``derive(*row)`` for each row of numbers.

        Args:
            columns: At least one column of the table whose rows are the paths, all equally long.

        Raises:
            ArgumentError: There is no column, they differ in length, or hold something else than
                numbers from 0 to 2**62 - 1.
        """
        parts = [_numbers(column) for column in columns]
        if len({part.shape for part in parts}) != 1:
            raise ArgumentError("derive_seeds takes columns of one length, at least one of them")
        seed = self.state()[0]
        key: tuple[Any, Any] = seed & _MASK, seed >> 32
        for part in parts:
            low, high = part.astype(np.uint32), (part >> 32).astype(np.uint32)
            key = threefry2x32(key, low, high | np.uint32(_OF_NUMBERS))
        seeds: npt.NDArray[np.uint64] = key[1].astype(np.uint64) << np.uint64(32) | key[0]
        return seeds

    def state_dict(self) -> dict[str, int]:
        """The seed and the position, as numbers that JSON can hold."""
        seed, position = self.state()
        return {"seed": seed, "position": position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on where another generator was.

        Raises:
            StateDictError: The state is none of :meth:`state_dict`.
            ArgumentError: A number in it is outside its range.
        """
        if not isinstance(state, Mapping) or set(state) != {"seed", "position"}:
            given = sorted(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
            raise StateDictError(
                f"the state of a generator is a dict of seed and position, and {given} was given"
            )
        position = whole_number("position", state["position"])
        if not 0 <= position < _POSITIONS:
            raise ArgumentError(f"a saved position is from 0 to 2**32 - 1, not {position}")
        self.set_state(state["seed"], position)


class _Fresh:
    """New draws of a generator."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def next(self) -> tuple[int, int]:
        generator = self._generator
        with generator._lock:
            position = generator._position
            generator._position = (position + 1) % _POSITIONS
            return generator._seed, position


default_generator: Final = Generator()


def manual_seed(seed: int) -> None:
    """Restart the generator that ``rand``, ``randn``, initialisation and dropout draw from.

    Args:
        seed: From 0 to 2**64 - 1.

    Raises:
        ArgumentError: The seed is no whole number, negative, or longer than 64 bits.

    Example:
        >>> manual_seed(0)
        >>> first = rand(3).tolist()
        >>> manual_seed(0)
        >>> rand(3).tolist() == first
        True
    """
    default_generator.set_state(seed)


def threefry2x32(
    key: tuple[int | Words, int | Words], counter0: W, counter1: int | Words
) -> tuple[W, W]:
    """Two words for each counter.

    Args:
        key: Two words, the same for all counters or one pair for each.
        counter0: One word as an int, or several as a uint32 array, which is changed in place.
        counter1: One word, or one for each counter.
    """
    single = isinstance(counter0, int)  # ints grow where uint32 wraps around
    ks: Any = (key[0], key[1], _PARITY ^ key[0] ^ key[1])
    x0: Any = counter0
    x1: Any = (counter0 & 0) + (counter1 + ks[1] & _MASK)
    x0 += ks[0]
    for s in range(1, 6):
        for rotation in _ROTATIONS[(s - 1) % 2]:
            x0 += x1
            low = x1 >> (32 - rotation)
            x1 <<= rotation
            x1 |= low
            x1 ^= x0
            if single:
                x1 &= _MASK
        x0 += ks[s % 3]
        x1 += ks[(s + 1) % 3] + s & _MASK
        if single:
            x1 &= _MASK
    return (x0 & _MASK, x1) if single else (x0, x1)


def _numbers(column: npt.ArrayLike) -> npt.NDArray[np.int64]:
    numbers = np.asarray(column)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ArgumentError(
            f"a column of paths holds whole numbers, not {numbers.dtype} of shape {numbers.shape}"
        )
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < _NUMBERS):
        raise ArgumentError("a number in a path is from 0 to 2**62 - 1")
    return numbers.astype(np.int64)


def _counter(part: str | int) -> tuple[int, int]:
    if isinstance(part, str):
        return _crc32c(part), _OF_STRINGS
    if isinstance(part, bool | np.bool_):
        raise ArgumentError(f"a part of a path is a name or a number, not {part}")
    number = whole_number("a part of a path", part)
    if not 0 <= number < _NUMBERS:
        raise ArgumentError(f"a number in a path is from 0 to 2**62 - 1, not {number}")
    return number & _MASK, _OF_NUMBERS | number >> 32


@lru_cache(maxsize=256)
def _crc32c(name: str) -> int:
    register = _MASK
    for byte in name.encode("utf-8", "surrogatepass"):
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (_CASTAGNOLI if register & 1 else 0)
    return register ^ _MASK
