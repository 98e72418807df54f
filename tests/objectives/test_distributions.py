import numpy as np
import pytest
from scipy import integrate, stats

from cvae_jax.objectives import distributions


@pytest.mark.parametrize(("mean", "logvar"), [(0.0, 0.0), (0.7, -1.0), (-2.0, 0.5)])
def test_kl_equals_the_integral(mean, logvar):
    q = stats.norm(mean, np.exp(0.5 * logvar))
    integrand = lambda x: q.pdf(x) * (q.logpdf(x) - stats.norm.logpdf(x))
    expected, _ = integrate.quad(integrand, mean - 12 * q.std(), mean + 12 * q.std())
    found = distributions.kl_to_standard_normal(np.float64(mean), np.float64(logvar))
    assert found == pytest.approx(expected, abs=1e-5)


def test_likelihoods_equal_scipys():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 4, 2)).astype(np.float32)
    images = (rng.random((3, 4, 4, 2)) > 0.5).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    bernoulli = -stats.bernoulli.logpmf(images.astype(int), p).sum(axis=(1, 2, 3))
    gaussian = -stats.norm.logpdf(images, p, 1.0).sum(axis=(1, 2, 3))
    for name, expected in (("bernoulli", bernoulli), ("gaussian", gaussian)):
        likelihood = distributions.LIKELIHOODS[name]
        np.testing.assert_allclose(likelihood.negative_log(logits, images), expected, rtol=1e-5)
        np.testing.assert_allclose(likelihood.mean(logits), p, rtol=1e-5)


def test_bernoulli_stays_exact_far_out():
    logits, images = np.full((1, 1, 1, 1), -200.0, np.float32), np.ones((1, 1, 1, 1), np.float32)
    found = distributions.LIKELIHOODS["bernoulli"].negative_log(logits, images)
    np.testing.assert_allclose(found, [200.0])
