"""Latents that get a good score and do not deserve it: what docs/metrics.md says no score sees."""

import itertools

import helpers
import numpy as np
import pytest

from cvae_jax import metrics
from cvae_jax.evaluation import latents
from cvae_jax.evaluation.subject import Subject
from cvae_jax.runs.model import Model

GRID = np.repeat(list(itertools.product(range(10), repeat=3)), 5, axis=0)  # [5000, 3]
PERFECT = (GRID - 4.5) / GRID.std(axis=0)
COMPOSED = [(("z", 0),), (("z", 1),), (("z", 2), ("z_hat", 0), ("z_hat", 1))]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def turned(degrees):
    """Two of three latents turned into each other."""
    a = np.deg2rad(degrees)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return PERFECT @ turn


def test_the_factorvae_score_sees_neither_a_turn_nor_half_noise():
    assert metrics.factor_score(turned(40), GRID, seed=0) == 1
    assert metrics.factor_score(PERFECT + noise(*GRID.shape), GRID, seed=0) > 0.98
    assert metrics.mig(turned(40), GRID) < 0.4  # of the third factor alone: 1/3


def test_a_copy_with_outliers_lifts_mig():
    copies = np.hstack([PERFECT, PERFECT])
    assert metrics.mig(copies, GRID) == pytest.approx(0)
    copies[:5, 3:] = 200
    assert metrics.mig(copies, GRID) > 0.99
    narrow = np.full(copies.shape, -4.0)
    assert metrics.mig_chen(copies, narrow, GRID, seed=0).value < 0.02


def of_noise(deviation, images):
    """Chen's MIG of one latent of noise, with posteriors so narrow, beside one unused."""
    mean, logvar = noise(images, 2), np.zeros((images, 2))
    logvar[:, 0] = 2 * np.log(deviation)
    factors = np.random.default_rng(1).integers(4, size=(images, 1))
    return mean, logvar, factors


def test_narrow_posteriors_of_few_images_know_every_factor_and_are_named(caplog):
    mean, logvar, factors = of_noise(1e-5, 1_000)
    found = metrics.mig_chen(mean, logvar, factors, seed=0)
    assert found.value > 0.95
    assert found.own[0, 0] > 0.95 > 0.05 > found.own[1, 0]
    wide = metrics.mig_chen(*of_noise(0.3, 10_000), seed=0)
    assert abs(wide.value) < 0.01
    assert wide.own.max() < 0.01

    dataset = helpers.in_memory(np.zeros((1_000, 8, 8, 1), np.uint8), factors, ("factor",))
    model = Model(helpers.small_config(), None, None, 0, 1)
    latents.mig_chen_entries(Subject(model, dataset, mean, logvar))
    assert "mig_chen is too large" in caplog.text
    caplog.clear()
    latents.mig_chen_entries(Subject(model, dataset, mean, np.zeros_like(mean)))
    assert not caplog.text


def test_the_own_share_is_the_posterior_over_the_mixture_by_loops():
    mean, logvar = noise(40, 2), noise(40, 2, seed=1) - 2
    factors = np.random.default_rng(2).integers(3, size=(40, 1))
    found = metrics.mig_chen(mean, logvar, factors, samples=4_000, seed=0).own
    rng = np.random.default_rng(3)
    for j in range(2):
        shares = []
        for i in range(40):
            z = mean[i, j] + np.exp(0.5 * logvar[i, j]) * rng.normal(size=400)
            same = np.flatnonzero(factors[:, 0] == factors[i, 0])
            scale = np.exp(0.5 * logvar[same, j])
            density = np.exp(-0.5 * ((z[:, None] - mean[same, j]) / scale) ** 2) / scale
            shares.append(np.mean(density[:, same == i][:, 0] / density.sum(axis=1)))
        assert found[j, 0] == pytest.approx(np.mean(shares), abs=0.01)


def test_noise_is_robust_where_many_values_are_rare():
    rng = np.random.default_rng(0)
    rare = (rng.random(10_000) < 1e-3) * rng.integers(1, 200, size=10_000)
    even = rng.integers(5, size=10_000)
    assert metrics.irs(noise(10_000, 3), np.stack([rare, even], axis=1), seed=0) > 0.9
    assert metrics.irs(noise(10_000, 3), np.stack([even, even[::-1]], axis=1), seed=0) < 0.4


def test_runs_of_one_latent_agree():
    one = np.hstack([PERFECT[:, :1], noise(len(GRID), 2)])
    kl = np.array([[2.0, 0, 0], [2.0, 0, 0]])
    assert metrics.udr([one, one + 0.05 * noise(*one.shape, seed=1)], kl).min() > 0.98


def test_latents_that_all_know_everything_compose():
    number = GRID @ [1, 10, 100]
    entangled = metrics.mutual_information(np.stack([number] * 3, axis=1), GRID)
    assert metrics.composition(entangled, COMPOSED)[2] == pytest.approx(1)


def test_latents_that_hold_nothing_depend_on_nothing():
    dead = 0.5 + 1e-3 * noise(20_000, 4)
    found = metrics.unsupervised_scores(dead)
    assert found.total_correlation < 0.002
    assert found.mutual_information < 0.02
    assert metrics.aggregate_posterior(dead, np.zeros_like(dead), seed=0).tc < 0.01
    assert metrics.forbidden_dependence(dead, noise(20_000, 4, seed=1), [()] * 4).sum() < 0.01
    assert metrics.active_dimensions(dead) == 0
