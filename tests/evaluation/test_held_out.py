"""How likely images are that a VAE was not trained on: the bounds, and which images."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from cvae_jax import datasets
from cvae_jax.evaluation import images as images_scores
from cvae_jax.evaluation.held_out import Bounds, likelihood_bounds
from cvae_jax.evaluation.subject import Subject
from cvae_jax.objectives.base import Objective
from cvae_jax.runs.model import Model


def test_held_out_bounds_are_those_of_a_linear_model_in_closed_form():
    """x = W z + noise of variance 1 with p(x) = N(b, W W' + 1); q is the true posterior, or not."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(2, 9)).astype(np.float32) * 0.05
    # Orthogonal rows: the true posterior's covariance is diagonal, as q's is.
    weights[1] -= weights[0] * (weights[0] @ weights[1]) / (weights[0] @ weights[0])
    covariance = np.linalg.inv(np.eye(2) + weights @ weights.T).astype(np.float32)
    images = rng.random((500, 3, 3, 1), dtype=np.float32)
    images = np.rint(images * 255).astype(np.uint8)
    flat = images.reshape(500, -1) / 255.0
    evidence = scipy.stats.multivariate_normal(
        np.full(9, 0.5), np.eye(9) + weights.T @ weights
    ).logpdf(flat)

    def make(shift):
        def encode(params, images):
            mean = (images.reshape(len(images), -1) - 0.5) @ weights.T @ covariance + shift
            return mean, jnp.broadcast_to(jnp.log(jnp.diag(covariance)), mean.shape)

        def decode(params, z, rng=None):
            return (0.5 + z @ weights).reshape(-1, 3, 3, 1)

        return Objective(None, None, None, None, encode, decode)

    key = jax.random.key(0)
    exact = likelihood_bounds(make(0.0), None, images, key, likelihood="gaussian", samples=4)
    np.testing.assert_allclose(exact.elbo, evidence, atol=2e-3)
    np.testing.assert_allclose(exact.log_likelihood, evidence, atol=2e-3)
    wrong = likelihood_bounds(make(0.5), None, images, key, likelihood="gaussian", samples=64)
    gap = 0.5 * np.sum(0.5**2 / np.diag(covariance))  # KL(q || posterior)
    assert np.mean(evidence - wrong.elbo) == pytest.approx(gap, abs=0.05)
    assert np.mean(evidence - wrong.log_likelihood) < 0.2 * gap


def test_held_out_images_are_drawn_from_all_of_the_split(monkeypatch):
    test_split = helpers.noise_dataset(3_000, 8)
    monkeypatch.setattr(datasets, "load", lambda *args: test_split)
    seen = []

    def likelihoods(objective, params, images, rng, **rest):
        del objective, params, rng, rest
        seen.append(images)
        return Bounds(*np.zeros((2, len(images))))

    monkeypatch.setattr(images_scores, "likelihood_bounds", likelihoods)
    config = helpers.small_config()
    of = Subject(Model(config, None, None, 0, 1), None, None, None)
    assert images_scores.held_out_entries(of)["test_elbo"]["samples"] == 1_000
    (images,) = seen
    places = {image.tobytes(): i for i, image in enumerate(test_split.images(np.arange(3_000)))}
    rows = np.array([places[image.tobytes()] for image in images])
    assert len(np.unique(rows)) == 1_000
    assert 200 < np.sum(rows >= 2_000) < 470  # a third of the split
