"""Training curves as small multiples."""

import math

import numpy as np

from cvae_jax.plots import page


def curves(path, steps, metrics, *, title, subtitle):
    """Draws training curves, one panel each: the raw values light, their running mean dark.

    The running mean is Gaussian with a standard deviation of a sixtieth of the curve; the number at
    its end is its last value. A panel shows 95 % of the values and all of the running mean but its
    first twentieth, so that the first few steps do not flatten the rest. Values that are not finite
    leave a gap.

    Args:
      path: file to write.
      steps: training steps, [n].
      metrics: name -> values [n]; panels come in this order.
      title: a few words.
      subtitle: where the data come from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: there are no metrics, or one is not [n].
    """
    if not metrics:
        raise ValueError("curves needs a metric or more")
    for name, values in metrics.items():
        if np.shape(values) != np.shape(steps):
            raise ValueError(f"{name} {np.shape(values)} is not a value for each of the steps")
    columns = len(metrics) if len(metrics) < 4 else 2 if len(metrics) == 4 else 3
    rows = math.ceil(len(metrics) / columns)
    height = page.HEADER + rows * 1.75
    figure = page.headed(page.WIDTH, height, title, subtitle)
    vertical = {"top": 1 - (page.HEADER + 0.26) / height, "bottom": 0.36 / height, "hspace": 0.55}
    space = 0.6 if columns > 2 else 0.3  # holds the number at the end of a curve
    grid = figure.add_gridspec(rows, columns, left=0.065, right=0.915, wspace=space, **vertical)
    # The last row may be short.
    for cell, (name, values) in zip(grid, metrics.items(), strict=False):
        axes = figure.add_subplot(cell)
        axes.set_title(name, size=9.5, color=page.INK, loc="left", pad=7)
        values = np.asarray(values, np.float64)
        _curve(axes, np.asarray(steps), np.where(np.isfinite(values), values, np.nan))
    return page.save(figure, path)


def _curve(axes, steps, values):
    """Draws one curve [n] with its running mean; NaN where there is no value."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    page.plain_axes(axes, grid="y")
    axes.tick_params(labelsize=8, labelcolor=page.GREY, color=page.FAINT, length=3)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if len(steps) > 1:
        axes.set_xlim(steps[0], steps[-1])
    if np.isnan(values).all():
        middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, "not finite", size=9, color=page.GREY, **middle)
        axes.set_yticks([])
        return
    mean = running_mean(values)
    last = np.flatnonzero(~np.isnan(mean))[-1]
    end = steps[last], mean[last]
    axes.plot(steps, values, color=page.ACCENT_LIGHT, lw=0.8)
    axes.plot(steps, mean, color=page.ACCENT, lw=1.6)
    axes.plot(*end, "o", ms=3.2, color=page.ACCENT, clip_on=False)
    beside = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(_number(end[1]), end, size=9, color=page.ACCENT, annotation_clip=False, **beside)
    low, high = reach(values, mean)
    room = 0.1 * (high - low) or 0.5 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    if max(abs(low), abs(high)) >= 1e4:  # 20k, so that no number reaches the next panel
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))


def reach(values, mean):
    """Returns (lowest, highest) of what a panel shows of values [n] and their running mean."""
    last = mean[np.flatnonzero(~np.isnan(mean))[-1]]
    shown = [*np.nanpercentile(values, [2.5, 97.5]), *mean[len(mean) // 20 :], last]
    return np.nanmin(shown), np.nanmax(shown)


def running_mean(values):
    """Computes the Gaussian running mean of the values [n] that are not NaN; NaN where they are.

    Its standard deviation is a sixtieth of the curve.
    """
    sigma = max(len(values) / 60, 1e-3)
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    known = ~np.isnan(values)
    # At the ends, and beside gaps, the weights of the values that exist are made to sum to one.
    total = np.convolve(np.where(known, values, 0.0), kernel)[reach:-reach]
    weight = np.convolve(known, kernel)[reach:-reach]
    return np.divide(total, weight, out=np.full(len(values), np.nan), where=known)


def _number(value):
    """Formats a number with three digits or four, k and M as on the axes, and a true minus."""
    scale, unit = (1e6, "M") if abs(value) >= 1e6 else (1e3, "k") if abs(value) >= 1e4 else (1, "")
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e4 else f"{value / scale:.3g}{unit}"
    return text.replace("-", "−")
