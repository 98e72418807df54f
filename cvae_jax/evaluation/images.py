"""Scores of reconstructions, of the objective, and of samples: each Subject -> {score: entry}."""

import functools

import jax
import numpy as np

from cvae_jax import datasets
from cvae_jax.config import methods
from cvae_jax.devices import batches
from cvae_jax.errors import UserError
from cvae_jax.evaluation import classifier_features, sample_quality
from cvae_jax.evaluation.held_out import likelihood_bounds
from cvae_jax.evaluation.subject import entry

_TERM_IMAGES = 10_000
_OF_ALL_IMAGES = ("mi", "tc", "dwkl")
_HELD_OUT_IMAGES = 1_000
_IMPORTANCE = 64  # samples of the importance-weighted bound


def intersection_over_union(images, reconstructions):
    """Computes |A and B| / |A or B|, A and B the pixels above 0.5 of [n, H, W, C]; mean over n."""
    a, b = images > 0.5, reconstructions > 0.5
    either = np.sum(a | b, axis=(1, 2, 3))
    both = np.sum(a & b, axis=(1, 2, 3))
    return float(np.mean(np.where(either > 0, both / np.maximum(either, 1), 1.0)))


def reconstruction_entries(subject):
    """Returns the squared error; of binary images also the intersection over union."""
    dataset, few = subject.dataset, subject.rows[: subject.config.eval.num_images]
    error = overlap = 0.0
    # Part by part: a thousand large images and what is decoded of them fill the memory.
    for part in batches.slices(len(few), dataset.size, dataset.channels):
        rows = few[part]
        images = dataset.images(rows) / np.float32(255)
        decoded = np.asarray(subject.model.decode(subject.mean[rows]))
        share = len(rows) / len(few)  # the last part is smaller
        error += share * np.mean((images - decoded) ** 2, dtype=np.float64)
        if dataset.binary:
            overlap += share * intersection_over_union(images, decoded)
    scores = entry("squared_error", error, len(few), subject.seed)
    if dataset.binary:
        scores |= entry("iou", overlap, len(few), subject.seed)
    return scores


@functools.partial(jax.jit, static_argnums=0)
def _terms(model_loss, params, images, rng, step):
    return model_loss(params, images, rng, step)[1][0]


def mean_terms(model, dataset, rng):
    """Returns (means of the objective's own terms, recon, kl, ..., nats; of how many images)."""
    config, batch = model.config, model.config.batch_size
    step = config.num_steps  # the last values of all schedules
    num_batches = max(1, min(_TERM_IMAGES, dataset.num_images) // batch)
    index = np.random.default_rng(config.seed).permutation(dataset.num_images)
    values = []
    for i in range(num_batches):
        images = dataset.images(np.resize(index[i * batch : (i + 1) * batch], batch)) / 255.0
        key = jax.random.fold_in(rng, i)
        found = _terms(
            model.objective.model_loss, model.params, images.astype(np.float32), key, step
        )
        values.append(jax.device_get(found))
    means = {name: np.mean([v[name] for v in values], axis=0) for name in values[0]}
    return means, min(num_batches * batch, dataset.num_images)


@functools.lru_cache(maxsize=8)
def _has_critics(init, shape) -> bool:
    """Returns whether an objective makes critics; of the same method it is traced once."""
    images = jax.ShapeDtypeStruct(shape, np.float32)
    return bool(jax.eval_shape(init, jax.random.key(0), images).critic)


def terms_entries(subject):
    """Returns the objective's own terms on training images.

    I(x; z), total correlation and dimension-wise KL of a batch are estimates for as many images as
    the model was trained on, so of other sets they are left out.
    """
    config, model = subject.config, subject.model
    size, channels = subject.dataset.size, subject.dataset.channels
    shape = (config.batch_size, size, size, channels)
    if not model.params.critic and _has_critics(model.objective.init, shape):
        raise UserError("an exported model has no critics, which they need; evaluate its run")
    means, samples = mean_terms(subject.model, subject.dataset, subject.key("terms"))
    estimate = f", estimate from batches of {config.batch_size}: aggregate_* take all images"
    details = dict.fromkeys(_OF_ALL_IMAGES, estimate)
    if not methods.method_of(config).likelihood:
        details["mi"] = ", lower bound, of generated images"
    elif model.num_examples not in (0, subject.dataset.num_images):
        means = {name: value for name, value in means.items() if name not in _OF_ALL_IMAGES}
    if config.cascade.source == "prior":
        details["cascade_kl"] = ", of generated images"
    scores = {}
    for name, value in means.items():
        if np.ndim(value) == 0:
            scores |= entry(name, value, samples, subject.seed, detail=details.get(name, ""))
    return scores


def held_out_entries(subject):
    """Likelihoods of the test split."""
    config, objective = subject.config, subject.model.objective
    if objective.log_likelihood is None:
        raise UserError("test_elbo and test_log_likelihood: the method has no likelihood p(x | z)")
    test = datasets.load(config.data.name, config.data.size, config.data.dir, "test")
    # At random: of MNIST, for instance, the first half is easier.
    rows = np.random.default_rng(subject.seed).permutation(test.num_images)[:_HELD_OUT_IMAGES]
    found = likelihood_bounds(
        objective,
        subject.model.params,
        test.images(rows),
        subject.key("held_out"),
        samples=_IMPORTANCE,
    )
    scores, n = {}, len(rows)
    details = {"elbo": "", "log_likelihood": f", {_IMPORTANCE} samples"}
    for name, values in found._asdict().items():
        error = values.std() / np.sqrt(n)
        scores |= entry(
            f"test_{name}", values.mean(), n, subject.seed, std=error, detail=details[name]
        )
    return scores


def _quality(subject, network, kind, suffix, detail=""):
    n = min(subject.options.num_samples, subject.dataset.num_images)
    model, rows, devices = subject.model, subject.rows[:n], jax.local_devices()
    found = sample_quality.distances(
        network,
        lambda index: subject.dataset.images(rows[index]),
        batches.draw_images(model.objective, model.params, subject.key("samples"), n, devices),
        n,
        devices,
        kind=kind,
        seed=subject.seed,
    )
    kid, score, real = found["kid"], found["is"], found["is_of_data"]
    real = f"; of real images {real.mean:.3f}"
    return {
        **entry(f"fid{suffix}", found["fid"], n, subject.seed, detail=detail),
        **entry(f"kid{suffix}", kid.mean, n, subject.seed, std=kid.std, detail=detail),
        **entry(f"is{suffix}", score.mean, n, subject.seed, std=score.std, detail=detail + real),
    }


def classifier_entries(subject):
    """Returns FID, KID and IS by the data's own classifier."""
    cache = datasets.data_root(subject.config.data.dir) / "classifiers"
    trained = classifier_features.classifier(subject.dataset, cache)
    worth = ", ".join(f"{name} {value:.3f}" for name, value in trained.accuracy.items())
    network = sample_quality.classifier_network(trained, jax.local_devices())
    return _quality(subject, network, "classifier", "_classifier", f" (accuracy: {worth})")


def inception_entries(subject):
    """Returns FID, KID and IS by Inception-v3."""
    root = datasets.data_root(subject.config.data.dir)
    params = sample_quality.inception_params(subject.options.inception, root)
    network = sample_quality.inception_network(params, jax.local_devices())
    return _quality(subject, network, "inception", "")
