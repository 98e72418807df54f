"""Strong generalisation in disentanglement_lib's definition."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import TEST, checked, require_at_least, split
from cvae_jax.metrics.predictors import accuracies, beats_guessing, fit_all


class StrongGeneralisation(NamedTuple):
    """Accuracies between 0 and 1, 1 being best, and what one loses against the other."""

    accuracy: float  # on values of another factor that were not fitted on
    usual: float  # on rows like those fitted on
    gap: float  # 1 - accuracy / usual; NaN where the usual one is no better than guessing
    labels: int  # rows fitted on, at most


def strong_generalisation(
    codes, factors, *, seed, predictor="trees", train=1_000, test=TEST, experiments=10
):
    """Computes how well a factor is read where another one has values that were not fitted on.

    An experiment for factor i: choose another factor a and one of its values, fit on rows with
    v_a at that value, and score on rows with all its other values. The accuracy is the mean over
    factors and their experiments, and

        gap = 1 - accuracy / usual

    with the usual accuracy that of random rows to fit and to score on. By disentanglement_lib
    (`strong_downstream_task`: its `mean_strong_test_accuracy`, `mean_test_accuracy` and
    `strong_generalization_gap`), which draws its rows with replacement and has settings in none of
    its studies; ten experiments are its default. The gap of latents that know nothing would be 0:
    it is NaN unless the usual accuracy beats guessing (see `beats_guessing`), and can be low for
    latents that know little. The accuracy has no such way out.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of rows, factors and values chosen, and of the trees.
      predictor: "trees" or "logistic", see `fit_all`.
      train: rows to fit on; fewer where a value has no more.
      test: rows to score on.
      experiments: for each factor.

    Returns:
      A `StrongGeneralisation`.

    Raises:
      ValueError: codes are not finite, factors not integers or constant, the rows too few, but one
        factor, so that there is no other, or an unknown predictor.
    """
    codes, factors = checked(codes, factors)
    k = factors.shape[1]
    if k < 2:
        raise ValueError("strong_generalisation needs two factors or more")
    require_at_least(1, experiments=experiments)
    (x, y), (x_test, y_test) = split(codes, factors, train, test, seed)
    usual = float(accuracies(fit_all(predictor, x, y, seed), x_test, y_test).mean())
    rng, found = np.random.default_rng(seed), []
    for i in range(k):
        for _ in range(experiments):
            other = factors[:, rng.choice(np.delete(np.arange(k), i))]
            held = other == rng.choice(np.unique(other))
            inside = rng.permutation(np.flatnonzero(held))[: len(x)]
            outside = rng.permutation(np.flatnonzero(~held))[: len(x_test)]
            classifiers = fit_all(predictor, codes[inside], factors[inside, i : i + 1], seed)
            found.append(accuracies(classifiers, codes[outside], factors[outside, i : i + 1]))
    accuracy = float(np.mean(found))
    gap = 1 - accuracy / usual if beats_guessing(usual, y, y_test) else np.nan
    return StrongGeneralisation(accuracy, usual, gap, len(x))
