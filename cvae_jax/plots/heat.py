"""The effects of a structure in one plot: the DAG, and under it which z moves which latent."""

import numpy as np

from cvae_jax.plots import graph, page
from cvae_jax.plots.cells import MAX_CELL, cells, key


def effects(path, parents, matrix, ancestors, rows=None, *, source="posterior", title, subtitle):
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
      source: of z, "prior" or "posterior": said beside the z nodes.
      title: a few words.
      subtitle: where the latents come from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: if an array is not [d, d], a row not [d], or an effect is not finite.
    """
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
    width = max(left + cell * d + right, dag.width)
    figure, axes = page.canvas(width, height, title, subtitle)

    graph.paint(axes, dag, height - page.HEADER, source)
    cells(axes, matrix, ancestors, left, height - top, cell)
    label = {"size": min(12, max(9, 34 * cell)), "color": page.INK, "ha": "center", "va": "center"}
    every = int(np.ceil(0.24 / cell))  # no label touches the next
    for j in range(0, d, every):
        middle = (j + 0.5) * cell
        column = rf"$\hat{{z}}_{{{j + 1}}}$"
        axes.text(left + middle, height - top + 0.15, column, math_fontfamily="cm", **label)
        row = f"$z_{{{j + 1}}}$"
        axes.text(left - 0.22, height - top - middle, row, math_fontfamily="cm", **label)
    what = r"share of $\mathrm{Var}(\hat{z}_j)$", r"that moves with $z_i$"
    outlined = "the structure has a", r"path from $z_i$ to $\hat{z}_j$"
    key(axes, left + cell * d + 0.32, height - top, what, outlined)
    y = height - top - side
    for name, values in rows.items():
        y -= 0.12
        cells(axes, values[None], np.zeros((1, d), bool), left, y, cell)
        place = (left + cell * d + 0.12, y - cell / 2)
        axes.text(*place, name, size=9, color=page.GREY, va="center", linespacing=1.1)
        y -= cell
    return page.save(figure, path)
