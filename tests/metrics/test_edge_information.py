"""Information of edges beside closed forms; independence has an interval that holds 0."""

import numpy as np
import pytest

from cvae_jax import metrics

N = 2_000


def pair(rho, seed=0):
    a, b = np.random.default_rng(seed).normal(size=(2, N))
    return a, rho * a + np.sqrt(1 - rho**2) * b


@pytest.mark.parametrize("rho", [0.3, -0.8, 0.95])
def test_gaussians_have_their_closed_form(rho):
    found = metrics.edge_information(*pair(rho))
    truth = -0.5 * np.log(1 - rho**2)
    assert found.nats == pytest.approx(truth, abs=0.06)
    assert found.low - 0.03 < truth < found.high + 0.03
    assert found.high - found.low < 0.16


def test_independent_latents_have_an_interval_that_holds_zero():
    """In 19 of 20 on average: under 15 of 20 happens to a 95 % interval once in 3,000."""
    found = [metrics.edge_information(*pair(0, seed)) for seed in range(20)]
    assert sum(f.low < 0 < f.high for f in found) >= 15
    means = [f.nats for f in found]
    assert abs(np.mean(means)) < 4 * np.std(means) / np.sqrt(20)


@pytest.mark.parametrize("parents", [2, 3])
@pytest.mark.parametrize("truth", [0.1, 0.5])
def test_parents_that_hide_each_other_are_seen_given_each_other(parents, truth):
    """A child z_1 + .. + z_m + noise: log(1 + 1 / noise) / 2 nats each given the others."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(5_000, parents))
    noise = 1 / np.expm1(2 * truth)  # its variance
    child = z.sum(1) + rng.normal(size=5_000) * np.sqrt(noise)
    found = metrics.edge_information(z[:, 0], child, z[:, 1:])
    assert found.nats == pytest.approx(truth, abs=0.05)
    alone = metrics.edge_information(z[:, 0], child)
    assert alone.nats == pytest.approx(-0.5 * np.log(1 - 1 / (parents + noise)), abs=0.05)


def test_a_common_cause_that_is_given_leaves_nothing():
    rng = np.random.default_rng(2)
    cause = rng.normal(size=(N, 1))
    a, b = (cause + 0.3 * rng.normal(size=(N, 2))).T
    assert metrics.edge_information(a, b).low > 0.5
    given = metrics.edge_information(a, b, cause)
    assert given.low - 0.03 < 0 < given.high + 0.03


def test_a_dependence_without_correlation_is_seen():
    """b is as far from 0 as a, on either side: log 2 nats less the noise, correlation 0."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, N)
    b = np.abs(a) * rng.choice([-1, 1], N)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.1
    assert metrics.edge_information(a, b).low > 1


def test_increasing_transforms_and_outliers_change_nothing():
    a, b = pair(0.8)
    plain = metrics.edge_information(a, b)
    assert metrics.edge_information(np.exp(3 * a), b**3 * 1e6) == plain
    far = np.where(b == b.max(), 1e30, b)
    assert metrics.edge_information(a, far) == plain


def test_constants_know_nothing_and_wrong_arrays_are_refused():
    a, b = pair(0.5)
    assert metrics.edge_information(a, np.ones(N)) == (0, 0, 0)
    with pytest.raises(ValueError, match="too few"):
        metrics.edge_information(a[:100], b[:100])
    with pytest.raises(ValueError, match="are not"):
        metrics.edge_information(a, b[:100])
    with pytest.raises(ValueError, match=r"\[n, m\]"):
        metrics.edge_information(a, b, a)
    with pytest.raises(ValueError, match="infinite"):
        metrics.edge_information(a, np.where(b > 2, np.inf, b))


@pytest.mark.parametrize("values", [2, 8])
def test_latents_of_a_few_values_have_the_information_of_their_table(values):
    rng = np.random.default_rng(0)
    a = rng.integers(values, size=N)
    b = np.where(rng.random(N) < 0.7, a, rng.integers(values, size=N))
    table = np.histogram2d(a, b, bins=values)[0] / N
    outer = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True)
    truth = np.sum(table * np.log(table / outer))
    assert metrics.edge_information(a, b).nats == pytest.approx(truth, abs=0.05)
    copy = metrics.edge_information(a, a)
    assert copy.nats == pytest.approx(np.log(values), abs=0.02)


def test_clipped_gaussians_keep_what_clipping_leaves():
    """By the table of fine bins, whose bias is subtracted."""
    a, b = np.maximum(pair(0.8), -0.5)
    independent = np.maximum(pair(0), -0.5)
    bins = np.linspace(-0.5, 3, 12)

    def binned(a, b):
        return metrics.mutual_information(
            np.digitize(a, bins)[:, None], np.digitize(b, bins)[:, None], bins=12
        )[0, 0]

    found = metrics.edge_information(a, b).nats
    assert found > 0.8 * (binned(a, b) - binned(*independent))
    assert abs(metrics.edge_information(*independent).nats) < 0.05


@pytest.mark.parametrize("neighbours", [0, 20, 300])
def test_neighbours_that_a_block_has_not_are_refused(neighbours):
    a, b = pair(0.5)
    with pytest.raises(ValueError, match=r"neighbours is .* 200 rows"):
        metrics.edge_information(a[:200], b[:200], neighbours=neighbours)
