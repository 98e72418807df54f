"""The hierarchy in one picture: the DAG, what each node does to images, what edges carry."""

from typing import NamedTuple

import numpy as np

from cvae_jax.plots import arrows, labelled, levels, page, routes, strips
from cvae_jax.plots.cells import key
from cvae_jax.structures.structure import Structure

_PAD, _GAP, _LANE = 0.08, 0.24, 0.3  # inches: within a card, between cards, for an edge between
_CLIMB, _CLEAR = 1.0, 0.05  # between two levels; between a card and an edge's end
_RADIUS = 0.17  # of a node
_LEAST, _MOST = 0.3, 0.55  # an image
_LINE = 0.165  # of a caption
_CAPTION = 9.0  # size
_FEWEST = 0.72  # width of a card at least: a node and a word
_NARROW = 1.3  # a card whose caption has no room beside its circle
_BETWEEN = 0.03  # two images
_MAP_HEAD = 0.3  # over the map of effects
_EDGES = "Edges: what both ends share given the other parents, nats; pale: perhaps nothing (95 %)"
_MAP = "How far each latent moves each factor of the image"
_SCALE = "mean square; 1: as far as", "two random images differ"


class Cards(NamedTuple):
    """The size of a node's card: its circle and caption, under them its strip; inches."""

    width: float
    height: float
    tile: float  # width of an image
    shown: np.ndarray  # which images of a traversal
    narrow: bool  # the caption is under the circle and not beside it


def hierarchy(
    path, parents, traversals, captions, information=None, effects=None, *, title, subtitle
):
    """Draws the DAG over z_hat, each node with the images that its latent makes as it is moved.

    Nodes without an edge to another latent are left out. High-order nodes are above what they are
    made of, whichever way the edges point (`levels.orders`). An edge is as wide as its information,
    7 points per nat and 14 at most, all of them less where many meet; one whose interval reaches 0
    is pale, and one whose information is not known thin and without a number. Under the DAG, if
    they are known, stand the effects of the nodes on the factors of the image as a heat map.

    Args:
      path: file to write.
      parents: of a DAG with an edge at least: for each z_hat_j a tuple of ("z" or "z_hat", i),
        counted from 0; z is not drawn.
      traversals: of each latent, floats in [0, 1] (others are clipped), [d, steps, H, W, 1 or 3].
      captions: of each latent its lines, such as ("KL 2.31", "x 62 %"), the first grey.
      information: edge (i, j) -> (nats, low, high); edges may be missing.
      effects: (F of `metrics.factor_effects` [d, k], the k factors' names); None or k = 0: no map.
      title: a few words.
      subtitle: small and grey.

    Returns:
      The path.

    Raises:
      ValueError: if no edge joins two latents, an array has not d latents, or an effect is not
        finite.
    """
    edges, d = Structure(parents).edges, len(parents)
    if not edges:
        raise ValueError("no edge joins two latents")
    traversals = np.asarray(traversals)
    matrix, names = effects or (np.zeros((d, 0)), ())
    matrix = np.asarray(matrix, np.float64)
    if traversals.ndim != 5 or not len(traversals) == len(captions) == len(matrix) == d:
        raise ValueError(
            f"traversals {traversals.shape}, {len(captions)} captions and effects {matrix.shape} "
            f"do not fit {d} latents"
        )
    if matrix.shape[1] != len(names) or not np.isfinite(matrix).all():
        raise ValueError(f"effects {matrix.shape} of {len(names)} factors, or not finite")
    cards = _cards(parents, traversals, captions)
    room = levels.needed(parents, cards.width, _GAP, _LANE)
    room = max(room, page.WIDTH - page.MARGIN - page.RIGHT)
    places = levels.placed(parents, cards.width, room, _GAP, _LANE)
    order = sorted(places.x, key=lambda j: (-places.level[j], places.x[j]))  # as they are read
    tall = max(places.level.values()) * (cards.height + _CLIMB) + cards.height
    foot = 0.5 if information else 0.2
    rows = [f"$z_{{{j + 1}}}$" for j in order]
    below = labelled.layout(rows, names) if names else None
    height = page.HEADER + tall + foot + (_MAP_HEAD + below.height + 0.2 if below else 0)
    zoom = max(1, round(cards.tile * page.DPI / traversals.shape[3]))
    dpi = zoom * traversals.shape[3] / cards.tile  # a pixel of an image is a whole number of ours
    figure, axes = page.canvas(page.MARGIN + room + page.RIGHT, height, title, subtitle, dpi)

    left, bottom = (figure.get_figwidth() - room) / 2, height - page.HEADER - tall
    for j in order:
        x = left + places.x[j] - cards.width / 2
        y = bottom + places.level[j] * (cards.height + _CLIMB)
        _card(axes, cards, x, y, j, captions[j])
        images = strips.canvas(traversals[j][cards.shown], zoom, round(_BETWEEN * dpi))
        x += (cards.width - images.shape[1] / dpi) / 2
        figure.figimage(images, round(x * dpi), round((y + _PAD) * dpi), origin="upper")
    _edges(axes, places, cards, information or {}, np.array([left, bottom]))
    if below:
        top = bottom - foot
        axes.text(page.MARGIN, top - 0.12, _MAP, size=10.5, weight="bold", color=page.INK)
        labelled.paint(axes, below, top - _MAP_HEAD, matrix[order], rows, names)
        key(axes, below.key, top - _MAP_HEAD - below.above, _SCALE)
    return page.save(figure, path)


def _cards(parents, traversals, captions):
    """The largest cards that fit the page, with as many images as are large enough to be seen."""
    steps, height, width = traversals.shape[1:4]
    room = page.WIDTH - page.MARGIN - page.RIGHT
    least = levels.needed(parents, 0.0, _GAP, _LANE)
    nodes = levels.needed(parents, 1.0, 0.0, 0.0)  # of the fullest level
    inner = max((room - least) / nodes, _FEWEST) - 2 * _PAD
    shown = strips.thinned(steps, inner, _LEAST + _BETWEEN)
    count = len(shown)
    tile = min(_MOST, (inner - _BETWEEN * (count - 1)) / count)
    wide = count * tile + _BETWEEN * (count - 1) + 2 * _PAD
    used = sorted({i for edge in Structure(parents).edges for i in edge})
    lines = max(len(captions[j]) for j in used)
    wide = max(wide, _FEWEST)
    narrow = wide < _NARROW
    head = (2 * _RADIUS + _LINE * lines if narrow else max(2 * _RADIUS, _LINE * lines)) + 0.08
    return Cards(wide, 2 * _PAD + head + tile * height / width, tile, shown, narrow)


def _card(axes, cards, x, y, j, caption):
    """Draws a node's card, its lower left corner at (x, y), without its strip."""
    from matplotlib.patches import Circle, FancyBboxPatch

    style = {"facecolor": "none", "edgecolor": page.FAINT, "lw": 1.0, "zorder": 2}
    box = {"boxstyle": "round,pad=0,rounding_size=0.06"}
    axes.add_patch(FancyBboxPatch((x, y), cards.width, cards.height, **box, **style))
    top = y + cards.height - _PAD
    center = (x + (cards.width / 2 if cards.narrow else _PAD + _RADIUS), top - _RADIUS)
    axes.add_patch(Circle(center, _RADIUS, facecolor=page.ACCENT, lw=0, zorder=3))
    text = {"va": "center_baseline", "zorder": 4}
    label = rf"$\hat{{z}}_{{{j + 1}}}$"
    inside = {"ha": "center", "color": "white", "math_fontfamily": "cm"}
    axes.text(*center, label, size=12 if j < 9 else 10, **inside, **text)
    if cards.narrow:
        place = np.array([x + _PAD, top - 2 * _RADIUS - 0.1])
    else:
        first = max(_RADIUS - _LINE * (len(caption) - 1) / 2, _LINE / 2)
        place = np.array([x + 2 * _PAD + 2 * _RADIUS, top - first])
    for k, line in enumerate(caption):
        words = page.fitted(line, x + cards.width - _PAD - place[0], _CAPTION)
        color = page.INK if k else page.GREY
        axes.text(*(place - (0, _LINE * k)), words, size=_CAPTION, color=color, **text)


def _edges(axes, places, cards, information, corner):
    """Draws the edges of nodes placed from that corner on, and their numbers."""
    meets, apart = routes.ends(places, cards.width)
    scale = arrows.scale_of(apart)
    widths = {
        edge: arrows.line_width(information[edge][0] if edge in information else None, scale)
        for edge in places.routes
    }
    heads = {edge: arrows.head_length(width) for edge, width in widths.items()}
    curves = {
        edge: corner + curve
        for edge, curve in routes.paths(places, meets, heads, cards.height, _CLIMB, _CLEAR).items()
    }
    texts = {}
    for edge, curve in curves.items():
        nats, low, _ = information.get(edge, (None, 1.0, None))
        path = curve if places.level[edge[0]] < places.level[edge[1]] else curve[::-1]
        arrows.draw(axes, path, widths[edge], page.ACCENT if low > 0 else page.PALE)
        if nats is not None:
            ink = page.INK if low > 0 else page.GREY
            texts[edge] = (page.number(nats), ink)
    arrows.numbers(axes, curves, widths, texts)
    if texts:
        axes.text(page.MARGIN, corner[1] - 0.3, _EDGES, size=9, color=page.GREY)
