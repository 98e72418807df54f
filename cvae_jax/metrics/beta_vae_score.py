"""The beta-VAE score in disentanglement_lib's definition, as a function of arrays."""

import numpy as np

from cvae_jax.metrics.inputs import checked, group, require_at_least

CHUNK = 1_000


def beta_vae_score(codes, factors, *, seed, batch_size=64, train_votes=10_000, eval_votes=5_000):
    """Computes the accuracy of a linear classifier of the factor that pairs of images share.

    A point: choose a factor i, draw pairs of rows that share its value, and take

        mean over the pairs of | c(x1) - c(x2) |        [d]

    with label i. A logistic regression is fitted to the training points and scored on the others.
    By Higgins et al. 2017, with the settings of Locatello et al. 2019 (disentanglement_lib,
    `beta_vae_sklearn`, its `eval_accuracy`). The library renders new images; here two different
    rows are drawn from the arrays, and a value is as likely as it is frequent. The regression is of
    all classes jointly, as scikit-learn does since 0.22; before, one class against the rest.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      seed: of the rows and factors drawn.
      batch_size: pairs behind one point.
      train_votes: points to fit on.
      eval_votes: points to score on.

    Returns:
      Accuracy between 0 and 1, chance being about 1/k.

    Raises:
      ValueError: as `factor_score`, but that a batch may be of one pair.
    """
    # It takes a second: not before it is needed.
    from sklearn.linear_model import LogisticRegression

    codes, factors = checked(codes, factors)
    if factors.shape[1] < 2:
        raise ValueError("beta_vae_score needs two factors or more")
    require_at_least(1, batch_size=batch_size, train_votes=train_votes, eval_votes=eval_votes)
    rng = np.random.default_rng(seed)
    groups = [group(factor, i) for i, factor in enumerate(factors.T)]
    classifier = LogisticRegression(max_iter=1_000)
    classifier.fit(*_points(rng, codes, groups, batch_size, train_votes))
    return float(classifier.score(*_points(rng, codes, groups, batch_size, eval_votes)))


def _points(rng, codes, groups, batch_size, count):
    """Draws mean differences [count, d] and the factors that the pairs share [count]."""
    labels = rng.integers(len(groups), size=count)
    points = np.empty((count, codes.shape[1]))
    for i, (order, starts, counts) in enumerate(groups):
        own = np.flatnonzero(labels == i)
        for first in range(0, len(own), CHUNK):
            some = own[first : first + CHUNK]
            anchors = rng.integers(len(starts), size=(len(some), batch_size))
            # Two rows of each value, never the same one: where values have few rows, a difference
            # of 0 would name the factor whatever the latents hold.
            first_row = rng.integers(counts[anchors])
            second_row = rng.integers(counts[anchors] - 1)
            second_row += second_row >= first_row
            a, b = (codes[order[starts[anchors] + row]] for row in (first_row, second_row))
            points[some] = np.mean(np.abs(a - b), axis=1)  # of [some, batch, d]
    return points, labels
