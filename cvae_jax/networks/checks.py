"""What networks of one's own, and images that they see, must be: refused in one line."""

import contextlib
import contextvars

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.errors import InvalidRngError

from cvae_jax.errors import UserError, first_line

_TOLERANCE = 1e-3  # that resizing may have left an image beyond [0, 1]
_FUNCTION = "a network is a function of its parameters and input alone"


_ours = contextvars.ContextVar("whether images were sampled by a decoder", default=False)


@contextlib.contextmanager
def of_a_decoder():
    """Within it floats may be beyond [0, 1], as samples of a Gaussian p(x | z) are."""
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


def require_range(images) -> None:
    """Refuses floats beyond [0, 1] where values can be seen: 0 to 255 would make the loss NaN.

    Under jit there are no values to look at, and a decoder's own images are not looked at.

    Raises:
      UserError: names the least and the largest value.
    """
    floats = jnp.issubdtype(images.dtype, jnp.floating)
    if not floats or _ours.get() or isinstance(images, jax.core.Tracer) or not images.size:
        return
    seen = np.asarray(images)  # under jit JAX's own minimum of a constant is a tracer
    least, most = float(seen.min()), float(seen.max())
    if not (least >= -_TOLERANCE and most <= 1 + _TOLERANCE):
        raise UserError(
            f"images are from {least:.3g} to {most:.3g}: make them uint8, or floats in [0, 1]"
        )


def require_floats(images) -> None:
    """Refuses integers, which nothing has scaled.

    Raises:
      UserError: names the type.
    """
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise UserError(
            f"images are {images.dtype}: an objective takes floats in [0, 1], so divide bytes by "
            "255"
        )


def require_supported(networks, images) -> None:
    """Refuses networks that a VAE can't train; nothing is computed, only shapes are looked at.

    Supported are linen modules with parameters alone. The encoder has a field or attribute
    `latents`, d, and maps images [B, H, W, C] to (mean, logvar), each [B, d]; the decoder maps z
    [B, d] to logits [B, H, W, C].

    Args:
      networks: `networks.Networks`.
      images: [B, H, W, C] float.

    Raises:
      UserError: names the network, what it does and what is supported.
    """
    encoder, decoder = networks
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(network, nn.Module):
            kind = type(network)
            nnx = " nnx modules hold their parameters:" if kind.__module__ != "builtins" else ""
            raise UserError(
                f"the {name} is a {kind.__name__}, no linen module:{nnx} write it as a "
                "flax.linen.Module"
            )
    latents = getattr(encoder, "latents", None)
    if type(latents) is not int or latents < 1:
        raise UserError(
            f"the encoder {type(encoder).__name__} has no field latents, a whole number: add it, "
            "the d of the mean [B, d] that it returns"
        )
    out = _output("encoder", encoder, images)
    count, shape = images.shape[0], (images.shape[0], latents)
    if not isinstance(out, tuple) or len(out) != 2 or not all(hasattr(x, "shape") for x in out):
        raise UserError(
            f"the encoder {type(encoder).__name__} returns no pair of arrays: return (mean, "
            "logvar), each [B, latents]"
        )
    for name, x in zip(("mean", "logvar"), out, strict=True):
        if x.shape != shape:
            raise UserError(
                f"the encoder's {name} has shape {x.shape} for a batch of {count} and latents "
                f"{latents}: it must be {shape}"
            )
    logits = _output("decoder", decoder, jax.ShapeDtypeStruct(shape, jnp.float32))
    if getattr(logits, "shape", None) != images.shape:
        raise UserError(
            f"the decoder's output has shape {getattr(logits, 'shape', None)}: it must be that of "
            f"the images, {images.shape}, of logits before a sigmoid"
        )


def _output(name, network, x):
    """The shapes of what a network gives for x."""
    x = jax.ShapeDtypeStruct(x.shape, x.dtype)
    kind = type(network).__name__
    try:
        variables = jax.eval_shape(lambda x: network.init(jax.random.key(0), x), x)
        others = sorted({*variables} - {"params"})
        if others:
            raise UserError(
                f"the {name} {kind} has the collection {others[0]}, as BatchNorm has: {_FUNCTION}; "
                "use GroupNorm or LayerNorm"
            )
        return jax.eval_shape(network.apply, variables, x)
    except UserError:
        raise
    except InvalidRngError:
        raise UserError(
            f"the {name} {kind} draws random numbers, as Dropout does: {_FUNCTION}; leave it out, "
            "or set deterministic=True"
        ) from None
    except Exception as error:  # whatever a module of the user's raises
        raise UserError(
            f"the {name} {kind} fails on an input of shape {x.shape} ({first_line(error)})"
        ) from error
