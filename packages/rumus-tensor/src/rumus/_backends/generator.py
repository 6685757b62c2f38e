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

The cipher, in arithmetic modulo 2**32::

    ks = (key0, key1, 0x1BD11BDA ^ key0 ^ key1)
    x0, x1 = counter0 + ks[0], counter1 + ks[1]
    for r in 0 .. 19:
        x0 = x0 + x1;  x1 = rotate_left(x1, R[r % 8]) ^ x0     R = 13 15 26 6 17 29 16 24
        if r % 4 == 3:                                          s = (r + 1) / 4 = 1 .. 5
            x0 = x0 + ks[s % 3];  x1 = x1 + ks[(s + 1) % 3] + s

Every call takes one position, whatever its size. ``uniform`` is the same bit for bit on every
device; ``normal`` differs by the rounding of ``log``, ``sin`` and ``cos``.
"""

from __future__ import annotations

import threading

from rumus._core.errors import ArgumentError
from rumus._core.shapes import whole_number

_SEEDS = 1 << 64
_POSITIONS = 1 << 32


class Generator:
    """A seed, and the number of the next call.

    Args:
        seed: From 0 to 2**64 - 1.
        position: The number of the first call, modulo 2**32.
    """

    def __init__(self, seed: int = 0, position: int = 0) -> None:
        self._lock = threading.Lock()
        self.set_state(seed, position)

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
        with self._lock:
            position = self._position
            self._position = (position + 1) % _POSITIONS
            return self._seed, position


default_generator = Generator()


def manual_seed(seed: int) -> None:
    """Restart the generator that ``rand``, ``randn``, initialisation and dropout draw from.

    Args:
        seed: From 0 to 2**64 - 1.

    Raises:
        ArgumentError: The seed is no whole number, negative, or longer than 64 bits.
    """
    default_generator.set_state(seed)
