"""Plots as functions of arrays: each draws one file and returns its path."""

from cvae_jax.plots.animation import animated_traversals
from cvae_jax.plots.correlations import correlation
from cvae_jax.plots.factors import factors
from cvae_jax.plots.graph import structure
from cvae_jax.plots.heat import effects
from cvae_jax.plots.hierarchy import hierarchy
from cvae_jax.plots.images import reconstructions, samples, traversals
from cvae_jax.plots.points import pairs, points
from cvae_jax.plots.shares import shares
from cvae_jax.plots.side_by_side import methods
from cvae_jax.plots.training import curves
from cvae_jax.plots.violins import violins

__all__ = [
    "animated_traversals",
    "correlation",
    "curves",
    "effects",
    "factors",
    "hierarchy",
    "methods",
    "pairs",
    "points",
    "reconstructions",
    "samples",
    "shares",
    "structure",
    "traversals",
    "violins",
]
