"""Variance explained and rank correlation by hand-worked cases and by scipy."""

import numpy as np
import pytest
from scipy import stats

from cvae_jax.studies.analysis import by_chance, rank_correlation, variance_explained

# Two methods with two settings each, two seeds: means of settings 1, 3, 6, 10, of methods 2 and 8.
VALUES = [0.0, 2.0, 2.0, 4.0, 5.0, 7.0, 8.0, 12.0]
METHODS = ["a"] * 4 + ["b"] * 4
SETTINGS = ["a1", "a1", "a2", "a2", "b1", "b1", "b2", "b2"]


def test_variance_explained_worked_by_hand():
    """Total 25+9+9+1+0+4+9+49 = 106 about 5; methods 8 * 9 = 72; settings 2 * (16+4+1+25) = 92."""
    assert variance_explained(VALUES, METHODS) == pytest.approx(72 / 106)
    assert variance_explained(VALUES, SETTINGS) == pytest.approx(92 / 106)
    assert variance_explained(VALUES, ["one"] * 8) == pytest.approx(0)
    assert variance_explained(VALUES, range(8)) == pytest.approx(1)
    assert np.isnan(variance_explained([3.0, 3.0], ["a", "b"]))


def test_variance_explained_is_that_of_a_least_squares_fit():
    """Groups of unequal sizes, against R^2 of a regression on indicators."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 4, 50)
    values = rng.normal(size=50) + groups**2
    indicators = np.eye(4)[groups]
    fitted = indicators @ np.linalg.lstsq(indicators, values, rcond=None)[0]
    expected = 1 - np.var(values - fitted) / np.var(values)
    assert variance_explained(values, groups) == pytest.approx(expected)


def test_what_groups_without_meaning_explain():
    """The mean over draws of values that have nothing to do with their groups."""
    rng = np.random.default_rng(0)
    found = [variance_explained(rng.normal(size=8), SETTINGS) for _ in range(2_000)]
    assert by_chance(SETTINGS) == pytest.approx(3 / 7)
    assert np.mean(found) == pytest.approx(3 / 7, abs=4 * np.std(found) / np.sqrt(2_000))


def test_rank_correlation_is_scipys():
    """With ties, a rising map that changes nothing, values that are missing, a constant column."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 6, (30, 5)).astype(float)
    values[:, 1] = np.exp(values[:, 0])
    values[::3, 2] = np.nan
    values[:, 4] = 1.0
    found = rank_correlation(values)
    assert found[0, 1] == pytest.approx(1)
    for i in range(4):
        for j in range(4):
            both = ~np.isnan(values[:, i] + values[:, j])
            expected = stats.spearmanr(values[both, i], values[both, j]).statistic
            assert found[i, j] == pytest.approx(expected)
    assert np.isnan(found[4]).all()
    assert np.isnan(rank_correlation(values[:2])).all()
