"""Independence in a structure: d-separation, and what KL(q || p_B) forbids.

Nodes are ("z" | "z_hat", i), 0-based, as in `Structure.parents`; the z nodes are roots. p_B has
every independence that d-separation finds in the DAG; q has them all where the KL is zero.
"""

import itertools
from typing import NamedTuple

from cvae_jax.structures import Structure, names


class Independence(NamedTuple):
    """node is independent of all others together given `given`; each a sorted tuple of nodes."""

    node: tuple
    others: tuple
    given: tuple

    def __str__(self):
        given = f" given {names(self.given)}" if self.given else ""
        return f"{names([self.node])} independent of {names(self.others)}{given}"


class Pairs(NamedTuple):
    """Pairs (i, j), i < j, of z_hat_i and z_hat_j: may they depend on one another?"""

    allowed: tuple
    forbidden: tuple


def d_separated(structure: Structure, a, b, given=()) -> bool:
    """Returns whether the structure makes nodes a and b independent given the nodes `given`.

    By the moral graph (Lauritzen et al., 1990): keep a, b, `given` and all their ancestors, link
    the parents of a common child, drop the directions; `given` must cut every path from a to b.
    Sets of nodes are d-separated where each pair is.

    Args:
      structure: the DAG; a z that is no node's parent is independent of everything.
      a: a node.
      b: another node.
      given: any number of further nodes.

    Raises:
      ValueError: something is not a node, or a node is repeated among a, b and given.
    """
    nodes = set(itertools.product(("z", "z_hat"), range(structure.latents)))
    named = [a, b, *given]
    for node in named:
        if node not in nodes:
            last = structure.latents - 1
            raise ValueError(f"{node!r} is not a node ('z' or 'z_hat', i) with i from 0 to {last}")
        if named.count(node) > 1:
            raise ValueError(
                f"{names([node])} is repeated among a, b and given: name each node once"
            )
    kept = set(named)
    for kind, j in named:
        if kind == "z_hat":
            kept.update(structure.ancestors(j))
    links = {node: set() for node in kept}
    for kind, j in kept:
        family = {(kind, j)}
        if kind == "z_hat":
            family.update(structure.parents[j])
        for node in family:
            links[node] |= family
    reached, left = {a}, [a]
    while left:
        new = links[left.pop()] - reached - set(given)
        reached |= new
        left += new
    return b not in reached


def forbidden(structure: Structure, *, joint: bool | None = None) -> tuple:
    """Returns the independences that add up to the KL, one per node, in topological order.

        KL(q || p_B) = sum_j I( v_j ; v_<j minus Pa_j | Pa_j )

    All z come before all z_hat. The z have no terms here: they are drawn independently from the
    prior, so theirs are zero whatever the model does. Of posterior latents they are not: where the
    critic sees those too, the total correlation of z is added to the KL. Nor have nodes terms whose
    parents are all that came before.

    Args:
      structure: the DAG.
      joint: whether the critic sees z as well, else the sum is over z_hat alone; None: if a node
        has a z parent, which it has not in `Structure.marginal()`.

    Raises:
      ValueError: there is a cycle.
    """
    joint = not structure.is_marginal if joint is None else joint
    before = [("z", i) for i in range(structure.latents)] if joint else []
    terms = []
    for j in structure.order:
        parents = structure.parents[j]
        others = tuple(sorted(set(before) - set(parents)))
        if others:
            terms.append(Independence(("z_hat", j), others, parents))
        before.append(("z_hat", j))
    return tuple(terms)


def pairs(structure: Structure) -> Pairs:
    """Returns which pairs of z_hat may depend on one another when nothing else is known.

    A pair may where one is the other's ancestor or both have a common one (a z too, so that
    `structure.marginal()` can forbid more).
    """
    allowed, banned = [], []
    for i, j in itertools.combinations(range(structure.latents), 2):
        separated = d_separated(structure, ("z_hat", i), ("z_hat", j))
        (banned if separated else allowed).append((i, j))
    return Pairs(allowed=tuple(allowed), forbidden=tuple(banned))
