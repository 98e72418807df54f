"""Small charts as SVG without text: shapes alone, stretched to the room that they have."""

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
    return _svg(f'<path class="bars" d="{bars}"/>{_line(x, line, top)}', label)


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
    return _svg(_line(x, values, top), label)


def _line(x, values, top):
    y = _TALL * (1 - np.clip(np.asarray(values, np.float64) / top, 0, 1))
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" vector-effect="non-scaling-stroke"/>'


def _svg(body, label):
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDE} {_TALL}" '
        f'preserveAspectRatio="none">{body}</svg>'
    )
