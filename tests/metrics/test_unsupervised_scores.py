"""The scores that need no factors: of the codes alone, and of models beside each other."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from fixtures.known_codes import rotated

from cvae_jax import metrics


def test_unsupervised_scores_of_a_gaussian():
    rng = np.random.default_rng(10)
    mixing = np.array([[1, 0.6, 0], [0, 1, 0], [0, 0.3, 0.5]])
    codes = rng.normal(size=(2_000, 3)) @ mixing
    found = metrics.unsupervised_scores(np.hstack([codes, np.ones((2_000, 1))]))
    s = np.cov(codes, rowvar=False)
    assert found.total_correlation == pytest.approx(
        0.5 * (np.sum(np.log(np.diag(s))) - np.linalg.slogdet(s)[1])
    )
    root = scipy.linalg.sqrtm(s * np.diag(s)[:, None]).real  # as disentanglement_lib has it
    expected = 2 * np.trace(s) - 2 * np.trace(root)
    assert found.wasserstein_correlation == pytest.approx(expected)
    assert found.wasserstein_normalised == pytest.approx(expected / np.trace(s))
    # I of a Gaussian pair with correlation r is -1/2 log(1 - r^2); binning loses some
    pair = metrics.unsupervised_scores(codes[:, :2], bins=10)
    r = np.corrcoef(codes[:, 0], codes[:, 1])[0, 1]
    assert pair.mutual_information == pytest.approx(-0.5 * np.log(1 - r**2), rel=0.2)
    twice = metrics.unsupervised_scores(np.hstack([codes, codes[:, :1]]))
    assert twice.total_correlation == np.inf


def test_active_dimensions_by_hand():
    mean = np.array([[0, 0.05, 1], [0, -0.05, -1], [0, 0.05, 1], [0, -0.05, -1.0]])
    assert metrics.active_dimensions(mean) == 1  # variances 0, .0025, 1
    assert metrics.active_dimensions(mean, threshold=0.001) == 2
    with pytest.raises(ValueError, match="NaN"):
        metrics.active_dimensions(mean * np.nan)


def test_udr_separates_models_that_agree_from_one_that_does_not():
    rng = np.random.default_rng(11)
    factors = rng.uniform(size=(1_000, 3))
    codes = [
        factors @ (np.eye(3)[rng.permutation(3)] * [1, -2, 3])
        + 0.01 * rng.normal(size=factors.shape)
        for _ in range(3)
    ]
    codes.append(rotated(factors / factors.std(axis=0)))
    codes = [np.hstack([c, rng.normal(size=(len(c), 2))]) for c in codes]
    kl = np.tile([2.0, 2.0, 2.0, 1e-4, 0.0], (4, 1))
    found = metrics.udr(codes, kl)
    assert (found[:3] > 0.9).all()
    assert found[3] < 0.6
    np.testing.assert_array_equal(metrics.udr(codes, np.zeros((4, 5))), 0)
    # Two models, one dimension each: the squared correlation over itself
    one = metrics.udr([codes[0][:, :1], codes[3][:, :1]], [[1.0], [1.0]])
    expected = abs(scipy.stats.spearmanr(codes[0][:, 0], codes[3][:, 0]).statistic)
    np.testing.assert_allclose(one, expected)
    # and by hand for two dimensions
    r = np.abs(scipy.stats.spearmanr(codes[0][:, :2], codes[3][:, :2]).statistic[:2, 2:])
    parts = [r[:, b].max() ** 2 / r[:, b].sum() for b in range(2)]
    parts += [r[a].max() ** 2 / r[a].sum() for a in range(2)]
    two = metrics.udr([codes[0][:, :2], codes[3][:, :2]], np.ones((2, 2)))
    np.testing.assert_allclose(two, sum(parts) / 4)
    with pytest.raises(ValueError, match="two or more"):
        metrics.udr(codes[:1], kl[:1])
    with pytest.raises(ValueError, match="finite"):
        metrics.udr(codes, np.full(np.shape(kl), np.nan))
