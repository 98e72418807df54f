"""Every metric by name, and the making of scores."""

import logging
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cvae_jax.errors import UserError
from cvae_jax.scores import codes, images
from cvae_jax.scores.subject import Subject

log = logging.getLogger(__name__)


class Metric(NamedTuple):
    """How to make some scores."""

    function: Callable  # Subject -> {score: entry}
    factors: int = 0  # labelled factors that the data must have
    default: bool = True  # made at the end of training; the others on request


METRICS = {
    "mig": Metric(codes.mig, factors=1),
    "mig_chen": Metric(codes.mig_chen, factors=1),
    # With one factor, who guesses it is always right.
    "factor_score": Metric(codes.factor_score, factors=2),
    "beta_vae_score": Metric(codes.beta_vae_score, factors=2),
    "sap": Metric(codes.sap, factors=1),
    "modularity_explicitness": Metric(codes.modularity_explicitness, factors=2),
    "irs": Metric(codes.irs, factors=1),
    "dci": Metric(codes.dci, factors=1, default=False),
    "unsupervised": Metric(codes.unsupervised),
    "reconstruction": Metric(images.reconstruction),
    "terms": Metric(images.terms),
    "held_out": Metric(images.held_out),
    "classifier": Metric(images.classifier, factors=1, default=False),
    "inception": Metric(images.inception, default=False),
}


def named(text: str) -> tuple[str, ...]:
    """Names with commas between them; "all"; or "" for those that take seconds."""
    if text in ("", "all"):
        return tuple(name for name, metric in METRICS.items() if text or metric.default)
    return tuple(text.split(","))


def make(subject: Subject, names) -> dict:
    """The scores of the metrics named; one that these data or this model can't have is told of.

    Returns:
      {score: {"value", "definition", "samples", "seed", "std" where it is known}}
    """
    scores, missing = {}, []
    have = len(subject.dataset.factor_names)
    for name in names:
        metric = METRICS[name]
        if have < metric.factors:
            missing.append(name)
            continue
        try:
            found = metric.function(subject)
        except UserError as error:
            log.info("%s left out: %s", name, error)
        except ValueError as error:  # a metric's refusal of codes or labels
            log.warning("%s left out: %s", name, error)
        else:
            for score, content in found.items():
                if np.isfinite(content["value"]):
                    scores[score] = content
                else:
                    log.warning("%s left out: it is %s", score, content["value"])
    if missing:
        log.info(
            "labelled factors of %s: %d, too few for %s",
            subject.dataset.name,
            have,
            ", ".join(missing),
        )
    return scores
