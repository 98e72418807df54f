"""The global batch seen from one device: rows are drawn by global index, statistics need all.

A random array is drawn whole on every device and cut, so that its rows do not depend on how many
devices there are; a few dozen floats a row cost nothing beside the networks.
"""

import jax
from jax import lax


def num_devices(axis_name):
    """Returns the number of devices that share the batch; 1 without an axis."""
    return 1 if axis_name is None else lax.axis_size(axis_name)


def local_rows(x, axis_name):
    """Returns this device's share of x's rows: [n, ...] -> [n / devices, ...].

    Raises:
      ValueError: n is not a multiple of the devices; rows would be lost.
    """
    if axis_name is None:
        return x
    devices = lax.axis_size(axis_name)
    if x.shape[0] % devices:
        raise ValueError(
            f"{x.shape[0]} rows are not divisible by {devices} devices: batch_size and "
            "prior_batch_size must be"
        )
    count = x.shape[0] // devices
    return lax.dynamic_slice_in_dim(x, lax.axis_index(axis_name) * count, count)


def all_rows(x, axis_name):
    """Gathers all devices' rows in global order: [n / devices, ...] -> [n, ...]; differentiable."""
    return x if axis_name is None else lax.all_gather(x, axis_name, tiled=True)


def normal_rows(rng, shape, axis_name):
    """This device's rows of one standard normal array over the global batch.

    Args:
      rng: a key, the same on every device.
      shape: the local shape [n / devices, ...].
      axis_name: the devices' axis, or None.

    Returns:
      [n / devices, ...].
    """
    global_shape = (shape[0] * num_devices(axis_name), *shape[1:])
    return local_rows(jax.random.normal(rng, global_shape), axis_name)


def row_keys(rng, n: int, axis_name):
    """Returns a key for each of this device's n rows, by its place in the global batch: [n]."""
    return local_rows(jax.random.split(rng, n * num_devices(axis_name)), axis_name)
