"""Accuracy by the number of labels: sklearn's classifiers, few rows, and latents that cheat."""

import sys

import numpy as np
import pytest
from fixtures.code_sets import code_set
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from threadpoolctl import threadpool_info, threadpool_limits

from cvae_jax import metrics
from cvae_jax.metrics import predictors
from cvae_jax.metrics.predictors import beats_guessing, fit_all


def test_factors_are_read_as_by_sklearn():
    codes, factors = code_set("noisy")
    x, y = codes[:90], factors[:90]
    trees = fit_all("trees", x, y, 3)[1]
    theirs = GradientBoostingClassifier(random_state=3).fit(x, y[:, 1])
    np.testing.assert_array_equal(trees.predict(codes), theirs.predict(codes))
    strengths = np.logspace(-4, 4, 10)
    found = [
        cross_val_score(LogisticRegression(C=c), x, y[:, 0], cv=KFold(5)).mean() for c in strengths
    ]
    chosen = LogisticRegression(C=strengths[np.argmax(found)]).fit(x, y[:, 0])
    ours = fit_all("logistic", x, y[:, :1], 0)[0]
    np.testing.assert_array_equal(ours.predict(codes), chosen.predict(codes))


@pytest.mark.parametrize("predictor", ["logistic", "trees"])
def test_few_labels_may_have_one_value(predictor):
    """Of a whole factor, and of a fold of it."""
    codes, _ = code_set("few")
    x, y = codes[:5], np.stack([np.ones(5, int), [0, 0, 0, 0, 1]], axis=1)
    same, rare = fit_all(predictor, x, y, 0)
    assert (same.predict(codes) == 1).all()
    assert set(rare.predict(codes)) <= {0, 1}


def test_accuracies_are_of_rows_not_fitted_on():
    """A latent with a number of its own for each row is remembered whole, and helps nothing."""
    _, factors = code_set("perfect")
    numbers = np.random.default_rng(0).permutation(len(factors)).astype(float)[:, None]
    found = metrics.downstream(numbers, factors, predictor="trees", seed=0, sizes=(100,))
    assert found.accuracy[100] == pytest.approx(np.mean([1 / 3, 1 / 4, 1 / 5]), abs=0.05)
    assert found.scored == 400
    np.testing.assert_allclose(found.accuracy[100], found.by_factor[100].mean())


def test_sizes_that_the_rows_do_not_have_are_left_out():
    codes, factors = code_set("few")
    found = metrics.downstream(codes, factors, predictor="trees", seed=0)
    assert [*found.accuracy] == [10]
    assert np.isnan(found.efficiency)
    with pytest.raises(ValueError, match="too few"):
        metrics.downstream(codes[:9], factors[:9], predictor="trees", seed=0)
    with pytest.raises(ValueError, match="predictor is 'tree'"):
        metrics.downstream(codes, factors, predictor="tree", seed=0)


def test_efficiency_is_a_ratio_and_not_of_latents_that_know_nothing(monkeypatch):
    # the package has a function of the module's name
    monkeypatch.setattr(sys.modules["cvae_jax.metrics.downstream"], "MANY", 400)
    codes, factors = code_set("rotated")
    ask = {"predictor": "trees", "seed": 0, "sizes": (100, 400)}
    found = metrics.downstream(codes, factors[:, :2], **ask)
    assert found.efficiency == pytest.approx(found.accuracy[100] / found.accuracy[400])
    assert 0.7 < found.efficiency < 1
    # alike at any number of labels: their efficiency would be 1
    constant = metrics.downstream(np.ones_like(codes), factors[:, :2], **ask)
    assert constant.accuracy[100] == pytest.approx(constant.accuracy[400], abs=0.06)
    assert np.isnan(constant.efficiency)


def test_guessing_is_the_commonest_value_of_the_rows_fitted_on():
    y = np.array([[0], [0], [1]])
    y_test = np.tile([[0], [1]], (5_000, 1))
    margin = 1.5 / np.sqrt(10_000)
    assert not beats_guessing(0.5 + 0.9 * margin, y, y_test)
    assert beats_guessing(0.5 + 1.1 * margin, y, y_test)


def test_each_thread_multiplies_by_itself(monkeypatch):
    """BLAS's own threads under ours held each other up: twice the time on two cores."""
    numbers = []

    def counting(*_):
        numbers.extend(blas_threads())

    monkeypatch.setattr(predictors, "_fit", counting)
    with threadpool_limits(2, user_api="blas"):
        fit_all("logistic", np.zeros((4, 1)), np.zeros((4, 2), int), 0)
        assert set(numbers) == {1}
        assert set(blas_threads()) == {2}


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
