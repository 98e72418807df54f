"""The FactorVAE score by threshold, of latents by hand."""

import itertools

import numpy as np
import pytest

from benchmarks.small_latents import scores


def test_a_latent_that_hardly_varies_counts_under_its_threshold_alone():
    """Three factors, the third in a latent of a deviation of 0.07: one vote in three is lost."""
    grid = np.repeat(list(itertools.product(range(4), repeat=3)), 40, axis=0)
    mean = (grid - 1.5) / grid.std(axis=0) * [1, 0.15, 0.07]
    (most, all_three), (two, of_two), (one, of_one) = scores(mean, grid)
    assert (most, two, one) == (3, 2, 1)
    assert all_three == 1
    assert of_two == pytest.approx(2 / 3, abs=0.03)
    assert of_one == pytest.approx(1 / 3, abs=0.03)
