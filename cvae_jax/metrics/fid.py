"""FID, KID and inception score: distances of two sets of features, and a score of probabilities."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import numbers, require_at_least

_ROUNDING = 1e-6  # of the largest entry: covariances may come from float32


class Moments(NamedTuple):
    """Running moments of streamed features, float64 throughout."""

    count: int
    mean: np.ndarray  # [p]
    scatter: np.ndarray  # [p, p], sum of (x - mean)(x - mean)'

    @property
    def covariance(self):
        """Returns the unbiased covariance, [p, p].

        Raises:
          ValueError: of one row there is none.
        """
        require_at_least(2, rows=self.count)
        return self.scatter / (self.count - 1)


def add_moments(moments, features):
    """Adds features [n, p] to the moments of earlier rows; None where there are none yet.

    By Chan et al. 1979: as exact as if all rows were there at once.

    Raises:
      ValueError: features are not [n, p] of one row or more and of the earlier rows' p, or not
        finite.
    """
    features = numbers("features", features, "[n, p]")
    require_at_least(1, rows=len(features))
    if moments is not None and moments.mean.shape != features.shape[1:]:
        raise ValueError(f"{features.shape[1]} features, of earlier rows {len(moments.mean)}")
    n, mean = len(features), features.mean(axis=0)
    centred = features - mean
    if moments is None:
        return Moments(n, mean, centred.T @ centred)
    total, shift = moments.count + n, mean - moments.mean
    scatter = (
        moments.scatter + centred.T @ centred + np.outer(shift, shift) * (moments.count * n / total)
    )
    return Moments(total, moments.mean + shift * (n / total), scatter)


def frechet_distance(mean1, cov1, mean2, cov2):
    """Computes the squared Fréchet (Wasserstein-2) distance of two Gaussians.

        |mean1 - mean2|^2 + tr C1 + tr C2 - 2 tr (C1^1/2 C2 C1^1/2)^1/2

    With the moments of Inception features it is the FID of Heusel et al. 2017 (arXiv:1706.08500).
    The last trace is a sum of square roots of eigenvalues of a symmetric matrix, which needs none
    of the patches that a matrix square root needs for singular covariances.

    Args:
      mean1: [p].
      cov1: [p, p], symmetric, no negative eigenvalue beyond rounding.
      mean2: [p].
      cov2: [p, p].

    Returns:
      The distance, in the features' units squared; 0 for equal moments.

    Raises:
      ValueError: shapes disagree, a number is not finite, or a covariance is none.
    """
    mean1, mean2 = numbers("means", mean1), numbers("means", mean2)
    cov1, cov2 = numbers("covariances", cov1), numbers("covariances", cov2)
    shapes = mean1.shape, cov1.shape, mean2.shape, cov2.shape
    p = mean1.size
    if shapes != ((p,), (p, p), (p,), (p, p)):
        raise ValueError(f"means [p] and covariances [p, p] disagree: {shapes}")
    (values, vectors), _ = _spectrum(cov1), _spectrum(cov2)
    root = vectors * np.sqrt(np.clip(values, 0, None))  # root root' = C1
    cross = np.linalg.eigvalsh(root.T @ cov2 @ root)  # those of C1^1/2 C2 C1^1/2
    shared = 2 * np.sum(np.sqrt(np.clip(cross, 0, None)))
    distance = np.sum((mean1 - mean2) ** 2) + np.trace(cov1) + np.trace(cov2) - shared
    return float(max(distance, 0.0))


def _spectrum(covariance):
    """Eigenvalues and eigenvectors of a covariance [p, p], or raises."""
    size = np.abs(covariance).max(initial=0)
    if np.abs(covariance - covariance.T).max(initial=0) > _ROUNDING * size:
        raise ValueError("a covariance is not symmetric")
    values, vectors = np.linalg.eigh(covariance)
    if values.min(initial=0) < -_ROUNDING * len(values) * size:
        raise ValueError(f"a covariance has a negative eigenvalue, {values.min():.3g}")
    return values, vectors


class Estimate(NamedTuple):
    """A mean over repeats and their spread."""

    mean: float
    std: float


def kernel_distance(features1, features2, *, seed, subsets=100, subset_size=1_000):
    """Computes the unbiased squared maximum mean discrepancy with the kernel (x'y / p + 1)^3.

    With Inception features it is the KID of Bińkowski et al. 2018 (arXiv:1801.01401), whose means
    over 100 random subsets of 1,000 rows of each set are the default.

    Args:
      features1: [n, p].
      features2: [m, p].
      seed: of the subsets.
      subsets: repeats.
      subset_size: rows of each set in a repeat; fewer where a set has fewer.

    Returns:
      An `Estimate`; the mean may be a little below 0 for equal distributions. The spread is NaN,
      for not known, where a subset is the whole of a set.

    Raises:
      ValueError: shapes disagree, a number is not finite, a set or subset has under two rows, or
        there are no subsets.
    """
    a, b = numbers("features", features1), numbers("features", features2)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features [n, p] and [m, p], two rows or more: {a.shape}, {b.shape}")
    require_at_least(1, subsets=subsets)
    require_at_least(2, subset_size=subset_size)
    rng, m = np.random.default_rng(seed), min(subset_size, len(a), len(b))

    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    values = []
    for _ in range(subsets):
        x, y = (f[rng.choice(len(f), m, replace=False)] for f in (a, b))
        within = [(np.sum(k) - np.trace(k)) / (m * (m - 1)) for k in (kernel(x, x), kernel(y, y))]
        values.append(sum(within) - 2 * np.mean(kernel(x, y)))
    spread = np.std(values) if m < min(len(a), len(b)) else np.nan
    return Estimate(float(np.mean(values)), float(spread))


def inception_score(probs, splits=10):
    """Computes how sure a classifier is of each image and how many classes it sees in all.

        IS = exp( mean_x KL( p(y|x) || p(y) ) ),    p(y) = mean_x p(y|x)

    for each of `splits` equal parts in the order given, which must be random. By Salimans et al.
    2016 (arXiv:1606.03498). Comparable with published values only for the probabilities of
    Inception-v3 and about 5,000 images per part: fewer bias it downwards.

    Args:
      probs: class probabilities [n, c], rows summing to 1.
      splits: parts.

    Returns:
      An `Estimate`: mean over the parts, between 1 and c, and their standard deviation.

    Raises:
      ValueError: not [n, c], fewer rows than parts, or rows that are no probabilities.
    """
    probs = numbers("probabilities", probs)
    require_at_least(1, splits=splits)
    if probs.ndim != 2 or len(probs) < splits:
        raise ValueError(f"probabilities [n, c] with n of at least {splits} splits: {probs.shape}")
    if not (probs >= 0).all() or np.abs(probs.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError("each row must be probabilities that sum to 1")
    scores = []
    for part in np.array_split(probs, splits):
        ratio = np.where(part > 0, part, 1) / np.where(part > 0, part.mean(axis=0), 1)
        scores.append(np.exp(np.mean(np.sum(part * np.log(ratio), axis=1))))
    return Estimate(float(np.mean(scores)), float(np.std(scores)))
