"""The two classifiers by which disentanglement_lib reads factors from latents."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

PREDICTORS = {"logistic": "logistic regression", "trees": "boosted trees"}
_FOLDS = 5


def fit_all(predictor, x, y, seed):
    """Fits a classifier of each factor from all latents.

    `trees` is sklearn's GradientBoostingClassifier by default. `logistic` is a logistic regression
    with an L2 penalty, whose strength is the one of ten, C from 1e-4 to 1e4, that predicts best in
    five folds (LogisticRegressionCV with KFold in disentanglement_lib, stopped at 100 iterations
    as there; all classes jointly). Of a factor with one value that value is the prediction.

    Args:
      predictor: "logistic" or "trees".
      x: latents [n, d].
      y: factors, integers [n, k].
      seed: of the trees.

    Returns:
      k classifiers with sklearn's `predict`.

    Raises:
      ValueError: an unknown predictor, or labels too few for five folds of two values.
    """
    # They take a second: not before they are needed.
    from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
    from threadpoolctl import threadpool_limits

    if predictor not in PREDICTORS:
        raise ValueError(f"predictor is {predictor!r}: it must be one of {', '.join(PREDICTORS)}")
    bar = tqdm(total=y.shape[1], desc=predictor, unit="factor", disable=None, leave=False)

    def fit(factor):
        fitted = _fit(predictor, x, factor, seed)
        bar.update()
        return fitted

    # Filters and BLAS's threads belong to the process, so they are set outside of the threads. Each
    # of these multiplies small matrices, which more threads of BLAS make no faster.
    one_each = threadpool_limits(1, user_api="blas")
    with warnings.catch_warnings(), one_each, bar, ThreadPoolExecutor() as threads:
        warnings.simplefilter("ignore", ConvergenceWarning)
        # A fold of few labels may have one value, which no regression is of.
        warnings.simplefilter("ignore", FitFailedWarning)
        return list(threads.map(fit, y.T))


def _fit(predictor, x, y, seed):
    """Fits the classifier of one factor."""
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, KFold

    if (y == y[0]).all():
        return DummyClassifier().fit(x, y)
    if predictor == "trees":
        return GradientBoostingClassifier(random_state=seed).fit(x, y)
    folds = KFold(min(_FOLDS, len(y)))
    if not any(len(np.unique(y[rows])) > 1 for rows, _ in folds.split(x)):
        raise ValueError(
            f"logistic: of {len(y)} labels each fold leaves one value: use more labels, or trees"
        )
    strengths = {"C": np.logspace(-4, 4, 10)}
    return GridSearchCV(LogisticRegression(), strengths, cv=folds, error_score=0.0).fit(x, y)


def accuracies(classifiers, x, y):
    """Computes the share of rows that each classifier predicts, [k], of x [n, d] and y [n, k]."""
    pairs = zip(classifiers, y.T, strict=True)
    return np.array([np.mean(classifier.predict(x) == factor) for classifier, factor in pairs])


def beats_guessing(accuracy, y, y_test):
    """Returns whether a mean accuracy is above that of each factor's commonest value.

    The margin is three standard errors of a share of the test rows, at most 1.5 / sqrt(n). Ratios
    and differences of accuracies say nothing where it is not reached: latents that are constant
    would have the best.

    Args:
      accuracy: mean over factors.
      y: factors of the rows fitted on, [m, k].
      y_test: of the rows scored on, [n, k].
    """
    shares = []
    for factor, factor_test in zip(y.T, y_test.T, strict=True):
        values, counts = np.unique(factor, return_counts=True)
        shares.append(np.mean(factor_test == values[counts.argmax()]))
    return accuracy > np.mean(shares) + 1.5 / np.sqrt(len(y_test))
