"""Hierarchy: does a latent move what its parts move in the image, and each part less than it?"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import flags, numbers, require_at_least
from cvae_jax.structures.wholes import families


class Hierarchy(NamedTuple):
    """See `hierarchy`."""

    score: float  # mean over the wholes, in [0, 1]
    chance: float  # mean of the score over other placements of latents at the nodes
    quantile: float  # 0.95 of those placements score no more
    placements: int  # how many
    families: tuple  # ((whole, (part, ...), score), ...) of the wholes whose latents are in use


def hierarchy(effects, parents, used=None, *, floor=0.01, most=2_000, seed=0):
    """Computes how far the latents at a structure's nodes are wholes and proper parts of them.

        own_pf = max(0, min(F_wf, F_pf) - max_{q in P, q != p} F_qf)
        H(w, P) = min_{p in P} ( sum_f own_pf / sum_f F_pf ) * sum_{p, f} own_pf / sum_f F_wf

    for each whole w with parts P (`families`); the score is the mean over the wholes. own_pf is
    how far factor f moves with the whole and with part p and with no other part. The first term is
    the share of a part's movement that is such, of the poorest part: does the whole move what its
    parts move? The second is the share of the whole's movement: is it made of its parts'? As a
    factor counts for one part alone, a part that moves all that the whole moves leaves nothing to
    the others, and the minimum is 0: each part moves less than the whole.

    1: the parts move factors of their own, the whole all of these, each as far as its part does,
    and nothing else. 0: there is a part that shares no factor with the whole (latents of one factor
    each), or whose factors another part moves as far (all latents move all factors; copies), or
    that moves nothing. Where whole and part move a factor together each makes a share of its
    variance: 0.3 against 0.7 scores 3/7.

    Chance comes from the same latents in other places: every placement of latents in use at the
    nodes of those wholes, or `most` random ones, without those that name the same wholes and parts.

    What it can't see: factors that nobody labelled or that can't be read; the direction of edges;
    whether z_hat depends along an edge, see `edge_information`; a second factor's part in a latent
    that moves it by less than `floor`.

    Args:
      effects: F, [d, k]: `factor_effects`, finite, not negative.
      parents: as for `families`.
      used: which latents say anything of an image, bool [d]; None: all. A whole with a node that is
        not in use has no score.
      floor: smaller effects count as 0: a tenth of the standard deviation, or noise.
      most: placements that are tried at most.
      seed: of random placements.

    Returns:
      A `Hierarchy`.

    Raises:
      ValueError: no node is a whole, no whole has all of its latents in use, or effects are not
        [d, k] of d nodes and one factor or more, negative or not finite, or `used` is not of d
        latents.
    """
    require_at_least(1, most=most)
    effects = numbers("effects", effects)
    if effects.ndim != 2 or len(effects) != len(parents) or not effects.shape[1]:
        raise ValueError(f"effects {effects.shape} are not [d, k] of {len(parents)} nodes")
    if (effects < 0).any():
        raise ValueError("effects are negative")
    require_at_least(0, floor=floor)
    used = np.ones(len(effects), bool) if used is None else flags("used", used)
    if used.shape != (len(effects),):
        raise ValueError(f"used is of shape {used.shape}: it must be one bool for each latent")
    all_families = families(parents)
    if not all_families:
        raise ValueError("no node of the structure has two parents or two children")
    kept = [(w, parts) for w, parts in all_families if used[[w, *parts]].all()]
    if not kept:
        nodes = {node for w, parts in all_families for node in (w, *parts) if not used[node]}
        named = ", ".join(f"z{node + 1}" for node in sorted(nodes))
        raise ValueError(f"latents of the structure are not in use: {named}")
    effects = np.where(effects >= floor, effects, 0.0)
    scores = [_score(effects[w], effects[list(parts)]) for w, parts in kept]
    placed = [
        np.mean([_score(effects[w], effects[list(parts)]) for w, parts in other])
        for other in _other_placements(kept, np.flatnonzero(used), most, seed)
    ]
    return Hierarchy(
        score=float(np.mean(scores)),
        chance=float(np.mean(placed)),
        quantile=float(np.quantile(placed, 0.95, method="higher")),
        placements=len(placed),
        families=tuple((*family, score) for family, score in zip(kept, scores, strict=True)),
    )


def _score(whole, parts):
    """H of a whole [k] and its parts [p, k]."""
    others = [np.delete(parts, i, axis=0).max(axis=0) for i in range(len(parts))]
    own = np.maximum(np.minimum(whole, parts) - others, 0).sum(axis=1)  # [p]
    moved = parts.sum(axis=1)
    shares = np.divide(own, moved, out=np.zeros_like(own), where=moved > 0)
    return float(shares.min() * own.sum() / whole.sum()) if whole.any() else 0.0


def _other_placements(kept, latents, most, seed):
    """Yields the families with other latents at their nodes."""
    nodes = sorted({node for w, parts in kept for node in (w, *parts)})
    if math.perm(len(latents), len(nodes)) <= most:
        placements = itertools.permutations(latents, len(nodes))
    else:
        rng = np.random.default_rng(seed)
        placements = (rng.permutation(latents)[: len(nodes)] for _ in range(most))
    same = {(w, frozenset(parts)) for w, parts in kept}
    for placement in placements:
        at = dict(zip(nodes, map(int, placement), strict=True))
        other = [(at[w], tuple(at[p] for p in parts)) for w, parts in kept]
        if {(w, frozenset(parts)) for w, parts in other} != same:
            yield other
