"""The order in which training visits the data: shared by processes, the same after a resume."""

import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

from cvae_jax.datasets import order
from cvae_jax.errors import UserError


def test_batch_indices_by_hand():
    first, second = (
        np.random.Generator(np.random.PCG64(np.random.SeedSequence([3, epoch]))).permutation(5)
        for epoch in (0, 1)
    )
    stream = np.concatenate([first, second])
    for step in range(3):  # the second batch straddles the epochs
        batch = order.batch_indices(3, step, 3, 5)
        assert batch.dtype == np.int64
        np.testing.assert_array_equal(batch, stream[3 * step : 3 * step + 3])


@pytest.mark.parametrize(("batch_size", "num_examples"), [(4, 10), (7, 10), (25, 10), (10, 10)])
def test_batch_indices_epochs_are_permutations(batch_size, num_examples):
    steps = range(6 * num_examples // batch_size + 1)
    stream = np.concatenate(
        [order.batch_indices(1, step, batch_size, num_examples) for step in steps]
    )
    epochs = stream[: 6 * num_examples].reshape(6, num_examples)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(num_examples), (6, 1)))
    assert len(np.unique(epochs, axis=0)) > 1


def test_batch_indices_is_pure():
    late = order.batch_indices(0, 1000, 8, 50)
    late_copy = late.copy()
    late[:] = -1  # a caller's change must not reach the shared permutations
    np.testing.assert_array_equal(order.batch_indices(0, 1000, 8, 50), late_copy)
    for step in range(30):
        order.batch_indices(5, step, 8, 50)
    np.testing.assert_array_equal(order.batch_indices(0, 1000, 8, 50), late_copy)
    np.testing.assert_array_equal(order.batch_indices(0, np.int32(1000), 8, 50), late_copy)
    assert not np.array_equal(order.batch_indices(1, 1000, 8, 50), late_copy)


def test_past_epochs_are_not_kept_in_memory():
    count = 100_000
    tracemalloc.start()
    try:
        for step in range(20):  # an epoch each
            order.batch_indices(9, step, count, count)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 3 * 8 * count


def test_processes_share_an_epoch():
    """Two real processes print their rows of each batch of an epoch."""
    program = """
import sys
from cvae_jax.datasets import order
for step in range(6):
    print(*order.batch_indices(3, step, 8, 48, int(sys.argv[1]), 2))
"""
    rows = [
        np.array(
            [
                line.split()
                for line in subprocess.run(
                    [sys.executable, "-c", program, process],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.splitlines()
            ],
            int,
        )
        for process in "01"
    ]
    assert rows[0].shape == rows[1].shape == (6, 4)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows), axis=None), np.arange(48))
    for now in range(6):  # side by side they are the batch of one process
        whole = order.batch_indices(3, now, 8, 48)
        np.testing.assert_array_equal(np.concatenate([rows[0][now], rows[1][now]]), whole)


def test_prefetch_keeps_the_order_and_one_step_ahead():
    threads, fetched = set(), []

    def fetch(now):
        threads.add(threading.current_thread())
        fetched.append(now)
        return now

    batches = order.prefetch(fetch, range(3, 8))
    for expected in range(3, 8):
        assert next(batches) == expected
        assert len(fetched) <= expected - 3 + 2
    assert next(batches, None) is None
    assert fetched == list(range(3, 8))
    assert threading.current_thread() not in threads
    assert list(order.prefetch(fetch, [])) == []


def test_prefetch_raises_what_went_wrong():
    def fetch(now):
        if now == 2:
            raise UserError("no such image")
        return now

    batches = order.prefetch(fetch, range(4))
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(UserError, match="no such image"):
        next(batches)
