"""Pictures of a run: PNG files from arrays, at most 8 inches wide, to be shown at about 800 pixels.

Every function draws one figure, saves it and returns the path. matplotlib is imported inside and
used through its objects alone: no global state, no window, nothing to close.
"""

import itertools
import math
import pathlib

import numpy as np

WIDTH = 8.0  # inches; 100 of the 800 pixels a reader sees are one of them
DPI = 200
INK, GREY, PALE, FAINT = "#1f2933", "#6b7784", "#a7b0ba", "#d5dbe1"
ACCENT, ACCENT_LIGHT = "#1f6f8b", "#a9cfdb"
MAX_TILE = 1.1  # inches; few images are not blown up to fill the width
MARGIN, RIGHT, HEADER = 0.12, 0.12, 0.66


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
    data, models = _rgb(images), _rgb(reconstructions)
    if data.shape != models.shape:
        raise ValueError(f"images {data.shape} and reconstructions {models.shape} differ in shape")
    pairs = math.ceil(len(data) / 10)
    columns = math.ceil(len(data) / pairs)
    rows = np.stack([_rows(data, columns), _rows(models, columns)], axis=1)
    rows = rows.reshape(2 * pairs, *rows.shape[2:])  # data, reconstruction, data, ...
    figure, _, centers = _mosaic(rows, title, subtitle, left=1.2, group=2)
    for row, center in enumerate(centers):
        label, color = ("reconstruction", ACCENT) if row % 2 else ("data", INK)
        x = MARGIN / figure.get_figwidth()
        figure.text(x, center, label, size=9.5, color=color, va="center_baseline")
    return _save(figure, path)


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
    images = _rgb(images)
    rows = _rows(images, math.ceil(math.sqrt(len(images))))
    return _save(_mosaic(rows, title, subtitle)[0], path)


def traversals(path, images, values, labels, *, title, subtitle):
    """Draws one row a latent: the decoded images as its value runs from left to right.

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
    rows = _rgb(images.reshape(-1, *images.shape[2:])).reshape(*images.shape[:4], 3)
    fields = [label.split("  ") for label in labels]
    columns = [[f[c].strip() for f in fields if c < len(f)] for c in range(max(map(len, fields)))]
    widths = [max(_text_width(text, 9.5) for text in column) + 0.16 for column in columns]
    figure, centers, middles = _mosaic(
        rows, title, subtitle, left=MARGIN + sum(widths), bottom=0.3, gap=0.02
    )
    for row, middle in zip(fields, middles, strict=True):
        for column, text in enumerate(row):
            x = (MARGIN + sum(widths[:column])) / figure.get_figwidth()
            color = GREY if column else INK
            figure.text(x, middle, text.strip(), size=9.5, color=color, va="center_baseline")
    decimals = 1 if np.allclose(values, np.round(values, 1)) else 2
    for value, center in zip(values, centers, strict=True):
        text = f"{value:.{decimals}f}".replace("-", "−")
        figure.text(center, 0.1 / figure.get_figheight(), text, size=8.5, color=GREY, ha="center")
    return _save(figure, path)


def curves(path, steps, metrics, *, title, subtitle):
    """Draws training curves, a panel each: the raw values light, their running mean dark.

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
    """
    from matplotlib.figure import Figure

    columns = len(metrics) if len(metrics) < 4 else 2 if len(metrics) == 4 else 3
    rows = math.ceil(len(metrics) / columns)
    height = HEADER + rows * 1.75
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    _head(figure, title, subtitle)
    vertical = {"top": 1 - (HEADER + 0.26) / height, "bottom": 0.36 / height, "hspace": 0.55}
    space = 0.6 if columns > 2 else 0.3  # holds the number at the end of a curve
    grid = figure.add_gridspec(rows, columns, left=0.065, right=0.915, wspace=space, **vertical)
    for cell, (name, values) in zip(
        grid, metrics.items(), strict=False
    ):  # the last row may be short
        axes = figure.add_subplot(cell)
        axes.set_title(name, size=9.5, color=INK, loc="left", pad=7)
        values = np.asarray(values, np.float64)
        _curve(axes, np.asarray(steps), np.where(np.isfinite(values), values, np.nan))
    return _save(figure, path)


def structure(path, parents, *, names=None, title, subtitle):
    """Draws the DAG over (z, z_hat) as in the paper's Fig. 3: z on top, z_hat below by depth.

    A node's depth is the longest chain of z_hat nodes above it. Every latent has a column, ordered
    so that a child stands between its parents; latents without an edge between z_hat nodes stand
    in a small row of their own on the right (the middle ones as dots beyond ten).

    Args:
        path: file to write.
        parents: for each z_hat_j a tuple of ("z" or "z_hat", i), counted from 0.
        names: a short word for each latent, drawn above it; None draws none.
        title: a few words.
        subtitle: where the structure comes from; small and grey.

    Returns:
        The path.
    """
    from matplotlib.figure import Figure

    edges = [((kind, i), ("z_hat", j)) for j, among in enumerate(parents) for kind, i in among]
    crossing = [(a, b) for (_, a), (_, b) in edges if a != b]
    linked = sorted({i for edge in crossing for i in edge})
    plain = [j for j in range(len(parents)) if j not in linked]
    large = linked or plain
    if len(plain) > 10:
        plain = [*plain[:3], None, plain[-1]]  # None: dots
    columns = _column_order(linked, crossing) + plain

    left, right, layer = 1.7, 0.45, 1.05  # inches, as are all lengths here
    shares = np.array([1.0 if j in large or not linked else 0.6 for j in columns])
    apart = 0.12 if linked and plain else 0.0
    pitch = min(1.3, (WIDTH - left - right - apart) / shares.sum())
    centers = left - 0.15 + pitch * (np.cumsum(shares) - shares / 2)
    centers[len(linked) :] += apart
    depths = _depths(parents)
    top = HEADER + (0.62 if names else 0.3)
    height = top + layer * (1 + max(depths)) + 0.45
    width = max(centers[-1] + right, _head_width(title, subtitle))
    first, second = height - top, height - top - layer  # of the z and of the topmost z_hat nodes
    largest = min(0.25, 0.36 * pitch)
    nodes = {}  # (kind, latent) -> x, y, radius
    for j, x in zip(columns, centers, strict=True):
        if j is not None:
            radius = largest if j in large else 0.7 * largest
            nodes["z", j] = (x, first, radius)
            nodes["z_hat", j] = (x, second - layer * depths[j], radius)

    figure = Figure(figsize=(width, height), dpi=DPI)
    _head(figure, title, subtitle)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(0, height))
    axes.axis("off")
    for source, target in edges:
        if source in nodes and target in nodes:
            _arrow(axes, nodes, source, target)
    for (kind, j), (x, y, radius) in nodes.items():
        _node(axes, x, y, radius, kind, j, strong=j in large)
        if names and kind == "z":
            words = "\n".join(names[j].split())
            above = {"ha": "center", "va": "bottom", "linespacing": 1.0}
            axes.text(x, y + largest + 0.08, words, size=8.5, color=GREY, **above)
    if None in columns:
        for y in (first, second):
            x = centers[columns.index(None)]
            axes.text(x, y, "⋯", size=14, color=GREY, ha="center", va="center")
    math_text = {"size": 12, "va": "center_baseline", "math_fontfamily": "cm"}
    axes.text(MARGIN, first, r"$z\sim\mathcal{N}(0,\, I)$", color=GREY, **math_text)
    axes.text(MARGIN, second, r"$\hat z=\mathrm{Enc}(\mathrm{Dec}(z))$", color=GREY, **math_text)
    return _save(figure, path)


def _rgb(images):
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


def _mosaic(rows, title, subtitle, *, left=MARGIN, bottom=0.12, gap=0.035, group=None):
    """Draws rows of images [rows, columns, H, W, 3] at a whole number of pixels a pixel.

    `left`, `bottom` and `gap` are inches; after every `group` rows comes a wider gap. Returns the
    figure and the centres of columns and of rows as fractions of it.
    """
    from matplotlib.figure import Figure

    count, columns, image_height, image_width, _ = rows.shape
    tile = min(MAX_TILE, (WIDTH - left - RIGHT) / columns - gap)  # inches
    zoom = max(1, round(tile * DPI / image_width))
    dpi = zoom * image_width / tile
    pixels = [round(inches * dpi) for inches in (left, bottom, gap, RIGHT, HEADER)]
    left, bottom, gap, right, header = pixels
    tall, wide = zoom * image_height, zoom * image_width
    x = (wide + gap) * np.arange(columns)  # left edges on the canvas
    y = (tall + gap) * np.arange(count)  # top edges
    y += 4 * gap * (np.arange(count) // group) if group else 0
    canvas = np.full((y[-1] + tall, x[-1] + wide, 3), 255, np.uint8)
    for r, c in np.ndindex(count, columns):
        image = rows[r, c].repeat(zoom, axis=0).repeat(zoom, axis=1)
        canvas[y[r] : y[r] + tall, x[c] : x[c] + wide] = image
    width = max(left + canvas.shape[1] + right, math.ceil(_head_width(title, subtitle) * dpi))
    height = header + len(canvas) + bottom
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
    figure.figimage(canvas, xo=left, yo=bottom, origin="upper")
    _head(figure, title, subtitle)
    return figure, (left + x + wide / 2) / width, 1 - (header + y + tall / 2) / height


def _head(figure, title, subtitle):
    """Sets the title and, small and grey, the line under it."""
    x, height = MARGIN / figure.get_figwidth(), figure.get_figheight()
    figure.text(x, 1 - 0.28 / height, title, size=12.5, weight="bold", color=INK)
    figure.text(x, 1 - 0.48 / height, subtitle, size=9, color=GREY)


def _head_width(title, subtitle):
    """Inches that the title and the line under it need."""
    return MARGIN + max(_text_width(title, 12.5, "bold"), _text_width(subtitle, 9)) + RIGHT


def _save(figure, path):
    """Writes the figure at its own resolution and returns the path."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi="figure", format="png", facecolor="white")
    return path


def _text_width(text, size, weight="normal"):
    """Width in inches of a line of text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text:
        return 0.0
    return TextPath((0, 0), text, size, prop=FontProperties(weight=weight)).get_extents().x1 / 72


def _curve(axes, steps, values):
    """Draws one curve [n] with its running mean; NaN where there is no value."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(axis="y", color=FAINT, lw=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, labelcolor=GREY, color=FAINT, length=3)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if len(steps) > 1:
        axes.set_xlim(steps[0], steps[-1])
    if np.isnan(values).all():
        middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
        axes.text(0.5, 0.5, "not finite", size=9, color=GREY, **middle)
        axes.set_yticks([])
        return
    smooth = _smooth(values)
    last = np.flatnonzero(~np.isnan(smooth))[-1]
    end = steps[last], smooth[last]
    axes.plot(steps, values, color=ACCENT_LIGHT, lw=0.8)
    axes.plot(steps, smooth, color=ACCENT, lw=1.6)
    axes.plot(*end, "o", ms=3.2, color=ACCENT, clip_on=False)
    beside = {"xytext": (6, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(_number(end[1]), end, size=9, color=ACCENT, annotation_clip=False, **beside)
    shown = [*np.nanpercentile(values, [2.5, 97.5]), *smooth[len(smooth) // 20 :], end[1]]
    low, high = np.nanmin(shown), np.nanmax(shown)
    room = 0.1 * (high - low) or 0.5 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    if max(abs(low), abs(high)) >= 1e4:  # 20k, so that no number reaches the next panel
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))


def _smooth(values):
    """Gaussian running mean of the values [n] that are not NaN; NaN where they are."""
    sigma = max(len(values) / 60, 1e-3)
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    known = ~np.isnan(values)
    # At the ends, and beside gaps, the weights of the values that exist are made to sum to one.
    total = np.convolve(np.where(known, values, 0.0), kernel)[reach:-reach]
    weight = np.convolve(known, kernel)[reach:-reach]
    return np.divide(total, weight, out=np.full(len(values), np.nan), where=known)


def _number(value):
    """Three digits or four, with k and M as on the axes, and a true minus sign."""
    scale, unit = (1e6, "M") if abs(value) >= 1e6 else (1e3, "k") if abs(value) >= 1e4 else (1, "")
    text = f"{value:.0f}" if 1000 <= abs(value) < 1e4 else f"{value / scale:.3g}{unit}"
    return text.replace("-", "−")


def _depths(parents):
    """Length of the longest chain of z_hat nodes that leads to each node, [d]."""
    depths = [0] * len(parents)
    for _ in parents:  # no chain of a DAG is longer than its nodes
        for j, among in enumerate(parents):
            depths[j] = max([0, *(depths[i] + 1 for kind, i in among if kind == "z_hat")])
    return depths


def _column_order(latents, edges):
    """Orders latents so that edges are short and children stand in the middle of their parents."""
    parents = {j: [a for a, b in edges if b == j] for j in latents}

    def cost(order):
        at = {j: x for x, j in enumerate(order)}
        length = sum((at[a] - at[b]) ** 2 for a, b in edges)
        skew = sum((at[j] - np.mean([at[i] for i in p])) ** 2 for j, p in parents.items() if p)
        return round(length + skew, 9), order  # the natural order where it makes no difference

    order = list(latents)
    while True:  # moves one latent, or exchanges two, while that helps
        moves = [order]
        for x, y in itertools.permutations(range(len(order)), 2):
            rest = order[:x] + order[x + 1 :]
            moves.append([*rest[:y], order[x], *rest[y:]])
            swapped = order.copy()
            swapped[x], swapped[y] = order[y], order[x]
            moves.append(swapped)
        best = min(moves, key=cost)
        if best == order:
            return order
        order = best


def _arrow(axes, nodes, source, target):
    """Draws an edge, bent as little as it takes to run clear of all other nodes."""
    from matplotlib.patches import FancyArrowPatch

    (x0, y0, r0), (x1, y1, r1) = nodes[source], nodes[target]
    others = [place for name, place in nodes.items() if name not in (source, target)]
    others = np.reshape(others, (-1, 3))  # x, y, radius
    t = np.linspace(0, 1, 65)[:, None]

    def clearance(bend):
        # the quadratic curve of matplotlib's arc3
        middle = (x0 + x1) / 2 + bend * (y1 - y0), (y0 + y1) / 2 - bend * (x1 - x0)
        curve = (1 - t) ** 2 * (x0, y0) + 2 * t * (1 - t) * middle + t**2 * (x1, y1)  # [t, 2]
        gaps = np.linalg.norm(curve[:, None] - others[:, :2], axis=-1) - others[:, 2]
        return gaps.min(initial=np.inf)

    bends = [sign * bend for bend in np.arange(0, 0.75, 0.06) for sign in (1, -1)]
    bend = next((b for b in bends if clearance(b) > 0.1), max(bends, key=clearance))
    style = {"color": ACCENT, "lw": 1.7, "mutation_scale": 13, "zorder": 2}
    if source[0] == "z":
        style = {"color": PALE, "lw": 1.0, "mutation_scale": 9, "zorder": 1}
    arrow = FancyArrowPatch(
        (x0, y0),
        (x1, y1),
        arrowstyle="-|>",
        connectionstyle=f"arc3,rad={bend}",
        shrinkA=72 * r0 + 1.5,  # points
        shrinkB=72 * r1 + 2.5,
        **style,
    )
    axes.add_patch(arrow)


def _node(axes, x, y, radius, kind, j, *, strong):
    """Draws a labelled circle: z hollow, z_hat filled; pale unless `strong`."""
    from matplotlib.patches import Circle

    if kind == "z":
        face, edge, ink = "white", INK if strong else GREY, INK if strong else GREY
    elif strong:
        face, edge, ink = ACCENT, ACCENT, "white"
    else:
        face, edge, ink = "#e3eff3", ACCENT_LIGHT, INK
    axes.add_patch(Circle((x, y), radius, facecolor=face, edgecolor=edge, lw=1.1, zorder=3))
    label = rf"$\hat{{z}}_{{{j + 1}}}$" if kind == "z_hat" else f"$z_{{{j + 1}}}$"
    style = {"ha": "center", "va": "center", "math_fontfamily": "cm", "zorder": 4}
    axes.text(x, y - 0.01, label, size=58 * radius, color=ink, **style)
