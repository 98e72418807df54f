"""What the structure did to a model: interventions on z, forbidden dependence, composition."""

import jax
import numpy as np

from cvae_jax import metrics
from cvae_jax.metrics.mig import information_of_varying
from cvae_jax.objectives.distributions import sample_gaussian

CODES = 1_000  # for interventions: d + 1 decodes and encodes of each
JOINT_ROWS = 10_000  # rows of (z, z_hat) for the forbidden dependence
_BATCH = 1_000


def _re_encode(objective, params, rng):
    """A function from z [n, d] to the posterior mean and logvar of decode(z), in batches."""

    @jax.jit
    def function(z, i):
        # InfoGAN's other inputs, the same ones whenever the same rows come
        rest_rng = jax.random.fold_in(rng, i)
        return objective.encode(params, objective.decode(params, z, rest_rng))

    def run(z):
        parts = [jax.device_get(function(z[i : i + _BATCH], i)) for i in range(0, len(z), _BATCH)]
        return tuple(np.concatenate(part) for part in zip(*parts, strict=True))

    return run


def _draw(key, mean, logvar):
    """A sample of each posterior, [n, d]."""
    return np.asarray(sample_gaussian(jax.random.normal(key, mean.shape), mean, logvar))


def structure_scores(
    objective, params, structure, critic_input, rng, mean, logvar, factors
) -> dict:
    """Scores of a model against its structure, for results.json and the heat map.

    Args:
      objective: with prior, encode and decode.
      params: its parameters.
      structure: the whole structure, z parents included.
      critic_input: "z_hat" or "joint": what the regulariser forbids.
      rng: a key.
      mean: of the posteriors of data [n, d].
      logvar: their log variances [n, d].
      factors: their factor labels [n, k]; k may be 0. Those of one value tell nothing.

    Returns:
      effects [d, d], ancestors [d, d], ancestor_share and its chance level, forbidden [d] in nats
      a node with z of the prior, forbidden_of_data [d] with z of the data's posteriors (which the
      regulariser sees with the source "posterior"; None: too few data), composition [d] (None
      without z_hat parents, labels that vary or 20 images); see `metrics`.
    """
    d = structure.latents
    re_encode = _re_encode(objective, params, jax.random.fold_in(rng, 5))
    z_rng, new_rng, joint_rng, noise_rng = jax.random.split(rng, 4)
    # Host arrays: setting a column of a device array compiles a program a column.
    z, new = (np.asarray(objective.prior(key, CODES)) for key in (z_rng, new_rng))
    before = re_encode(z)[0]
    one = np.eye(d, dtype=bool)
    after = np.stack([re_encode(np.where(one[i], new, z))[0] for i in range(d)])  # [d, n, d]
    effects = metrics.intervention_effects(before, after)
    ancestors = np.array(structure.ancestor_matrix())
    share = metrics.ancestor_share(effects, ancestors)

    joint = critic_input == "joint"
    seen = structure if joint else structure.marginal()

    def forbidden(z, key):
        z_hat = _draw(key, *re_encode(z))
        return metrics.forbidden_dependence(z, z_hat, seen.parents, joint=joint).tolist()

    of_prior = forbidden(np.asarray(objective.prior(joint_rng, JOINT_ROWS)), noise_rng)
    data_rng, noise_rng = jax.random.split(jax.random.fold_in(rng, 4))
    of_data = None
    if len(mean) > 2 * d + 1:
        of_data = forbidden(_draw(data_rng, mean[:JOINT_ROWS], logvar[:JOINT_ROWS]), noise_rng)
    composition, parents = np.full(d, np.nan), structure.marginal().parents
    information, varying = information_of_varying(mean, factors)
    if varying.size and any(parents):
        floor = metrics.noise_floor(mean, factors[:, varying])
        composition = metrics.composition(information, parents, floor=floor)
    return {
        "text": str(structure),
        "effects": effects.tolist(),
        "ancestors": ancestors.astype(int).tolist(),
        "ancestor_share": float(share.score),
        "ancestor_share_by_chance": float(share.chance),
        "forbidden": of_prior,
        "forbidden_of_data": of_data,
        "composition": [None if np.isnan(x) else float(x) for x in composition],
    }
