"""What each latent knows of each factor of the data, as a heat map."""

import numpy as np

from cvae_jax.plots import page
from cvae_jax.plots.cells import MAX_CELL, cells, key

_TALLEST = 16.0  # inches of the map


def factors(path, shares, named, latents, names, *, title, subtitle):
    """Draws the share of each factor's entropy (columns) that each latent (rows) knows.

    Shade is the share from 0 (white) to 1. Up to 12 factors have their values printed, those under
    0.005 as a dot; of more rows or columns than have room for a label only some are labelled.

    Args:
      path: file to write.
      shares: I(z_j; f) / H(f), [d, m].
      named: where a latent is named after a factor, which is outlined, [d, m].
      latents: a label for each row.
      names: a label for each column.
      title: a few words.
      subtitle: where the latents come from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: if the arrays and labels do not fit each other, or a share is not finite.
    """
    from matplotlib.figure import Figure

    shares, named = np.asarray(shares, np.float64), np.asarray(named, bool)
    if shares.ndim != 2 or 0 in shares.shape or named.shape != shares.shape:
        raise ValueError(f"shares and named must both be [d, m]: {shares.shape}, {named.shape}")
    if shares.shape != (len(latents), len(names)):
        raise ValueError(f"{len(latents)} and {len(names)} labels do not fit {shares.shape}")
    if not np.isfinite(shares).all():
        raise ValueError("shares are NaN or infinite")
    d, m = shares.shape
    size = 9.5
    left = page.MARGIN + max(page.text_width(text, size) for text in latents) + 0.16
    room = page.WIDTH - left - 2.3  # the key is beside the map
    cell = min(MAX_CELL, max(room, 1.0) / m, _TALLEST / d)
    widest = max(page.text_width(text, size) for text in names)
    turned = widest > cell - 0.06  # names that touch their neighbours lean
    above = (widest * np.sin(np.pi / 4) if turned else 0) + 0.3
    beyond = widest * np.cos(np.pi / 4) if turned else 0  # the last name leans over the edge
    side = max(cell * d, 1.35)  # the key beside the map needs as much
    height = page.HEADER + above + side + 0.2
    width = max(left + cell * m + max(0.32 + 1.95, beyond), page.head_width(title, subtitle))
    figure = Figure(figsize=(width, height), dpi=page.DPI)
    page.head(figure, title, subtitle)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")

    top = height - page.HEADER - above
    cells(axes, shares, named, left, top, cell)
    text = {"size": size, "color": page.INK}
    every = int(np.ceil(0.17 / cell))  # no label touches the next
    for i in range(0, m, every):
        lean = {"rotation": 45, "rotation_mode": "anchor"} if turned else {"ha": "center"}
        axes.text(left + (i + 0.5) * cell, top + 0.1, names[i], va="baseline", **lean, **text)
    for j in range(0, d, every):
        y = top - (j + 0.5) * cell
        axes.text(page.MARGIN, y, latents[j], va="center_baseline", math_fontfamily="cm", **text)
    what = "share of the factor's", r"entropy: $I(z_j; f)\,/\,H(f)$"
    key(axes, left + cell * m + 0.32, top, what, ("the latent is named", "after the factor"))
    return page.save(figure, path)
