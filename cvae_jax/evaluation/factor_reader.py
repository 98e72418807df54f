"""A network that reads factors from images, trained on the labelled data in seconds."""

import functools
import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cvae_jax.devices import batches
from cvae_jax.evaluation.classifier_features import Classifier
from cvae_jax.objectives.likelihoods import LIKELIHOODS

log = logging.getLogger(__name__)

READABLE = 0.1  # R^2 on held-out images, from which a factor is read
LEAST_IMAGES = 1_000
STEPS, _BATCH = 2_000, 32
_CALL = 100  # steps of one call
_LEARNING_RATE = 2e-3
_HELD_OUT = 2_000
_GROUPS = 10  # classes of a factor at most; those of more values are joined with their neighbours
_SIDE = 32  # larger images are averaged down to it
# black and white are this far from it, so that the reader has seen single wrong pixels
_GREY = 0.01
_MOST_LOGIT, _HALVINGS = 200.0, 40  # 100 makes a continuous Bernoulli's mean 0.99
_SEED = 0  # one for all runs, which are to be read alike


class Reader(NamedTuple):
    """Reads factors from images."""

    network: Classifier  # has apply(params, images [B, H, W, C]) -> (anything, [readings [B, m]])
    params: dict
    names: tuple  # the k factors that can be read
    columns: np.ndarray  # [r], of the m readings those that are used
    factor_of: np.ndarray  # [r], which of the k factors each is of
    spread: np.ndarray  # [r], its variance over held-out images
    r2: dict  # {factor: R^2 on held-out images} of all factors


def factor_reader(dataset, model, steps: int = STEPS) -> Reader:
    """Trains a reader on all images of a labelled data set but a tenth (at most 2,000).

    Each factor is read twice, as a number (its values' ranks) and as classes (at most ten, values
    joined with their neighbours), by least squares; what reads held-out images better is kept, by
    R^2, the share of the variance that the reading explains: positions and sizes are read as
    numbers, angles and shapes as classes. A factor below 0.1 either way can't be read.

    The images have the noise of the pixels that x_hat has, of the model's own likelihood; where
    that is none of `LIKELIHOODS`, none.

    Args:
      dataset: see `datasets.Dataset`; with labels. Factors of one value are passed over.
      model: see `runs.model.Model`; only its objective's likelihood is asked for.
      steps: of the training, in hundreds.

    Returns:
      A `Reader`; names is empty where nothing can be read.

    Raises:
      ValueError: the data have no labels that vary, or under 1,000 images.
    """
    varying = np.flatnonzero((dataset.factors != dataset.factors[:1]).any(axis=0))
    names = [dataset.factor_names[i] for i in varying]
    if not names:
        raise ValueError("the data have no labels that vary")
    if dataset.num_images < LEAST_IMAGES:
        raise ValueError(
            f"{dataset.num_images:,} images are too few to learn factors from: {LEAST_IMAGES:,}"
        )
    rows = np.random.default_rng(_SEED).permutation(dataset.num_images)
    held_out, rest = np.split(rows, [min(_HELD_OUT, len(rows) // 10)])
    forms = [_forms(factor) for factor in dataset.factors.T[varying]]  # two of each factor
    targets = np.concatenate([form for two in forms for form in two], axis=1)  # [N, m]
    network = Classifier((targets.shape[1],), channels=(16, 32, 64), features=128)
    pixels = _pixels(model)
    params = _fit(network, pixels, dataset, targets, rest, steps)

    found = _readings(network, pixels, params, dataset, held_out)
    errors = ((found - targets[held_out]) ** 2).mean(axis=0)  # [m]
    widths = [[form.shape[1] for form in two] for two in forms]
    kept, columns, factor_of, r2 = _better_forms(errors, widths)
    return Reader(
        network,
        params,
        names=tuple(names[i] for i in kept),
        columns=columns,
        factor_of=factor_of,
        spread=found.var(axis=0)[columns],
        r2=dict(zip(names, r2, strict=True)),
    )


def _better_forms(errors, widths):
    """Returns which factors can be read, the columns [r] of their better forms, and all R^2.

    Args:
      errors: mean squares [m] of the columns of all forms, in their order; a form's variance is 1.
      widths: of each factor the columns of its two forms.

    Returns:
      (the k factors that can be read, columns [r], which of the k each of them is of [r], R^2 of
      every factor).
    """
    kept, columns, factor_of, r2, first = [], [], [], [], 0
    for i, two in enumerate(widths):
        best, best_columns = -np.inf, []
        for width in two:
            own = range(first, first + width)
            first += width
            share = float(np.nan_to_num(1 - errors[own].sum()))  # one that diverged reads nothing
            if share > best:
                best, best_columns = share, own
        r2.append(best)
        if best >= READABLE:
            factor_of += [len(kept)] * len(best_columns)
            columns += [*best_columns]
            kept.append(i)
    return kept, np.array(columns, int), np.array(factor_of, int), r2


def _readings(network, pixels, params, dataset, rows):
    """Readings [n, m] of these rows, with the likelihood's noise."""
    found = []
    for part in batches.slices(len(rows), dataset.size, dataset.channels):
        key = jax.random.fold_in(jax.random.key(_SEED + 1), part.start)
        images = _noisy(pixels, dataset.images(rows[part]), key)
        found.append(np.asarray(read(network, params, images)))
    return np.concatenate(found)


@functools.partial(jax.jit, static_argnums=0)
def read(network, params, images):
    """Returns readings [n, m] of images [n, H, W, C] in [0, 1]."""
    return network.apply(params, shrunk(images))[1][0]


def shrunk(images):
    """Returns images [B, H, W, C] averaged over 2x2 pixels while a side is even and above 32."""
    while images.shape[1] > _SIDE and not images.shape[1] % 2:
        b, h, w, c = images.shape
        images = images.reshape(b, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))
    return images


def _forms(factor):
    """A factor [N] as a number [N, 1] and as classes [N, g], each of total variance 1."""
    forms = []
    ranks = np.unique(factor, return_inverse=True)[1]
    values = ranks.max() + 1
    groups = ranks * min(_GROUPS, values) // values
    for form in (ranks[:, None], np.eye(groups.max() + 1, dtype=np.float32)[groups]):
        centred = form - form.mean(axis=0)
        forms.append((centred / np.sqrt(centred.var(axis=0).sum())).astype(np.float32))
    return forms


def _pixels(model):
    """The likelihood's name and its learned parameters; None: the pixels have no noise we know."""
    if model.objective.likelihood is None:
        return None
    learned = getattr(model.params, "model", {}).get("likelihood", {})
    return model.objective.likelihood, learned


def _logits_of_bytes(likelihood):
    """The decoder's outputs [256] for which p(x | z) has the means 0/255 to 255/255, by halving.

    Black and white are `_GREY` from theirs.
    """
    wanted = jnp.clip(jnp.arange(256) / 255, _GREY, 1 - _GREY)

    def halved(_, interval):
        low, high = interval
        middle = (low + high) / 2
        under = LIKELIHOODS[likelihood].mean(middle) < wanted
        return jnp.where(under, middle, low), jnp.where(under, high, middle)

    interval = jnp.full(256, -_MOST_LOGIT), jnp.full(256, _MOST_LOGIT)
    return jax.lax.fori_loop(0, _HALVINGS, halved, interval)[0]


@functools.partial(jax.jit, static_argnums=0)
def _drawn(likelihood, learned, images, key):
    """Samples of p(x | z) whose means are images of bytes [B, H, W, C]."""
    logits = _logits_of_bytes(likelihood)[images]
    return LIKELIHOODS[likelihood].sample(jax.random.split(key, len(images)), logits, **learned)


def _noisy(pixels, images, key):
    """Images of bytes as numbers from 0 to 1, with the likelihood's noise where there is one."""
    return images / np.float32(255) if pixels is None else _drawn(*pixels, images, key)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _steps(network, likelihood, steps, learned, params, opt_state, images, targets, keys):
    """So many steps of Adam as there are batches of images [s, B, H, W, C]."""

    def step(state, batch):
        params, opt_state = state
        images, targets, key = batch
        images = _noisy(likelihood and (likelihood, learned), images, key)

        def loss(params):
            found = network.apply(params, shrunk(images))[1][0]
            return jnp.sum((found - targets) ** 2) / len(images)

        updates, opt_state = _optimizer(steps).update(jax.grad(loss)(params), opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    return jax.lax.scan(step, (params, opt_state), (images, targets, keys))[0]


def _optimizer(steps):
    return optax.adam(optax.cosine_decay_schedule(_LEARNING_RATE, steps))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _init(network, steps, images):
    params = network.init(jax.random.key(_SEED), shrunk(images))
    return params, _optimizer(steps).init(params)


def _fit(network, pixels, dataset, targets, rows, steps):
    """Parameters after so many steps of Adam on the squared error, summed over readings."""
    log.info("training a reader of %s's factors, %s steps", dataset.name, f"{steps:,}")
    likelihood, learned = pixels or (None, {})
    state = _init(network, steps, dataset.images(rows[:1]) / np.float32(255))
    rng = np.random.default_rng(_SEED)
    for i in range(steps // _CALL):
        index = rng.choice(rows, _CALL * _BATCH)
        images = dataset.images(index)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(_SEED), i), _CALL)
        state = _steps(
            network,
            likelihood,
            steps,
            learned,
            *state,
            images.reshape(_CALL, _BATCH, *images.shape[1:]),
            targets[index].reshape(_CALL, _BATCH, -1),
            keys,
        )
    return state[0]
