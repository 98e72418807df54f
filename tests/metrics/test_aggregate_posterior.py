"""Mutual information and total correlation of the aggregate posterior: scipy, closed forms."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from cvae_jax import metrics
from cvae_jax.metrics import mixture


def posteriors(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.uniform(-4, 0.5, size=(n, d))


@pytest.mark.parametrize("n", [7, 600])  # below and above the rows that are taken at once
@pytest.mark.parametrize("narrower", [0, 10])
def test_densities_are_those_of_scipy(n, narrower):
    mean, logvar = posteriors(n, 3)
    mean, logvar = 2 * mean, logvar - narrower
    _, z = mixture.draw(mean, logvar, 70, np.random.default_rng(1))
    log_q = scipy.stats.norm.logpdf(z[:, None], mean, np.exp(0.5 * logvar))  # [70, n, 3]
    joint = scipy.special.logsumexp(log_q.sum(axis=2), axis=1) - np.log(n)
    marginals = scipy.special.logsumexp(log_q, axis=1) - np.log(n)
    np.testing.assert_allclose(mixture.log_joint(z, mean, logvar), joint, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        mixture.log_marginals(z, mean, logvar), marginals, rtol=1e-4, atol=1e-3
    )


def test_blocks_of_any_sizes_are_mixtures_of_their_own_rows():
    """One of nearly all rows among many small ones, as a factor with a long tail has."""
    mean, logvar = posteriors(3_000, 2)
    ends = [2_400, 2_401, 2_403, 2_500, 3_000]
    rows = np.split(np.random.default_rng(3).permutation(3_000), ends[:-1])
    blocks = [(same[:20], same) for same in rows]
    own = np.concatenate([points for points, _ in blocks])
    place = np.argsort(own)
    blocks = [(np.searchsorted(own[place], points), same) for points, same in blocks]
    z = mean[own[place]]
    found = mixture.log_marginals(z, mean, logvar, blocks)
    for points, same in blocks:
        log_q = scipy.stats.norm.logpdf(z[points][:, None], mean[same], np.exp(0.5 * logvar[same]))
        expected = scipy.special.logsumexp(log_q, axis=1) - np.log(len(same))
        np.testing.assert_allclose(found[points], expected, rtol=1e-4, atol=1e-3)


def test_a_gaussian_aggregate_posterior_has_its_closed_form():
    # z = mean + noise, mean of covariance S, noise of variance v: q(z) is N(0, S + v I).
    s, v = np.array([[1.0, 0.9], [0.9, 1.2]]), 0.3
    mean = np.random.default_rng(2).multivariate_normal(np.zeros(2), s, size=20_000)
    c = s + v * np.eye(2)
    mi = 0.5 * np.log(np.linalg.det(c) / v**2)
    tc = 0.5 * np.log(np.prod(np.diag(c)) / np.linalg.det(c))
    found = metrics.aggregate_posterior(mean, np.full_like(mean, np.log(v)), seed=0)
    assert found.mi == pytest.approx(mi, abs=4 * found.mi_error)
    assert found.tc == pytest.approx(tc, abs=4 * found.tc_error)
    assert found.mi_error < 0.05
    assert found.tc_error < 0.05


def test_latents_that_identify_every_image_have_log_n_nats_and_one_latent_no_total_correlation():
    mean = np.arange(1_000.0)[:, None]
    found = metrics.aggregate_posterior(mean, np.full_like(mean, -10), seed=0)
    assert found.mi == pytest.approx(np.log(1_000), abs=1e-3)
    assert found.tc == pytest.approx(0, abs=1e-3)


def test_two_equal_latents_share_all_of_it():
    mean = np.repeat(np.arange(100.0)[:, None], 2, axis=1)
    found = metrics.aggregate_posterior(mean, np.full_like(mean, -10), seed=0)
    assert found.tc == pytest.approx(np.log(100), abs=1e-3)


def test_error_bars_are_the_spread_over_seeds():
    mean, logvar = posteriors(500, 3, seed=4)
    mean[:, 1] += mean[:, 0]
    found = [metrics.aggregate_posterior(mean, logvar, samples=200, seed=s) for s in range(30)]
    for name in ("mi", "tc"):
        spread = np.std([getattr(f, name) for f in found])
        assert 0.5 * spread < np.mean([getattr(f, f"{name}_error") for f in found]) < 2 * spread


@pytest.mark.parametrize(
    ("mean", "logvar"),
    [
        (np.zeros((4, 2)), np.zeros((4, 3))),
        (np.zeros(4), np.zeros(4)),
        (np.full((4, 2), np.nan), np.zeros((4, 2))),
        (np.zeros((4, 2)), np.full((4, 2), np.inf)),
        (np.zeros((0, 2)), np.zeros((0, 2))),
    ],
)
def test_wrong_arrays_are_refused(mean, logvar):
    with pytest.raises(ValueError, match=r"\[n, d\]|NaN or infinite"):
        metrics.aggregate_posterior(mean, logvar, seed=0)


def test_what_float32_cannot_distinguish_is_refused():
    mean, logvar = posteriors(50, 2)
    with pytest.raises(ValueError, match="too narrow"):
        metrics.aggregate_posterior(mean, logvar - 30, seed=0)
    with pytest.raises(ValueError, match="2 or more are needed"):
        metrics.aggregate_posterior(mean, logvar, samples=1, seed=0)
