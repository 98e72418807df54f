"""What an encoder and a decoder of one's own must be: refused in one line before training."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.errors import InvalidRngError

from cvae_jax.errors import UserError, first_line

_FUNCTION = "a network is a function of its parameters and input alone"


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
