"""Binary 64x64 sprites with the geometry and the factor grid of dSprites, in numpy.

Lengths are pixels at scale 1; pixel (row, column) is the point with these integer coordinates.
Areas, measured on images of the official data set: square 370 s^2, ellipse 289 s^2, heart 227 s^2
square pixels at scale s; the centre lies at 15.5 + 32 v pixels for the position value v in [0, 1].
"""

import numpy as np

SIZE = 64

# Values of the five factors, in the official order; images are enumerated with y fastest.
FACTOR_VALUES = (
    np.array([1.0, 2.0, 3.0]),
    np.linspace(0.5, 1.0, 6),
    np.linspace(0.0, 2.0 * np.pi, 40),  # both ends: the first and the last orientation coincide
    np.linspace(0.0, 1.0, 32),
    np.linspace(0.0, 1.0, 32),
)

_SQUARE_HALF_SIDE = np.sqrt(370.0) / 2.0
_ELLIPSE_HALF_AXES = (13.05, 7.05)
# A square of side a standing on its corner, and a disc of diameter a on each of its two upper
# sides: area a^2 (1 + pi / 4).
_HEART_SIDE = np.sqrt(227.0 / (1.0 + np.pi / 4.0))
# The heart's centroid, about which it turns, lies this far above the square's centre. The two half
# discs, each pi a^2 / 8 in area, have theirs a / 2 + 2 a / (3 pi) from it, at 45 degrees.
_HEART_RISE = _HEART_SIDE * (np.pi / 8.0 + 1.0 / 6.0) / np.sqrt(2.0) / (1.0 + np.pi / 4.0)
_WINDOW = 30  # pixels; holds every sprite, whose farthest point is 13.6 pixels from its centre


def render(
    shape: int, scale: float, orientation: float, xs: np.ndarray, ys: np.ndarray
) -> np.ndarray:
    """Draws one sprite at every combination of the given positions.

    Args:
      shape: 0 square, 1 ellipse, 2 heart.
      scale: multiplies all lengths, in (0, 1].
      orientation: angle in radians, from the columns' axis towards the rows' axis.
      xs: [X] horizontal positions in [0, 1].
      ys: [Y] vertical positions in [0, 1], growing downwards.

    Returns:
      Images, bool [X, Y, 64, 64] (rows, then columns), True inside the sprite.
    """
    left, across = _offsets(xs)  # [X], [X, W]
    top, down = _offsets(ys)  # [Y], [Y, W]
    cos, sin = np.float32(np.cos(orientation)), np.float32(np.sin(orientation))
    across = across[:, None, None, :]  # [X, 1, 1, W]
    down = down[None, :, :, None]  # [1, Y, W, 1]
    u = cos * across + sin * down  # [X, Y, W, W], the sprite's own horizontal axis
    v = cos * down - sin * across  # [X, Y, W, W], the sprite's own vertical axis
    inside = (_in_square, _in_ellipse, _in_heart)[shape](u, v, np.float32(scale))

    images = np.zeros((len(xs), len(ys), SIZE, SIZE), bool)
    for i, column in enumerate(left):
        for j, row in enumerate(top):
            images[i, j, row : row + _WINDOW, column : column + _WINDOW] = inside[i, j]
    return images


def _offsets(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First pixel [n] of a window around each position, and its pixels' offsets [n, W]."""
    centres = 15.5 + 32.0 * np.asarray(positions, np.float64)  # [n]
    first = np.ceil(centres - _WINDOW / 2).astype(int)  # [n]
    offsets = first[:, None] + np.arange(_WINDOW) - centres[:, None]  # [n, W]
    return first, offsets.astype(np.float32)


def _in_square(u, v, scale):
    half = np.float32(_SQUARE_HALF_SIDE) * scale
    return np.maximum(np.abs(u), np.abs(v)) <= half


def _in_ellipse(u, v, scale):
    a, b = (np.float32(half) * scale for half in _ELLIPSE_HALF_AXES)
    return np.square(u / a) + np.square(v / b) <= 1


def _in_heart(u, v, scale):
    side = np.float32(_HEART_SIDE) * scale
    u = np.abs(u)  # the heart is symmetric, so that one disc serves for both
    v = v - np.float32(_HEART_RISE) * scale
    lobe = side / np.float32(np.sqrt(8.0))  # the disc's centre, off the square's along both axes
    return (u + np.abs(v) <= side / np.float32(np.sqrt(2.0))) | (
        np.square(u - lobe) + np.square(v + lobe) <= np.square(side / 2)
    )
