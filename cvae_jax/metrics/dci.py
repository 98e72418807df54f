"""Disentanglement, completeness and informativeness (DCI) in disentanglement_lib's definition."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cvae_jax.metrics.inputs import TEST, TRAIN, checked, split


class Dci(NamedTuple):
    """Three scores between 0 and 1, 1 being best, and the table they rest on."""

    disentanglement: float
    completeness: float
    informativeness: float  # accuracy on the rows not fitted on
    importance: np.ndarray  # [d, k], a column sums to 1


def dci(codes, factors, *, seed, train=TRAIN, test=TEST):
    """Computes how well codes predict factors, and how few latents each prediction rests on.

    A classifier of boosted trees predicts each factor from all latents; R[j, i] is the importance
    of latent j for factor i.

        disentanglement = sum_j w_j (1 - H_k(R[j] / sum_i R[j, i])),  w_j = sum_i R[j, i] / sum R
        completeness    = sum_i w_i (1 - H_d(R[:, i] / sum_j R[j, i]))

    with H_k the entropy to base k. By Eastwood & Williams 2018, with the settings of Locatello et
    al. 2019 (disentanglement_lib, `dci`): sklearn's GradientBoostingClassifier by default, 10,000
    rows to fit, 5,000 to score; here no row is in both. It takes minutes: a tree for each value of
    each factor, a hundred times; progress is shown.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of the rows.
      train: rows to fit on.
      test: rows to score on.

    Returns:
      A `Dci`. With one factor (or one latent) nothing can be mixed up: disentanglement
      (completeness) is 1.

    Raises:
      ValueError: codes are not finite, factors not integers or constant, or the rows too few.
    """
    # It takes a second: not before it is needed.
    from sklearn.ensemble import GradientBoostingClassifier

    codes, factors = checked(codes, factors)
    (x, y), (x_test, y_test) = split(codes, factors, train, test, seed)
    sizes = [len(np.unique(factor)) for factor in y.T]
    rounds = GradientBoostingClassifier().n_estimators
    bar = tqdm(total=rounds * sum(sizes), desc="dci", unit="tree", disable=None, leave=False)

    def fit(i):
        if sizes[i] == 1:
            raise ValueError(f"factor {i} (of 0 to k - 1) has a single value in {len(y)} rows")
        trees = GradientBoostingClassifier(random_state=seed)

        def show_progress(*_):
            bar.update(sizes[i])
            return False  # True would stop the fit

        trees.fit(x, y[:, i], monitor=show_progress)
        return trees.feature_importances_, trees.score(x_test, y_test[:, i])

    with bar, ThreadPoolExecutor() as threads:  # the slowest first, so that none waits at the end
        order = np.argsort(sizes)[::-1]
        fitted = dict(zip(order, threads.map(fit, order), strict=True))
    importance = np.stack([fitted[i][0] for i in range(len(sizes))], axis=1)  # [d, k]
    return Dci(
        disentanglement=_concentration(importance),
        completeness=_concentration(importance.T),
        informativeness=float(np.mean([accuracy for _, accuracy in fitted.values()])),
        importance=importance,
    )


def _concentration(table):
    """Returns 1 minus each row's normalised entropy, weighted by the row's share of the table."""
    if table.shape[1] == 1:
        return 1.0
    weights = table.sum(axis=1)
    if not weights.any():
        return 0.0
    p = table[weights > 0] / weights[weights > 0, None]
    entropies = -np.sum(p * np.log(np.where(p > 0, p, 1)), axis=1) / np.log(table.shape[1])
    return float(np.average(1 - entropies, weights=weights[weights > 0]))
