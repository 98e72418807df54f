"""The effects of a structure in one plot: the DAG, and under it which z moves which latent."""

import numpy as np

from cvae_jax.plots import graph, page

MAX_CELL = 0.5  # inches; few latents are not blown up to fill the width
MOST_PRINTED = 12  # latents; beyond, values would be too small to read


def effects(path, parents, matrix, ancestors, rows=None, *, title, subtitle):
    """Draws the DAG, the effects E of z_i (rows) on z_hat_j (columns), and further rows [d].

    Shade is the effect from 0 (white) to 1; larger values have the shade of 1. What the DAG allows
    is outlined. Up to 12 latents have their values printed, those under 0.005 as a dot; of more
    than 20, only some are named. Further rows are printed and shaded in the same way.

    Args:
      path: file to write.
      parents: for each z_hat_j a tuple of ("z" or "z_hat", i), counted from 0.
      matrix: effects, [d, d], see `metrics.intervention_effects`.
      ancestors: true at [i, j] where z_i has a directed path to z_hat_j, [d, d].
      rows: label -> values [d] of each z_hat_j, NaN where there is none; None: no further rows.
      title: a few words.
      subtitle: where the latents come from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: if an array is not [d, d], a row not [d], or an effect is not finite.
    """
    from matplotlib.figure import Figure

    matrix, ancestors = np.asarray(matrix, np.float64), np.asarray(ancestors, bool)
    rows = {label: np.asarray(values, np.float64) for label, values in (rows or {}).items()}
    d = len(matrix) if matrix.ndim else 0
    if not d or matrix.shape != (d, d) or ancestors.shape != (d, d):
        raise ValueError(
            f"matrix and ancestors must both be [d, d]: {matrix.shape}, {ancestors.shape}"
        )
    if len(parents) != d or any(values.shape != (d,) for values in rows.values()):
        raise ValueError(f"parents and every row must have an entry for each of {d} latents")
    if not np.isfinite(matrix).all():
        raise ValueError("effects are NaN or infinite")
    dag = graph.layout(parents)
    left, right, bottom = 0.62, 2.3, 0.2  # inches, as are all lengths here
    cell = min(MAX_CELL, (page.WIDTH - left - right) / d)
    top = page.HEADER + dag.height + 0.25  # holds the columns' labels
    side = max(cell * d, 1.9)  # the key beside the map needs as much
    height = top + side + sum(0.12 + cell for _ in rows) + bottom
    width = max(left + cell * d + right, dag.width, page.head_width(title, subtitle))
    figure = Figure(figsize=(width, height), dpi=page.DPI)
    page.head(figure, title, subtitle)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")

    graph.paint(axes, dag, height - page.HEADER, source="posterior")
    _cells(axes, matrix, ancestors, left, height - top, cell)
    label = {"size": min(12, max(9, 34 * cell)), "color": page.INK, "ha": "center", "va": "center"}
    every = int(np.ceil(0.24 / cell))  # no label touches the next
    for j in range(0, d, every):
        middle = (j + 0.5) * cell
        column = rf"$\hat{{z}}_{{{j + 1}}}$"
        axes.text(left + middle, height - top + 0.15, column, math_fontfamily="cm", **label)
        row = f"$z_{{{j + 1}}}$"
        axes.text(left - 0.22, height - top - middle, row, math_fontfamily="cm", **label)
    _key(axes, left + cell * d + 0.32, height - top)
    y = height - top - side
    for name, values in rows.items():
        y -= 0.12
        _cells(axes, values[None], np.zeros((1, d), bool), left, y, cell)
        place = (left + cell * d + 0.12, y - cell / 2)
        axes.text(*place, name, size=9, color=page.GREY, va="center", linespacing=1.1)
        y -= cell
    return page.save(figure, path)


def _cells(axes, matrix, ancestors, left, top, cell):
    """Draws the cells, the first row on top, and prints their values if they are not too many."""
    from matplotlib.patches import Rectangle

    for i, j in np.ndindex(matrix.shape):
        x, y = left + j * cell, top - (i + 1) * cell
        style = {"facecolor": _shade(matrix[i, j]), "edgecolor": page.FAINT, "lw": 0.5, "zorder": 1}
        axes.add_patch(Rectangle((x, y), cell, cell, **style))
        if ancestors[i, j]:
            _outline(axes, x, y, cell)
        if matrix.shape[1] <= MOST_PRINTED:
            value = matrix[i, j]
            ink = "white" if value > 0.5 else page.INK if value >= 0.005 else page.PALE
            middle = {"ha": "center", "va": "center", "zorder": 3}
            place = x + cell / 2, y + cell / 2
            axes.text(*place, _printed(value), size=18 * cell, color=ink, **middle)


def _printed(value):
    """Returns the text of a cell: "0.25", a dot for next to nothing, nothing for NaN."""
    if np.isnan(value):
        return ""
    if abs(value) < 0.005:
        return "·"
    return f"{value:.2f}"


def _outline(axes, x, y, cell):
    """Marks a cell that the structure allows."""
    from matplotlib.patches import Rectangle

    inset = 0.01  # the line lies within its cell
    style = {"fill": False, "edgecolor": page.INK, "lw": 1.3, "joinstyle": "miter", "zorder": 2}
    axes.add_patch(Rectangle((x + inset, y + inset), cell - 2 * inset, cell - 2 * inset, **style))


def _key(axes, x, top):
    """Draws the scale of shades and what an outline means, downwards from top."""
    from matplotlib.patches import Rectangle

    text = {"size": 9, "color": page.GREY, "va": "center_baseline", "math_fontfamily": "cm"}
    axes.text(x, top - 0.08, r"share of $\mathrm{Var}(\hat{z}_j)$", **text)
    axes.text(x, top - 0.25, r"that moves with $z_i$", **text)
    length, steps = 1.4, 100
    for step in range(steps):
        place = (x + length * step / steps, top - 0.53)
        shade = _shade((step + 0.5) / steps)
        axes.add_patch(Rectangle(place, length / steps, 0.14, facecolor=shade, lw=0))
    axes.add_patch(Rectangle((x, top - 0.53), length, 0.14, fill=False, ec=page.FAINT, lw=0.5))
    for value, align in ((0, "left"), (0.5, "center"), (1, "right")):
        place = x + length * value, top - 0.66
        axes.text(*place, f"{value:g}", ha=align, **text)
    _outline(axes, x, top - 1.13, 0.2)
    axes.text(x + 0.3, top - 1.03, "the structure has a", **text)
    axes.text(x + 0.3, top - 1.2, r"path from $z_i$ to $\hat{z}_j$", **text)


def _shade(value):
    """Returns an effect's colour: white at 0, the light accent at 0.3, the accent at 1."""
    from matplotlib.colors import to_rgb

    if np.isnan(value):
        return "white"
    stops = np.array([to_rgb(color) for color in ("white", page.ACCENT_LIGHT, page.ACCENT)])
    return tuple(np.interp(value, (0, 0.3, 1), channel) for channel in stops.T)
