"""What explains the variance of each score, as bars that are divided: method, setting, seed."""

from cvae_jax.plots import page

_ROW = 0.36  # inches per score
_PARTS = (("method", page.ACCENT, "white"), ("setting", page.ACCENT_LIGHT, page.INK))
_REST = ("seed", page.FAINT, page.INK)
_NARROWEST = 0.07  # share that has room for its number


def shares(path, explained, *, title, subtitle):
    """Draws a bar from 0 to 100 % for each score, divided by what explains its variance.

    Args:
      path: file to write.
      explained: score -> (share that the method explains, share that method and setting explain).
      title: a few words.
      subtitle: small and grey.

    Returns:
      The path.
    """
    from matplotlib.ticker import PercentFormatter

    foot, key = 0.4, 0.3
    tall = len(explained) * _ROW
    height = page.HEADER + key + tall + foot
    width = max(page.WIDTH, page.head_width(title, subtitle))
    figure = page.headed(width, height, title, subtitle)
    names = [page.label(name) for name in explained]
    left = (0.3 + max(page.text_width(name, 9.5) for name in names)) / width
    axes = figure.add_axes((left, foot / height, 0.95 - left, tall / height))
    for y, (by_method, by_both) in enumerate(explained.values()):
        begin = 0.0
        parts = (by_method, by_both - by_method, 1 - by_both)
        for part, (_, color, ink) in zip(parts, (*_PARTS, _REST), strict=True):
            axes.barh(y, part, left=begin, height=0.66, color=color, lw=0)
            if part >= _NARROWEST:
                text = {"ha": "center", "va": "center", "size": 9, "color": ink}
                axes.text(begin + part / 2, y, f"{100 * part:.0f} %", **text)
            begin += part
    axes.set_xlim(0, 1)
    page.row_axes(axes, names, grid=None)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    x = left
    for name, color, _ in (*_PARTS, _REST):
        y = (foot + tall + 0.1) / height
        figure.text(x, y, "■", size=11, color=color, va="baseline")
        figure.text(x + 0.2 / width, y, name, size=9.5, color=page.INK, va="baseline")
        x += (0.55 + page.text_width(name, 9.5)) / width
    return page.save(figure, path)
