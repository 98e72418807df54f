"""What a latent knows of each factor, and what it may be called after."""

from typing import NamedTuple

import numpy as np

from cvae_jax.config import build
from cvae_jax.evaluation.active_latents import USED, nats_of_latents, prior_of
from cvae_jax.metrics.inputs import BINS
from cvae_jax.metrics.mig import entropy, information_of_varying
from cvae_jax.structures import wholes

# The share of a factor's entropy from which a latent is named after it. A latent that is the sum of
# two independent uniform factors, x + y, has 1/2 nat of each and is neither: that is 14 % of the
# entropy of dSprites' positions, log 32 nats, and what moves with such a latent is a diagonal. With
# 25 % a Gaussian latent has a correlation of 0.91 with a factor of 32 values, with 7 % of 0.62.
NAMED_FROM = 0.25
_MOST_NAMES = 2  # of a latent; a third one would say that it has none of its own
UNUSED = "unused"


class LatentLabels(NamedTuple):
    """What the latents of a model say about images, and about the factors that vary in them."""

    nats: np.ndarray  # per image [d], see `active_latents.nats_of_latents`
    factors: tuple[str, ...]  # the m factors that vary
    shares: np.ndarray  # I(z_j; f) / H(f), between 0 and 1, [d, m]
    named: np.ndarray  # whether z_j is named after f, [d, m]

    @property
    def order(self) -> np.ndarray:
        """Returns the latents with the most nats first, [d]."""
        return np.argsort(-self.nats, kind="stable")

    @property
    def used(self) -> np.ndarray:
        """Returns which latents say anything, [d]."""
        return self.nats > USED

    @property
    def words(self) -> list[tuple[str, ...]]:
        """Returns each latent's names with their shares, the largest first: ("y 62 %", "x 31 %").

        (): no factor reaches `NAMED_FROM`, or there are none; ("unused",): it says nothing.
        """
        return [self._words(j) if used else (UNUSED,) for j, used in enumerate(self.used)]

    def _words(self, j):
        found = [i for i in np.argsort(-self.shares[j], kind="stable") if self.named[j, i]]
        return tuple(f"{self.factors[i]} {100 * self.shares[j, i]:.0f} %" for i in found)


def without_bare_names(label: str) -> str:
    """Leaves out a label's names that have no share, those of records of 0.1.

    There a latent was named after the factor that it knows most of, however little that is. The
    parts of a label, such as "$z_{1}$  KL 2.31  x 62 %", are two spaces apart.
    """
    latent, nats, *words = label.split("  ")
    return "  ".join([latent, nats, *(w for w in words if w.endswith(" %") or w == UNUSED)])


def latent_labels(mean, logvar, factors, factor_names, prior="normal") -> LatentLabels:
    """Computes what each latent knows of each factor: I(z_j; f) / H(f), normalised information.

    The table is that of `metrics.mig`, means in 20 equal bins, divided by the factors' entropies. A
    latent in use is named after the factors, two at most, of which it knows `NAMED_FROM` more than
    the estimate finds by chance: (bins - 1) (values - 1) / 2n nats, large where images are few and
    values many.

    Args:
      mean: posterior means [n, d].
      logvar: their log variances [n, d].
      factors: class labels [n, k].
      factor_names: k of them; none: the data have no labels.
      prior: see `active_latents.prior_of`.
    """
    nats = nats_of_latents(mean, logvar, prior)
    information, varying = information_of_varying(mean, factors, bins=BINS)
    known = factors[:, varying]
    entropies = np.array([entropy(factor) for factor in known.T])  # [m]
    values = np.array([len(np.unique(factor)) for factor in known.T])  # [m]
    shares = information / entropies
    chance = (BINS - 1) * (values - 1) / (2 * len(mean)) / entropies
    most = np.argsort(np.argsort(-shares, axis=1, kind="stable"), axis=1) < _MOST_NAMES
    named = most & (shares - chance >= NAMED_FROM) & (nats > USED)[:, None]
    return LatentLabels(nats, tuple(factor_names[i] for i in varying), shares, named)


def labels_of(config, mean, logvar, factors, factor_names) -> LatentLabels:
    """Computes the `latent_labels` of a model by its config.

    With cascade.additive what a part says is not what it moves, so it has no names.
    """
    found = latent_labels(mean, logvar, factors, factor_names, prior_of(config))
    if not config.cascade.additive:
        return found
    mixed = wholes.mixtures(build.structure(config).parents)
    return found._replace(named=found.named & ~mixed[:, None])
