"""Metrics as functions of arrays: codes [n, d] and factors [n, k] in, a float out."""

from cvae_jax.metrics.aggregate import Aggregate, aggregate_posterior
from cvae_jax.metrics.beta_vae_score import beta_vae_score
from cvae_jax.metrics.composition import composition, noise_floor
from cvae_jax.metrics.conditional import conditional_information, runner_up_information
from cvae_jax.metrics.dci import Dci, dci
from cvae_jax.metrics.downstream import Downstream, downstream
from cvae_jax.metrics.edge_information import EdgeInformation, edge_information
from cvae_jax.metrics.effects import (
    AncestorShare,
    ancestor_share,
    factor_effects,
    intervention_effects,
)
from cvae_jax.metrics.factor_score import factor_score
from cvae_jax.metrics.fairness import Unfairness, unfairness
from cvae_jax.metrics.fid import (
    Estimate,
    Moments,
    add_moments,
    frechet_distance,
    inception_score,
    kernel_distance,
)
from cvae_jax.metrics.forbidden import forbidden_dependence
from cvae_jax.metrics.hierarchy import Hierarchy, hierarchy
from cvae_jax.metrics.infomec import InfoMec, infomec, predictive_information
from cvae_jax.metrics.irs import irs
from cvae_jax.metrics.mig import mig, mutual_information
from cvae_jax.metrics.mig_chen import MigChen, mig_chen
from cvae_jax.metrics.modularity import ModularityExplicitness, modularity_explicitness
from cvae_jax.metrics.sap import sap
from cvae_jax.metrics.strong import StrongGeneralisation, strong_generalisation
from cvae_jax.metrics.udr import udr
from cvae_jax.metrics.unsupervised import Unsupervised, active_dimensions, unsupervised_scores

__all__ = [
    "Aggregate",
    "AncestorShare",
    "Dci",
    "Downstream",
    "EdgeInformation",
    "Estimate",
    "Hierarchy",
    "InfoMec",
    "MigChen",
    "ModularityExplicitness",
    "Moments",
    "StrongGeneralisation",
    "Unfairness",
    "Unsupervised",
    "active_dimensions",
    "add_moments",
    "aggregate_posterior",
    "ancestor_share",
    "beta_vae_score",
    "composition",
    "conditional_information",
    "dci",
    "downstream",
    "edge_information",
    "factor_effects",
    "factor_score",
    "forbidden_dependence",
    "frechet_distance",
    "hierarchy",
    "inception_score",
    "infomec",
    "intervention_effects",
    "irs",
    "kernel_distance",
    "mig",
    "mig_chen",
    "modularity_explicitness",
    "mutual_information",
    "noise_floor",
    "predictive_information",
    "runner_up_information",
    "sap",
    "strong_generalisation",
    "udr",
    "unfairness",
    "unsupervised_scores",
]
