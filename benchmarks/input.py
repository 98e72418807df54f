"""How long batches take to make, and whether training waits for them.

Two data sets: dsprites_small (binary, unpacked from bits) and a CelebA-sized one of random numbers
(64x64, colour, uint8) in memory and mapped from the disk. For each: milliseconds to make a batch,
milliseconds of a whole training step that takes its batches from `prefetch`, and of one that gets
the same batch again and again; their difference is what training waits for. Rounds of the two kinds
of steps take turns, each kind first in every other round, and all numbers are medians over rounds,
that of the difference with its standard error (of a median: 1.25 s / sqrt(rounds)).

  python -m benchmarks.input
"""

import argparse
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

from cvae_jax import cli, datasets
from cvae_jax.config import build, defaults
from cvae_jax.datasets import order, working_copy
from cvae_jax.step import create_train_state, train_step
from cvae_jax.training import calls

_ROUNDS = 12
_STEPS = 10


def celeba_sized(folder, count=20_000):
    """Returns a working copy of random colour images, in memory and mapped."""

    def chunks():
        rng = np.random.default_rng(0)
        for _ in range(count // 1000):
            yield rng.integers(0, 256, (1000, 64, 64, 3), np.uint8), np.zeros((1000, 0), int)

    shape = (64, 64, 3)
    content = working_copy.Content(shape, False, (), f"{count:,} images", count, chunks())
    working_copy.store(Path(folder), "", content)
    pixels = np.load(Path(folder) / "images.npy")
    mapped = np.load(Path(folder) / "images.npy", mmap_mode="r")
    factors = np.zeros((count, 0), np.int32)
    for name, array in (("CelebA-sized, in memory", pixels), ("CelebA-sized, mapped", mapped)):
        copy = working_copy.WorkingCopy(array, factors, shape, False, (), "")
        yield datasets.as_dataset(name, 64, copy)


def measure(dataset, batch=64):
    """Times a batch, a step with new batches, a step with the same batch, ms: [rounds, 3]."""
    config = defaults.get_config()
    config.batch_size = batch
    count = dataset.num_images
    info = build.DataInfo(dataset.size, dataset.channels, count)
    objective, optimizers = build.objective(config, info), build.optimizers(config)

    images = dataset.images(np.arange(batch))
    states = [create_train_state(jax.random.key(0), objective, optimizers, images)]
    state, fetch_steps, one, _ = calls.make(
        train_step, config, states, dataset, objective, optimizers
    )

    def fetch(step):
        return fetch_steps(step, 1)

    def run(batches, state):
        start = time.perf_counter()
        for images in batches:
            state, _ = one(state, images, 0)
            jax.block_until_ready(state)
        return 1e3 * (time.perf_counter() - start) / _STEPS, state

    same = fetch(0)
    _, state = run([same] * 3, state)
    times = []
    for round_ in range(_ROUNDS):
        first = (round_ + 1) * _STEPS
        start = time.perf_counter()
        for step in range(first, first + _STEPS):
            fetch(step)
        alone = 1e3 * (time.perf_counter() - start) / _STEPS
        if round_ % 2:
            again, state = run([same] * _STEPS, state)
        coming, state = run(order.prefetch(fetch, range(first, first + _STEPS)), state)
        if not round_ % 2:
            again, state = run([same] * _STEPS, state)
        times.append((alone, coming, again))
    return np.array(times)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", default="", help="where dsprites_small is or is to be")
    args = parser.parse_args()
    print(f"medians of {_ROUNDS} rounds of {_STEPS} steps, ms")
    print(f"{'data':<28}{'batch':>8}{'step':>9}{'same batch':>12}{'waits':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for dataset in (
            datasets.load("dsprites_small", 64, args.data_dir),
            *celeba_sized(folder),
        ):
            times = measure(dataset)
            alone, coming, again = np.median(times, axis=0)
            waits = 100 * (times[:, 1] - times[:, 2]) / again
            error = 1.25 * np.std(waits, ddof=1) / np.sqrt(_ROUNDS)
            print(
                f"{dataset.name:<28}{alone:>8.2f}{coming:>9.1f}{again:>12.1f}"
                f"{np.median(waits):>7.1f}% ± {error:.1f}"
            )


if __name__ == "__main__":
    cli.restart_with_tunables()
    cli.compute_in_calling_thread()
    main()
