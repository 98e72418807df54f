"""Calls to the devices: each does one training step or several, each on its own batch.

The images come with the call, or they lie on the devices and the call brings their indices. The
order of the batches is `datasets.order`'s in either case.
"""

import functools
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cvae_jax.datasets import order
from cvae_jax.devices import placement, processes
from cvae_jax.training import seeds

log = logging.getLogger(__name__)

_LONGEST = 50  # steps of a call where the config leaves it to us: more gain nothing


class Program(NamedTuple):
    """Training on the devices, of one seed or of several."""

    state: Any  # on the devices; the first call takes it
    fetch: Callable  # (first step, number of steps) -> what a call needs, on the devices
    run: Callable  # (state, what fetch gave, first step) -> (state, metrics [steps])
    unstack: Callable  # a state or metrics -> the list of each seed's


def steps_per_call(config, platform: str) -> int:
    """Returns the steps per call; a call's overhead matters on a GPU, not on a CPU."""
    if config.steps_per_call or platform == "cpu":
        return config.steps_per_call or 1
    return math.gcd(_LONGEST, config.log_every, config.checkpoint_every, config.eval.every)


def calls(start: int, stop: int, length: int) -> Iterator[tuple[int, int]]:
    """Yields (first step, number of steps) of the calls from step start to stop.

    A long call begins at a multiple of its length, so which steps are taken together does not
    depend on where a run was resumed.
    """
    while start < stop:
        count = length if start % length == 0 and start + length <= stop else 1
        yield start, count
        start += count


def on_devices(dataset, devices):
    """Returns the stored images on every device; None: they are too many, or it is a CPU."""
    limit = (devices[0].memory_stats() or {}).get("bytes_limit", 0)
    if devices[0].platform == "cpu" or dataset.pixels.nbytes > limit / 4:
        return None
    log.info("the data set, %.2f GB, is kept on the device", dataset.pixels.nbytes / 1e9)
    return placement.replicate(np.asarray(dataset.pixels), devices)


def _take(step, decode):
    """Steps one after the other: (state, pixels or None, batches [K, ...], first) -> as `run`."""

    def one(pixels, state, x):
        batch, now = x
        return step(state, batch if pixels is None else decode(pixels[batch]), now)

    def steps(state, pixels, batches, first):
        count = len(batches)
        if count > 1:
            xs = batches, first + jnp.arange(count)
            return lax.scan(functools.partial(one, pixels), state, xs)
        state, metrics = one(pixels, state, (batches[0], first))
        return state, jax.tree.map(lambda x: x[None], metrics)

    return steps


def make(train_step, config, states: list, dataset, objective, optimizers) -> Program:
    """Returns the program that trains every seed of a config.

    Args:
      train_step: `step.train_step`, or what has its arguments.
      config: of the run.
      states: one for each seed. The list is emptied.
      dataset: see `datasets.Dataset`.
      objective: the method.
      optimizers: `Players` of optax transformations.
    """
    devices = jax.local_devices()
    train_step = functools.partial(train_step, objective=objective, optimizers=optimizers)
    pixels = on_devices(dataset, devices)
    cumulative = None if dataset.weights is None else np.cumsum(dataset.weights)

    def batches(seed, first, count):
        size, num_examples = config.batch_size, dataset.num_images
        steps = range(first, first + count)
        of = (jax.process_index(), processes.count())
        if cumulative is None:
            index = [order.batch_indices(seed, step, size, num_examples, *of) for step in steps]
        else:
            index = [order.weighted_indices(seed, step, size, cumulative, *of) for step in steps]
        if pixels is not None:
            return np.stack(index).astype(np.int32)  # [K, B], of this process's rows
        images = dataset.images(np.concatenate(index))
        return images.reshape(count, -1, *images.shape[1:])  # [K, B, H, W, C]

    if config.num_seeds == 1:
        state, unstack = placement.replicate(states.pop(), devices), lambda tree: [tree]

        def step(state, images, now):
            del now
            return train_step(state, images, axis_name=placement.AXIS)

        steps = jax.pmap(
            _take(step, dataset.decode),
            axis_name=placement.AXIS,
            in_axes=(None, None, 0, None),
            out_axes=(None, None),
            donate_argnums=(0,),
            devices=processes.devices(),
        )

        def fetch(first, count):
            return placement.shard(batches(config.seed, first, count), devices, axis=1)
    else:
        state = seeds.stack(states, devices)
        states.clear()  # or they stay on the device as long as training lasts
        unstack = functools.partial(seeds.unstack, count=config.num_seeds)
        steps = jax.pmap(
            jax.vmap(_take(seeds.unless_frozen(train_step), dataset.decode), (0, None, 0, None)),
            axis_name=placement.AXIS,
            in_axes=(0, None, 0, None),
            donate_argnums=(0,),
            devices=devices,
        )

        def fetch(first, count):
            every = range(config.seed, config.seed + config.num_seeds)
            return seeds.stack([batches(seed, first, count) for seed in every], devices)

    return Program(state, fetch, lambda state, x, first: steps(state, pixels, x, first), unstack)
