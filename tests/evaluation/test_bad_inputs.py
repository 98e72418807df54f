"""Labels and latents that would spoil scores: named, left out, warned of."""

import logging
import warnings

import helpers
import numpy as np
import pytest

from cvae_jax import metrics
from cvae_jax.evaluation import faults, registry
from cvae_jax.evaluation.subject import Subject
from cvae_jax.metrics.groups import named
from cvae_jax.metrics.scores import counted
from cvae_jax.runs.model import Model

RNG = np.random.default_rng(0)
SIZE = RNG.integers(0, 4, 120)
ANGLE = RNG.integers(0, 3, 120)
BAD = {
    "constant": (np.full(120, 7), "all images have one value of it"),
    "number": (np.arange(120), "most images have a value of it that no other image has"),
    "rare": (np.arange(120) == 3, "all images but 1 have one value of it"),
}


def with_column(column):
    """120 images with a bad factor between two good ones."""
    factors = np.stack([SIZE, column, ANGLE], axis=1).astype(np.int32)
    return helpers.in_memory(np.zeros((120, 8, 8, 1), np.uint8), factors, ("size", "bad", "angle"))


def subject_of(dataset, mean):
    model = Model(helpers.small_config(), None, None, 0, 1)
    return Subject(model, dataset, mean, np.full_like(mean, -4))


LABELLED = "mig,mig_chen,factor_score,beta_vae_score,sap,modularity_explicitness,irs"


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_factor_is_named_and_the_scores_are_those_without_it(kind, caplog):
    column, reason = BAD[kind]
    found = faults.scorable_factors(with_column(column), seed=0)
    assert f"factor bad is left out of all scores: {reason}" in caplog.text
    assert found.factor_names == ("size", "angle")
    np.testing.assert_array_equal(found.factors, np.stack([SIZE, ANGLE], axis=1))
    mean = np.stack([SIZE, ANGLE, RNG.normal(size=120)], axis=1).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = registry.make(subject_of(found, mean), named(LABELLED))
    assert len(scores) == 8
    # two perfect latents, and one of noise
    assert scores["mig"]["value"] == pytest.approx(metrics.mig(mean, found.factors))
    assert scores["factor_score"]["value"] == 1


def test_good_factors_stay_as_they_are():
    dataset = helpers.noise_dataset(64, 8)
    assert faults.scorable_factors(dataset, seed=0) is dataset


def test_a_librarys_warnings_are_one_line(monkeypatch, caplog):
    def warn(subject):
        for _ in range(30):
            warnings.warn("did not converge", RuntimeWarning, stacklevel=1)
        return {}

    monkeypatch.setitem(registry.FUNCTIONS, "unsupervised", warn)
    with caplog.at_level(logging.INFO):
        registry.make(subject_of(helpers.noise_dataset(16, 8), np.zeros((16, 2))), ["unsupervised"])
    lines = [r.getMessage() for r in caplog.records if "converge" in r.getMessage()]
    assert lines == ["unsupervised: RuntimeWarning: did not converge (30 times)"]


def test_copied_latents_are_found_up_to_scale_and_sign():
    mean = RNG.normal(size=(500, 5)).astype(np.float32)
    mean[:, 3] = -2 * mean[:, 1]
    mean[:, 4] = 1.5  # constant: a copy of nothing
    assert faults.copies(mean) == [(1, 3)]
    assert metrics.unsupervised_scores(mean).total_correlation == np.inf
    mean[:, 3] += 1e-3 * RNG.normal(size=500).astype(np.float32)
    assert faults.copies(mean) == []
    assert np.isfinite(metrics.unsupervised_scores(mean).total_correlation)


def test_linear_maps_of_several_latents_are_found():
    mean = RNG.normal(size=(500, 6)).astype(np.float32)
    mean[:, 4] = mean[:, 0] - 0.5 * mean[:, 2]
    mean[:, 5] = 3 * mean[:, 1]  # a copy, told as such
    assert faults.copies(mean) == [(1, 5)]
    assert faults.combined(mean) == [0, 2, 4]
    assert metrics.unsupervised_scores(mean[:, :5]).total_correlation == np.inf
    mean[:, 4] += 1e-3 * RNG.normal(size=500).astype(np.float32)
    mean[:, 3] = 1.5
    assert faults.combined(mean) == []
    assert np.isfinite(metrics.unsupervised_scores(mean[:, :5]).total_correlation)
    assert faults.combined(mean[:, 3:4]) == []


def test_latents_with_outliers_are_found():
    factor = RNG.integers(0, 4, (1_000, 1))
    mean = np.stack([factor[:, 0], *RNG.normal(size=(2, 1_000))], axis=1).astype(np.float32)
    mean += 0.01 * RNG.normal(size=mean.shape)
    assert faults.crowded(mean) == []
    assert metrics.mig(mean, factor) > 0.9
    mean[5, 0] = 1e6
    assert faults.crowded(mean) == [0]
    assert metrics.mig(mean, factor) < 0.05  # what the warning is about
    mean[:, 0] = 0
    mean[5, 0] = 1e6  # nothing there to be hidden by the outlier
    assert faults.crowded(mean) == []


def test_degenerate_latents_are_named_in_warnings(caplog):
    mean = RNG.normal(size=(200, 4)).astype(np.float32)
    mean[:, 2] = mean[:, 0]
    mean[7, 3] = 1e6
    faults.warn_of_latents(subject_of(helpers.noise_dataset(200, 8), mean))
    assert "linear maps" not in caplog.text
    mean[:, 2] = mean[:, 0] + mean[:, 1]
    faults.warn_of_latents(subject_of(helpers.noise_dataset(200, 8), mean))
    assert "latents z1, z2, z3 are linear maps of each other" in caplog.text
    assert "latents z1 and z3 are copies" in caplog.text
    assert "latent z4 has outliers, from" in caplog.text


def test_draws_are_not_counted_as_images():
    mean = np.stack([SIZE, ANGLE, RNG.normal(size=120)], axis=1).astype(np.float32)
    dataset = with_column(SIZE % 2)
    scores = registry.make(subject_of(dataset, mean), ["mig", "mig_chen", "unsupervised"])
    shown = {name: counted(name, scores[name]) for name in scores}
    assert shown["mig"] == "120 images"
    assert shown["active_dimensions"] == "120 images"
    for name in ("mig_chen", "aggregate_mi", "aggregate_tc"):
        assert shown[name] == "2,000 draws"
