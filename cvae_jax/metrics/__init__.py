"""Metrics as functions of arrays: codes [n, d] and factors [n, k] in, a float out."""

from cvae_jax.metrics.composition import composition, coverage
from cvae_jax.metrics.effects import AncestorShare, ancestor_share, intervention_effects
from cvae_jax.metrics.factor_score import factor_score
from cvae_jax.metrics.forbidden import forbidden_dependence
from cvae_jax.metrics.mig import mig, mutual_information

__all__ = [
    "AncestorShare",
    "ancestor_share",
    "composition",
    "coverage",
    "factor_score",
    "forbidden_dependence",
    "intervention_effects",
    "mig",
    "mutual_information",
]
