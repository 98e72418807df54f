"""Strong generalisation and unfairness: cases worked by hand, and latents that cheat."""

import numpy as np
import pytest
from fixtures.code_sets import SIZES, code_set

from cvae_jax import metrics
from cvae_jax.metrics import predictors, strong
from cvae_jax.metrics.fairness import _interventions, total_variation

FEW = {"train": 150, "test": 300, "experiments": 1}
FAIR = {"train": 150, "check": 400}


def test_total_variation_by_hand():
    """disentanglement_lib's own case: 100 of 2, and 100 of each of 1 and 2, weighted by group."""
    predicted = np.array([[2, 1], [2, 2]])  # frequencies (0, 1) and (1/2, 1/2), of all (1/4, 3/4)
    np.testing.assert_allclose(total_variation(predicted), [1 / 4, 1 / 4])
    predicted = np.array([[0, 0, 3], [0, 0, 3]])
    np.testing.assert_allclose(total_variation(predicted), [1 / 3, 1 / 3, 2 / 3])


@pytest.mark.parametrize("j", range(3))
def test_changed_rows_differ_in_one_factor_alone(j):
    _, factors = code_set("few")
    kept = factors[(factors != [0, 0, 2]).any(axis=1)]  # one combination less: not a whole grid
    drawn = kept[_interventions(kept, j, 500, np.random.default_rng(0))]  # [500, values, 3]
    np.testing.assert_array_equal(drawn[..., j], np.tile(np.arange(SIZES[j]), (500, 1)))
    others = np.delete(drawn, j, axis=2)
    assert (others == others[:, :1]).all()
    found = {tuple(row) for row in others[:, 0]}
    missing = tuple(np.delete([0, 0, 2], j))
    assert missing not in found
    assert len(found) == np.prod(np.delete(SIZES, j)) - 1


def test_factors_that_never_change_alone_are_refused():
    codes, factors = code_set("few")
    tied = np.stack([factors[:, 0], factors[:, 0]], axis=1)
    with pytest.raises(ValueError, match=r"factor 0 .* while the others stay"):
        metrics.unfairness(codes, tied, seed=0)
    for score in (metrics.unfairness, metrics.strong_generalisation):
        with pytest.raises(ValueError, match="two factors"):
            score(codes, factors[:, :1], seed=0)


def test_a_biased_latent_is_unfair_by_as_much_as_it_is_moved():
    """Two factors of two values; the first is read as the second where that is 1.

    Of the prediction of v_0: always 1 at v_1 = 1, 1 in half at v_1 = 0, hence 3/4 of all. v_1 is
    read right and does not depend on v_0.
    """
    factors = np.stack([np.arange(800) % 2, np.arange(800) // 2 % 2], axis=1)
    codes = np.stack([np.maximum(factors[:, 0], factors[:, 1]), factors[:, 1]], axis=1)
    codes = codes + 0.01 * np.random.default_rng(0).normal(size=codes.shape)
    # where v_1 = 1 nothing is known of v_0: more rows of 1 settle what is guessed
    rows = np.concatenate([np.arange(800), np.flatnonzero(factors.all(axis=1)).repeat(5)])
    found = metrics.unfairness(
        codes[rows], factors[rows], seed=0, test=1_000, predictor="logistic", **FAIR
    )
    assert found.by_mean[1, 0] == 0
    # contexts are as frequent as their rows: v_0 = 1 in 1,400 of 1,800
    share = 1_400 / 1_800
    expected = (1 - share) / 2
    assert found.by_mean[0, 1] == pytest.approx(expected, abs=0.03)
    assert found.by_max[0, 1] == pytest.approx(expected, abs=0.03)
    assert found.mean == pytest.approx(found.by_mean[0, 1] / 2)
    assert found.largest == found.by_max[0, 1]
    assert np.isnan(np.diag(found.by_mean)).all()


def test_latents_that_know_nothing_are_neither_fair_nor_general():
    """Their unfairness and gap would be 0, the best there is."""
    codes, factors = code_set("perfect")
    for nothing in (np.ones_like(codes), np.random.default_rng(0).normal(size=codes.shape)):
        fair = metrics.unfairness(nothing, factors, seed=0, **FAIR)
        assert np.isnan([fair.mean, fair.largest]).all()
        assert fair.accuracy == pytest.approx(np.mean(1 / np.array(SIZES)), abs=0.07)
        strong = metrics.strong_generalisation(nothing, factors, seed=0, **FEW)
        assert np.isnan(strong.gap)
        assert strong.accuracy < 0.4


def test_a_copy_of_all_factors_in_one_latent_does_not_generalise():
    """It says all, and trees that saw one value of a factor cut it elsewhere."""
    codes, factors = code_set("perfect")
    mixed = (factors @ [20, 5, 1])[:, None].astype(float)
    together = metrics.strong_generalisation(mixed, factors, seed=0, **FEW)
    apart = metrics.strong_generalisation(codes, factors, seed=0, **FEW)
    assert together.usual > 0.95
    assert together.gap > 0.2
    assert (apart.usual, apart.accuracy, apart.gap) == pytest.approx((1, 1, 0), abs=0.02)


@pytest.mark.slow
def test_both_accuracies_of_the_gap_rest_on_as_many_labels(monkeypatch):
    """Of 3,000 rows 500 are fitted on, however many have the value."""
    fitted = []

    def counting(predictor, x, y, seed):
        fitted.append(len(x))
        return predictors.fit_all(predictor, x[:50], y[:50], seed)  # which takes less time

    monkeypatch.setattr(strong, "fit_all", counting)
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2, (3_000, 2))
    found = strong.strong_generalisation(
        factors + 0.1 * rng.normal(size=factors.shape), factors, seed=0, predictor="logistic"
    )
    assert {*fitted} == {found.labels} == {500}
