"""The penalties of turned codes: the linear model itself, sampled, and integrals."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from closed_forms import linear_gaussian, rotation

from cvae_jax import structures


def sampled_loss(model, factors, scales, rng):
    """-ELBO by draws from q, less the constant of the likelihood."""
    x = factors * scales
    mean = factors @ model.first.T
    z = mean + rng.normal(size=mean.shape) * np.sqrt(model.variances)
    error = 0.5 * np.sum((x - z @ model.decoder.T) ** 2, axis=1)
    log_ratio = scipy.stats.norm.logpdf(z, mean, np.sqrt(model.variances)) - (
        scipy.stats.norm.logpdf(z)
    )
    return np.mean(error + log_ratio.sum(axis=1))


def test_rotated_latents_are_those_of_the_linear_model(monkeypatch):
    monkeypatch.setattr(rotation, "_GRID", 60)
    nats = np.array([0.9, 0.3])
    rng = np.random.default_rng(0)
    factors = rng.uniform(-np.sqrt(3), np.sqrt(3), (400_000, 2))
    straight, model = rotation.turned(nats, 0), rotation.turned(nats, 30)
    found = rotation.penalties(nats, 30)
    assert straight.loss == pytest.approx(1 + nats.sum(), abs=1e-6)  # of probabilistic PCA
    losses = [sampled_loss(m, factors, np.exp(nats), rng) for m in (straight, model)]
    assert found.elbo == pytest.approx(losses[1] - losses[0], abs=0.01)
    assert found.elbo > 0.05

    # The posterior of z given x_hat = W z, by regression of joint draws of the generative model.
    z, noise = rng.normal(size=(2, 400_000, 2))
    images = z @ model.decoder.T
    fit, *_ = np.linalg.lstsq(images + noise, z, rcond=None)
    z_hat = images @ fit + rng.normal(size=z.shape) * np.sqrt(model.variances)
    correlation = np.corrcoef(z_hat.T)[0, 1]
    assert found.codes_of_prior == pytest.approx(-0.5 * np.log(1 - correlation**2), abs=1e-3)
    assert found.codes_of_prior > 0.005


def entropy_of_sum(density, x, variance):
    """Nats of a variable of this density on the grid x, plus Gaussian noise."""
    step = x[1] - x[0]
    blurred = np.convolve(density, scipy.stats.norm.pdf(x, 0, np.sqrt(variance)) * step, "same")
    return -np.sum(scipy.special.xlogy(blurred, blurred)) * step


def test_a_square_on_its_corner_has_the_entropies_of_triangles(monkeypatch):
    # Equal nats, 45 degrees: the sum of two uniform factors by the root of 2 is a triangle's.
    monkeypatch.setattr(rotation, "_GRID", 60)
    v = np.exp(-6)
    found = rotation.penalties((3.0, 3.0), 45)
    x = np.linspace(-4, 4, 8001)
    half = np.sqrt(6)

    def total_correlation(scale, variance):
        wide = scale * half
        triangle = np.maximum(0, 1 - np.abs(x) / wide) / wide
        uniform = (np.abs(x) < wide / np.sqrt(2)) / (np.sqrt(2) * wide)
        return 2 * (entropy_of_sum(triangle, x, variance) - entropy_of_sum(uniform, x, variance))

    keeps = np.sqrt(1 - v)
    assert found.first_pass == pytest.approx(total_correlation(keeps, v), abs=0.005)
    again = total_correlation(keeps**3, v + v * keeps**4)
    assert found.codes_of_data == pytest.approx(again, abs=0.005)
    assert again < total_correlation(keeps, v) - 0.01
    assert abs(found.elbo) < 1e-6  # codes that say equally much may turn for nothing
    assert abs(found.codes_of_prior) < 1e-6


def test_the_joint_kl_of_gaussian_factors_has_a_closed_form():
    """Where the posterior means are Gaussian, so is (z, z_hat): by the determinants of Sigma."""
    rng = np.random.default_rng(1)
    root = np.array([[0.9, 0.0], [0.5, 0.8]])
    variances, again = np.array([0.3, 0.2]), np.array([[0.9, 0.2], [-0.1, 0.7]])
    mean = rng.normal(size=(8_000, 2)) @ root.T
    of_z = root @ root.T + np.diag(variances)
    of_z_hat = again @ of_z @ again.T + np.diag(variances)
    cov = np.block([[of_z_hat, again @ of_z], [of_z @ again.T, of_z]])  # (z_hat, z)
    conditional = linear_gaussian.conditionals(cov, structures.preset("independent", 2))[1]
    expected = 0.5 * (np.log(conditional).sum() - np.linalg.slogdet(cov)[1])
    assert expected > 0.1
    assert rotation.joint_kl(mean, variances, again) == pytest.approx(expected, rel=0.05)
