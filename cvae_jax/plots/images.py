"""Grids of images: reconstructions, samples and latent traversals."""

import math

import numpy as np

from cvae_jax.plots import page

MAX_TILE = 1.1  # inches; few images are not blown up to fill the width
_LABEL, _APART = 9.5, 0.16  # points; inches between the columns of labels
# inches that labels leave to each image, and that many images leave to labels
_LEAST_TILE, _LEAST_LABELS = 0.3, 2.5
_MOST_FIELDS = 6  # of a label; an ellipsis stands for the others


def reconstructions(path, images, reconstructions, *, title, subtitle):
    """Draws images above their reconstructions, ten to a row.

    Args:
      path: file to write.
      images: data, floats in [0, 1] (others are clipped), [n, H, W, 1 or 3].
      reconstructions: of the same shape.
      title: a few words.
      subtitle: where the data come from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: if the arrays are not images or their shapes differ.
    """
    data, models = rgb(images), rgb(reconstructions)
    if data.shape != models.shape:
        raise ValueError(f"images {data.shape} and reconstructions {models.shape} differ in shape")
    pairs = math.ceil(len(data) / 10)
    columns = math.ceil(len(data) / pairs)
    rows = np.stack([_rows(data, columns), _rows(models, columns)], axis=1)
    rows = rows.reshape(2 * pairs, *rows.shape[2:])  # data, reconstruction, data, ...
    figure, _, centers = _mosaic(rows, title, subtitle, left=1.2, group=2)
    for row, center in enumerate(centers):
        label, color = ("reconstruction", page.ACCENT) if row % 2 else ("data", page.INK)
        x = page.MARGIN / figure.get_figwidth()
        figure.text(x, center, label, size=9.5, color=color, va="center_baseline")
    return page.save(figure, path)


def samples(path, images, *, title, subtitle):
    """Draws images in a grid as square as their number allows.

    Args:
      path: file to write.
      images: floats in [0, 1] (others are clipped), [n, H, W, 1 or 3].
      title: a few words.
      subtitle: where the data come from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: if the array is not images.
    """
    images = rgb(images)
    rows = _rows(images, math.ceil(math.sqrt(len(images))))
    return page.save(_mosaic(rows, title, subtitle)[0], path)


def traversals(path, images, values, labels, *, title, subtitle):
    """Draws one row per latent: the decoded images as its value runs from left to right.

    Args:
      path: file to write.
      images: floats in [0, 1] (others are clipped), [d, steps, H, W, 1 or 3].
      values: of the latent, [steps].
      labels: a string a row; two spaces part its fields, which are set in columns.
      title: a few words.
      subtitle: where the data come from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: if the array is not rows of images, or labels and values do not fit it.
    """
    images = np.asarray(images)
    if images.ndim != 5 or images.shape[:2] != (len(labels), len(values)):
        raise ValueError(
            f"{len(labels)} labels and {len(values)} values do not fit traversals {images.shape}"
        )
    rows = rgb(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:4], 3)
    room = max(_LEAST_LABELS, page.WIDTH - 2 * page.MARGIN - _LEAST_TILE * len(values))
    fields, widths = _columns(labels, room)
    figure, centers, middles = _mosaic(
        rows, title, subtitle, left=page.MARGIN + sum(widths), bottom=0.3, gap=0.02
    )
    for row, middle in zip(fields, middles, strict=True):
        for column, text in enumerate(row):
            x = (page.MARGIN + sum(widths[:column])) / figure.get_figwidth()
            color = page.GREY if column else page.INK
            figure.text(x, middle, text, size=_LABEL, color=color, va="center_baseline")
    decimals = 1 if np.allclose(values, np.round(values, 1)) else 2
    for value, center in zip(values, centers, strict=True):
        text = page.number(value, decimals)
        figure.text(
            center, 0.1 / figure.get_figheight(), text, size=8.5, color=page.GREY, ha="center"
        )
    return page.save(figure, path)


def _columns(labels, room):
    """Returns the fields of labels and the widths of their columns, which fit in room (inches).

    Where they would not, the widest columns are cut, all to the same width.
    """
    fields = [[text.strip() for text in label.split("  ")] for label in labels]
    fields = [f if len(f) <= _MOST_FIELDS else [*f[: _MOST_FIELDS - 1], "…"] for f in fields]
    columns = [[f[c] for f in fields if c < len(f)] for c in range(max(map(len, fields)))]
    widths = np.array([max(page.text_width(x, _LABEL) for x in column) for column in columns])
    room -= _APART * len(widths)
    if widths.sum() > room:
        cuts = np.linspace(widths.max(), 0, 200)
        widths = np.minimum(widths, next(c for c in cuts if np.minimum(widths, c).sum() <= room))
        fields = [
            [page.fitted(text, width, _LABEL) for text, width in zip(row, widths, strict=False)]
            for row in fields
        ]
    return fields, [float(width) + _APART for width in widths]


def rgb(images):
    """Clips images [n, H, W, 1 or 3] in [0, 1] to uint8 [n, H, W, 3]."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or not len(images):
        raise ValueError(f"images must be [n, H, W, 1 or 3], not {images.shape}")
    scaled = np.round(255 * np.clip(images.astype(np.float32), 0, 1)).astype(np.uint8)
    return np.broadcast_to(scaled, (*images.shape[:3], 3))


def _rows(images, columns):
    """Lays images [n, H, W, 3] out in rows [rows, columns, H, W, 3]; white fills the last."""
    missing = -len(images) % columns
    white = np.full((missing, *images.shape[1:]), 255, np.uint8)
    return np.concatenate([images, white]).reshape(-1, columns, *images.shape[1:])


def _mosaic(rows, title, subtitle, *, left=page.MARGIN, bottom=0.12, gap=0.035, group=None):
    """Draws rows of images [rows, columns, H, W, 3] at a whole number of pixels a pixel.

    `left`, `bottom` and `gap` are inches; after every `group` rows comes a wider gap. Returns the
    figure and the centres of columns and of rows as fractions of it.
    """
    from matplotlib.figure import Figure

    count, columns, image_height, image_width, _ = rows.shape
    tile = min(MAX_TILE, (page.WIDTH - left - page.RIGHT) / columns - gap)  # inches
    zoom = max(1, round(tile * page.DPI / image_width))
    dpi = zoom * image_width / tile
    pixels = [round(inches * dpi) for inches in (left, bottom, gap, page.RIGHT, page.HEADER)]
    left, bottom, gap, right, header = pixels
    tall, wide = zoom * image_height, zoom * image_width
    x = (wide + gap) * np.arange(columns)  # left edges on the canvas
    y = (tall + gap) * np.arange(count)  # top edges
    y += 4 * gap * (np.arange(count) // group) if group else 0
    canvas = np.full((y[-1] + tall, x[-1] + wide, 3), 255, np.uint8)
    for r, c in np.ndindex(count, columns):
        image = rows[r, c].repeat(zoom, axis=0).repeat(zoom, axis=1)
        canvas[y[r] : y[r] + tall, x[c] : x[c] + wide] = image
    width = max(left + canvas.shape[1] + right, math.ceil(page.head_width(title, subtitle) * dpi))
    height = header + len(canvas) + bottom
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
    figure.figimage(canvas, xo=left, yo=bottom, origin="upper")
    page.head(figure, title, subtitle)
    return figure, (left + x + wide / 2) / width, 1 - (header + y + tall / 2) / height
