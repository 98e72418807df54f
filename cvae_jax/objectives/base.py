"""The contract of every method: a tuple of pure functions, composed by wrappers as in optax."""

import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Players(NamedTuple):
    """Whatever exists once per optimizer: params, optimizer states, optimizers, gradients."""

    model: Any  # encoder and decoder; for InfoGAN generator and recogniser
    critic: Any  # dict of discriminators by name; {} when there are none


class Objective(NamedTuple):
    """A method: how its parameters begin, its two losses, and how it maps images and latents.

    Losses are in nats per image, the mean over the local rows of the batch: with `axis_name` the
    batch is split over the devices of that axis, and the mean over devices of loss and gradient
    equals the loss and gradient on one device.
    """

    # (rng, images [B, H, W, C] float) -> Players of parameters
    init: Callable
    # (params, images, rng, step, axis_name=None) -> (loss, (metrics, samples)); differentiated with
    # respect to params.model. metrics is a dict of numbers and vectors, samples one of arrays, not
    # stopped: a wrapper may add a differentiable term from them.
    model_loss: Callable
    # (params, samples, rng, step, axis_name=None) -> (loss, metrics); w.r.t. params.critic
    critic_loss: Callable
    # (rng, n) -> z [n, d]
    prior: Callable
    # (params, images in [0, 1]) -> (mean, logvar), each [B, d]
    encode: Callable
    # (params, z [B, d], rng=None) -> images in [0, 1], [B, H, W, C]; rng draws what z does not
    # hold: a key, or one for each row (rows.row_keys, on several devices); None fixes it
    decode: Callable
    # Optional from here on, None where a method has no p(x | z)
    # (params, images [B, H, W, C] in [0, 1], z [B, d]) -> log p(x | z) of each image, nats [B]
    log_likelihood: Callable | None = None
    # (params, z [B, d], keys [B], logits=None) -> x ~ p(x | z), [B, H, W, C], differentiable
    # (straight-through where pixels are discrete); logits of z that model_loss's samples hold are
    # not computed again. None: `decode` with those keys is a sample, or all there is
    sample: Callable | None = None
    # The name of p(x | z) in likelihoods.LIKELIHOODS, whose learned parameters are
    # params.model["likelihood"]; None: it is none of these
    likelihood: str | None = None


def at_step(weight, step):
    """Returns a weight at a step: a number, or a schedule of it, as in optax."""
    return weight(step) if callable(weight) else weight


def named_key(rng, name: str):
    """Returns the key of one use, folded in by its name: a wrapper's, or that of what it wraps."""
    return jax.random.fold_in(rng, zlib.crc32(name.encode()))


def base_key(rng, name: str):
    """Returns the key that the wrapper `name` hands to the objective it wraps."""
    return named_key(rng, f"base of {name}")
