"""The nodes of a hierarchy in levels: wholes above their parts, edges free of all other nodes."""

import itertools
from typing import NamedTuple

import numpy as np

from cvae_jax.structures.structure import Structure

_SWEEPS = 4  # up and down over the levels


class Levels(NamedTuple):
    """Where the nodes of a DAG stand, see `placed`."""

    level: dict  # node -> its level, 0 at the bottom
    x: dict  # node -> x of its centre
    routes: dict  # edge (i, j) -> [x at each level that it passes, the lowest first]


def orders(parents) -> dict:
    """Returns the order of each node that has an edge, from 0: parts 0, wholes of those 1, ...

    A node with two or more parents is above them, and one with two or more children above those,
    as `structures.wholes.families` has wholes and parts: a composed and a decomposed latent are
    both above what they are made of. A single edge does not say which end is the whole: there the
    parent is above. Where this goes in a circle, as in "1>3 1>4 2>3 2>4", all parents are above
    their children.

    Args:
      parents: of a DAG: for each z_hat_j a tuple of ("z" or "z_hat", i), counted from 0.
    """
    edges = Structure(parents).edges
    sources, targets = ([edge[side] for edge in edges] for side in (0, 1))
    over = []  # (upper, lower)
    for i, j in edges:
        divided, composed = sources.count(i) > 1, targets.count(j) > 1
        over += [(i, j)] if divided or not composed else []
        over += [(j, i)] if composed else []
    found = longest_chains(over)
    return longest_chains(edges) if found is None else found


def longest_chains(over):
    """Returns {node: the longest chain of nodes under it}; None: there is a circle.

    Args:
      over: pairs (upper, lower) of nodes.
    """
    order = dict.fromkeys(sorted({node for pair in over for node in pair}), 0)
    for _ in range(len(order) + 1):  # no chain of a DAG is longer
        before = dict(order)
        for upper, lower in over:
            order[upper] = max(order[upper], order[lower] + 1)
        if order == before:
            return order
    return None


def placed(parents, width, room, gap, lane) -> Levels:
    """Places the nodes that have edges so that neither nodes nor edges cover a node.

    Within a level nodes stand beside their neighbours in the next ones; an edge that passes a level
    has a lane there. Lengths are of one unit.

    Args:
      parents: of a DAG, see `orders`.
      width: of a node.
      room: from 0 to which everything has its place; more where it must, see `needed`.
      gap: between two nodes or lanes.
      lane: width of a lane.
    """
    order = orders(parents)
    chains = {edge: _chain(edge, order) for edge in Structure(parents).edges}
    near = {}  # item -> its neighbours in the next levels
    for chain in chains.values():
        for low, high in itertools.pairwise(chain):
            near.setdefault(low, []).append(high)
            near.setdefault(high, []).append(low)
    rows = [[] for _ in range(max(order.values()) + 1)]
    for item in sorted(near, key=_node_first):
        rows[item[1]].append(item)
    rows = _sorted_rows(rows, near)
    widths = {item: width if len(item) == 2 else lane for item in near}
    x = _spaced(rows, near, widths, room, gap)
    return Levels(
        order,
        {item[0]: x[item] for item in near if len(item) == 2},
        {edge: [x[item] for item in chain[1:-1]] for edge, chain in chains.items()},
    )


def needed(parents, width, gap, lane) -> float:
    """Returns the room that the fullest level takes; arguments as those of `placed`."""
    order = orders(parents)
    nodes, lanes = np.zeros((2, max(order.values()) + 1))
    for level in order.values():
        nodes[level] += 1
    for edge in Structure(parents).edges:
        for item in _chain(edge, order)[1:-1]:
            lanes[item[1]] += 1
    return float(np.max(nodes * width + lanes * lane + (nodes + lanes - 1) * gap))


def _chain(edge, order):
    """The items of an edge from its lower end up: nodes (i, level), lanes (edge, level, "lane")."""
    low, high = sorted(edge, key=order.get)
    lanes = [(edge, level, "lane") for level in range(order[low] + 1, order[high])]
    return [(low, order[low]), *lanes, (high, order[high])]


def _node_first(item):
    return (len(item), item[0], item[1])


def _sorted_rows(rows, near):
    """The rows, each in an order that crosses few edges: that of the means of its neighbours."""
    best = rows
    for sweep in range(2 * _SWEEPS):
        rows = [list(row) for row in rows]
        upwards = sweep % 2 == 0
        for k in range(1, len(rows)) if upwards else range(len(rows) - 2, -1, -1):
            beside = rows[k - 1 if upwards else k + 1]
            at = {item: place for place, item in enumerate(beside)}
            middle = {}
            for place, item in enumerate(rows[k]):
                known = [at[other] for other in near[item] if other in at]
                middle[item] = np.mean(known) if known else place
            rows[k].sort(key=middle.get)  # stable
        best = min(best, rows, key=lambda found: _crossings(found, near))
    return best


def _crossings(rows, near):
    """How many pairs of edges between two levels cross."""
    count = 0
    for lower, upper in itertools.pairwise(rows):
        at = {item: place for place, item in enumerate(upper)}
        ends = [(a, at[o]) for a, item in enumerate(lower) for o in near[item] if o in at]
        count += sum((a - c) * (b - d) < 0 for a, b in ends for c, d in ends)
    return count


def _spaced(rows, near, widths, room, gap):
    """{item: x}: each in the middle of its neighbours, as far as the row's order and room allow."""
    from scipy.optimize import isotonic_regression  # it takes a second: not before it is needed

    def row_of(row, wanted):
        # x_k+1 - x_k is at least their spacing s_k: x_k less the spacings before it increases
        halves = np.array([widths[item] / 2 for item in row])
        before = np.concatenate([[0], np.cumsum(halves[:-1] + halves[1:] + gap)])
        found = isotonic_regression(np.asarray(wanted) - before).x
        low, high = halves[0], room - halves[-1] - before[-1]
        return dict(zip(row, np.clip(found, low, max(low, high)) + before, strict=True))

    x = {}
    for row in rows:
        share = room / len(row)
        x |= row_of(row, [(k + 0.5) * share for k in range(len(row))])
    ups = range(1, len(rows))
    downs = range(len(rows) - 2, -1, -1)
    for k in [*ups, *downs, *ups]:
        x |= row_of(rows[k], [np.mean([x[other] for other in near[item]]) for item in rows[k]])
    return x
