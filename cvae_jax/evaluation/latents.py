"""Scores of codes, alone and against factors: each Subject -> {score: entry}."""

import functools

from cvae_jax import metrics
from cvae_jax.evaluation.subject import FEW, entry, repeated

_SPLIT = 15_000  # rows of the metrics that are fitted on 10,000 and scored on 5,000
_SAMPLES = 2_000  # of the posteriors, where densities of all rows are taken


def _of_few(subject, function, definition):
    """`repeated` over draws of FEW rows; all draws of no more rows than that would be the same."""
    if len(subject.mean) > FEW:
        return repeated(subject, function, definition, FEW)
    return entry(function(subject.seed), definition, len(subject.mean), subject.seed)


def mig(subject):
    """The gap of binned means."""
    factors = subject.dataset.factors

    def once(seed):
        few = subject.rows_of(seed)[:FEW]
        return metrics.mig(subject.mean[few], factors[few])

    definition = f"MIG, disentanglement_lib: means, 20 bins, {factors.shape[1]} factors"
    return {"mig": _of_few(subject, once, definition)}


def mig_chen(subject):
    """The gap of q(z|x) itself."""
    names = subject.dataset.factor_names
    # On dSprites Chen et al. leave the shape out, which is no quantity.
    drop = subject.dataset.name.startswith("dsprites")
    kept = [i for i, name in enumerate(names) if not (drop and name == "shape")]
    found = metrics.mig_chen(
        subject.mean,
        subject.logvar,
        subject.dataset.factors[:, kept],
        samples=_SAMPLES,
        seed=subject.seed,
    )
    definition = (
        f"MIG, Chen et al. 2018: q(z|x) itself, {', '.join(names[i] for i in kept)}; std is the "
        "standard error"
    )
    value, std = found.value, found.standard_error
    return {"mig_chen": entry(value, definition, _SAMPLES, subject.seed, std)}


def _of_seed(metric, subject):
    """metric(codes, factors, seed=...) as a function of the seed."""
    return lambda seed: metric(subject.mean, subject.dataset.factors, seed=seed)


def factor_score(subject):
    """The FactorVAE score."""
    definition = "FactorVAE score, disentanglement_lib: 10,000 votes to fit, 5,000 to score"
    once = _of_seed(metrics.factor_score, subject)
    return {"factor_score": repeated(subject, once, definition, len(subject.mean))}


def beta_vae_score(subject):
    """The beta-VAE score."""
    definition = "beta-VAE score, disentanglement_lib: 10,000 points to fit, 5,000 to score"
    once = _of_seed(metrics.beta_vae_score, subject)
    return {"beta_vae_score": repeated(subject, once, definition, len(subject.mean))}


def sap(subject):
    """The gap of linear accuracies."""
    definition = "SAP, disentanglement_lib: linear machine on one code"
    return {"sap": repeated(subject, _of_seed(metrics.sap, subject), definition, _SPLIT)}


def modularity_explicitness(subject):
    """Two scores from the same rows."""
    both = functools.cache(_of_seed(metrics.modularity_explicitness, subject))
    modularity = "modularity, disentanglement_lib: 20 bins"
    explicitness = "explicitness, area under the curve"
    return {
        "modularity": repeated(subject, lambda seed: both(seed).modularity, modularity, _SPLIT),
        "explicitness": repeated(
            subject, lambda seed: both(seed).explicitness, explicitness, _SPLIT
        ),
    }


def irs(subject):
    """Robustness of codes to other factors."""
    definition = "interventional robustness, disentanglement_lib: .99 quantile, factors in 20 bins"
    return {"irs": _of_few(subject, _of_seed(metrics.irs, subject), definition)}


def dci(subject):
    """Three scores from the same trees; minutes."""
    found = metrics.dci(subject.mean, subject.dataset.factors, seed=subject.seed)
    definition = "DCI, disentanglement_lib: boosted trees, 10,000 to fit, 5,000 to score"
    samples = min(_SPLIT, len(subject.mean))
    return {
        f"dci_{name}": entry(value, definition, samples, subject.seed)
        for name, value in zip(found._fields[:3], found[:3], strict=True)
    }


def unsupervised(subject):
    """Dependence between codes, what they say of the image, and how many are in use."""
    few = subject.rows[:FEW]
    found = metrics.unsupervised_scores(subject.mean[few])
    definitions = (
        "nats, of a Gaussian with the codes' covariance",
        "of the same Gaussian, in the codes' units squared",
        "the same as a share of the codes' variance",
        "nats, mean over pairs of codes, 20 bins",
    )
    scores = {
        f"codes_{name}": entry(value, definition, len(few), subject.seed)
        for name, value, definition in zip(found._fields, found, definitions, strict=True)
    }
    aggregate = metrics.aggregate_posterior(
        subject.mean, subject.logvar, samples=_SAMPLES, seed=subject.seed
    )
    texts = {"mi": "I(x; z)", "tc": "total correlation"}
    for name, text in texts.items():
        definition = f"nats, {text}, q(z) of all images; std is the standard error"
        value, error = (getattr(aggregate, f"{name}{end}") for end in ("", "_error"))
        scores[f"aggregate_{name}"] = entry(value, definition, _SAMPLES, subject.seed, error)
    definition = "codes whose posterior mean has a variance above .01 (Burda et al. 2016)"
    active = metrics.active_dimensions(subject.mean)
    return scores | {
        "active_dimensions": entry(active, definition, len(subject.mean), subject.seed)
    }
