"""The Bayesian network over (z, z_hat), layered as in the paper's Fig. 3."""

import itertools
from typing import Any, NamedTuple

import numpy as np

from cvae_jax.plots import levels, page
from cvae_jax.structures.structure import Structure


class Layout(NamedTuple):
    """Positions of the parts of a drawing; inches, y downwards from its top."""

    nodes: dict  # (kind, latent) -> x, y, radius
    large: list  # latents drawn in full; the others have no edge to another latent
    edges: list  # (source node, target node)
    dots: Any  # x of the dots that stand for latents left out, or None
    first: float  # y of the z nodes
    second: float  # y of the topmost z_hat nodes
    width: float
    height: float


def structure(path, parents, *, source="prior", title, subtitle):
    """Draws the DAG over (z, z_hat) as in the paper's Fig. 3: z on top, z_hat below by depth.

    A node's depth is the longest chain of z_hat nodes above it. Every latent has a column, ordered
    so that a child stands between its parents; latents without an edge between z_hat nodes stand
    in a small row of their own on the right (the middle ones as dots beyond ten).

    Args:
      path: file to write.
      parents: for each z_hat_j a tuple of ("z" or "z_hat", i), counted from 0.
      source: of z, "prior" or "posterior": said beside the z nodes.
      title: a few words.
      subtitle: where the structure comes from; small and grey.

    Returns:
      The path.

    Raises:
      ValueError: an unknown source.
    """
    if source not in _Z_FROM:
        raise ValueError(f"source {source!r} is not one of {', '.join(_Z_FROM)}")
    placed = layout(parents)
    height = page.HEADER + placed.height
    figure, axes = page.canvas(placed.width, height, title, subtitle)
    paint(axes, placed, height - page.HEADER, source)
    return page.save(figure, path)


def layout(parents) -> Layout:
    """Places the nodes; `parents` as those of `structure`."""
    edges = [((kind, i), ("z_hat", j)) for j, among in enumerate(parents) for kind, i in among]
    crossing = [(a, b) for (_, a), (_, b) in edges if a != b]
    linked = sorted({i for edge in crossing for i in edge})
    plain = [j for j in range(len(parents)) if j not in linked]
    large = linked or plain
    if len(plain) > 10:
        plain = [*plain[:3], None, plain[-1]]  # None: dots
    columns = _column_order(linked, crossing) + plain

    left, right, first, layer = 1.7, 0.45, 0.3, 1.05
    shares = np.array([1.0 if j in large or not linked else 0.6 for j in columns])
    apart = 0.12 if linked and plain else 0.0
    pitch = min(1.3, (page.WIDTH - left - right - apart) / shares.sum())
    centers = left - 0.15 + pitch * (np.cumsum(shares) - shares / 2)
    centers[len(linked) :] += apart
    chains = [(j, i) for i, j in Structure(parents).edges]
    depths = levels.longest_chains(chains)  # of the nodes that an edge meets
    second = first + layer
    largest = min(0.25, 0.36 * pitch)
    nodes = {}
    for j, x in zip(columns, centers, strict=True):
        if j is not None:
            radius = largest if j in large else 0.7 * largest
            nodes["z", j] = (x, first, radius)
            nodes["z_hat", j] = (x, second + layer * depths.get(j, 0), radius)
    return Layout(
        nodes=nodes,
        large=large,
        edges=[(a, b) for a, b in edges if a in nodes and b in nodes],
        dots=centers[columns.index(None)] if None in columns else None,
        first=first,
        second=second,
        width=centers[-1] + right,
        height=second + layer * max(depths.values(), default=0) + 0.45,
    )


_ORDERED = 16  # latents, at most, whose order is sought
_Z_FROM = {"prior": r"$z\sim p(z)$", "posterior": r"$z\sim q(z\,|\,x)$"}


def paint(axes, placed: Layout, top, source="prior"):
    """Draws a layout into axes whose unit is an inch, downwards from y = top."""
    nodes = {node: (x, top - y, radius) for node, (x, y, radius) in placed.nodes.items()}
    first, second = top - placed.first, top - placed.second
    for start, end in placed.edges:
        _arrow(axes, nodes, start, end)
    for (kind, j), (x, y, radius) in nodes.items():
        _node(axes, x, y, radius, kind, j, strong=j in placed.large)
    if placed.dots is not None:
        for y in (first, second):
            axes.text(placed.dots, y, "⋯", size=14, color=page.GREY, ha="center", va="center")
    math_text = {"size": 12, "va": "center_baseline", "math_fontfamily": "cm", "color": page.GREY}
    axes.text(page.MARGIN, first, _Z_FROM[source], **math_text)
    axes.text(page.MARGIN, second, r"$\hat z=\mathrm{Enc}(\mathrm{Dec}(z))$", **math_text)


def _column_order(latents, edges):
    """Orders latents so that edges are short and children stand in the middle of their parents.

    More than 16 stay in their order, where each step would try thousands of moves.
    """
    if len(latents) > _ORDERED:
        return list(latents)
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
    style = {"color": page.ACCENT, "lw": 1.7, "mutation_scale": 13, "zorder": 2}
    if source[0] == "z":
        style = {"color": page.PALE, "lw": 1.0, "mutation_scale": 9, "zorder": 1}
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
        face, edge, ink = (
            "white",
            page.INK if strong else page.GREY,
            page.INK if strong else page.GREY,
        )
    elif strong:
        face, edge, ink = page.ACCENT, page.ACCENT, "white"
    else:
        face, edge, ink = "#e3eff3", page.ACCENT_LIGHT, page.INK
    axes.add_patch(Circle((x, y), radius, facecolor=face, edgecolor=edge, lw=1.1, zorder=3))
    label = rf"$\hat{{z}}_{{{j + 1}}}$" if kind == "z_hat" else f"$z_{{{j + 1}}}$"
    style = {"ha": "center", "va": "center", "math_fontfamily": "cm", "zorder": 4}
    axes.text(x, y - 0.01, label, size=58 * radius, color=ink, **style)
