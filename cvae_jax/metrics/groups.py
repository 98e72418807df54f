"""Metrics by the names that configs and commands give them, and what each needs."""

from fnmatch import fnmatchcase
from typing import NamedTuple


class Needs(NamedTuple):
    """What a metric needs of the data, whether it is computed by default, and what it gives."""

    factors: int = 0  # labelled factors that the data must have
    default: bool = True  # computed at the end of training; the others are opt-in
    scores: str = ""  # patterns of their names; "": one score of the metric's own name


# A metric may give several scores.
METRICS = {
    "mig": Needs(factors=1),
    "mig_chen": Needs(factors=1),
    # With one factor any guess of the factor is right.
    "factor_score": Needs(factors=2),
    "beta_vae_score": Needs(factors=2),
    "sap": Needs(factors=1),
    "modularity_explicitness": Needs(factors=2, scores="modularity explicitness"),
    "irs": Needs(factors=1),
    "dci": Needs(factors=1, default=False, scores="dci_*"),
    "infomec": Needs(factors=2, default=False, scores="infom infoe infoc"),
    "runner_up": Needs(factors=1, default=False, scores="runner_up_information"),
    "downstream_logistic": Needs(
        factors=1, default=False, scores="downstream_logistic_* efficiency_logistic"
    ),
    "downstream_trees": Needs(
        factors=1, default=False, scores="downstream_trees_* efficiency_trees"
    ),
    "strong": Needs(factors=2, default=False, scores="strong_*"),
    "unfairness": Needs(factors=2, default=False, scores="unfairness_*"),
    "unsupervised": Needs(scores="codes_* aggregate_* active_dimensions"),
    "reconstruction": Needs(scores="squared_error iou"),
    "terms": Needs(scores="recon kl elbo mi tc dwkl *_kl *_loss"),
    "held_out": Needs(scores="test_*"),
    "classifier": Needs(factors=1, default=False, scores="*_classifier"),
    "inception": Needs(default=False, scores="fid kid is"),
}


def named(text: str) -> tuple[str, ...]:
    """Returns metric names from comma-separated text; "all" or "", the fast ones, expand.

    The name of a score stands for the metric that gives it.
    """
    if text == "all":
        return tuple(METRICS)
    if not text:
        return tuple(name for name, needs in METRICS.items() if needs.default)
    return tuple(dict.fromkeys(_metric_of(name.strip()) for name in text.split(",")))


def _metric_of(name: str) -> str:
    """Returns the metric that gives a score; the name as it is where none does."""
    if name in METRICS:
        return name
    for metric, needs in METRICS.items():
        if any(fnmatchcase(name, pattern) for pattern in needs.scores.split()):
            return metric
    return name
