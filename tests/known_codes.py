"""Codes whose scores are known, and each score as a function of codes and factors alone."""

import functools
import itertools

import numpy as np
import pytest

from cvae_jax import metrics

SIZES = (2, 3, 4)
FEW = {"train": 600, "test": 300}


@pytest.fixture(scope="module")
def factors():
    grid = np.array(list(itertools.product(*map(range, SIZES))))
    return np.random.default_rng(0).permutation(np.tile(grid, (50, 1)))  # [1200, 3], balanced


@pytest.fixture(scope="module")
def perfect(factors):
    """Codes that are the factors, in units of their own, and so little noise that bins hold."""
    noise = np.random.default_rng(1).uniform(-0.01, 0.01, factors.shape)
    return (factors + noise) / factors.std(axis=0)


def rotated(codes):
    matrix = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    return codes @ matrix


def chen(codes, factors):
    logvar = np.full(codes.shape, 2 * np.log(0.05))
    return metrics.mig_chen(codes, logvar, factors, samples=500, seed=0).value


def beta_vae(codes, factors):
    return metrics.beta_vae_score(codes, factors, seed=0, train_votes=500, eval_votes=300)


@functools.lru_cache
def _dci(codes, factors):
    codes, factors = (np.frombuffer(x, t).reshape(-1, d) for x, t, d in (codes, factors))
    return metrics.dci(codes, factors, seed=0, train=300, test=150)


def dci(codes, factors):
    """Fitted once for each code: all of its three scores come from the same trees."""
    codes, factors = np.asarray(codes), np.asarray(factors)
    if len(codes) != len(factors):
        return metrics.dci(codes, factors, seed=0)
    return _dci(*((x.tobytes(), x.dtype.str, x.shape[1]) for x in (codes, factors)))


def disentanglement(codes, factors):
    return dci(codes, factors).disentanglement


def completeness(codes, factors):
    return dci(codes, factors).completeness


def informativeness(codes, factors):
    return dci(codes, factors).informativeness


def sap(codes, factors):
    return metrics.sap(codes, factors, seed=0, **FEW)


def modularity(codes, factors):
    return metrics.modularity_explicitness(codes, factors, seed=0, **FEW).modularity


def explicitness(codes, factors):
    return metrics.modularity_explicitness(codes, factors, seed=0, **FEW).explicitness


def irs(codes, factors):
    return metrics.irs(codes, factors, seed=0)


def factor_score(codes, factors):
    return metrics.factor_score(codes, factors, seed=0, train_votes=500, eval_votes=300)
