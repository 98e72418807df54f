"""Every metric by name, and the computing of scores."""

import collections
import logging
import warnings

import numpy as np

from cvae_jax.errors import UserError
from cvae_jax.evaluation import images, latents, predictions
from cvae_jax.evaluation.subject import Subject
from cvae_jax.metrics.groups import METRICS

log = logging.getLogger(__name__)


# Subject -> {score: entry}
FUNCTIONS = {
    "mig": latents.mig_entries,
    "mig_chen": latents.mig_chen_entries,
    "factor_score": latents.factor_score_entries,
    "beta_vae_score": latents.beta_vae_score_entries,
    "sap": latents.sap_entries,
    "modularity_explicitness": latents.modularity_explicitness_entries,
    "irs": latents.irs_entries,
    "dci": latents.dci_entries,
    "infomec": latents.infomec_entries,
    "runner_up": latents.runner_up_entries,
    "downstream_logistic": predictions.downstream_logistic_entries,
    "downstream_trees": predictions.downstream_trees_entries,
    "strong": predictions.strong_entries,
    "unfairness": predictions.unfairness_entries,
    "unsupervised": latents.unsupervised_entries,
    "reconstruction": images.reconstruction_entries,
    "terms": images.terms_entries,
    "held_out": images.held_out_entries,
    "classifier": images.classifier_entries,
    "inception": images.inception_entries,
}


def make(subject: Subject, names) -> dict:
    """Computes the scores of the metrics named; logs those that these data or model can't have.

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
            found = _quietly(name, subject)
        except UserError as error:
            log.info("%s left out: %s", name, error)
        except ValueError as error:  # a metric's refusal of latents or labels
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


def _quietly(name, subject):
    """The metric's scores; libraries' warnings, which come by the dozen, are one line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = FUNCTIONS[name](subject)
    texts = [f"{w.category.__name__}: {' '.join(str(w.message).split())[:200]}" for w in caught]
    for text, count in collections.Counter(texts).items():
        log.info("%s: %s (%d times)", name, text, count)
    return found
