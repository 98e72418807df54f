"""Rank correlations of scores as a map, from -1 (brown) over 0 (white) to 1 (the accent)."""

import numpy as np

from cvae_jax.plots import page

NEGATIVE = "#b4692f"
CELL = 0.52  # inches
_SMALLEST = 0.2  # below, a page is wider than a reader's
_MOST_PRINTED = 14  # scores; beyond, values would be too small to read


def correlation(path, matrix, names, *, title, subtitle):
    """Draws a symmetric matrix of correlations, each cell shaded and printed in hundredths.

    Args:
      path: file to write.
      matrix: correlations from -1 to 1, [k, k]; NaN where there is none, an empty cell.
      names: of the k scores.
      title: a few words.
      subtitle: small and grey.

    Returns:
      The path.

    Raises:
      ValueError: matrix is not [k, k].
    """
    from matplotlib.patches import Rectangle

    matrix, names = np.asarray(matrix, np.float64), [page.label(name) for name in names]
    count = len(names)
    if matrix.shape != (count, count):
        raise ValueError(f"matrix must be [{count}, {count}], not {matrix.shape}")
    longest = max(page.text_width(name, 9.5) for name in names)
    left, right, bottom = longest + 0.35, 0.2, 0.2
    cell = max(_SMALLEST, min(CELL, (page.WIDTH - left - right) / count))
    top = page.HEADER + 0.75 * longest + 0.2  # of the slanted names
    height = top + cell * count + bottom
    slanted = left + cell * (count - 0.5) + 0.75 * longest + right
    width = max(left + cell * count + right, slanted)
    figure, axes = page.canvas(width, height, title, subtitle)
    for i, j in np.ndindex(matrix.shape):
        x, y, value = left + j * cell, height - top - (i + 1) * cell, matrix[i, j]
        style = {"edgecolor": page.FAINT, "lw": 0.5}
        axes.add_patch(Rectangle((x, y), cell, cell, facecolor=_shade(value), **style))
        if count <= _MOST_PRINTED and not np.isnan(value):
            ink = "white" if abs(value) > 0.6 else page.INK
            middle = {"ha": "center", "va": "center_baseline", "size": 18 * cell, "color": ink}
            axes.text(x + cell / 2, y + cell / 2, _printed(value), **middle)
    text = {"size": 9.5, "color": page.INK}
    for i, name in enumerate(names):
        y = height - top - (i + 0.5) * cell
        axes.text(left - 0.1, y, name, ha="right", va="center", **text)
        x = left + (i + 0.5) * cell
        axes.text(x, height - top + 0.08, name, rotation=45, rotation_mode="anchor", **text)
    return page.save(figure, path)


def _printed(value):
    """Returns "0.25" with a true minus, and 0 without one."""
    return page.number(value + 0.0 if abs(value) >= 0.005 else 0.0)


def _shade(value):
    """Returns a correlation's colour; white for NaN."""
    from matplotlib.colors import to_rgb

    end = np.array(to_rgb(page.ACCENT if value > 0 else NEGATIVE))
    share = 0.0 if np.isnan(value) else min(1.0, abs(value))
    return tuple(1 - share * (1 - end))
