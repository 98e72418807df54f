"""Edge information: what the two ends of an edge know of each other, by nearest neighbours."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.forbidden import normal_scores

_LEAST_ROWS = 200
_BLOCKS = 10


class EdgeInformation(NamedTuple):
    """See `edge_information`; in nats."""

    nats: float
    low: float  # of the 95 % interval
    high: float


def edge_information(a, b, *, neighbours=4, seed=0):
    """Estimates the mutual information of two latents, with its 95 % interval, in nats.

        I = psi(k) + psi(n) - mean_i( psi(n_a(i) + 1) + psi(n_b(i) + 1) )

    after Kraskov, Stögbauer & Grassberger 2004 (their first estimator): n_a(i) and n_b(i) count
    the rows nearer to row i, in a and in b alone, than its k-th neighbour is in the plane, by the
    larger of the two distances. Each latent is replaced by its normal scores before, so increasing
    transforms change nothing and outliers are no longer far. Rows are split into ten blocks. In
    each the estimate with b shuffled is subtracted: of independent latents the difference has the
    mean 0 exactly. The value is the mean over blocks, the interval that of Student's t.

    Neighbours and not the Gaussian copula of `forbidden_dependence`: edges bend. A latent that
    moves an angle, or follows the size of another, has no correlation with it and yet all of the
    information. The price is the spread: of 5,000 independent rows the interval is about ±0.03.

    What it can't see: where the dependence comes from, along the edge or from a common ancestor.
    Strong dependence is estimated too low: 1.83 nats for 1.96 with 2,000 rows.

    Args:
      a: samples, not means, of one latent, [n].
      b: of the other, [n].
      neighbours: k.
      seed: of the shuffles.

    Returns:
      An `EdgeInformation`; of a constant latent 0, 0, 0.

    Raises:
      ValueError: if the shapes disagree, there are fewer than 200 rows, or a value is not finite.
    """
    from scipy.stats import t as student  # it takes a second: not before it is needed

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"latents {a.shape} and {b.shape} are not both [n]")
    if len(a) < _LEAST_ROWS:
        raise ValueError(f"{len(a)} samples are too few: information needs {_LEAST_ROWS}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("latents are NaN or infinite")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return EdgeInformation(0.0, 0.0, 0.0)
    rng = np.random.default_rng(seed)
    a, b = normal_scores(a), normal_scores(b)
    rows = np.array_split(rng.permutation(len(a)), _BLOCKS)
    found = [
        _information(a[row], b[row], neighbours)
        - _information(a[row], b[rng.permutation(row)], neighbours)
        for row in rows
    ]
    mean = np.mean(found)
    half = student.ppf(0.975, _BLOCKS - 1) * np.std(found, ddof=1) / np.sqrt(_BLOCKS)
    return EdgeInformation(float(mean), float(mean - half), float(mean + half))


def _information(a, b, k):
    """The estimate of one block [n]; negative by chance where there is nothing."""
    from scipy.spatial import KDTree
    from scipy.special import digamma

    plane = np.stack([a, b], axis=1)
    distance = KDTree(plane).query(plane, k + 1, p=np.inf)[0][:, -1]  # the first is the row itself
    nearer = np.nextafter(distance, 0)
    nats = digamma(k) + digamma(len(a))
    for latent in (a, b):
        ordered = np.sort(latent)
        last = np.searchsorted(ordered, latent + nearer, side="right")
        first = np.searchsorted(ordered, latent - nearer, side="left")
        nats -= digamma(np.maximum(last - first, 1)).mean()  # with the row itself
    return nats
