"""Codes and factors as the metrics take them: checked, grouped by value, split in two."""

import jax
import numpy as np

# The settings of disentanglement_lib, which scores share so that they compare.
TRAIN, TEST = 10_000, 5_000  # rows that a predictor is fitted and scored on
BINS = 20  # equal ones, that a latent is cut into


def numbers(name, values, shape=None):
    """Returns numbers as float64, of any real type that numpy or JAX has (bfloat16 too).

    Args:
      name: what they are, for messages.
      values: the numbers.
      shape: their axes in words, "[n, d]", as many as they must have; None: any.

    Raises:
      ValueError: they are masked, no real numbers, NaN or infinite, or have more or fewer axes.
    """
    values = _real(name, values)
    if shape is not None and values.ndim != shape.count(",") + 1:
        raise ValueError(f"{name} must be {shape}: their shape is {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} are NaN or infinite")
    return values


def flags(name, values):
    """Returns what must be true or false, as bools.

    Raises:
      ValueError: they are masked, no array, or a value is no bool, 0 or 1.
    """
    values = _unmasked(name, values)
    if not values.ndim or values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
        raise ValueError(f"{name} must be an array of true and false")
    return values.astype(bool)


def _unmasked(name, values):
    """An array; numpy's functions would drop a mask and count what it hides."""
    if np.ma.isMaskedArray(values):
        raise ValueError(f"{name} are a masked array: pass the rows that count, without a mask")
    return np.asarray(values)


def _real(name, values):
    """Numbers as float64, or raises."""
    values = _unmasked(name, values)
    # JAX's question, not numpy's: bfloat16 is a type that numpy does not know.
    if not any(jax.dtypes.issubdtype(values.dtype, t) for t in (np.floating, np.integer, np.bool_)):
        raise ValueError(f"{name} must be numbers, not {values.dtype}")
    return values.astype(np.float64)


def checked(codes, factors):
    """Returns codes as float64 [n, d] and factors as int64 [n, k], or raises.

    Args:
      codes: floats [n, d].
      factors: integers [n, k].

    Raises:
      ValueError: if the shapes disagree, codes are not finite, a factor is not an integer or has
        a single value (its entropy is zero, so no score of it is defined), or either is masked.
    """
    codes, factors = _real("codes", codes), _unmasked("factors", factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise ValueError(
            f"codes [n, d] and factors [n, k] disagree: {codes.shape}, {factors.shape}"
        )
    if 0 in codes.shape + factors.shape:
        raise ValueError(f"nothing to score: codes {codes.shape}, factors {factors.shape}")
    if factors.dtype.kind not in "iub":
        raise ValueError(f"factors must be integers, one for each value, not {factors.dtype}")
    broken = np.flatnonzero(~np.isfinite(codes).all(axis=0))
    if broken.size:
        raise ValueError(f"codes are NaN or infinite in dimension {broken[0]} (of 0 to d - 1)")
    constant = np.flatnonzero((factors == factors[0]).all(axis=0))
    if constant.size:
        raise ValueError(f"factor {constant[0]} (of 0 to k - 1) has a single value: leave it out")
    return codes, factors.astype(np.int64)


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

    Raises:
      ValueError: train or test is under 1, or there is one row.
    """
    require_at_least(1, train=train, test=test)
    n = len(codes)
    if n < train + test:
        train = max(1, n * train // (train + test))
        test = n - train
    if not test:
        raise ValueError(f"{n} samples are too few to fit on some and score on others")
    rows = np.random.default_rng(seed).permutation(n)[: train + test]
    first, second = rows[:train], rows[train:]
    return (codes[first], factors[first]), (codes[second], factors[second])
