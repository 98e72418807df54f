"""Metrics by the names that configs and commands give them, and what each needs."""

from typing import NamedTuple


class Needs(NamedTuple):
    """What a metric needs of the data, and whether it is computed by default."""

    factors: int = 0  # labelled factors that the data must have
    default: bool = True  # computed at the end of training; the others are opt-in


# A metric may give several scores.
METRICS = {
    "mig": Needs(factors=1),
    "mig_chen": Needs(factors=1),
    # With one factor any guess of the factor is right.
    "factor_score": Needs(factors=2),
    "beta_vae_score": Needs(factors=2),
    "sap": Needs(factors=1),
    "modularity_explicitness": Needs(factors=2),
    "irs": Needs(factors=1),
    "dci": Needs(factors=1, default=False),
    "infomec": Needs(factors=2, default=False),
    "runner_up": Needs(factors=1, default=False),
    "downstream_logistic": Needs(factors=1, default=False),
    "downstream_trees": Needs(factors=1, default=False),
    "strong": Needs(factors=2, default=False),
    "unfairness": Needs(factors=2, default=False),
    "unsupervised": Needs(),
    "reconstruction": Needs(),
    "terms": Needs(),
    "held_out": Needs(),
    "classifier": Needs(factors=1, default=False),
    "inception": Needs(default=False),
}


def named(text: str) -> tuple[str, ...]:
    """Returns metric names from comma-separated text; "all" or "", the fast ones, expand."""
    if text == "all":
        return tuple(METRICS)
    if not text:
        return tuple(name for name, needs in METRICS.items() if needs.default)
    return tuple(name.strip() for name in text.split(","))
