"""Digits as a hand might draw them: strokes with shaking corners, turned, slanted and shifted."""

import numpy as np
import numpy.typing as npt

SIDE = 16
STROKES = [  # the corners of each digit from left (0) to right (1) and from top (0) to bottom (1)
    "50,10 30,20 24,50 30,80 50,90 70,80 76,50 70,20 50,10",
    "35,30 55,10 55,50 55,90",
    "25,30 35,12 60,10 75,28 65,50 45,70 25,90 78,90",
    "25,15 55,10 72,25 60,45 42,48 62,52 76,70 60,88 25,87",
    "62,90 62,50 62,10 22,62 80,62",
    "75,10 32,10 28,45 60,42 76,62 65,85 25,88",
    "65,10 40,30 27,60 35,86 60,88 72,68 58,50 32,60",
    "22,10 78,10 60,50 45,90",
    "50,48 30,30 50,10 70,28 50,48 26,70 50,90 74,70 50,48",
    "72,30 50,48 30,32 45,10 70,18 72,45 60,90",
]


def draw_digits(
    count: int, seed: int, digits: tuple[int, ...] = tuple(range(10))
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Draw digits, each as often as the others.

    Returns:
        Images of shape (count, 1, 16, 16), from 0 (paper) to 1 (ink), and the digits.
    """
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.resize(np.asarray(digits, np.int32), count))
    images = np.empty((count, 1, SIDE, SIDE), np.float32)
    for digit in digits:
        (mine,) = np.nonzero(labels == digit)
        images[mine, 0] = _drawn(STROKES[digit], len(mine), rng)
    return images, labels


def _drawn(strokes: str, count: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    corners = np.array([point.split(",") for point in strokes.split()], float) / 50 - 1
    points = corners + rng.normal(0, 0.06, (count, *corners.shape))
    turn, slant = rng.normal(0, 0.15, (2, count))
    width, height = rng.uniform(0.6, 0.85, (2, count))
    shape = np.array([[np.cos(turn) * width, np.sin(turn) + slant], [-np.sin(turn), height]])
    points = np.einsum("ijn,npj->npi", shape, points) + rng.normal(0, 0.07, (count, 1, 2))

    # The distance of each pixel from the nearest stroke says how much ink there is
    line = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    pixels = np.stack(np.meshgrid(line, line), -1).reshape(1, -1, 2)
    ink = np.zeros((count, SIDE * SIDE))
    pen = rng.uniform(0.07, 0.15, (count, 1))
    for start, end in zip(points[:, :-1].swapaxes(0, 1), points[:, 1:].swapaxes(0, 1), strict=True):
        along = end - start
        offset = pixels - start[:, None]
        share = np.einsum("npi,ni->np", offset, along) / (along**2).sum(1, keepdims=True)
        nearest = np.clip(share, 0, 1)[..., None] * along[:, None]
        distance = np.linalg.norm(offset - nearest, axis=-1)
        ink = np.maximum(ink, np.clip(1.5 - distance / pen, 0, 1))
    noise = rng.normal(0, 0.05, ink.shape)
    return np.clip(ink + noise, 0, 1).reshape(-1, SIDE, SIDE).astype(np.float32)
