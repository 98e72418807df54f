"""A trained model as one bundle: arrays in, arrays out."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax.config import methods
from cvae_jax.errors import UserError
from cvae_jax.networks.checks import require_range
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.step import as_float


# Parameters are arguments and the objective's functions are static: another seed of the same
# method is encoded and decoded by the programs of the first.
@functools.partial(jax.jit, static_argnums=0)
def _encode(encode, params, images):
    return encode(params, as_float(images))


@functools.partial(jax.jit, static_argnums=0)
def _decode(decode, params, z, rng):
    return decode(params, z, rng)


class Model(NamedTuple):
    """A trained model: its config, method and parameters."""

    config: Any
    objective: Objective
    params: Players  # of an exported model without critics
    step: int  # steps it was trained for
    channels: int  # of its images
    num_examples: int = 0  # images that it was trained on; 0: not known
    method: str = ""  # what it is called where parts are its own; "": as its config says

    def encode(self, images):
        """Returns the posterior of images: (mean, logvar), each [B, d].

        Args:
          images: [B, H, W, C], uint8 or float in [0, 1].

        Raises:
          UserError: they are no array, the shape is not that of the model's images, or floats are
            beyond [0, 1].
        """
        size = self.config.data.size
        images = _array("images", images, (size, size, self.channels))
        require_range(images)
        return _rows(functools.partial(_encode, self.objective.encode, self.params), images)

    def decode(self, z, rng=None):
        """Returns the images of latents: floats in [0, 1], [B, H, W, C].

        Args:
          z: [B, d].
          rng: a key, for what z does not hold: InfoGAN's category and noise; None fixes them.

        Raises:
          UserError: z is no array, has another shape, or holds what is no number; or rng is no key.
        """
        rng = _key(rng)
        z = _array("latents", z, (self.config.objective.latents,))
        _require_finite(z)
        return _rows(lambda z: _decode(self.objective.decode, self.params, z, rng), z)

    def __repr__(self):
        config, size = self.config, self.config.data.size
        method = self.method or methods.title(config)
        count = sum(x.size for x in jax.tree.leaves(self.params))
        return (
            f"Model: {method}; {config.objective.latents} latents; trained on {config.data.name}, "
            f"images [{size}, {size}, {self.channels}], {self.step:,} steps, seed {config.seed}; "
            f"{count:,} parameters. encode(images) -> (mean, logvar); decode(z) -> images."
        )


def _key(rng):
    """Returns a typed key; one of `jax.random.PRNGKey` is made one."""
    if rng is None or jnp.issubdtype(getattr(rng, "dtype", None), jax.dtypes.prng_key):
        return rng
    try:
        return jax.random.wrap_key_data(rng)
    except (TypeError, ValueError) as error:
        raise UserError(f"rng is no key ({type(rng).__name__}): pass jax.random.key(0)") from error


def _array(what, x, shape):
    """Returns x as an array [n, *shape]; refuses what is none, or has another shape."""
    wanted = ", ".join(map(str, ("n", *shape)))
    try:
        array = jnp.asarray(x)
    except (TypeError, ValueError) as error:  # text, None, lists of unequal lengths
        raise UserError(
            f"{what} are no array of numbers ({type(x).__name__}): this model takes [{wanted}]"
        ) from error
    if jnp.iscomplexobj(array):
        raise UserError(f"{what} are complex: this model takes real numbers, [{wanted}]")
    if array.shape[1:] != shape:
        raise UserError(f"{what} have shape {array.shape}; this model takes [{wanted}]")
    return array


def _require_finite(z):
    """Refuses NaN and infinity where values can be seen: their images look like any others."""
    if isinstance(z, jax.core.Tracer):
        return
    wrong = int(np.sum(~np.isfinite(np.asarray(z))))
    if wrong:
        raise UserError(f"latents hold NaN or infinity, {wrong} of {z.size}: give finite ones")


def _rows(function, x):
    """Returns function(x); of no rows computes nothing, as none can be reshaped to [n, -1]."""
    if len(x):
        return function(x)
    one = jax.eval_shape(function, jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype))
    return jax.tree.map(lambda y: jnp.zeros((0, *y.shape[1:]), y.dtype), one)
