"""Scores by method: a violin of each method's runs, every run a dot, a line at the mean."""

import textwrap

import numpy as np

from cvae_jax.plots import page

_ROW = 0.42  # inches per method
_HALF = 0.38  # of a row, that the widest place of a violin takes
_FEWEST = 5  # runs; a density of fewer is the kernel's alone


def violins(path, panels, *, title, subtitle):
    """Draws a panel per score with a row per method: the density of its runs, the runs, their mean.

    The density is a Gaussian kernel's by Scott's rule, cut at the smallest and largest run; every
    violin is as wide at its widest place. Fewer than five runs, or equal ones, have no violin.

    Args:
      path: file to write.
      panels: score -> {method: values}; all have the same methods, one without values is empty.
        Values that are not finite are left out.
      title: a few words.
      subtitle: small and grey.

    Returns:
      The path.

    Raises:
      ValueError: there are no panels, or their methods differ.
    """
    if not panels:
        raise ValueError("violins needs a score or more")
    methods = [*next(iter(panels.values()))]
    for score, by_method in panels.items():
        if {*by_method} != {*methods}:
            raise ValueError(f"{score} has the methods {[*by_method]}, and others {methods}")
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    above, below = 0.34, 0.36  # of a panel: its name, its axis
    tall = len(methods) * _ROW
    height = page.HEADER + rows * (above + tall + below)
    figure = page.headed(page.WIDTH, height, title, subtitle)
    words = [_two_lines(page.plain(method)) for method in methods]
    lines = [line for word in words for line in word.split("\n")]
    left = 0.3 + max(page.text_width(line, 9.5) for line in lines)
    number, gap = 0.55, 0.12  # of a mean behind its row; between columns
    wide = (page.WIDTH - left) / columns - number - gap
    for at, (score, by_method) in enumerate(panels.items()):
        row, column = divmod(at, columns)
        x = left + column * (wide + number + gap)
        y = height - page.HEADER - row * (above + tall + below) - above - tall
        box = (x / page.WIDTH, y / height, wide / page.WIDTH, tall / height)
        axes = figure.add_axes(box)
        _style(axes, score, words if column == 0 else [""] * len(words))
        rows_of = [page.finite(by_method[method]) for method in methods]
        digits = _digits(np.concatenate(rows_of))
        for place, values in enumerate(rows_of):
            if len(values):
                _row(axes, values, place, digits)
    return page.save(figure, path)


def _two_lines(name):
    """Returns a name of any length in two lines that have room beside their row."""
    lines = textwrap.wrap(name, 26, max_lines=2, placeholder=" …")
    return "\n".join(lines)


def _style(axes, score, words):
    from matplotlib.ticker import MaxNLocator

    axes.set_title(score, size=10, color=page.INK, loc="left", pad=5)
    page.row_axes(axes, words)
    axes.margins(x=0.05)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))


def _row(axes, values, y, digits):
    if len(values) >= _FEWEST and np.ptp(values) > 0:
        at, density = _density(values)
        half = _HALF * density / density.max()
        axes.fill_between(at, y - half, y + half, color=page.ACCENT_LIGHT, lw=0, zorder=1)
    axes.scatter(
        values, np.full(len(values), y), s=20, color=page.ACCENT, alpha=0.55, lw=0, zorder=2
    )
    mean = values.mean()
    axes.plot([mean, mean], [y - _HALF, y + _HALF], color=page.ACCENT, lw=2, zorder=3)
    beside = {"xycoords": ("axes fraction", "data"), "va": "center", "size": 9, "color": page.INK}
    axes.annotate(page.number(mean, digits), (1.02, y), **beside)


def _digits(values) -> int:
    """Returns how many decimals tell values of this range apart: 3 of 0.2, 1 of 30."""
    if not len(values):
        return 0
    spread = np.ptp(values) or np.max(np.abs(values)) or 1.0
    return int(np.clip(2 - np.floor(np.log10(spread)), 0, 6))


def _density(values):
    """Returns places [200] from the smallest to the largest value, and the density there."""
    width = values.std(ddof=1) * len(values) ** -0.2  # Scott's rule
    at = np.linspace(values.min(), values.max(), 200)
    return at, np.exp(-0.5 * ((at[:, None] - values) / width) ** 2).sum(axis=1)
