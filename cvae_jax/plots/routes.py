"""The ways of a hierarchy's edges: smooth curves from node to node, by the lanes between."""

import itertools

import numpy as np


def ends(places, width):
    """Places the edges that meet a node beside each other, in the order of where they go.

    Args:
      places: see `levels.placed`.
      width: of a node.

    Returns:
      {(edge, node): x}, and the least distance between two of them.
    """
    found, closest = {}, width
    for node, x in places.x.items():
        towards = {edge: _towards(places, edge, node) for edge in places.routes if node in edge}
        for above in (True, False):
            mine = [edge for edge, (higher, _) in towards.items() if higher == above]
            mine.sort(key=lambda edge, towards=towards: towards[edge][1])
            apart = min(0.6, 0.8 * width / max(len(mine), 1))
            closest = min(closest, apart)
            for k, edge in enumerate(mine):
                found[edge, node] = x + apart * (k - (len(mine) - 1) / 2)
    return found, closest


def _towards(places, edge, node):
    """Whether an edge leaves a node upwards, and the x to which it goes in the next level."""
    (other,) = set(edge) - {node}
    higher, route = places.level[other] > places.level[node], places.routes[edge]
    return higher, [*(route if higher else route[::-1]), places.x[other]][0]


def paths(places, meets, heads, height, climb, clear):
    """Returns each edge's curve, from below, [n, 2]; the lowest nodes stand at y = 0.

    Args:
      places: see `levels.placed`.
      meets: see `ends`.
      heads: edge -> the length of its head, which comes straight.
      height: of a node.
      climb: between two levels, from node to node.
      clear: between a node and an edge's end.
    """
    level, rise, found = places.level, height + climb, {}
    for edge, lanes in places.routes.items():
        low, high = sorted(edge, key=level.get)
        y = rise * level[low] + height
        points = [(meets[edge, low], y + clear)]
        for k, x in enumerate(lanes):
            foot = y + climb + rise * k
            points += [(x, foot), (x, foot + height)]
        points.append((meets[edge, high], rise * level[high] - clear))
        if edge[1] == high:
            points.insert(-1, (points[-1][0], points[-1][1] - heads[edge]))
        else:
            points.insert(1, (points[0][0], points[0][1] + heads[edge]))
        found[edge] = curve(points)
    return found


def curve(points):
    """Joins points (x, y), the lowest first, by S-curves that leave and arrive upright, [n, 2]."""
    t = np.linspace(0, 1, 49)
    parts = []
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        x = x0 + (x1 - x0) * t**2 * (3 - 2 * t)  # a Bezier curve, both controls at half height
        y = y0 + (y1 - y0) * (1.5 * t * (1 - t) + t**3)
        parts.append(np.stack([x, y], axis=1))
    return np.concatenate(parts)
