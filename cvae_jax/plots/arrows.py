"""The arrows of a hierarchy: as thick as the information of their edges, each with its number."""

import numpy as np

from cvae_jax.plots import page

POINTS_PER_NAT = 7.0  # of an edge's width
_THICKEST, _THINNEST = 14.0, 0.8  # points
_NUMBER = 9.5  # size of the numbers
_PLACES = (0.45, 0.55, 0.35, 0.65, 0.25, 0.75)  # of a number along its edge, from below


def line_width(nats=None, scale=1.0) -> float:
    """Returns the width of an edge in points: 7 per nat up to 2 nats, times the scale.

    A hairline at least, also for an edge whose information is not known.
    """
    wide = min(POINTS_PER_NAT * (nats or 0.0), _THICKEST)
    return max(scale * wide, _THINNEST)


def scale_of(apart) -> float:
    """Returns the scale at which heads of the thickest edges fit beside each other, up to 1.

    Args:
      apart: inches between the ends of edges at the same node.
    """
    return min(1.0, apart / (2 * _half_head(_THICKEST)))


def head_length(width) -> float:
    """Returns the inches of the head of an edge of that width, which should come straight."""
    return 1.7 * _half_head(width)


def _half_head(width):
    return max(0.055, 0.85 * width / 72)


def draw(axes, path, width, color):
    """Draws an edge with a head at its end.

    Args:
      axes: in inches.
      path: from its source to its target, [n, 2].
      width: of the line, points.
      color: of both.
    """
    from matplotlib.patches import Polygon

    along = _lengths(path)
    cut = max(along[-1] - head_length(width), 0.0)
    neck = _at(path, along, cut)
    body = np.concatenate([path[along < cut], [neck]])
    axes.plot(*body.T, color=color, lw=width, solid_capstyle="butt", zorder=1)
    forward = (path[-1] - neck) / np.linalg.norm(path[-1] - neck)
    aside = _half_head(width) * np.array([-forward[1], forward[0]])
    base = neck - 0.01 * forward  # no seam
    corners = [path[-1], base + aside, base - aside]
    axes.add_patch(Polygon(corners, facecolor=color, lw=0, zorder=1))


def _lengths(path):
    """The length of the path up to each of its points, [n]."""
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    return np.concatenate([[0], np.cumsum(steps)])


def _at(path, along, length):
    return np.array([np.interp(length, along, column) for column in path.T])


def numbers(axes, paths, widths, texts):
    """Writes on edges, where no other edge or text is if there is such a place.

    Args:
      axes: in inches.
      paths: edge -> [n, 2], from below.
      widths: edge -> of its line, points.
      texts: edge -> (text, color), of all edges or some.
    """
    written = []  # (x, y, half the width)
    for edge, (text, color) in texts.items():
        wide, tall = page.text_width(text, _NUMBER) / 2 + 0.05, 0.1
        along = _lengths(paths[edge])
        spots = [_at(paths[edge], along, place * along[-1]) for place in _PLACES]
        met = np.zeros(len(spots))
        for k, (x, y) in enumerate(spots):
            met[k] += sum(abs(x - a) < wide + b and abs(y - c) < 2 * tall for a, c, b in written)
            for other, path in paths.items():
                away = np.abs(path - (x, y)) - widths[other] / 144
                met[k] += other != edge and (away < (wide, tall)).all(axis=1).any()
        x, y = spots[np.argmin(met)]
        written.append((x, y, wide))
        back = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
        place = {"ha": "center", "va": "center", "zorder": 3}
        axes.text(x, y, text, size=_NUMBER, color=color, bbox=back, **place)
