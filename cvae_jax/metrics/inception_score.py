"""Inception score of class probabilities."""

import numpy as np

from cvae_jax.metrics.frechet import Estimate


def inception_score(probs, splits=10):
    """How sure a classifier is of each image and how many classes it sees in all of them.

        IS = exp( mean_x KL( p(y|x) || p(y) ) ),    p(y) = mean_x p(y|x)

    for each of `splits` equal parts in the order given, which must be random. By Salimans et al.
    2016 (arXiv:1606.03498). Comparable with published values only for the probabilities of
    Inception-v3 and about 5,000 images a part: fewer bias it downwards.

    Args:
      probs: class probabilities [n, c], rows summing to 1.
      splits: parts.

    Returns:
      An `Estimate`: mean over the parts, between 1 and c, and their standard deviation.

    Raises:
      ValueError: not [n, c], fewer rows than parts, or rows that are no probabilities.
    """
    probs = np.asarray(probs, np.float64)
    if probs.ndim != 2 or len(probs) < splits:
        raise ValueError(f"probabilities [n, c] with n of at least {splits} splits: {probs.shape}")
    if not (probs >= 0).all() or np.abs(probs.sum(axis=1) - 1).max() > 1e-3:
        raise ValueError("each row must be probabilities that sum to 1")
    scores = []
    for part in np.array_split(probs, splits):
        ratio = np.where(part > 0, part, 1) / np.where(part > 0, part.mean(axis=0), 1)
        scores.append(np.exp(np.mean(np.sum(part * np.log(ratio), axis=1))))
    return Estimate(float(np.mean(scores)), float(np.std(scores)))
