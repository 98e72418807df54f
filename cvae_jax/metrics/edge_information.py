"""Edge information: what the ends of an edge know of each other, by nearest neighbours."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.forbidden import normal_scores
from cvae_jax.metrics.inputs import numbers

_LEAST_ROWS = 200
_BLOCKS = 10


class EdgeInformation(NamedTuple):
    """See `edge_information`; in nats."""

    nats: float
    low: float  # of the 95 % interval
    high: float


def edge_information(a, b, given=None, *, neighbours=4):
    """Estimates I(a ; b | given) of two latents, with its 95 % interval, in nats.

        I = psi(k) + mean_i( psi(n_c(i)) - psi(n_ac(i)) - psi(n_bc(i)) )

    after Frenzel & Pompe 2007 (Phys. Rev. Lett. 99, 204101); n_ac(i) counts the rows nearer to row
    i, in a and c = given alone, than its k-th neighbour is in (a, b, c), by the largest of the
    distances, and row i itself. With nothing given n_c is the number of rows, and I is the first
    estimator of Kraskov, Stögbauer & Grassberger 2004 but for the row itself in that number. Each
    latent is replaced by its normal scores before, so increasing transforms change nothing and
    outliers are no longer far. Where more than k rows are the same k is their number, as in Gao et
    al. 2017 (arXiv:1709.06212), so latents of a few values have their information too. The interval
    is Student's t of the estimates of ten blocks of rows,
    about the estimate of all rows: blocks have the spread, and all rows the smaller bias.

    Given the other parents of b, since parents hide each other: a Gaussian child shares at most
    0.2 nats with each of three independent parents, and any amount with each given the others.

    Neighbours and not the Gaussian copula of `forbidden_dependence`: edges bend. A latent that
    moves an angle, or follows the size of another, has no correlation with it and yet all of the
    information. The price is the spread: of 5,000 independent rows the interval is about ±0.03.

    What it can't see: where the dependence comes from, along the edge or from a common ancestor
    that is not given. Strong dependence is estimated too low, and more so the more is given: the
    interval, which knows the spread alone, then lies below the truth.

    Args:
      a: samples, not means, of one latent, [n].
      b: of the other, [n].
      given: of those that are known, [n, m]; None: nothing.
      neighbours: k.

    Returns:
      An `EdgeInformation`; of a constant latent 0, 0, 0.

    Raises:
      ValueError: if the shapes disagree, there are fewer than 200 rows, a value is not finite, or
        neighbours is not from 1 to under a tenth of the rows.
    """
    from scipy.stats import t as student  # it takes a second: not before it is needed

    a, b = numbers("latents", a), numbers("latents", b)
    c = np.empty((len(a), 0)) if given is None else numbers("latents that are given", given)
    if a.ndim != 1 or a.shape != b.shape or c.ndim != 2 or len(c) != len(a):
        raise ValueError(f"latents {a.shape} and {b.shape}, given {c.shape} are not [n] and [n, m]")
    if len(a) < _LEAST_ROWS:
        raise ValueError(f"{len(a)} samples are too few: information needs {_LEAST_ROWS}")
    if not 1 <= neighbours < len(a) // _BLOCKS:
        raise ValueError(
            f"neighbours is {neighbours}: it must be from 1 to under a tenth of the {len(a)} rows"
        )
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return EdgeInformation(0.0, 0.0, 0.0)
    scores = np.stack([normal_scores(x) for x in (a, b, *c.T)], axis=1)  # [n, 2 + m]
    nats = _information(scores, neighbours)
    blocks = [_information(scores[i::_BLOCKS], neighbours) for i in range(_BLOCKS)]
    half = student.ppf(0.975, _BLOCKS - 1) * np.std(blocks, ddof=1) / np.sqrt(_BLOCKS)
    return EdgeInformation(float(nats), float(nats - half), float(nats + half))


def _information(scores, k):
    """The estimate of rows [n, 2 + m] of a, b and what is given."""
    from scipy.spatial import KDTree
    from scipy.special import digamma

    tree = KDTree(scores)
    distance = tree.query(scores, k + 1, p=np.inf)[0][:, -1]  # the first is itself
    nearer = np.nextafter(distance, 0)
    ties = distance == 0
    counted = np.full(len(scores), k)
    if ties.any():
        counted[ties] = tree.query_ball_point(scores[ties], 0.0, p=np.inf, return_length=True)

    def log_count(columns):
        rows = scores[:, columns]
        if not columns:
            return digamma(len(rows))
        return digamma(KDTree(rows).query_ball_point(rows, nearer, p=np.inf, return_length=True))

    known = list(range(2, scores.shape[1]))
    ends = log_count([0, *known]) + log_count([1, *known])
    return np.mean(digamma(counted) + log_count(known) - ends)
