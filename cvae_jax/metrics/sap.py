"""Separated attribute predictability (SAP) in disentanglement_lib's definition."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cvae_jax.metrics.inputs import TEST, TRAIN, checked, split


def sap(codes, factors, *, seed, train=TRAIN, test=TEST):
    """Computes the gap between the two latents that best predict a factor, averaged over factors.

        SAP = 1/k sum_i ( S[a, i] - S[b, i] )

    S[j, i] is the accuracy on rows not fitted on of a linear support vector machine that predicts
    factor i from latent j alone. By Kumar et al. 2018, with the settings of Locatello et al. 2019
    (disentanglement_lib, `sap_score`, factors taken as classes): LinearSVC, C = 0.01, balanced
    classes, 10,000 rows to fit, 5,000 to score; here no row is in both. A line cuts a latent in
    two, so even a perfect latent predicts few of a factor's many values: its score is 1 for factors
    of two values only.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of the rows and of the classifiers.
      train: rows to fit on.
      test: rows to score on.

    Returns:
      The gap, between 0 and 1.

    Raises:
      ValueError: codes are not finite, factors not integers or constant, the rows too few, or
        there is but one dimension, hence no gap.
    """
    from sklearn.svm import LinearSVC  # it takes a second: not before it is needed

    codes, factors = checked(codes, factors)
    if codes.shape[1] < 2:
        raise ValueError("sap needs codes of two dimensions or more: one alone has no runner-up")
    (x, y), (x_test, y_test) = split(codes, factors, train, test, seed)

    def accuracy(pair):
        j, i = pair
        if (y[:, i] == y[0, i]).all():
            return float(np.mean(y_test[:, i] == y[0, i]))
        classifier = LinearSVC(C=0.01, class_weight="balanced", random_state=seed)
        classifier.fit(x[:, j : j + 1], y[:, i])
        return classifier.score(x_test[:, j : j + 1], y_test[:, i])

    shape = codes.shape[1], factors.shape[1]
    with ThreadPoolExecutor() as threads:
        table = np.reshape(list(threads.map(accuracy, np.ndindex(shape))), shape)  # [d, k]
    ranked = np.sort(table, axis=0)
    return float(np.mean(ranked[-1] - ranked[-2]))
