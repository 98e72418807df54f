import jax
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


@pytest.mark.parametrize("name", ["bernoulli", "gaussian"])
def test_samples_have_the_likelihoods_moments_and_the_gradient_of_its_mean(name):
    likelihood, n = distributions.LIKELIHOODS[name], 20_000
    logits = np.float32([-2.0, 0.0, 1.5]).reshape(1, 3, 1, 1) * np.ones((n, 1, 1, 1), np.float32)
    keys = jax.random.split(jax.random.key(0), n)
    x = np.asarray(likelihood.sample(keys, logits), np.float64)[:, :, 0, 0]  # [n, 3]
    p = 1 / (1 + np.exp(-logits[0, :, 0, 0].astype(np.float64)))
    covariance = np.diag(p * (1 - p)) if name == "bernoulli" else np.eye(3)
    np.testing.assert_allclose(x.mean(axis=0), p, atol=0.03)
    np.testing.assert_allclose(np.cov(x, rowvar=False), covariance, atol=0.04)
    gradient = jax.grad(lambda logits: likelihood.sample(keys, logits).sum())(logits)
    np.testing.assert_allclose(gradient[0, :, 0, 0], p * (1 - p), rtol=1e-5)
    if name == "bernoulli":
        np.testing.assert_allclose(x, np.rint(x), atol=1e-6)
