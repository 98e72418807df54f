"""Latents, terms and IoU of a model in memory; a score that is no number."""

from types import SimpleNamespace

import helpers
import jax
import numpy as np
import pytest

from cvae_jax.config import build
from cvae_jax.devices import batches
from cvae_jax.evaluation import images as images_scores
from cvae_jax.evaluation import registry, subject
from cvae_jax.runs.model import Model


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    images = ((rng.random((37, 16, 16, 1)) > 0.7) * 255).astype(np.uint8)
    factors = np.stack([np.arange(37) % 4, np.arange(37) // 19], axis=1).astype(np.int32)
    return helpers.in_memory(images, factors, ("a", "b"), binary=True)


def test_intersection_over_union_by_hand():
    images, reconstructions = np.zeros((4, 1, 4, 1)), np.zeros((4, 1, 4, 1))
    images[0, 0, :2] = 1  # 2 pixels, both found and one more: 2 / 3
    reconstructions[0, 0, :3] = 0.9
    images[1, 0, :2] = 1  # none found: 0
    reconstructions[1, 0, 2:] = 0.6
    images[2, 0, 0] = 1  # 0.5 is not above 0.5: 0
    reconstructions[2, 0, 0] = 0.5
    # the last one is empty on both sides: nothing is wrong, 1
    found = images_scores.intersection_over_union(images, reconstructions)
    assert found == pytest.approx((2 / 3 + 0 + 0 + 1) / 4)


@pytest.mark.parametrize("num_devices", [1, 2, 4])
def test_latents_of_all_images_in_order(dataset, monkeypatch, num_devices):
    monkeypatch.setattr(batches.mapped, "__kwdefaults__", {"batch": 8})
    objective = helpers.small_cascade(size=16)
    images = dataset.images(np.arange(37)) / 255.0
    params = jax.jit(objective.init)(jax.random.key(0), images[:16].astype(np.float32))
    devices = jax.devices()[:num_devices]
    mean, logvar = batches.encode_all(objective, params, dataset, devices)
    expected_mean, expected_logvar = objective.encode(params, images.astype(np.float32))
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logvar, expected_logvar, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [28, 64, 128, 256, 512, 1024])
def test_images_that_are_decoded_at_once_fit_into_memory(size):
    """By XLA's own count a second pass of a thousand of 512x512 in colour takes 31.6 GB."""
    for channels in (1, 3):
        count = batches.at_once(size, channels)
        assert 1 <= count <= 1_000
        assert count == 1 or 4 * count * size * size * channels <= 2**26
        assert count == 1_000 or size > 64


def test_reconstructions_are_the_same_however_many_are_decoded_at_once(dataset, monkeypatch):
    config = helpers.small_config(**{"data.size": 16})
    objective = build.objective(config, build.DataInfo(16, 1, 37))
    params = jax.jit(objective.init)(jax.random.key(0), np.zeros((16, 16, 16, 1), np.float32))
    model = Model(config, objective, params, 0, 1)
    mean = np.random.default_rng(0).normal(size=(37, 4)).astype(np.float32)
    scored = subject.Subject(model, dataset, mean, np.zeros_like(mean), subject.Options())
    whole = images_scores.reconstruction_entries(scored)
    monkeypatch.setattr(batches, "at_once", lambda size, channels: 10)
    parts = images_scores.reconstruction_entries(scored)
    for name in ("squared_error", "iou"):
        assert parts[name]["value"] == pytest.approx(whole[name]["value"], rel=1e-5)


def test_scores_are_the_objectives_own_terms(dataset):
    config = helpers.small_config()
    objective = build.objective(config, build.DataInfo(16, 1, 37))
    params = jax.jit(objective.init)(jax.random.key(0), np.zeros((16, 16, 16, 1), np.float32))
    model = Model(config, objective, params, 0, 1)
    terms, count = images_scores.mean_terms(model, dataset, jax.random.key(1))
    assert count == 32  # two batches of 16 out of 37
    assert terms["elbo"] == pytest.approx(-terms["recon"] - terms["kl"], rel=1e-5)
    assert 100 < terms["recon"] < 256  # at the start about 256 log 2 = 177 nats
    assert terms["kl_per_dim"].shape == (4,)


def test_a_score_that_is_no_number_is_left_out(monkeypatch, caplog):
    def two(of):
        return {
            **subject.entry("good", 1.0, 1, 0),
            **subject.entry("none", np.nan, 1, 0),
        }

    monkeypatch.setitem(registry.METRICS, "two", registry.METRICS["unsupervised"])
    monkeypatch.setitem(registry.FUNCTIONS, "two", two)
    made = SimpleNamespace(dataset=SimpleNamespace(factor_names=()))
    assert [*registry.make(made, ["two"])] == ["good"]
    assert "none left out: it is nan" in caplog.text
