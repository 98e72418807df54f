"""Every score of a model by name, each with its definition, sample counts and seed."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from cvae_jax import batches, features, metrics, sample_quality
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.held_out import held_out
from cvae_jax.objectives.base import Objective, Players

log = logging.getLogger(__name__)

_FEW = 10_000  # rows of the metrics that disentanglement_lib takes from 10,000 samples
_BOUND_IMAGES = 10_000
_HELD_OUT_IMAGES = 1_000
_IMPORTANCE = 64  # samples of the importance-weighted bound
_CHEN_SAMPLES = 2_000


class Subject(NamedTuple):
    """What is scored: a model, its data, and its codes of all of them."""

    config: Any
    objective: Objective
    params: Players
    dataset: pipeline.Dataset
    devices: list
    mean: np.ndarray  # [N, d]
    logvar: np.ndarray  # [N, d]
    options: Any  # num_samples, inception: see `evaluate`

    @property
    def seed(self) -> int:
        """Of every draw that a score makes."""
        return self.config.seed

    @property
    def rows(self) -> np.ndarray:
        """All rows in random order, [N]."""
        return np.random.default_rng(self.seed).permutation(len(self.mean))


class Metric(NamedTuple):
    """How to make some scores."""

    function: Callable  # Subject -> {score: entry}
    factors: int = 0  # labelled factors that the data must have
    default: bool = True  # made at the end of training; the others on request


def entry(value, definition: str, samples: int, seed: int, std=None) -> dict:
    """A score as results.json holds it; std where the value is an estimate with a known spread."""
    content = {"value": float(value), "definition": definition, "samples": samples, "seed": seed}
    return content if std is None else content | {"std": float(std)}


def _mig(subject):
    few = subject.rows[:_FEW]
    value = metrics.mig(subject.mean[few], subject.dataset.factors[few])
    definition = (
        "MIG, disentanglement_lib: posterior means, 20 bins, mean over "
        f"{len(subject.dataset.factor_names)} factors"
    )
    return {"mig": entry(value, definition, len(few), subject.seed)}


def _mig_chen(subject):
    names = subject.dataset.factor_names
    # On dSprites Chen et al. leave the shape out, which is no quantity.
    drop = subject.dataset.name.startswith("dsprites")
    kept = [i for i, name in enumerate(names) if not (drop and name == "shape")]
    found = metrics.mig_chen(
        subject.mean,
        subject.logvar,
        subject.dataset.factors[:, kept],
        samples=_CHEN_SAMPLES,
        seed=subject.seed,
    )
    definition = (
        f"MIG, Chen et al. 2018: q(z|x) itself, {', '.join(names[i] for i in kept)}; std is the "
        "standard error"
    )
    value, std = found.value, found.standard_error
    return {"mig_chen": entry(value, definition, _CHEN_SAMPLES, subject.seed, std)}


def _factor_score(subject):
    value = metrics.factor_score(subject.mean, subject.dataset.factors, seed=subject.seed)
    definition = (
        "FactorVAE score, disentanglement_lib: 10,000 votes to fit, 5,000 to score, 64 images a "
        "vote"
    )
    return {"factor_score": entry(value, definition, len(subject.mean), subject.seed)}


def _beta_vae_score(subject):
    value = metrics.beta_vae_score(subject.mean, subject.dataset.factors, seed=subject.seed)
    definition = (
        "beta-VAE score, disentanglement_lib: 10,000 points to fit, 5,000 to score, 64 pairs each"
    )
    return {"beta_vae_score": entry(value, definition, len(subject.mean), subject.seed)}


def _sap(subject):
    value = metrics.sap(subject.mean, subject.dataset.factors, seed=subject.seed)
    definition = "SAP, disentanglement_lib: linear SVM on one code, 10,000 to fit, 5,000 to score"
    return {"sap": entry(value, definition, min(15_000, len(subject.mean)), subject.seed)}


def _modularity_explicitness(subject):
    found = metrics.modularity_explicitness(
        subject.mean, subject.dataset.factors, seed=subject.seed
    )
    definitions = ("modularity, disentanglement_lib: 20 bins", "explicitness, area under the curve")
    samples = min(15_000, len(subject.mean))
    return {
        name: entry(value, definition, samples, subject.seed)
        for name, value, definition in zip(found._fields, found, definitions, strict=True)
    }


def _irs(subject):
    value = metrics.irs(subject.mean, subject.dataset.factors, seed=subject.seed)
    definition = "interventional robustness, disentanglement_lib: .99 quantile"
    return {"irs": entry(value, definition, min(_FEW, len(subject.mean)), subject.seed)}


def _dci(subject):
    found = metrics.dci(subject.mean, subject.dataset.factors, seed=subject.seed)
    definition = "DCI, disentanglement_lib: boosted trees, 10,000 to fit, 5,000 to score"
    samples = min(15_000, len(subject.mean))
    return {
        f"dci_{name}": entry(value, definition, samples, subject.seed)
        for name, value in zip(found._fields[:3], found[:3], strict=True)
    }


def _unsupervised(subject):
    few = subject.rows[:_FEW]
    found = metrics.unsupervised_scores(subject.mean[few])
    definitions = (
        "nats, of a Gaussian with the codes' covariance",
        "of the same Gaussian, in the codes' units squared",
        "the same as a share of the codes' variance",
        "nats, mean over pairs of codes, 20 bins",
    )
    scores = {
        f"codes_{name.replace('correlation_', '')}": entry(
            value, definition, len(few), subject.seed
        )
        for name, value, definition in zip(found._fields, found, definitions, strict=True)
    }
    definition = "codes whose posterior mean has a variance above .01 (Burda et al. 2016)"
    active = metrics.active_dimensions(subject.mean)
    return scores | {
        "active_dimensions": entry(active, definition, len(subject.mean), subject.seed)
    }


def intersection_over_union(images, reconstructions):
    """Mean over images of |A and B| / |A or B|, A and B the pixels above .5; [n, H, W, C] each."""
    a, b = images > 0.5, reconstructions > 0.5
    either = np.sum(a | b, axis=(1, 2, 3))
    both = np.sum(a & b, axis=(1, 2, 3))
    return float(np.mean(np.where(either > 0, both / np.maximum(either, 1), 1.0)))


def _reconstruction(subject):
    few = subject.rows[: subject.config.eval.num_images]
    images = subject.dataset.images(few) / 255.0
    decode = jax.jit(lambda params, z: subject.objective.decode(params, z))
    reconstructions = jax.device_get(decode(subject.params, subject.mean[few]))
    error = float(np.mean((images - reconstructions) ** 2))
    definition = "mean squared error of reconstructions, a pixel, values from 0 to 1"
    scores = {"squared_error": entry(error, definition, len(images), subject.seed)}
    if subject.dataset.binary:
        value = intersection_over_union(images, reconstructions)
        definition = "mean intersection over union of image and reconstruction, threshold .5"
        scores["iou"] = entry(value, definition, len(images), subject.seed)
    return scores


def bound(config, objective, params, dataset, rng):
    """Means of the objective's own terms (recon, kl, elbo, ..., nats an image) over images."""
    batch = config.batch_size
    terms = jax.jit(lambda images, rng: objective.model_loss(params, images, rng, 0)[1][0])
    num_batches = max(1, min(_BOUND_IMAGES, len(dataset.factors)) // batch)
    index = np.random.default_rng(config.seed).permutation(len(dataset.factors))
    values = []
    for i in range(num_batches):
        images = dataset.images(np.resize(index[i * batch : (i + 1) * batch], batch)) / 255.0
        values.append(jax.device_get(terms(images.astype(np.float32), jax.random.fold_in(rng, i))))
    return {k: np.mean([v[k] for v in values], axis=0) for k in values[0]}, num_batches * batch


def _terms(subject):
    rng = jax.random.fold_in(jax.random.key(subject.seed), 1)
    terms, samples = bound(subject.config, subject.objective, subject.params, subject.dataset, rng)
    definition = "nats an image, mean over training images"
    return {
        name: entry(value, definition, samples, subject.seed)
        for name, value in terms.items()
        if np.ndim(value) == 0
    }


def _held_out(subject):
    config = subject.config
    if config.objective.name == "infogan":
        raise UserError("InfoGAN has no likelihood")
    test = pipeline.load(config.data.name, config.data.size, config.data.dir, "test")
    images = test.images(np.arange(min(_HELD_OUT_IMAGES, len(test.factors))))
    found = held_out(
        subject.objective,
        subject.params,
        images,
        jax.random.fold_in(jax.random.key(subject.seed), 3),
        likelihood=config.objective.likelihood,
        samples=_IMPORTANCE,
    )
    n = len(images)
    texts = ("nats an image of the test split", f"log p(x), bound from {_IMPORTANCE} samples")
    return {
        f"test_{name}": entry(values.mean(), text, n, subject.seed, values.std() / np.sqrt(n))
        for name, values, text in zip(found._fields, found, texts, strict=True)
    }


def _quality(subject, network, kind, suffix, text):
    n = min(subject.options.num_samples, len(subject.dataset.factors))
    rows = subject.rows[:n]
    rng = jax.random.fold_in(jax.random.key(subject.seed), 4)
    found = sample_quality.sample_quality(
        network,
        lambda index: subject.dataset.images(rows[index]),
        batches.draw_images(subject.objective, subject.params, rng, n, subject.devices),
        n,
        subject.devices,
        kind=kind,
        seed=subject.seed,
    )
    make = {"samples": n, "seed": subject.seed}
    kid, score, real = found["kid"], found["is"], found["is_of_data"]
    return {
        f"fid{suffix}": entry(found["fid"], f"Fréchet distance of {text}", **make),
        f"kid{suffix}": entry(kid.mean, f"kernel distance of {text}", std=kid.std, **make),
        f"is{suffix}": entry(
            score.mean,
            f"inception score of {text}, 10 splits; of real images {real.mean:.3f}",
            std=score.std,
            **make,
        ),
    }


def _classifier(subject):
    cache = pipeline.data_root(subject.config.data.dir) / "classifiers"
    trained = features.classifier(subject.dataset, cache)
    worth = ", ".join(f"{name} {value:.3f}" for name, value in trained.accuracy.items())
    text = f"features of a classifier of these data (accuracy: {worth})"
    network = sample_quality.classifier_network(trained)
    return _quality(subject, network, "classifier", "_classifier", text)


def _inception(subject):
    root = pipeline.data_root(subject.config.data.dir)
    params = sample_quality.inception_params(subject.options.inception, root)
    network = sample_quality.inception_network(params)
    return _quality(subject, network, "inception", "", "Inception-v3 features, pytorch-fid's")


METRICS = {
    "mig": Metric(_mig, factors=1),
    "mig_chen": Metric(_mig_chen, factors=1),
    "factor_score": Metric(_factor_score, factors=2),  # who guesses the one factor is always right
    "beta_vae_score": Metric(_beta_vae_score, factors=2),
    "sap": Metric(_sap, factors=1),
    "modularity_explicitness": Metric(_modularity_explicitness, factors=2),
    "irs": Metric(_irs, factors=1),
    "dci": Metric(_dci, factors=1, default=False),
    "unsupervised": Metric(_unsupervised),
    "reconstruction": Metric(_reconstruction),
    "terms": Metric(_terms),
    "held_out": Metric(_held_out),
    "classifier": Metric(_classifier, factors=1, default=False),
    "inception": Metric(_inception, default=False),
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
            scores |= metric.function(subject)
        except UserError as error:
            log.info("%s left out: %s", name, error)
        except ValueError as error:  # a metric's refusal of codes or labels
            log.warning("%s left out: %s", name, error)
    if missing:
        log.info(
            "%s has %d labelled factors, too few for %s",
            subject.dataset.name,
            have,
            ", ".join(missing),
        )
    return scores
