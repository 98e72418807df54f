"""Scores over seeds: one dot per seed, a line at the mean."""

import numpy as np

from cvae_jax.plots import page

_ROW = 0.34  # inches per method


def points(path, panels, *, score, title, subtitle):
    """Draws a panel per data set with a row per method: values as dots, their mean as a line.

    Args:
      path: file to write.
      panels: data set -> {method: values}; a method without values has an empty row, and those
        that are not finite are left out.
      score: what is drawn, the name of the axis.
      title: a few words.
      subtitle: small and grey.

    Returns:
      The path.
    """
    rows = {
        data: [(name, page.finite(values)) for name, values in methods.items()]
        for data, methods in panels.items()
    }
    figure, axes = _panels(rows, score, title, subtitle)
    for data, ax in axes.items():
        for y, (_, values) in enumerate(rows[data]):
            if len(values):
                _dots(ax, values, y, page.ACCENT)
    return page.save(figure, path)


def pairs(path, panels, *, score, title, subtitle):
    """Draws for each method its seeds without (grey) and with (coloured) a change, joined.

    Args:
      path: file to write.
      panels: method -> ({seed: value} without, {seed: value} with); values that are not finite are
        left out.
      score: what is drawn, the name of the axis.
      title: a few words.
      subtitle: small and grey.

    Returns:
      The path.
    """
    rows = {
        method: [("without", _finite(plain)), ("with", _finite(changed))]
        for method, (plain, changed) in panels.items()
    }
    figure, axes = _panels(rows, score, title, subtitle)
    for method, ax in axes.items():
        (_, plain), (_, changed) = rows[method]
        for seed in sorted(set(plain) & set(changed)):
            line = [plain[seed], changed[seed]]
            ax.plot(line, [0, 1], color=page.PALE, lw=1, zorder=1)
        for y, (by_seed, color) in enumerate(((plain, page.GREY), (changed, page.ACCENT))):
            if by_seed:
                _dots(ax, [*by_seed.values()], y, color)
    return page.save(figure, path)


def _finite(by_seed):
    return {seed: value for seed, value in by_seed.items() if np.isfinite(value)}


def _dots(ax, values, y, color):
    mean = np.mean(values)
    ax.plot([mean, mean], [y - 0.32, y + 0.32], color=color, lw=2.2, zorder=3)
    ax.scatter(values, np.full(len(values), y), s=26, color=color, alpha=0.55, lw=0, zorder=2)
    ax.annotate(
        f"{mean:.3f}",
        (1.01, y),
        xycoords=("axes fraction", "data"),
        size=9,
        color=page.INK,
        va="center",
    )


def _panels(rows, score, title, subtitle):
    """Makes a figure with axes for each panel, one under the other, that share the score's axis."""
    gap, foot = 0.36, 0.5
    heights = [len(panel) * _ROW for panel in rows.values()]
    height = page.HEADER + sum(heights) + gap * len(heights) + foot
    figure = page.headed(page.WIDTH, height, title, subtitle)
    words = [label for panel in rows.values() for label, _ in panel]
    left = (0.3 + max(page.text_width(word, 9.5) for word in words)) / page.WIDTH
    values = [
        value
        for panel in rows.values()
        for _, found in panel
        for value in (found.values() if isinstance(found, dict) else found)
    ]
    low, high = min([0.0, *values]), 1.05 * max([0.0, *values]) or 1.0
    axes, top = {}, height - page.HEADER
    for (name, panel), tall in zip(rows.items(), heights, strict=True):
        top -= gap
        box = (left, (top - tall) / height, 0.93 - left, tall / height)
        ax = axes[name] = figure.add_axes(box)
        ax.set_title(name, size=10, color=page.INK, loc="left", pad=5)
        ax.set_xlim(low, high)
        page.row_axes(ax, [label for label, _ in panel])
        top -= tall
    for above in [*axes.values()][:-1]:  # they share the axis of the last
        above.tick_params(labelbottom=False)
    ax.set_xlabel(score, size=9.5, color=page.GREY)
    return figure, axes
