"""Every metric by name, and the making of scores."""

import logging

import numpy as np

from cvae_jax.errors import UserError
from cvae_jax.evaluation import images, latents
from cvae_jax.evaluation.subject import Subject
from cvae_jax.metrics.scores import METRICS

log = logging.getLogger(__name__)


# Subject -> {score: entry}
FUNCTIONS = {
    "mig": latents.mig,
    "mig_chen": latents.mig_chen,
    "factor_score": latents.factor_score,
    "beta_vae_score": latents.beta_vae_score,
    "sap": latents.sap,
    "modularity_explicitness": latents.modularity_explicitness,
    "irs": latents.irs,
    "dci": latents.dci,
    "unsupervised": latents.unsupervised,
    "reconstruction": images.reconstruction,
    "terms": images.terms,
    "held_out": images.held_out,
    "classifier": images.classifier,
    "inception": images.inception,
}


def make(subject: Subject, names) -> dict:
    """The scores of the metrics named; one that these data or this model can't have is told of.

    Returns:
      {score: {"value", "definition", "samples", "seed", "std" where it is known}}
    """
    scores, missing = {}, []
    have = len(subject.dataset.factor_names)
    for name in names:
        if have < METRICS[name].factors:
            missing.append(name)
            continue
        try:
            found = FUNCTIONS[name](subject)
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
