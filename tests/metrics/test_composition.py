"""Composition: how much of its parents' information on the factors a latent carries."""

import itertools

import numpy as np
import pytest

from cvae_jax import metrics


@pytest.fixture(scope="module")
def factors():
    return np.tile(list(itertools.product(range(4), range(4), range(3))), (100, 1))  # [4800, 3]


PAIR = [(("z", 0),), (("z", 1),), (("z", 2), ("z_hat", 0), ("z_hat", 1))]  # 1>3 2>3


def score(factors, *codes, parents=PAIR):
    information = metrics.mutual_information(np.stack(codes, axis=1).astype(float), factors)
    return metrics.composition(information, parents)


def test_composition_of_a_latent_that_determines_both_parents_is_one(factors):
    a, b, _ = factors.T
    np.testing.assert_allclose(score(factors, a, b, 4 * a + b), [np.nan, np.nan, 1])


def test_a_sum_composes_and_a_copy_of_one_parent_does_not(factors):
    a, b, c = factors.T
    counts = np.convolve(np.ones(4), np.ones(4)) / 16
    of_each = (-np.sum(counts * np.log(counts)) - np.log(4)) / np.log(4)  # (H(a + b) - H(b)) / H(a)
    assert score(factors, a, b, a + b)[2] == pytest.approx(of_each)
    assert score(factors, a, c, a)[2] == 0


def test_an_independent_child_and_a_dead_parent_compose_nothing(factors):
    a, b, c = factors.T
    noise = np.random.default_rng(9).normal(size=len(a))
    assert score(factors, a, b, c)[2] == score(factors, a, b, noise)[2] == 0
    assert score(factors, a, noise, a)[2] == score(factors, noise, noise[::-1], a)[2] == 0


@pytest.mark.parametrize("law", ["normal", "uniform"])
def test_estimation_bias_on_few_images_is_no_composition(law):
    rng = np.random.default_rng(11)
    factors = np.tile(np.arange(40), 25)[:, None]  # [1000, 1]
    codes = getattr(rng, law)(size=(1000, 100))
    information = metrics.mutual_information(codes, factors)
    assert metrics.composition(information[:3], PAIR)[2] > 0.8  # the estimate's bias looks like it
    floor = metrics.noise_floor(codes, factors)
    assert (information < floor).all()
    assert metrics.composition(information[:3], PAIR, floor=floor[:3])[2] == 0
    assert (metrics.mutual_information(factors + 0.0, factors) > 5 * floor.max()).all()


def test_composition_depends_on_which_latents_are_parents_but_not_on_their_order(factors):
    a, b, _ = factors.T
    np.testing.assert_allclose(score(factors, b, a, a + b), score(factors, a, b, a + b))
    assert score(factors, a, a + b, b)[2] == 0  # b knows nothing of a
    only = [(), (("z_hat", 0),), (("z_hat", 0),)]
    decomposed = score(factors, 4 * a + b, a, b, parents=only)
    np.testing.assert_allclose(decomposed, [np.nan, 0.5, 0.5])  # half each


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.composition(np.ones((3, 2)), [(), ()]), "not"),
        (lambda: metrics.composition(np.full((2, 2), np.nan), [(), ()]), "NaN"),
        (lambda: metrics.composition(-np.ones((2, 2)), [(), ()]), "negative"),
        (lambda: metrics.composition(np.ones((2, 2)), [(("z_hat", 5),), ()]), "unknown parent"),
    ],
)
def test_wrong_arguments_raise_a_one_line_message(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
