"""The order in which training visits the examples, and their fetching ahead."""

import concurrent.futures
import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np


def batch_indices(
    seed: int,
    step: int,
    batch_size: int,
    num_examples: int,
    process: int = 0,
    num_processes: int = 1,
) -> np.ndarray:
    """Returns the examples of one step: positions step * batch_size + i of a stream of epochs.

    Each epoch is a permutation of all examples, drawn from (seed, epoch) alone, so that the step
    is all a resumed run has to know. A batch may straddle epochs; none is dropped.

    Args:
      seed: non-negative.
      step: from 0.
      batch_size: over all devices of all processes.
      num_examples: size of the data set.
      process: which of the processes; it gets its own rows of the batch, in the order of processes.
      num_processes: how many share each batch; they divide batch_size.

    Returns:
      int64 [batch_size / num_processes], in [0, num_examples).
    """
    epoch, offset = divmod(int(step) * batch_size, num_examples)
    parts, missing = [], batch_size
    while missing:
        part = _epochs(seed, num_examples)(epoch)[offset : offset + missing]
        parts.append(part)
        missing -= len(part)
        epoch, offset = epoch + 1, 0
    own = batch_size // num_processes
    # a copy: the permutations are shared
    return np.concatenate(parts)[process * own : (process + 1) * own]


def weighted_indices(
    seed: int,
    step: int,
    batch_size: int,
    cumulative: np.ndarray,
    process: int = 0,
    num_processes: int = 1,
) -> np.ndarray:
    """Returns the examples of one step, drawn with replacement by their weights.

    They are drawn from (seed, step) alone, so that the step is all a resumed run has to know.

    Args:
      seed: see `batch_indices`, as all that follow.
      step: from 0.
      batch_size: over all processes.
      cumulative: sums of the examples' weights up to each, float64 [N]; none is negative.
      process: which of the processes.
      num_processes: how many share each batch.

    Returns:
      int64 [batch_size / num_processes], in [0, N).
    """
    # Three numbers, as the epochs of `batch_indices` have two.
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, int(step), 1])))
    index = np.searchsorted(cumulative, rng.random(batch_size) * cumulative[-1], side="right")
    index = np.minimum(index, len(cumulative) - 1)  # a product may round up to the last sum
    own = batch_size // num_processes
    return index[process * own : (process + 1) * own]


def prefetch(fetch: Callable, items: Iterable) -> Iterator:
    """Yields fetch(item) of all items in order, each fetched on a thread while the last is used."""
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        coming = None
        for item in items:
            before, coming = coming, thread.submit(fetch, item)
            if before:
                yield before.result()
        if coming:
            yield coming.result()


@functools.lru_cache(maxsize=64)  # seeds
def _epochs(seed: int, num_examples: int) -> Callable[[int], np.ndarray]:
    """Returns a seed's function from an epoch to its permutation, int64 [N]."""

    @functools.lru_cache(maxsize=2)  # a batch may straddle two; of 737,280 images each has 6 MB
    def permutation(epoch):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch])))
        return rng.permutation(num_examples)

    return permutation
