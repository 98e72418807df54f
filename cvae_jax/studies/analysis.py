"""What a study's scores say together: what explains their variance, and which rank runs alike."""

import numpy as np


def variance_explained(values, groups) -> float:
    """Returns the share of the variance of values that the means of groups explain.

        R^2 = sum_g n_g (mean_g - mean)^2 / sum_i (values_i - mean)^2

    That of a least-squares fit of one constant per group, as Locatello et al. 2019
    (arXiv:1811.12359) fit scores by method, and by method and hyperparameters; what is
    left is the seeds'. It rises with the number of groups even where they mean nothing, see
    `by_chance`.

    Args:
      values: of one score, [n].
      groups: a label for each value, [n].

    Returns:
      From 0 to 1; NaN if all values are the same.
    """
    values = np.asarray(values, np.float64)
    total = np.sum((values - values.mean()) ** 2)
    if np.ptp(values) == 0:
        return float("nan")
    _, index = np.unique(np.asarray(groups, str), return_inverse=True)
    sizes = np.bincount(index)
    means = np.bincount(index, values) / sizes
    return float(np.sum(sizes * (means - values.mean()) ** 2) / total)


def by_chance(groups) -> float:
    """Returns what `variance_explained` is in the mean where the groups mean nothing.

    (k - 1) / (n - 1), of k groups of n values that are independent and normal.
    """
    return (len({*groups}) - 1) / (len(groups) - 1) if len(groups) > 1 else float("nan")


def rank_correlation(values) -> np.ndarray:
    """Returns Spearman's rank correlation of every pair of scores over runs.

    The correlation of ranks, equal values sharing their mean rank; of each pair over the runs that
    have both.

    Args:
      values: a row per run, a column per score, NaN where a run lacks one, [n, k].

    Returns:
      [k, k], from -1 to 1; NaN where a score is the same in all runs or fewer than three have both.
    """
    from scipy.stats import spearmanr  # it takes a second: not before it is needed

    values = np.asarray(values, np.float64)
    count = values.shape[1]
    found = np.full((count, count), np.nan)
    for i in range(count):
        for j in range(i + 1):
            pair = values[:, [i, j]]
            pair = pair[~np.isnan(pair).any(axis=1)]
            if len(pair) < 3 or (np.ptp(pair, axis=0) == 0).any():
                continue
            found[i, j] = found[j, i] = spearmanr(*pair.T).statistic
    return found
