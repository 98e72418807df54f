"""Codes and factors as the metrics take them: checked, grouped by value, split in two."""

import numpy as np

# The settings of disentanglement_lib, which scores share so that they compare.
TRAIN, TEST = 10_000, 5_000  # rows that a predictor is fitted and scored on
BINS = 20  # equal ones, that a latent is cut into


def checked(codes, factors):
    """Returns codes as float64 [n, d] and factors as int64 [n, k], or raises.

    Args:
      codes: floats [n, d].
      factors: integers [n, k].

    Raises:
      ValueError: if the shapes disagree, codes are not finite, a factor is not an integer or has
        a single value: its entropy is zero, so no score of it is defined.
    """
    codes, factors = np.asarray(codes), np.asarray(factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise ValueError(
            f"codes [n, d] and factors [n, k] disagree: {codes.shape}, {factors.shape}"
        )
    if 0 in codes.shape + factors.shape:
        raise ValueError(f"nothing to score: codes {codes.shape}, factors {factors.shape}")
    if factors.dtype.kind not in "iub":
        raise ValueError(f"factors must be integers, one for each value, not {factors.dtype}")
    if codes.dtype.kind not in "fiub":
        raise ValueError(f"codes must be numbers, not {codes.dtype}")
    broken = np.flatnonzero(~np.isfinite(codes).all(axis=0))
    if broken.size:
        raise ValueError(f"codes are NaN or infinite in dimension {broken[0]} (of 0 to d - 1)")
    constant = np.flatnonzero((factors == factors[0]).all(axis=0))
    if constant.size:
        raise ValueError(f"factor {constant[0]} (of 0 to k - 1) has a single value: leave it out")
    return codes.astype(np.float64), factors.astype(np.int64)


def require_at_least(least, **settings) -> None:
    """Refuses settings, by their names, that are under `least`: of no draws there is no score.

    Raises:
      ValueError: names the setting.
    """
    for name, value in settings.items():
        if not value >= least:
            raise ValueError(f"{name} is {value}: it must be at least {least}")


def group(factor, index):
    """Sorts rows by value: (order [n], starts [m], counts [m]).

    Rows that share a value are a block of `order`. starts and counts say of each of the m rows not
    alone in their value where its block begins and how long it is: one entry per row, so that
    values come up as often as in the data.

    Args:
      factor: integers [n].
      index: the factor's number, for the message.

    Raises:
      ValueError: no two rows share a value.
    """
    _, value, counts = np.unique(factor, return_inverse=True, return_counts=True)
    order = np.argsort(value, kind="stable")
    starts = np.cumsum(counts) - counts
    shared = value[counts[value] > 1]
    if not shared.size:
        raise ValueError(f"factor {index} (of 0 to k - 1) has no value that two rows share")
    return order, starts[shared], counts[shared]


def split(codes, factors, train, test, seed):
    """Draws random rows to fit on and others to score on, none in both.

    Args:
      codes: [n, d].
      factors: [n, k].
      train: rows to fit on.
      test: rows to score on. Of fewer than train + test rows both get their share.
      seed: of the draw.

    Returns:
      (codes, factors) to fit on and (codes, factors) to score on.
    """
    n = len(codes)
    if n < train + test:
        train = max(1, n * train // (train + test))
        test = n - train
    if not test:
        raise ValueError(f"{n} samples are too few to fit on some and score on others")
    rows = np.random.default_rng(seed).permutation(n)[: train + test]
    first, second = rows[:train], rows[train:]
    return (codes[first], factors[first]), (codes[second], factors[second])
