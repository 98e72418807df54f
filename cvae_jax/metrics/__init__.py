"""Metrics as functions of arrays: codes [n, d] and factors [n, k] in, a float out."""

from cvae_jax.metrics.factor_score import factor_score
from cvae_jax.metrics.mig import mig, mutual_information

__all__ = ["factor_score", "mig", "mutual_information"]
