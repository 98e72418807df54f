"""Downstream accuracy and sample efficiency in disentanglement_lib's definition."""

from typing import NamedTuple

import numpy as np

from cvae_jax.metrics.inputs import TEST, checked, require_at_least
from cvae_jax.metrics.predictors import accuracies, beats_guessing, fit_all

SIZES = (10, 100, 1_000, 10_000)
FEW, MANY = 100, 10_000  # labels whose accuracies make the efficiency


class Downstream(NamedTuple):
    """Accuracies between 0 and 1 by the number of labels, 1 being best."""

    accuracy: dict[int, float]  # labels -> mean over factors, on rows not fitted on
    by_factor: dict[int, np.ndarray]  # labels -> [k]
    efficiency: float  # of 100 labels / of 10,000; NaN: see `downstream`
    scored: int  # rows scored on


def downstream(codes, factors, *, predictor, seed, sizes=SIZES, test=TEST):
    """Computes how well a classifier reads the factors from all latents, by its number of labels.

        accuracy[m] = 1/k sum_i P( f_i(c) = v_i ),   f_i fitted on m labelled rows
        efficiency  = accuracy[100] / accuracy[10,000]

    By Locatello et al. 2019 (disentanglement_lib, `downstream_task`, its `mean_test_accuracy`;
    the efficiency is that of their section 5.4). The library renders new images for each number of
    labels; here the rows of a smaller number are among those of a larger, and no row is both
    fitted and scored on. The efficiency of latents that know nothing would be 1: it is NaN unless
    10,000 labels beat guessing (see `beats_guessing`), and still high for latents that know
    little. Read it beside the accuracy.

    Args:
      codes: posterior means, floats [n, d].
      factors: ground-truth factor values, integers [n, k].
      predictor: "logistic" or "trees", see `fit_all`.
      seed: of the rows and the trees.
      sizes: numbers of labels; those that leave too few rows to score on are left out.
      test: rows to score on, at most a third of all.

    Returns:
      A `Downstream`. The efficiency is NaN where one of its two numbers was left out.

    Raises:
      ValueError: codes are not finite, factors not integers or constant, the rows too few for any
        of the sizes, an unknown predictor, or a size or `test` under 1.
    """
    codes, factors = checked(codes, factors)
    for size in sizes:
        require_at_least(1, size=size)
    require_at_least(1, test=test)
    test = min(test, len(codes) // 3)
    rows = np.random.default_rng(seed).permutation(len(codes))
    scored, others = rows[:test], rows[test:]
    sizes = [size for size in sizes if size <= len(others)]
    if not sizes or not test:
        raise ValueError(f"{len(codes)} samples are too few to fit on some and score on others")
    by_factor = {}
    for size in sizes:
        few = others[:size]
        classifiers = fit_all(predictor, codes[few], factors[few], seed)
        by_factor[size] = accuracies(classifiers, codes[scored], factors[scored])
    accuracy = {size: float(found.mean()) for size, found in by_factor.items()}
    efficiency = np.nan
    if {FEW, MANY} <= set(sizes):
        if beats_guessing(accuracy[MANY], factors[others[:MANY]], factors[scored]):
            efficiency = accuracy[FEW] / accuracy[MANY]
    return Downstream(accuracy, by_factor, efficiency, test)
