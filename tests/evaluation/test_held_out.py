"""How likely images are that a VAE was not trained on: the bounds, and which images."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from flax import linen as nn

import cvae_jax
from cvae_jax import datasets, networks
from cvae_jax.devices import batches
from cvae_jax.evaluation import images as images_scores
from cvae_jax.evaluation import registry, scoring
from cvae_jax.evaluation.held_out import Bounds, likelihood_bounds
from cvae_jax.evaluation.subject import Subject
from cvae_jax.metrics.scores import form
from cvae_jax.objectives.base import Objective, Players
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

        def log_likelihood(params, images, z):
            error = images.reshape(len(images), -1) - 0.5 - z @ weights
            return -0.5 * jnp.sum(error**2 + jnp.log(2 * jnp.pi), axis=1)

        return Objective(None, None, None, None, encode, None, log_likelihood)

    key = jax.random.key(0)
    exact = likelihood_bounds(make(0.0), None, images, key, samples=4)
    np.testing.assert_allclose(exact.elbo, evidence, atol=2e-3)
    np.testing.assert_allclose(exact.log_likelihood, evidence, atol=2e-3)
    wrong = likelihood_bounds(make(0.5), None, images, key, samples=64)
    gap = 0.5 * np.sum(0.5**2 / np.diag(covariance))  # KL(q || posterior)
    assert np.mean(evidence - wrong.elbo) == pytest.approx(gap, abs=0.05)
    assert np.mean(evidence - wrong.log_likelihood) < 0.2 * gap


@pytest.mark.parametrize("logvar", [0.0, -30.0, -120.0])
def test_the_bound_of_a_posterior_narrower_than_rounding_is_exact(logvar):
    """E log w = log p(5) - E log q = -5²/2 + (1 + logvar) / 2, with a constant p(x | z) of 1."""

    def encode(params, images):
        return jnp.full((len(images), 1), 5.0), jnp.full((len(images), 1), logvar)

    def log_likelihood(params, images, z):
        return jnp.zeros(len(z))

    objective = Objective(None, None, None, None, encode, None, log_likelihood)
    images = np.zeros((400, 2, 2, 1), np.uint8)
    found = likelihood_bounds(objective, None, images, jax.random.key(0), samples=50)
    spread = 5 * np.exp(0.5 * logvar) * np.sqrt(1 / 20_000)  # of z^2 / 2 in the mean
    expected = -12.5 - 0.5 * np.exp(logvar) + 0.5 * (1 + logvar)
    assert found.elbo.mean() == pytest.approx(expected, abs=0.02 + 5 * spread)


def test_large_images_are_bounded_fewer_at_once(monkeypatch):
    """As many as `at_once` says, 250 at most; each in its place."""
    traced = []

    def encode(params, images):
        traced.append(len(images))
        return (jnp.zeros((len(images), 2)),) * 2  # the prior: log w = log p(x | z)

    def log_likelihood(params, images, z):
        return images.sum(axis=(1, 2, 3))

    objective = Objective(None, None, None, None, encode, None, log_likelihood)
    images = np.random.default_rng(0).integers(0, 256, (260, 3, 3, 1), np.uint8)
    for most, sizes in ((100, {100, 60}), (1_000, {250, 10})):
        traced.clear()
        monkeypatch.setattr(batches, "at_once", lambda size, channels, most=most: most)
        found = likelihood_bounds(objective, None, images, jax.random.key(0), samples=2)
        assert set(traced) == sizes
        for bound in found:
            np.testing.assert_allclose(bound, images.sum(axis=(1, 2, 3)) / 255, rtol=1e-5)


class PriorAsPosterior(nn.Module):
    """q(z | x) = N(0, I), so that log w = log p(x | z)."""

    latents: int

    def __call__(self, images):
        return (jnp.zeros((len(images), self.latents)),) * 2


class Constant(nn.Module):
    """The same logits for every z."""

    @nn.compact
    def __call__(self, z):
        logits = self.param("logits", nn.initializers.zeros, (2, 2, 1))
        return jnp.broadcast_to(logits, (len(z), 2, 2, 1))


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_wrong_pixel_costs_what_its_logit_says(likelihood):
    """In closed form: under Bernoulli a wrong pixel with the logit 40 costs 40 nats."""
    logits = np.array([40.0, -40.0, 100.0, 0.5]).reshape(2, 2, 1)
    images = np.array([[1, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 0]], np.uint8).reshape(3, 2, 2, 1)
    of_one = np.log1p(np.exp(-0.5))  # nats of the last pixel, where it is 1; 0.5 more where it is 0
    expected = -np.array([0, 40, 40 + 40 + 100 + 0.5]) - of_one
    if likelihood == "gaussian":
        expected = scipy.stats.norm.logpdf(images, scipy.special.expit(logits)).sum(axis=(1, 2, 3))
    objective = cvae_jax.vae(
        networks.Networks(PriorAsPosterior(2), Constant()), likelihood=likelihood
    )
    wrapped = cvae_jax.cascade(objective, cvae_jax.structures.parse("", 2), 1.0)
    with jax.enable_x64(True):
        params = Players({"encoder": {}, "decoder": {"logits": jnp.asarray(logits)}}, {})
        for of in (objective, wrapped):
            found = likelihood_bounds(of, params, images * 255, jax.random.key(0), samples=3)
            for bound in found:
                np.testing.assert_allclose(bound, expected, rtol=1e-12)


WITHOUT = Objective(*[None] * 6)


def test_a_method_without_a_likelihood_has_no_held_out_scores(caplog):
    of = Subject(
        Model(helpers.small_config(), WITHOUT, None, 0, 1), helpers.noise_dataset(8, 8), 0, 0
    )
    with caplog.at_level("INFO"):
        assert registry.make(of, ["held_out"]) == {}
    (record,) = caplog.records
    assert "test_elbo and test_log_likelihood: the method has no likelihood" in record.message


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
    objective = WITHOUT._replace(log_likelihood=likelihoods)
    of = Subject(Model(config, objective, None, 0, 1), None, None, None)
    assert images_scores.held_out_entries(of)["test_elbo"]["samples"] == 1_000
    (images,) = seen
    places = {image.tobytes(): i for i, image in enumerate(test_split.images(np.arange(3_000)))}
    rows = np.array([places[image.tobytes()] for image in images])
    assert len(np.unique(rows)) == 1_000
    assert 200 < np.sum(rows >= 2_000) < 470  # a third of the split


def test_means_of_held_out_scores_still_say_that_they_are(monkeypatch):
    entry = {"value": 0.5, "definition": "SAP; mean and std over 5 draws", "samples": 5}
    monkeypatch.setattr(scoring.registry, "make", lambda subject, names: {"sap": entry})
    of_held_out = scoring.score_held_out(None, ["sap"])["sap_held_out"]
    assert form("sap_held_out", of_held_out) != form("sap", entry)
    assert form("sap_held_out", of_held_out)[0].startswith("SAP")
    assert of_held_out["definition"].endswith("; mean and std over 5 draws")
