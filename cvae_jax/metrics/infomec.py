"""InfoM, InfoE and InfoC (InfoMEC): modularity, explicitness and compactness of Hsu et al."""

import warnings
from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import checked
from cvae_jax.metrics.mig import entropy, information

NEIGHBOURS = 10
_ACTIVE = 1 / 20  # of the widest latent's range
_SHUFFLES = 3


class InfoMec(NamedTuple):
    """Three scores, 1 being best, and the table that two of them rest on."""

    infom: float  # modularity, 0 to 1
    infoe: float  # explicitness, about 0 to 1
    infoc: float  # compactness, 0 to 1; NaN of a single active latent
    information: np.ndarray  # [d, k] shares of the factors' entropies
    active: np.ndarray  # [d] bool: latents that the first and the third see


def infomec(codes, factors, *, seed, discrete=False):
    """Computes whether each latent informs on one factor, all on each, and few on each.

        N[j, i] = I(c_j; v_i) / H(v_i)
        InfoM   = ( mean_j max_i N[j, i] / sum_i N[j, i] - 1/k ) / ( 1 - 1/k )
        InfoC   = ( mean_i max_j N[j, i] / sum_j N[j, i] - 1/a ) / ( 1 - 1/a )
        InfoE   = see `predictive_information`

    over the a active latents, whose range is more than a twentieth of the widest one's. By Hsu et
    al. 2023 (arXiv:2305.18378), with the settings of their code (kylehkhsu/latent_quantization,
    `infomec.py`): I by Ross's estimator for a continuous and a discrete variable, ten nearest
    neighbours (sklearn's mutual_info_classif), on standardised latents; all rows.

    Different on purpose: a latent (factor) whose information with each factor (latent) is below
    twice the largest that the estimator finds in three shuffles of the rows counts 0. Theirs would
    be a ratio of noise, which is often near 1, so that latents of noise would raise InfoM. A model
    can still hide latents from InfoM and InfoC by a small range: InfoC then misses their factors.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k]; the values are names.
      seed: of the shuffles and the tiny noise by which the estimator tells equal values apart.
      discrete: each value of a latent is a class: information of frequencies, one-hot regression,
        and every latent that is not constant is active.

    Returns:
      An `InfoMec`. If every latent is constant InfoM and InfoE are 0.

    Raises:
      ValueError: codes are not finite, factors not integers or constant, one factor alone, of
        which any latent is modular, or no more rows than neighbours.
    """
    codes, factors = checked(codes, factors)
    d, k = codes.shape[1], factors.shape[1]
    if k < 2:
        raise ValueError("infomec needs two factors or more")
    if len(codes) <= NEIGHBOURS:
        raise ValueError(f"{len(codes)} samples are too few for {NEIGHBOURS} neighbours")
    ranges = np.ptp(codes, axis=0)
    active = ranges > (0 if discrete else ranges.max() * _ACTIVE)
    table, floor, rng = np.zeros((d, k)), 0.0, np.random.default_rng(seed)
    if active.any():
        table[active] = _shares(codes[:, active], factors, discrete, seed)
        shuffled = [rng.permutation(codes[:, active]) for _ in range(_SHUFFLES)]
        floor = 2 * max(_shares(some, factors, discrete, seed).max() for some in shuffled)
    seen = table[active]
    return InfoMec(
        infom=_concentration(seen, floor) if active.any() else 0.0,
        infoe=predictive_information(codes, factors, discrete=discrete),
        infoc=_concentration(seen.T, floor) if active.sum() > 1 else np.nan,
        information=table,
        active=active,
    )


def predictive_information(codes, factors, *, linear=False, discrete=False):
    """Computes InfoE: what a linear model of all latents knows, as a share of all there is.

        InfoE = 1/k sum_i ( H(v_i) - H(v_i | c) ) / H(v_i)

    H(v_i | c) is the cross entropy of a logistic regression without a penalty, classes weighted
    alike, that is stopped at 100 iterations as in the authors' code; without latents it is the
    logarithm of the number of values. Theirs and here, it is fitted and scored on the same rows:
    with many latents and few rows it is too high. Rare values can make it negative.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      linear: for factors that are quantities: the R^2 of a linear regression instead.
      discrete: latents are classes, one-hot.

    Returns:
      The mean over factors, at most 1.

    Raises:
      ValueError: codes are not finite, factors not integers or constant.
    """
    # They take a second: not before they are needed.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    codes, factors = checked(codes, factors)
    x = (OneHotEncoder() if discrete else StandardScaler()).fit_transform(codes)
    if linear:
        return float(np.mean([LinearRegression().fit(x, v).score(x, v) for v in factors.T]))
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for factor in factors.T:
            model = LogisticRegression(C=np.inf, class_weight="balanced").fit(x, factor)
            left = log_loss(factor, model.predict_proba(x))
            found.append(1 - left / np.log(len(model.classes_)))
    return float(np.mean(found))


def _shares(codes, factors, discrete, seed):
    """Returns the information of each latent with each factor, a share of its entropy, [d, k]."""
    from sklearn.feature_selection import mutual_info_classif

    if discrete:
        labels = [np.unique(latent, return_inverse=True)[1] for latent in codes.T]
        values = [np.unique(factor, return_inverse=True)[1] for factor in factors.T]
        table = np.array([[information(a, b) for b in values] for a in labels])
    else:
        x = (codes - codes.mean(axis=0)) / codes.std(axis=0)
        columns = [
            mutual_info_classif(x, factor, n_neighbors=NEIGHBOURS, random_state=seed)
            for factor in factors.T
        ]
        table = np.stack(columns, axis=1)
    return table / [entropy(factor) for factor in factors.T]


def _concentration(table, floor):
    """Returns the mean share that a row's largest entry has in the row, 1 / its length being 0."""
    size, largest = table.shape[1], table.max(axis=1)
    known = largest > floor
    shares = np.full(len(table), 1 / size)
    shares[known] = largest[known] / table[known].sum(axis=1)
    return float((shares.mean() - 1 / size) / (1 - 1 / size))
