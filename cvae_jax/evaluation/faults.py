"""What is wrong with latents or labels before they are scored: named, and left out or warned of."""

import logging

import numpy as np

from cvae_jax.evaluation.subject import FEW, REPEATS
from cvae_jax.metrics.inputs import BINS, TEST, TRAIN, split
from cvae_jax.metrics.mig import binned

log = logging.getLogger(__name__)

_CROWDED = 0.99  # of the rows in one bin
_SAME = 1 - 1e-12  # correlation of latents that are copies
_SINGULAR = 1e-12  # eigenvalue of the correlations, of n rows in float64 rounding
_PART = 1e-4  # that a latent has in a combination which is constant


def scorable_factors(dataset, seed: int):
    """Returns the data set without factors that no score is defined for, each named in a warning.

    That is a factor of one value, also within the rows that a score draws, and one that is a number
    rather than a class: more than half of the images have a value that no other image has.

    Args:
      dataset: see `datasets.Dataset`.
      seed: of the draws of rows, see `Subject.seed`.
    """
    kept = []
    for i, name in enumerate(dataset.factor_names):
        counts = np.unique(dataset.factors[:, i], return_counts=True)[1]
        if len(counts) == 1:
            fault = "all images have one value of it"
        elif 2 * np.sum(counts == 1) > dataset.num_images:
            fault = "most images have a value of it that no other image has"
        elif not _varies_in_every_draw(dataset.factors[:, i : i + 1], seed):
            fault = f"all images but {dataset.num_images - counts.max():,} have one value of it"
        else:
            kept.append(i)
            continue
        log.warning("%s: factor %s is left out of all scores: %s", dataset.source, name, fault)
    if len(kept) == len(dataset.factor_names):
        return dataset
    names = tuple(dataset.factor_names[i] for i in kept)
    return dataset._replace(factor_names=names, factors=dataset.factors[:, kept])


def _varies_in_every_draw(factor, seed):
    """Whether all rows that a repeated score fits on, and all that it tests on, vary; [n, 1]."""
    for draw in range(REPEATS):
        (_, fit), (_, test) = split(factor, factor, TRAIN, TEST, seed + draw)
        if (fit == fit[0]).all() or (test == test[0]).all():
            return False
    return True


def copies(mean) -> list[tuple[int, int]]:
    """Returns the pairs (i, j), i < j, of latents [n, d] that are linear maps of each other."""
    mean = np.asarray(mean, np.float64)
    varying = np.flatnonzero((mean != mean[:1]).any(axis=0))
    centred = mean[:, varying] - mean[:, varying].mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=0)
    correlation = np.abs(unit.T @ unit)
    pairs = np.argwhere(np.triu(correlation > _SAME, 1))
    return [(int(varying[i]), int(varying[j])) for i, j in pairs]


def combined(mean) -> list[int]:
    """Returns the latents of [n, d] that are linear maps of several others together.

    Of copies the first is looked at alone.
    """
    mean = np.asarray(mean, np.float64)
    repeated = {j for _, j in copies(mean)}
    varying = (mean != mean[:1]).any(axis=0)
    kept = [j for j in np.flatnonzero(varying) if j not in repeated]
    if len(kept) < 2:
        return []
    values, vectors = np.linalg.eigh(np.corrcoef(mean[:, kept], rowvar=False))
    parts = np.abs(vectors[:, values < _SINGULAR]).max(axis=1, initial=0)
    return [int(j) for j, part in zip(kept, parts, strict=True) if part > _PART]


def crowded(mean) -> list[int]:
    """Returns the latents of [n, d] whose outliers push nearly all rows into one of 20 equal bins.

    The rows of that bin differ: a latent that is constant but for a few rows is not crowded.
    """
    found = []
    for j, latent in enumerate(np.asarray(mean, np.float64).T):
        bins = binned(latent, BINS)
        inside = latent[bins == np.bincount(bins).argmax()]
        if len(inside) > _CROWDED * len(latent) and np.ptp(np.quantile(inside, [0.25, 0.75])) > 0:
            found.append(j)
    return found


def warn_of_latents(subject) -> None:
    """Warns of latents that make scores infinite or 0 whatever the model has learnt."""
    mean = subject.mean[subject.rows[:FEW]]
    if not np.isfinite(mean).all():
        return  # every metric refuses them by itself
    for i, j in copies(mean):
        log.warning(
            "latents z%d and z%d are copies of each other: codes_total_correlation is infinite, "
            "and no factor has one latent of its own",
            i + 1,
            j + 1,
        )
    if found := combined(mean):
        log.warning(
            "latents %s are linear maps of each other: codes_total_correlation is infinite",
            ", ".join(f"z{j + 1}" for j in found),
        )
    for j in crowded(mean):
        log.warning(
            "latent z%d has outliers, from %.3g to %.3g: nearly all images share one of %d equal "
            "bins, so mig, modularity and codes_mutual_information see next to nothing of it, and "
            "if it is a copy, mig is too large",
            j + 1,
            mean[:, j].min(),
            mean[:, j].max(),
            BINS,
        )
