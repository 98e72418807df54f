"""Mutual information gap (MIG) in disentanglement_lib's definition, and the table it rests on."""

import numpy as np

from cvae_jax.metrics.inputs import BINS, checked, require_at_least

_ROUNDING = 1e-12  # nats; rounding makes a constant label seem to hold as much


def mig(codes, factors, *, bins=BINS):
    """Computes the mutual information gap of codes against ground-truth factors.

        MIG = 1/k sum_i ( I(c_a; v_i) - I(c_b; v_i) ) / H(v_i)

    with c_a and c_b the two latents with the most information on factor v_i. Chen et al. 2018
    define the gap; this estimate of it, discrete information of binned posterior means, is that of
    Locatello et al. 2019 (disentanglement_lib, `discrete_mig`), who take 10,000 random samples and
    every factor that varies: on dSprites five, shape included. Chen et al. integrate over q(z|x)
    instead and leave shape out, so their numbers do not compare with these.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k]; the values are names, not quantities.
      bins: equal-width bins per dimension of the codes.

    Returns:
      The gap, a share of the factors' entropy between 0 and 1, 1 being best.

    Raises:
      ValueError: see `mutual_information`; also if there is but one dimension, hence no gap.
    """
    codes, factors = checked(codes, factors)
    if codes.shape[1] < 2:
        raise ValueError("mig needs codes of two dimensions or more: one alone has no runner-up")
    table = np.sort(mutual_information(codes, factors, bins=bins), axis=0)  # [d, k]
    entropies = np.array([entropy(factor) for factor in factors.T])  # [k]
    return float(np.mean((table[-1] - table[-2]) / entropies))


def mutual_information(codes, factors, *, bins=BINS):
    """Computes the mutual information of each binned latent with each factor.

        I(c_j; v_i) = sum_{b, v} p(b, v) log( p(b, v) / (p(b) p(v)) )

    over the empirical frequencies, with c_j cut into equal bins between its smallest and its
    largest value, as in disentanglement_lib. The estimate has a positive bias of about
    (bins - 1)(values - 1) / 2n nats.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      bins: equal-width bins per dimension of the codes.

    Returns:
      Information in nats, [d, k]; at most the factor's entropy. A constant dimension has none.

    Raises:
      ValueError: if codes are not finite, factors not integers or constant, if the two have
        different numbers of rows, or if there are fewer rows than bins.
    """
    codes, factors = checked(codes, factors)
    if len(codes) < bins:
        raise ValueError(f"{len(codes)} samples are too few for {bins} bins")
    cut = [binned(latent, bins) for latent in codes.T]
    values = [np.unique(factor, return_inverse=True)[1] for factor in factors.T]
    return np.array([[information(b, v) for v in values] for b in cut])  # [d, k]


def information_of_varying(codes, factors, *, bins=BINS):
    """Computes `mutual_information` with the factors that vary, for any labelled data.

    Args:
      codes: posterior means, finite, [n, d].
      factors: class labels, integers [n, k].
      bins: see `mutual_information`.

    Returns:
      (information [d, m], the columns [m] of factors that vary); m is 0 where there are fewer rows
      than bins.
    """
    varying = np.flatnonzero((factors != factors[:1]).any(axis=0))
    if len(codes) < bins or not varying.size:
        return np.zeros((codes.shape[1], 0)), varying[:0]
    return mutual_information(codes, factors[:, varying], bins=bins), varying


def binned(latent, bins):
    """Returns the bin number, from 0, of each entry of one latent [n], in equal bins."""
    require_at_least(1, bins=bins)
    # The edges of np.histogram, which itself refuses a dimension that is constant up to rounding.
    edges = np.linspace(latent.min(), latent.max(), bins + 1)
    # Without the last edge: the maximum is in the last bin.
    return np.digitize(latent, edges[:-1]) - 1


def information(a, b):
    """Computes the mutual information in nats of two label arrays [n] that count from 0."""
    shape = a.max() + 1, b.max() + 1
    joint = np.bincount(a * shape[1] + b, minlength=shape[0] * shape[1]).reshape(shape) / len(a)
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    nats = np.sum(joint[seen] * np.log(joint[seen] / independent[seen]))
    return nats if nats > _ROUNDING else 0.0


def entropy(factor):
    """Computes the entropy in nats of one factor [n]."""
    frequencies = np.unique(factor, return_counts=True)[1] / len(factor)
    return -np.sum(frequencies * np.log(frequencies))
