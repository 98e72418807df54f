"""Latent traversals as one animation, as papers of the field show them."""

import math
import pathlib
import re

import numpy as np

from cvae_jax.files import replacing
from cvae_jax.plots import page
from cvae_jax.plots.images import rgb

_TILE = 128  # pixels a side, about
_GAP, _LINE = 8, 17  # pixels: between tiles, and from line to line of a label
_MILLISECONDS = 70  # per frame
_COLOURS = (64, 32, 16)  # of all frames: the most with which the file stays small
_BYTES = 1_000_000
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def animated_traversals(path, images, labels):
    """Draws one cell per latent, five or more per row, all moving in a loop; labels under them.

    Args:
      path: GIF file to write.
      images: floats in [0, 1] (others are clipped), [d, frames, H, W, 1 or 3].
      labels: one string per cell, as in `traversals`; fields from the third on get a line each.

    Returns:
      The path.

    Raises:
      ValueError: if the array is not rows of images, or labels do not fit it.
    """
    from PIL import Image

    images = np.asarray(images)
    if images.ndim != 5 or len(images) != len(labels):
        raise ValueError(f"{len(labels)} labels do not fit traversals {images.shape}")
    tiles = rgb(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:4], 3)
    zoom = max(1, round(_TILE / tiles.shape[3]))
    tiles = tiles.repeat(zoom, axis=2).repeat(zoom, axis=3)  # [d, frames, h, w, 3]
    count, frames, height, width, _ = tiles.shape
    columns = min(count, max(5, math.ceil(math.sqrt(count))))
    texts = [_lines(label) for label in labels]
    below = _LINE * max(map(len, texts)) + _GAP
    corners = [
        (_GAP + (height + below) * (j // columns), _GAP + (width + _GAP) * (j % columns))
        for j in range(count)
    ]
    size = (_GAP + (width + _GAP) * columns, corners[-1][0] + height + below)
    empty = _written(size, corners, height, texts)

    def frame(k):
        canvas = empty.copy()
        for (y, x), tile in zip(corners, tiles[:, k], strict=True):
            canvas[y : y + height, x : x + width] = tile
        return Image.fromarray(canvas)

    drawn = [frame(k) for k in range(frames)]
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for colours in _COLOURS:
        first, *rest = _quantised(drawn, colours)
        how = {"save_all": True, "append_images": rest, "duration": _MILLISECONDS, "loop": 0}
        with replacing(path) as file:
            first.save(file, "GIF", **how)
        if path.stat().st_size < _BYTES:
            break
    return path


def _quantised(frames, colours):
    """Quantises all frames with one palette: with one per frame, still parts would flicker."""
    from PIL import Image

    some = np.concatenate([np.asarray(image) for image in frames[:: max(1, len(frames) // 4)]])
    found = Image.fromarray(some).quantize(colours, Image.Quantize.MEDIANCUT).getpalette()
    found = np.reshape(found, (-1, 3))
    found[found.min(axis=1) > 245] = 255  # the page, averaged with what is nearly white
    palette = Image.new("P", (1, 1))
    palette.putpalette(found.ravel().tolist())
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in frames]


def _lines(label):
    """Splits a label's fields into lines: the latent and its KL, then the rest."""
    fields = [re.sub(r"\$z_\{(\d+)\}\$", _subscript, field) for field in label.split("  ")]
    fields = [field.replace(r"\$", "$") for field in fields]  # see `page.plain`
    return ["  ".join(fields[:2]), *fields[2:]]


def _subscript(match):
    return "z" + match[1].translate(_SUBSCRIPTS)


def _written(size, corners, height, texts):
    """Returns a white canvas uint8 [h, w, 3] with the labels under where tiles will be."""
    from matplotlib import font_manager
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 13)
    for (y, x), lines in zip(corners, texts, strict=True):
        for i, text in enumerate(lines):
            color = page.GREY if i else page.INK
            draw.text((x, y + height + 3 + i * _LINE), text, color, font)
    return np.array(image)
