"""Shared by all figures: size, palette, the title, and how they are written.

Figures are at most 8 inches wide, to be shown at about 800 pixels. matplotlib is imported inside
functions and used through its objects alone: no global state, no window, nothing to close.
"""

import functools
import logging
import pathlib
import re
import warnings

import numpy as np

from cvae_jax.errors import printable
from cvae_jax.files import replacing

log = logging.getLogger(__name__)

WIDTH = 8.0  # inches; 100 of the 800 pixels a reader sees are one of them
DPI = 200
INK, GREY, PALE, FAINT = "#1f2933", "#6b7784", "#a7b0ba", "#d5dbe1"
ACCENT, ACCENT_LIGHT = "#1f6f8b", "#a9cfdb"
_KINDS = ("png", "pdf", "svg")
MARGIN, RIGHT, HEADER = 0.12, 0.12, 0.66
_LONGEST = 3.0  # inches of a label
_NO_GLYPH = re.compile(r"Glyph (\d+) .* missing from font")


def plain(text: str) -> str:
    """Returns outside text, such as a factor's name, as one line that fonts have.

    Dollars begin no formula; control characters and a path's bytes are spelt out.
    """
    return printable(text).replace("\n", " ").replace("$", r"\$")


def label(text: str) -> str:
    """Returns outside text as the label of a row or column: `plain`, and at most 3 inches wide."""
    return fitted(plain(text), _LONGEST, 9.5)


def number(value, decimals=2) -> str:
    """Returns a number with so many decimals, and a true minus."""
    return f"{value:.{decimals}f}".replace("-", "−")


def finite(values):
    """Returns values as floats, without those that are not finite."""
    values = np.asarray([*values], np.float64)
    return values[np.isfinite(values)]


def headed(width, height, title, subtitle, dpi=DPI):
    """Returns a figure of so many inches with its `head`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=dpi)
    head(figure, title, subtitle)
    return figure


def canvas(width, height, title, subtitle, dpi=DPI):
    """Returns a figure as wide as its head needs, and axes over all of it in inches."""
    width = max(width, head_width(title, subtitle))
    figure = headed(width, height, title, subtitle, dpi)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    return figure, axes


def plain_axes(axes, grid=None):
    """Leaves two faint sides of the frame, and lines under what is drawn: of "x", "y" or none."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    if grid:
        axes.grid(axis=grid, color=FAINT, lw=0.5)
        axes.set_axisbelow(True)


def row_axes(axes, names, grid="x"):
    """Makes `plain_axes` with a row for each name, the first on top."""
    plain_axes(axes, grid)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, size=9.5, color=INK)
    axes.tick_params(axis="x", labelsize=8.5, labelcolor=GREY, color=FAINT, length=3)
    axes.tick_params(axis="y", length=0)


def head(figure, title, subtitle):
    """Sets the title and, small and grey, the line under it."""
    x, height = MARGIN / figure.get_figwidth(), figure.get_figheight()
    figure.text(x, 1 - 0.28 / height, title, size=12.5, weight="bold", color=INK)
    figure.text(x, 1 - 0.48 / height, subtitle, size=9, color=GREY)


def head_width(title, subtitle):
    """Returns the width in inches that the title and the line under it need."""
    return MARGIN + max(text_width(title, 12.5, "bold"), text_width(subtitle, 9)) + RIGHT


def save(figure, path):
    """Writes the figure at its own resolution and returns the path.

    As .pdf and .svg, lines and text as such; as .png and without a suffix, pixels.

    Raises:
      ValueError: another suffix.
    """
    kind = pathlib.Path(path).suffix.lower().lstrip(".") or "png"
    if kind not in _KINDS:
        raise ValueError(f"{path}: a figure is written as {', '.join(_KINDS)}, not .{kind}")
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(record=True) as caught, replacing(path) as file:
        warnings.simplefilter("always")
        figure.savefig(file, dpi="figure", format=kind, facecolor="white")
    lacking = set()
    for warning in caught:
        if found := _NO_GLYPH.match(str(warning.message)):
            lacking.add(chr(int(found[1])))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    if lacking:
        _say_lacking("".join(sorted(lacking)))
    return path


@functools.cache  # of all pictures of a run
def _say_lacking(letters: str) -> None:
    log.warning("the plots have boxes for %s, which matplotlib's font has not", letters)


def fitted(text, room, size):
    """Returns the text, or as much of its beginning as has room (inches), with an ellipsis."""
    if text_width(text, size) <= room:
        return text
    # a name may have thousands of characters; a line of 8 inches has no room for 500
    text = text[:500]
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip("\\ ") + "…"


@functools.cache
def text_width(text, size, weight="normal"):
    """Returns the width in inches of a line of text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text.strip():  # no glyphs, no extent
        return 0.0
    return TextPath((0, 0), text, size, prop=FontProperties(weight=weight)).get_extents().x1 / 72
