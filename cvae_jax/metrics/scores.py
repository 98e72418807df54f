"""The scores by the names that configs and commands give them, and what each needs."""

from typing import NamedTuple


class Needs(NamedTuple):
    """What a metric needs of the data, and whether it is computed by default."""

    factors: int = 0  # labelled factors that the data must have
    default: bool = True  # computed at the end of training; the others are opt-in


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
    return tuple(text.split(","))
