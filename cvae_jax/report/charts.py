"""Small charts as SVG without text: shapes alone, stretched to the room that they have."""

import html

import numpy as np

_WIDE, _TALL = 200, 60  # of the view box


def histogram(heights, line, label: str) -> str:
    """Returns bars with a line over them, both of one scale.

    Args:
      heights: of equal bars from left to right, [bins].
      line: heights at evenly spaced places from the left edge to the right one, [points].
      label: what the chart shows, for those who do not see it.
    """
    top = max(np.max(heights), np.max(line)) or 1.0
    width = _WIDE / len(heights)
    bars = "".join(
        f"M{width * i:.1f} {_TALL}v{-_TALL * height / top:.1f}h{width:.1f}V{_TALL}z"
        for i, height in enumerate(heights)
        if height
    )
    x = np.linspace(0, _WIDE, len(line))
    return _svg(f'<path class="bars" d="{bars}"/>{_line(x, line, 0, top)}', label)


def curve(steps, values, top: float, label: str) -> str:
    """Returns a line over steps from the first to the last, between 0 and `top`.

    Args:
      steps: increasing, [n].
      values: [n]; those above `top` are cut off.
      top: of the chart, above 0.
      label: see `histogram`.
    """
    steps = np.asarray(steps, np.float64)
    x = _WIDE * (steps - steps[0]) / (np.ptp(steps) or 1.0)
    return _svg(_line(x, values, 0, top), label)


def curves(runs, low: float, high: float, label: str) -> str:
    """Returns the lines of several runs over steps from 0 to the last of all.

    Args:
      runs: of each its number, for its colour, its steps and its values, [n] each.
      low: the bottom of the chart.
      high: its top, above `low`; what is beyond either is cut off.
      label: see `histogram`.
    """
    last = max(np.max(steps) for _, steps, _ in runs) or 1
    lines = (
        _line(_WIDE * np.asarray(steps) / last, values, low, high, f' class="run-{i}"')
        for i, steps, values in runs
    )
    return _svg("".join(lines), label)


def _line(x, values, low, high, kind=""):
    share = (np.asarray(values, np.float64) - low) / (high - low)
    y = _TALL * (1 - np.clip(share, 0, 1))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline{kind} points="{points}" vector-effect="non-scaling-stroke"/>'


def _svg(body, label):
    return (
        f'<svg role="img" aria-label="{html.escape(label)}" viewBox="0 0 {_WIDE} {_TALL}" '
        f'preserveAspectRatio="none">{body}</svg>'
    )
