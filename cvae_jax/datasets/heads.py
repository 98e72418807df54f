"""A small renderer of heads: a bumpy ball seen from a side under a lamp, grey, 64x64.

A head is a surface r(direction) about its centre: an ellipsoid with a nose, brows, eye sockets,
cheeks, lips, chin and ears, each a smooth bump whose place and height belong to an identity. Its
points are turned to the pose and put on a grid of pixels, the nearest one in front.
"""

import numpy as np

SIZE = 64
_FINE = 2 * SIZE  # rendered at, then averaged by 2x2
_ROWS, _COLUMNS = 360, 520  # points of the surface: several to a fine pixel
_SCALE = 0.4  # of the image's side to a unit of length

# Bumps: place in degrees right of and above the line of sight, widths, height. Paired ones are
# mirrored. An identity moves each of these numbers by a share of its own.
_BUMPS = (
    (0.0, -4.0, 7.0, 13.0, 0.11, False),  # nose: ridge
    (0.0, -13.0, 9.0, 7.0, 0.10, False),  # nose: tip
    (20.0, 20.0, 16.0, 6.0, 0.06, True),  # brows
    (19.0, 8.0, 11.0, 7.0, -0.09, True),  # eye sockets
    (35.0, -14.0, 16.0, 14.0, 0.05, True),  # cheeks
    (0.0, -33.0, 14.0, 4.0, 0.05, False),  # lips
    (0.0, -56.0, 18.0, 12.0, 0.12, False),  # chin
    (90.0, 0.0, 5.0, 14.0, 0.09, True),  # ears
)
# Painted darker: place, widths, how much of the light is lost.
_PAINT = (
    (19.0, 7.0, 6.0, 3.5, 0.7, True),  # eyes
    (20.0, 17.0, 10.0, 2.5, 0.5, True),  # eyebrows
    (0.0, -33.0, 12.0, 3.5, 0.35, False),  # mouth
)


def identity(number: int) -> dict[str, np.ndarray]:
    """Returns the surface of head `number`: points [n, 3], unit normals [n, 3], albedo [n].

    x is to the image's right, y up, z towards the viewer. The same number, the same head.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([2024, number])))
    # Poles at the crown and below the chin, where points may crowd.
    up = np.pi * ((np.arange(_ROWS) + 0.5) / _ROWS - 0.5)[:, None]
    right = 2 * np.pi * (np.arange(_COLUMNS) / _COLUMNS - 0.5)[None, :]
    axes = np.array([0.78, 1.0, 0.9]) * rng.uniform(0.9, 1.1, 3)
    direction = np.stack(
        np.broadcast_arrays(np.cos(up) * np.sin(right), np.sin(up), np.cos(up) * np.cos(right)), -1
    )  # [rows, columns, 3]
    radius = 1 / np.sqrt(np.sum((direction / axes) ** 2, axis=-1))
    radius += sum(_blob(up, right, bump, rng, 0.5) for bump in _BUMPS)
    albedo = rng.uniform(0.75, 1.0) * np.ones_like(radius)
    hair = 1 / (1 + np.exp(-(np.degrees(up) - _hairline(right, rng)) / 2))
    albedo *= 1 - rng.uniform(0.2, 0.85) * hair
    for paint in _PAINT:
        albedo *= 1 - np.clip(_blob(up, right, paint, rng, 0.2), 0, 0.9)
    points = radius[..., None] * direction
    across = np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)
    normals = np.cross(across, np.gradient(points, axis=0))
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    normals *= np.sign(np.sum(normals * direction, axis=-1, keepdims=True))
    return {
        "points": points.reshape(-1, 3),
        "normals": normals.reshape(-1, 3),
        "albedo": albedo.reshape(-1),
    }


def _blob(up, right, bump, rng, vary):
    """A smooth bump over directions; identities vary its place by degrees, the rest by shares."""
    x, y, width, tall, height, paired = bump
    x += rng.normal(0, 1.5) if paired else 0.0
    y += rng.normal(0, 1.5)
    width, tall = np.array([width, tall]) * rng.uniform(0.85, 1.2, 2)
    height *= rng.uniform(1 - vary, 1 + vary)
    up, right = np.degrees(up), np.degrees(right)
    vertical = np.exp(-0.5 * ((up - y) / tall) ** 2)
    sides = (x, -x) if paired else (x,)
    return height * sum(vertical * np.exp(-0.5 * ((right - s) / width) ** 2) for s in sides)


def _hairline(right, rng):
    """Degrees above the line of sight where hair begins: the brow in front, the nape behind."""
    front, back = rng.uniform(32, 55), rng.uniform(-45, -10)
    return front + (back - front) * (0.5 - 0.5 * np.cos(right)) ** 0.7


def render(head, azimuth: float, elevation: float, lights) -> np.ndarray:
    """Renders the head in a pose under several lamps.

    Args:
      head: of `identity`.
      azimuth: degrees that the head is turned to the image's right.
      elevation: degrees that it looks up.
      lights: degrees of each lamp to the right of the viewer, [n].

    Returns:
      uint8 [n, 64, 64, 1] on black.
    """
    a, e = np.radians([azimuth, elevation])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    tilt = np.array([[1, 0, 0], [0, np.cos(e), np.sin(e)], [0, -np.sin(e), np.cos(e)]])
    pose = (tilt @ turn).astype(np.float32)
    front = np.flatnonzero(head["normals"] @ pose[2] > 0)
    points = head["points"][front].astype(np.float32) @ pose.T
    x = np.floor((0.5 + _SCALE * points[:, 0]) * _FINE).astype(int)
    y = np.floor((0.5 - _SCALE * points[:, 1]) * _FINE).astype(int)
    inside = (x >= 0) & (x < _FINE) & (y >= 0) & (y < _FINE)
    front, points, x, y = front[inside], points[inside], x[inside], y[inside]
    order = np.argsort(points[:, 2])  # from behind: the nearest is written last
    seen = np.full((_FINE, _FINE), -1)
    seen[y[order], x[order]] = front[order]
    hit = seen >= 0
    normals = head["normals"][seen[hit]].astype(np.float32) @ pose.T  # [pixels, 3]
    angle = np.radians(np.asarray(lights, np.float32))
    lamps = np.stack([np.sin(angle), 0.35 * np.ones_like(angle), np.cos(angle)])  # [3, n]
    lamps /= np.linalg.norm(lamps, axis=0)
    shade = 0.18 + 0.82 * np.maximum(normals @ lamps, 0)  # [pixels, n]
    fine = np.zeros((_FINE, _FINE, len(angle)), np.float32)
    fine[hit] = shade * head["albedo"][seen[hit], None]
    image = fine.reshape(SIZE, 2, SIZE, 2, -1).mean(axis=(1, 3))  # [64, 64, n]
    return np.rint(255 * image).astype(np.uint8).transpose(2, 0, 1)[..., None]
