"""Traversals of several methods side by side, as in the paper's Fig. 5."""

import math
import re

import numpy as np

from cvae_jax.plots import page

_COLUMNS = 2  # methods in a row
_LABEL, _HEAD, _FOOT = 0.95, 0.42, 0.1  # inches of a block, beside its images


def methods(path, columns, *, most, title, subtitle):
    """Draws a block per method: its most informative latents, moved from left to right.

    Args:
      path: file to write.
      columns: method -> {"images": floats in [0, 1] [d, steps, H, W, 1 or 3], "labels": d strings
        as "z_1  KL 2.31  scale 62 %", two spaces between their fields; the third is drawn and those
        after it are not}, the most active latent first.
      most: latents of each method, the first so many.
      title: a few words.
      subtitle: small and grey.

    Returns:
      The path.
    """
    blocks = math.ceil(len(columns) / _COLUMNS)
    wide = (page.WIDTH - page.MARGIN) / _COLUMNS
    steps, height, width = next(iter(columns.values()))["images"].shape[1:4]
    tile = (wide - _LABEL - page.RIGHT) / steps  # inches
    row = tile * height / width
    tall = _HEAD + min(most, max(len(c["labels"]) for c in columns.values())) * row + _FOOT
    inches = page.HEADER + blocks * tall
    figure = page.headed(page.WIDTH, inches, title, subtitle)
    for place, (name, found) in enumerate(columns.items()):
        down, across = divmod(place, _COLUMNS)
        left, top = page.MARGIN + across * wide, inches - page.HEADER - down * tall
        x, y = left / page.WIDTH, (top - 0.24) / inches
        figure.text(x, y, name, size=11, weight="bold", color=page.INK)
        for i in range(min(most, len(found["labels"]))):
            images = np.clip(np.asarray(found["images"][i], np.float32), 0, 1)
            strip = np.concatenate([*np.broadcast_to(images, (*images.shape[:3], 3))], axis=1)
            bottom = top - _HEAD - (i + 1) * row
            box = (left + _LABEL, bottom, steps * tile, row * 0.94)
            box = np.array(box) / (page.WIDTH, inches, page.WIDTH, inches)
            axes = figure.add_axes(box)
            axes.axis("off")
            axes.imshow(strip, aspect="auto", interpolation="nearest")
            latent, _, word = [*found["labels"][i].split("  "), ""][:3]
            middle = (bottom + row * 0.47) / inches
            figure.text(x, middle, latent, size=9, color=page.INK, va="center_baseline")
            beside = {"size": 8, "color": page.GREY, "va": "center", "linespacing": 1.0}
            word = re.sub(r" (\d+ %)$", r"\n\1", word)  # in one line it would reach the images
            figure.text(x + 0.3 / page.WIDTH, middle, word, **beside)
    return page.save(figure, path)
