"""Latents, terms and IoU of a model in memory; a score that is no number."""

from types import SimpleNamespace

import helpers
import jax
import numpy as np
import pytest

from cvae_jax.config import build
from cvae_jax.devices import batches
from cvae_jax.evaluation import active_latents, registry, subject
from cvae_jax.evaluation import images as images_scores
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


class Stored(np.ndarray):
    """Images on a disk: what is read of them at once is counted."""

    taken: tuple = ()

    def __getitem__(self, index):
        found = np.asarray(super().__getitem__(index))
        Stored.taken += (len(found),)
        return found


def test_some_images_are_encoded_without_a_copy_of_them(dataset, monkeypatch):
    monkeypatch.setattr(batches.mapped, "__kwdefaults__", {"batch": 2})
    monkeypatch.setattr(Stored, "taken", ())
    objective = helpers.small_cascade(size=16)
    params = jax.jit(objective.init)(jax.random.key(0), np.zeros((16, 16, 16, 1), np.float32))
    stored = dataset._replace(pixels=dataset.pixels.view(Stored))
    model = SimpleNamespace(objective=objective, params=params)
    some, mean, _ = active_latents.encode_some(model, stored, 3, 30)
    assert max(Stored.taken) <= 2 * jax.local_device_count() < 30
    rows = np.random.default_rng(3).permutation(37)[:30]
    assert some.num_images == 30
    np.testing.assert_array_equal(some.images(np.arange(5)), dataset.pixels[rows[:5]])
    np.testing.assert_array_equal(some.factors, dataset.factors[rows])
    expected = objective.encode(params, (dataset.pixels[rows] / 255).astype(np.float32))[0]
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [28, 64, 128, 256, 512, 1024])
def test_images_that_are_decoded_at_once_fit_into_memory(size):
    """By XLA's own count a second pass of a thousand of 512x512 in colour takes 31.6 GB."""
    for channels in (1, 3):
        count = batches.at_once(size, channels)
        assert 1 <= count <= 1_000
        assert count == 1 or 4 * count * size * size * channels <= 2**26
        assert count == 1_000 or size > 64


@pytest.mark.parametrize(("platform", "few", "many"), [("cpu", 5, 128), ("gpu", 5, 1_000)])
def test_large_images_are_encoded_fewer_at_once(monkeypatch, platform, few, many):
    """A device takes 5 images of 1024x1024 in colour, as `at_once` says, and many small ones."""
    monkeypatch.setattr(batches.placement, "split_rows", lambda x, devices: x)
    devices = 2 * [SimpleNamespace(platform=platform)]
    for size, rows in ((1_024, 2 * few), (16, 2 * many)):
        taken = []

        def function(numbers, taken=taken):
            taken.append(len(numbers))
            return 2 * numbers

        found = batches.mapped(
            function, lambda index: index, 2_011, devices, size=size, channels=3, what="test"
        )
        np.testing.assert_array_equal(found, 2 * np.arange(2_011))
        assert set(taken) == {rows}
        of_inception = batches.mapped(
            function, lambda index: index, 64, devices, size=size, channels=3, what="", batch=16
        )
        np.testing.assert_array_equal(of_inception, 2 * np.arange(64))
        assert taken[-1] == 2 * min(16, rows // 2)


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


def test_reconstruction_scores_are_those_of_all_images_at_once(dataset, monkeypatch):
    """By numpy alone: a score of parts, the last of them smaller, weighs every image alike."""
    rng = np.random.default_rng(1)
    mean = rng.normal(size=(37, 4)).astype(np.float32)
    decoded = rng.random((37, 16, 16, 1), dtype=np.float32)
    decoded[5:] = dataset.pixels[5:] / 255 * 0.7 + 0.1 * decoded[5:]  # images that differ in score
    taken = []

    def decode(z):
        rows = [np.flatnonzero((mean == row).all(axis=1))[0] for row in z]
        taken.append(len(rows))
        return decoded[rows]

    config = helpers.small_config(**{"data.size": 16, "eval.num_images": 11})
    model = SimpleNamespace(config=config, decode=decode)
    scored = subject.Subject(model, dataset, mean, np.zeros_like(mean), subject.Options())
    monkeypatch.setattr(batches, "at_once", lambda size, channels: 4)
    found = images_scores.reconstruction_entries(scored)
    assert taken == [4, 4, 3]
    few = scored.rows[:11]
    images, again = dataset.pixels[few] / 255, decoded[few].astype(float)
    both = np.sum((images > 0.5) & (again > 0.5), axis=(1, 2, 3))
    either = np.sum((images > 0.5) | (again > 0.5), axis=(1, 2, 3))
    assert found["squared_error"]["value"] == pytest.approx(
        np.mean((images - again) ** 2), rel=1e-6
    )
    assert found["iou"]["value"] == pytest.approx(np.mean(both / either), rel=1e-12)
    assert found["iou"]["samples"] == found["squared_error"]["samples"] == 11


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
