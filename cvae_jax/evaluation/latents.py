"""Scores of latents, alone and against factors: each Subject -> {score: entry}."""

import functools
import logging

import numpy as np

from cvae_jax import metrics
from cvae_jax.evaluation.subject import FEW, entry, repeated
from cvae_jax.metrics.inputs import TEST, TRAIN

log = logging.getLogger(__name__)

_SPLIT = TRAIN + TEST  # rows of the metrics that fit a predictor
_DRAWS = 2_000  # from the posteriors, where densities of all rows are taken
_MOST_OWN = 0.2  # of the latent that knows most of a factor: about 0.2 nats too many


def _of_few(subject, name, function, detail=""):
    """`repeated` over draws of FEW rows; all draws of no more rows than that would be the same."""
    if len(subject.mean) > FEW:
        return repeated(subject, name, function, FEW, detail)
    value = function(subject.seed)
    return entry(name, value, len(subject.mean), subject.seed, detail=detail)


def _of_seed(metric, subject):
    """metric(latents, factors, seed=...) as a function of the seed."""
    return lambda seed: metric(subject.mean, subject.dataset.factors, seed=seed)


def mig_entries(subject):
    """Returns the gap of binned means."""
    factors = subject.dataset.factors

    def once(seed):
        few = subject.rows_of(seed)[:FEW]
        return metrics.mig(subject.mean[few], factors[few])

    return _of_few(subject, "mig", once, f", {factors.shape[1]} factors")


def mig_chen_entries(subject):
    """Returns the gap of q(z|x) itself."""
    names = subject.dataset.factor_names
    # On dSprites Chen et al. leave the shape out, which is no quantity.
    drop = subject.dataset.name.startswith("dsprites")
    kept = [i for i, name in enumerate(names) if not (drop and name == "shape")]
    found = metrics.mig_chen(
        subject.mean,
        subject.logvar,
        subject.dataset.factors[:, kept],
        samples=_DRAWS,
        seed=subject.seed,
    )
    best = found.information.argmax(axis=0)  # [k]
    own = found.own[best, np.arange(len(best))].max()
    if own > _MOST_OWN:
        log.warning(
            "mig_chen is too large: images are so few or posteriors so narrow that %.0f %% of "
            "q(z | factor) is each image's own posterior",
            100 * own,
        )
    detail = f", {', '.join(names[i] for i in kept)}; std is the standard error"
    return entry(
        "mig_chen", found.value, _DRAWS, subject.seed, std=found.standard_error, detail=detail
    )


def factor_score_entries(subject):
    """Returns the FactorVAE score."""
    once = _of_seed(metrics.factor_score, subject)
    return repeated(subject, "factor_score", once, len(subject.mean))


def beta_vae_score_entries(subject):
    """Returns the beta-VAE score."""
    once = _of_seed(metrics.beta_vae_score, subject)
    return repeated(subject, "beta_vae_score", once, len(subject.mean))


def sap_entries(subject):
    """Returns the gap of linear accuracies."""
    return repeated(subject, "sap", _of_seed(metrics.sap, subject), _SPLIT)


def modularity_explicitness_entries(subject):
    """Returns two scores from the same rows."""
    both = functools.cache(_of_seed(metrics.modularity_explicitness, subject))
    modularity = repeated(subject, "modularity", lambda seed: both(seed).modularity, _SPLIT)
    explicitness = repeated(subject, "explicitness", lambda seed: both(seed).explicitness, _SPLIT)
    return modularity | explicitness


def irs_entries(subject):
    """Robustness of latents to other factors."""
    return _of_few(subject, "irs", _of_seed(metrics.irs, subject))


def dci_entries(subject):
    """Returns three scores from the same trees; takes minutes."""
    found = metrics.dci(subject.mean, subject.dataset.factors, seed=subject.seed)
    samples, scores = min(_SPLIT, len(subject.mean)), {}
    for name in ("disentanglement", "completeness", "informativeness"):
        scores |= entry(f"dci_{name}", getattr(found, name), samples, subject.seed)
    return scores


def infomec_entries(subject):
    """Three scores by nearest neighbours and a linear model; slow."""
    few, factors = subject.rows[:FEW], subject.dataset.factors
    found = metrics.infomec(subject.mean[few], factors[few], seed=subject.seed)
    scores, detail = {}, f", {found.active.sum()} active latents"
    for name, more in (("infom", detail), ("infoe", ""), ("infoc", detail)):
        scores |= entry(name, getattr(found, name), len(few), subject.seed, detail=more)
    return scores


def runner_up_entries(subject):
    """What the second latent of a factor adds, from all rows: the estimate's bias is large."""
    once = _of_seed(metrics.runner_up_information, subject)
    return entry("runner_up_information", once(subject.seed), len(subject.mean), subject.seed)


def unsupervised_entries(subject):
    """Returns the latents' dependence, what they say about the image, and how many are in use."""
    few, seed, scores = subject.rows[:FEW], subject.seed, {}
    found = metrics.unsupervised_scores(subject.mean[few])
    for name, value in found._asdict().items():
        scores |= entry(f"codes_{name}", value, len(few), seed)
    aggregate = metrics.aggregate_posterior(subject.mean, subject.logvar, samples=_DRAWS, seed=seed)
    scores |= entry("aggregate_mi", aggregate.mi, _DRAWS, seed, std=aggregate.mi_error)
    scores |= entry("aggregate_tc", aggregate.tc, _DRAWS, seed, std=aggregate.tc_error)
    active = metrics.active_dimensions(subject.mean)
    return scores | entry("active_dimensions", active, len(subject.mean), seed)
