"""What each latent knows of each factor of the data, as a heat map."""

import numpy as np

from cvae_jax.plots import labelled, page
from cvae_jax.plots.cells import key


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
    shares, named = np.asarray(shares, np.float64), np.asarray(named, bool)
    if shares.ndim != 2 or 0 in shares.shape or named.shape != shares.shape:
        raise ValueError(f"shares and named must both be [d, m]: {shares.shape}, {named.shape}")
    if shares.shape != (len(latents), len(names)):
        raise ValueError(f"{len(latents)} and {len(names)} labels do not fit {shares.shape}")
    if not np.isfinite(shares).all():
        raise ValueError("shares are NaN or infinite")
    placed = labelled.layout(latents, names)
    height = page.HEADER + placed.height + 0.2
    figure, axes = page.canvas(placed.width, height, title, subtitle)
    labelled.paint(axes, placed, height - page.HEADER, shares, latents, names, named)
    what = "share of the factor's", r"entropy: $I(z_j; f)\,/\,H(f)$"
    outlined = "the latent is named", "after the factor"
    key(axes, placed.key, height - page.HEADER - placed.above, what, outlined)
    return page.save(figure, path)
