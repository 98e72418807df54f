"""A heat map with labels of its rows and columns, drawn into a larger picture."""

from typing import NamedTuple

import numpy as np

from cvae_jax.plots import page
from cvae_jax.plots.cells import MAX_CELL, cells

_TALLEST = 16.0  # inches of the map
_SIZE = 9.5  # of the labels
_LONGEST = 3.0  # inches of a name
_KEY = 1.95  # inches of the key beside the map


class Layout(NamedTuple):
    """Lengths of a map with its labels and key, in inches."""

    left: float  # of the first column
    cell: float
    turned: bool  # names that touch their neighbours lean
    above: float  # of the map, for the names
    key: float  # x of the key
    width: float
    height: float


def layout(latents, names) -> Layout:
    """Measures a map with these labels of rows and columns, and the key beside it."""
    d, m, names = len(latents), len(names), _fitted(names)
    left = page.MARGIN + max(page.text_width(text, _SIZE) for text in latents) + 0.16
    room = page.WIDTH - left - 2.3  # the key is beside the map
    cell = min(MAX_CELL, max(room, 1.0) / m, _TALLEST / d)
    widest = max(page.text_width(text, _SIZE) for text in names)
    turned = widest > cell - 0.06
    above = (widest * np.sin(np.pi / 4) if turned else 0) + 0.3
    beyond = widest * np.cos(np.pi / 4) if turned else 0  # the last name leans over the edge
    side = max(cell * d, 1.35)  # the key beside the map needs as much
    right = left + cell * m
    width = right + max(0.32 + _KEY, beyond)
    return Layout(left, cell, turned, above, right + 0.32, width, above + side)


def _fitted(names):
    return [page.fitted(name, _LONGEST, _SIZE) for name in names]


def paint(axes, placed: Layout, top, matrix, latents, names, outlined=None):
    """Draws a map with its labels, without a key, into axes in inches, downwards from y = top."""
    left, cell, turned = placed.left, placed.cell, placed.turned
    top, names = top - placed.above, _fitted(names)
    outlined = np.zeros(matrix.shape, bool) if outlined is None else outlined
    cells(axes, matrix, outlined, left, top, cell)
    text = {"size": _SIZE, "color": page.INK}
    every = int(np.ceil(0.17 / cell))  # no label touches the next
    for i in range(0, len(names), every):
        lean = {"rotation": 45, "rotation_mode": "anchor"} if turned else {"ha": "center"}
        axes.text(left + (i + 0.5) * cell, top + 0.1, names[i], va="baseline", **lean, **text)
    for j in range(0, len(latents), every):
        y = top - (j + 0.5) * cell
        axes.text(page.MARGIN, y, latents[j], va="center_baseline", math_fontfamily="cm", **text)
