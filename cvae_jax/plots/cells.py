"""The cells of a heat map: shaded, outlined, their values printed where there is room."""

import numpy as np

from cvae_jax.plots import page

MAX_CELL = 0.5  # inches; few latents are not blown up to fill the width
_MOST_PRINTED = 12  # columns; beyond, values would be too small to read


def cells(axes, matrix, outlined, left, top, cell):
    """Draws the cells, the first row on top, and prints their values if they are not too many.

    Args:
      axes: in inches, as are all lengths here.
      matrix: values, NaN where there is none, [rows, columns].
      outlined: [rows, columns].
      left: x of the first column.
      top: y of the first row's upper edge.
      cell: side of a cell.
    """
    rows, columns = matrix.shape
    # one object for all cells: a thousand latents have a million
    edges = left + cell * np.arange(columns + 1), top - cell * np.arange(rows + 1)
    lines = {"edgecolor": page.FAINT, "linewidth": min(0.5, 3 * cell), "antialiased": True}
    axes.pcolormesh(*edges, shades(matrix), zorder=1, **lines)
    for i, j in np.argwhere(outlined):
        outline(axes, left + j * cell, top - (i + 1) * cell, cell)
    if columns > _MOST_PRINTED:
        return
    middle = {"ha": "center", "va": "center", "zorder": 3}
    for (i, j), value in np.ndenumerate(matrix):
        ink = "white" if value > 0.5 else page.INK if value >= 0.005 else page.PALE
        place = left + (j + 0.5) * cell, top - (i + 0.5) * cell
        axes.text(*place, _printed(value), size=18 * cell, color=ink, **middle)


def _printed(value):
    """Returns the text of a cell: "0.25", a dot for next to nothing, nothing for NaN."""
    if np.isnan(value):
        return ""
    if abs(value) < 0.005:
        return "·"
    return f"{value:.2f}"


def outline(axes, x, y, cell):
    """Marks a cell whose lower left corner is (x, y)."""
    from matplotlib.patches import Rectangle

    inset = 0.01  # the line lies within its cell
    style = {"fill": False, "edgecolor": page.INK, "lw": 1.3, "joinstyle": "miter", "zorder": 2}
    axes.add_patch(Rectangle((x + inset, y + inset), cell - 2 * inset, cell - 2 * inset, **style))


def key(axes, x, top, what, outlined=None):
    """Draws the scale of shades and what an outline means, two lines each, downwards from top.

    Without the latter if nothing is outlined.
    """
    from matplotlib.patches import Rectangle

    text = {"size": 9, "color": page.GREY, "va": "center_baseline", "math_fontfamily": "cm"}
    axes.text(x, top - 0.08, what[0], **text)
    axes.text(x, top - 0.25, what[1], **text)
    length, steps = 1.4, 100
    middles = (np.arange(steps) + 0.5) / steps
    edges = x + length * np.arange(steps + 1) / steps, (top - 0.53, top - 0.39)
    axes.pcolormesh(*edges, shades(middles[None]))
    axes.add_patch(Rectangle((x, top - 0.53), length, 0.14, fill=False, ec=page.FAINT, lw=0.5))
    for value, align in ((0, "left"), (0.5, "center"), (1, "right")):
        place = x + length * value, top - 0.66
        axes.text(*place, f"{value:g}", ha=align, **text)
    if outlined is None:
        return
    outline(axes, x, top - 1.13, 0.2)
    axes.text(x + 0.3, top - 1.03, outlined[0], **text)
    axes.text(x + 0.3, top - 1.2, outlined[1], **text)


def shades(values):
    """Returns colours [..., 3]: white at 0 and of NaN, the light accent at 0.3, the accent at 1."""
    from matplotlib.colors import to_rgb

    stops = np.array([to_rgb(color) for color in ("white", page.ACCENT_LIGHT, page.ACCENT)])
    values = np.nan_to_num(values)
    return np.stack([np.interp(values, (0, 0.3, 1), channel) for channel in stops.T], axis=-1)
