"""Unfairness of predictions from latents in disentanglement_lib's definition."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import TEST, TRAIN, checked, split
from cvae_jax.metrics.predictors import accuracies, beats_guessing, fit_all


class Unfairness(NamedTuple):
    """Distances between 0 and 1, 0 being fair; NaN where nothing is predicted."""

    mean: float  # over pairs of factors, of the mean over values
    largest: float  # of any pair and value
    by_mean: np.ndarray  # [k predicted, k sensitive] mean over values; NaN: the diagonal
    by_max: np.ndarray  # likewise, the largest of any value
    accuracy: float  # of the same predictions, mean over factors; on rows not fitted on
    labels: int  # rows fitted on


def unfairness(codes, factors, *, seed, predictor="trees", train=TRAIN, test=100, check=TEST):
    """Computes how far the prediction of one factor moves when another one alone is changed.

    f_i predicts factor i from all latents. With factor j set to s, and all others as they were,

        D_ij(s) = 1/2 sum_v | P( f_i = v | do v_j = s ) - mean_s P( f_i = v | do v_j = s ) |

    the total variation distance to the mean over the values s. `by_mean` is its mean over s,
    `by_max` its largest; `mean` and `largest` are the mean of the first and the largest of the
    second over all pairs i != j. By Locatello et al. 2019b (arXiv:1905.13662, section 4), with the
    settings of disentanglement_lib (`fairness`: trees, 10,000 rows, 100 points for each value):
    `mean` is its `mean_fairness:mean_pred:mean_sens`, which the paper reports, `largest` its
    `max_fairness:max_pred:max_sens`, and its other aggregates are means and maxima of the rows or
    columns of the two tables (`np.nanmean`, `np.nanmax`). It renders the changed images; here rows
    with the same other factors are taken, so every value of j must occur with them, as in a whole
    grid. Contexts where one is missing are not drawn.

    Latents that know nothing would be fair: all is NaN unless the accuracy beats guessing (see
    `beats_guessing`). Latents that know little are still fairer than others of the same kind.
    Compare it at equal accuracy.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of rows and trees.
      predictor: "trees" or "logistic", see `fit_all`.
      train: rows to fit on.
      test: draws of the other factors; each is scored with every value of the sensitive one, on
        rows that may be among those fitted on.
      check: other rows for the accuracy.

    Returns:
      An `Unfairness`.

    Raises:
      ValueError: codes are not finite, factors not integers or constant, the rows too few, but one
        factor, no rows that differ in one factor alone by all of its values, or an unknown
        predictor.
    """
    codes, factors = checked(codes, factors)
    k = factors.shape[1]
    if k < 2:
        raise ValueError("unfairness needs two factors or more")
    rng = np.random.default_rng(seed)
    changed = [_interventions(factors, j, test, rng) for j in range(k)]
    (x, y), (x_check, y_check) = split(codes, factors, train, check, seed)
    classifiers = fit_all(predictor, x, y, seed)
    accuracy = float(accuracies(classifiers, x_check, y_check).mean())
    by_mean, by_max = np.full((2, k, k), np.nan)
    if not beats_guessing(accuracy, y, y_check):
        return Unfairness(np.nan, np.nan, by_mean, by_max, accuracy, len(x))
    for i, classifier in enumerate(classifiers):
        for j, rows in enumerate(changed):
            if i != j:
                predicted = classifier.predict(codes[rows.ravel()]).reshape(rows.shape)
                distances = total_variation(predicted)
                by_mean[i, j], by_max[i, j] = distances.mean(), distances.max()
    mean, largest = float(np.nanmean(by_mean)), float(np.nanmax(by_max))
    return Unfairness(mean, largest, by_mean, by_max, accuracy, len(x))


def total_variation(predicted):
    """Computes the distance of each column's frequencies from those of all, in total variation.

    Args:
      predicted: labels [n, groups].

    Returns:
      Distances between 0 and 1, [groups].
    """
    labels = np.unique(predicted)
    frequencies = np.mean(predicted == labels[:, None, None], axis=1)  # [labels, groups]
    return 0.5 * np.abs(frequencies - frequencies.mean(axis=1, keepdims=True)).sum(axis=0)


def _interventions(factors, j, count, rng):
    """Draws rows [count, values of j] that differ within a row of the table by factor j alone."""
    context = np.zeros(len(factors), np.int64)
    for factor in np.delete(factors, j, axis=1).T:
        values, value = np.unique(factor, return_inverse=True)
        # counted again each time, so that products of many factors don't overflow
        context = np.unique(context * len(values) + value, return_inverse=True)[1]
    values, value = np.unique(factors[:, j], return_inverse=True)
    cell = context * len(values) + value
    counts = np.bincount(cell, minlength=(context.max() + 1) * len(values)).reshape(-1, len(values))
    starts = (np.cumsum(counts) - counts.ravel()).reshape(counts.shape)
    whole = np.flatnonzero(counts.all(axis=1))
    if not whole.size:
        raise ValueError(
            f"factor {j} (of 0 to k - 1) never takes all its values while the others stay"
        )
    frequency = counts[whole].sum(axis=1)
    drawn = rng.choice(whole, count, p=frequency / frequency.sum())
    return np.argsort(cell, kind="stable")[starts[drawn] + rng.integers(counts[drawn])]
