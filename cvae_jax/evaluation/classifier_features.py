"""A classifier trained on the data set itself: features and probabilities that always exist.

The scores made from it have names of their own, `fid_classifier` and `is_classifier`; they compare
models on one data set, and with nothing published.
"""

import contextlib
import functools
import hashlib
import logging
import pathlib
import zlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import serialization
from tqdm import tqdm

from cvae_jax import files
from cvae_jax.devices import batches
from cvae_jax.errors import UserError
from cvae_jax.networks import StridedConv

log = logging.getLogger(__name__)

FEATURES = 256
STEPS = 3_000
_BATCH = 128
_SEED = 0  # of its initialisation, batches and held-out images
_HELD_OUT = 5_000
_READ = 10_000  # images whose checksum is taken at once
_DIGEST = 32  # bytes of the SHA-256 that a kept classifier's file begins with


class Classifier(nn.Module):
    """Images [B, H, W, C] in [0, 1] -> (features [B, F], logits of each factor [B, sizes[i]])."""

    sizes: tuple
    channels: tuple = (32, 64, 64)  # of its three convolutions
    features: int = FEATURES  # F

    @nn.compact
    def __call__(self, images):
        # the three convolutions halve the sides: 28 becomes 32
        rest = [(0, -side % 8) for side in images.shape[1:3]]
        x = jnp.pad(images, [(0, 0), *rest, (0, 0)])
        for features in self.channels:
            x = nn.relu(StridedConv(features)(x))
        x = nn.relu(nn.Dense(self.features)(x.reshape(len(x), -1)))
        return x, [nn.Dense(size)(x) for size in self.sizes]


class Trained(NamedTuple):
    """A classifier and its accuracy."""

    module: Classifier
    params: dict
    accuracy: dict  # of each factor, on images held out


def _classes(dataset):
    """Each factor's values as classes from 0: int [N, k]."""
    return np.stack([np.unique(f, return_inverse=True)[1] for f in dataset.factors.T], axis=1)


@functools.partial(jax.jit, static_argnums=0)
def _init(module, images):
    return module.init(jax.random.key(_SEED), images)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _step(module, steps, params, opt_state, images, labels):
    def loss(params):
        logits = module.apply(params, images / 255.0)[1]
        entropies = [
            optax.softmax_cross_entropy_with_integer_labels(x, labels[:, i]).mean()
            for i, x in enumerate(logits)
        ]
        return sum(entropies)

    updates, opt_state = _optimizer(steps).update(jax.grad(loss)(params), opt_state)
    return optax.apply_updates(params, updates), opt_state


def _optimizer(steps):
    return optax.adam(optax.cosine_decay_schedule(1e-3, steps))


def _fit(module, dataset, classes, rows):
    """Parameters after STEPS steps of Adam on the cross entropy, summed over factors."""
    params = _init(module, dataset.images(rows[:1]) / 255.0)
    opt_state = _optimizer(STEPS).init(params)
    rng = np.random.default_rng(_SEED)
    for _ in tqdm(range(STEPS), desc="classifier", unit="step", disable=None, leave=False):
        index = rng.choice(rows, _BATCH)
        images, labels = dataset.images(index), classes[index]
        params, opt_state = _step(module, STEPS, params, opt_state, images, labels)
    return params


def _kept(path, module, dataset) -> Trained | None:
    """Returns the classifier kept at path; None: there is none, or it is damaged."""
    # Before the look, so that it is traced once, whichever run comes first.
    shapes = _init.eval_shape(module, dataset.images(np.arange(1)) / 255.0)
    if not path.exists():
        return None
    template = {"params": shapes, "accuracy": dict.fromkeys(dataset.factor_names, 0.0)}
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            raise ValueError("not the bytes that were written")
        kept = serialization.from_bytes(template, content[_DIGEST:])
        jax.tree.map(lambda a, b: np.broadcast_to(a, b.shape), kept["params"], shapes)
        return Trained(module, kept["params"], kept["accuracy"])
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}; remove it") from None
    except (ValueError, KeyError, TypeError):
        log.warning("%s is damaged or of another version: it is trained again", path)
        return None


def _train(module, dataset, classes) -> Trained:
    n = len(classes)
    rows = np.random.default_rng(_SEED).permutation(n)
    held_out, rest = np.split(rows, [max(1, min(_HELD_OUT, n // 10))])
    log.info("training a classifier on %s, %s steps", dataset.source, f"{STEPS:,}")
    params = _fit(module, dataset, classes, rest)
    found = batches.mapped(
        functools.partial(features, module, params),
        lambda index: dataset.images(held_out[index]),
        len(held_out),
        jax.local_devices()[:1],
        size=dataset.size,
        channels=dataset.channels,
        what="classifier, held-out images",
    )[1]
    accuracy = {
        factor: float(np.mean(p.argmax(axis=1) == classes[held_out, i]))
        for i, (factor, p) in enumerate(zip(dataset.factor_names, found, strict=True))
    }
    return Trained(module, jax.device_get(params), accuracy)


def _keep(path, trained) -> None:
    kept = {"params": trained.params, "accuracy": trained.accuracy}
    content = serialization.to_bytes(kept)
    with files.replacing(path) as file:
        file.write(hashlib.sha256(content).digest() + content)


def classifier(dataset, cache: pathlib.Path) -> Trained:
    """Returns the data set's classifier: from the cache, else trained and, if possible, kept there.

    A convolutional network predicts every factor at once. It is trained on all images but a tenth
    (at most 5,000), on which its accuracy is taken. Other processes wait for the first.

    Args:
      dataset: see `datasets.Dataset`; with labels.
      cache: a folder; made where it is missing.

    Raises:
      UserError: the data set has no labels, or what is kept can't be read.
    """
    if not dataset.factor_names:
        raise UserError(f"{dataset.source} has no labels to train a classifier on")
    classes = _classes(dataset)
    module = Classifier(tuple(int(n) for n in classes.max(axis=0) + 1))
    # A folder of pictures may change under its name.
    checksum = zlib.crc32(np.ascontiguousarray(dataset.factors))
    for i in range(0, len(dataset.pixels), _READ):  # a part of a mapped file, never the whole
        checksum = zlib.crc32(np.ascontiguousarray(dataset.pixels[i : i + _READ]), checksum)
    # of a path the end: a file's name has at most 255 bytes, and the checksum tells the data
    name = f"{dataset.name.replace('/', '_')[-60:]}-{dataset.size}x{dataset.size}"
    path = cache / f"{name}-{checksum:08x}-seed{_SEED}.msgpack"
    with contextlib.suppress(OSError):  # what is kept may be read where nothing can be written
        cache.mkdir(parents=True, exist_ok=True)
    with files.locked_if_possible(path.with_suffix(".lock")):
        trained = _kept(path, module, dataset)
        if trained is None:
            trained = _train(module, dataset, classes)
            try:
                _keep(path, trained)
            except OSError as error:
                log.warning(
                    "can't keep the classifier at %s (%s): the next evaluation trains it again",
                    path,
                    error.strerror,
                )
    return trained


@functools.partial(jax.jit, static_argnums=0)
def features(module, params, images):
    """Returns (features [B, 256], [probabilities [B, sizes[i]] of each factor]) of uint8 images."""
    hidden, logits = module.apply(params, images / jnp.float32(255))
    return hidden, [nn.softmax(x) for x in logits]
