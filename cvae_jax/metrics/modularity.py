"""Modularity and explicitness in disentanglement_lib's definition."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import BINS, TEST, TRAIN, checked, split
from cvae_jax.metrics.mig import mutual_information


class ModularityExplicitness(NamedTuple):
    """Two scores, 1 being best."""

    modularity: float  # 0 to 1
    explicitness: float  # area under the curve: 0.5 is chance


def modularity_explicitness(codes, factors, *, seed, train=TRAIN, test=TEST, bins=BINS):
    """Computes whether each latent informs on one factor, and all linearly on each.

        modularity   = 1/d sum_j ( 1 - sum_{i != a} I(c_j; v_i)^2 / ( (k - 1) I(c_j; v_a)^2 ) )

    with v_a the factor that latent j informs on most; an uninformative latent counts 0.
    explicitness is the mean over factors and their values of the area under the ROC curve of a
    logistic regression from all latents, on rows not fitted on. By Ridgeway & Mozer 2018, with the
    settings of Locatello et al. 2019 (disentanglement_lib, `modularity_explicitness`: modularity
    from the training rows binned as for `mig`, explicitness_test); here no row is in both sets,
    and the regression is run until it has converged, of all classes jointly, as scikit-learn does
    since 0.22; before, one class against the rest.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of the rows.
      train: rows to fit on.
      test: rows to score on.
      bins: for the information.

    Returns:
      A `ModularityExplicitness`.

    Raises:
      ValueError: codes are not finite, factors not integers or constant, or the rows too few; also
        if there is but one factor, of which any latent is modular.
    """
    codes, factors = checked(codes, factors)
    if factors.shape[1] < 2:
        raise ValueError("modularity_explicitness needs two factors or more")
    (x, y), (x_test, y_test) = split(codes, factors, train, test, seed)
    constant = np.flatnonzero((y == y[0]).all(axis=0))
    if constant.size:
        raise ValueError(
            f"factor {constant[0]} (of 0 to k - 1) has a single value in the {len(y)} rows to fit "
            "on: its other values are too rare"
        )
    information = mutual_information(x, y, bins=bins) ** 2  # [d, k], squared
    best = information.max(axis=1)
    others = (information.sum(axis=1) - best) / (information.shape[1] - 1)
    modular = np.where(best > 0, 1 - others / np.where(best > 0, best, 1), 0)
    explicit = [_area(x, v, x_test, v_test) for v, v_test in zip(y.T, y_test.T, strict=True)]
    return ModularityExplicitness(float(modular.mean()), float(np.mean(explicit)))


def _area(x, y, x_test, y_test):
    """Returns the mean over values of the area under the curve of value against rest."""
    # They take a second: not before they are needed.
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    scale = x.std(axis=0)
    scale[scale == 0] = 1
    centre = x.mean(axis=0)
    # The units of the codes do not change what a linear map can predict, only how fast it is found
    model = LogisticRegression(max_iter=1_000).fit((x - centre) / scale, y)
    probabilities = model.predict_proba((x_test - centre) / scale)
    areas = [
        roc_auc_score(y_test == value, probabilities[:, column])
        for column, value in enumerate(model.classes_)
        if 0 < np.sum(y_test == value) < len(y_test)
    ]
    if not areas:
        raise ValueError("explicitness: the test rows have but one value of a factor, or new ones")
    return np.mean(areas)
