"""Scores of reconstructions, of the objective, and of samples: each Subject -> {score: entry}."""

import jax
import numpy as np

from cvae_jax import datasets
from cvae_jax.config import build, methods
from cvae_jax.devices import batches
from cvae_jax.errors import UserError
from cvae_jax.evaluation import classifier_features, sample_quality
from cvae_jax.evaluation import held_out as likelihoods
from cvae_jax.evaluation.subject import entry

_BOUND_IMAGES = 10_000
_HELD_OUT_IMAGES = 1_000
_IMPORTANCE = 64  # samples of the importance-weighted bound


def intersection_over_union(images, reconstructions):
    """Mean over images of |A and B| / |A or B|, A and B the pixels above .5; [n, H, W, C] each."""
    a, b = images > 0.5, reconstructions > 0.5
    either = np.sum(a | b, axis=(1, 2, 3))
    both = np.sum(a & b, axis=(1, 2, 3))
    return float(np.mean(np.where(either > 0, both / np.maximum(either, 1), 1.0)))


def reconstruction(subject):
    """Squared error; of binary images also the intersection over union."""
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
    """(means of the objective's own terms, recon, kl, ..., nats an image; of how many images)."""
    batch = config.batch_size
    step = config.num_steps  # what a schedule has come to
    terms = jax.jit(lambda images, rng: objective.model_loss(params, images, rng, step)[1][0])
    num_batches = max(1, min(_BOUND_IMAGES, dataset.num_images) // batch)
    index = np.random.default_rng(config.seed).permutation(dataset.num_images)
    values = []
    for i in range(num_batches):
        images = dataset.images(np.resize(index[i * batch : (i + 1) * batch], batch)) / 255.0
        values.append(jax.device_get(terms(images.astype(np.float32), jax.random.fold_in(rng, i))))
    return {k: np.mean([v[k] for v in values], axis=0) for k in values[0]}, num_batches * batch


def terms(subject):
    """The objective's own terms on training images."""
    if build.critics(subject.config) and not subject.params.critic:
        raise UserError("an exported model has no critics, which they need; evaluate its run")
    rng = jax.random.fold_in(jax.random.key(subject.seed), 1)
    means, samples = bound(subject.config, subject.objective, subject.params, subject.dataset, rng)
    definition = "nats an image, mean over training images"
    if not methods.method_of(subject.config).likelihood:
        texts = {
            "mi": "nats, bound on I(code; generated image), of generated images",
            "generator_loss": "loss of generated images, with the noise of the end of training",
        }
    else:
        text = f"nats an image, estimate from batches of {subject.config.batch_size}"
        texts = dict.fromkeys(("mi", "tc", "dwkl"), f"{text}: aggregate_* take all images")
    if subject.config.cascade.source == "prior":
        texts["cascade_kl"] = "nats, the critic's estimate, of generated images"
    return {
        name: entry(value, texts.get(name, definition), samples, subject.seed)
        for name, value in means.items()
        if np.ndim(value) == 0
    }


def held_out(subject):
    """Likelihoods of the test split."""
    config = subject.config
    method = methods.method_of(config)
    if not method.likelihood:
        raise UserError(f"{method.name} has no likelihood")
    test = datasets.load(config.data.name, config.data.size, config.data.dir, "test")
    # At random: of MNIST, for instance, the first half is easier.
    rows = np.random.default_rng(subject.seed).permutation(test.num_images)[:_HELD_OUT_IMAGES]
    images = test.images(rows)
    found = likelihoods.held_out(
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
    n = min(subject.options.num_samples, subject.dataset.num_images)
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


def classifier(subject):
    """FID, KID and IS by the data's own classifier."""
    cache = datasets.data_root(subject.config.data.dir) / "classifiers"
    trained = classifier_features.classifier(subject.dataset, cache)
    worth = ", ".join(f"{name} {value:.3f}" for name, value in trained.accuracy.items())
    text = f"features of a classifier of these data (accuracy: {worth})"
    network = sample_quality.classifier_network(trained)
    return _quality(subject, network, "classifier", "_classifier", text)


def inception(subject):
    """FID, KID and IS by Inception-v3."""
    root = datasets.data_root(subject.config.data.dir)
    params = sample_quality.inception_params(subject.options.inception, root)
    network = sample_quality.inception_network(params)
    return _quality(subject, network, "inception", "", "Inception-v3 features, pytorch-fid's")
