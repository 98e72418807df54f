"""What the structure did to a model: interventions on z, forbidden dependence, composition."""

import functools

import jax
import numpy as np

from cvae_jax import metrics
from cvae_jax.config import build
from cvae_jax.evaluation.subject import FEW, entry
from cvae_jax.metrics.mig import information_of_varying
from cvae_jax.objectives.distributions import sample_gaussian

DRAWS = 1_000  # of z for interventions: d + 1 decodes and encodes of each
JOINT_ROWS = 10_000  # rows of (z, z_hat) for the forbidden dependence
_BATCH = 1_000


@functools.partial(jax.jit, static_argnums=(0, 1))
def _second_pass(encode, decode, params, z, rng, i):
    # InfoGAN's other inputs, the same ones whenever the same rows come
    return encode(params, decode(params, z, jax.random.fold_in(rng, i)))


def _re_encode(model, rng, z):
    """Returns the posterior mean and logvar of decode(z) for z [n, d], in batches."""
    functions = model.objective.encode, model.objective.decode
    parts = []
    for i in range(0, len(z), _BATCH):
        found = _second_pass(*functions, model.params, z[i : i + _BATCH], rng, i)
        parts.append(jax.device_get(found))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _draw(key, mean, logvar):
    """A sample of each posterior, [n, d]."""
    return np.asarray(sample_gaussian(jax.random.normal(key, mean.shape), mean, logvar))


def structure_scores(subject) -> dict:
    """Scores a model against its structure, for results.json and the heat map.

    At most 10,000 images are used; factors of one value and missing factors say nothing.

    Returns:
      effects [d, d], ancestors [d, d], ancestor_share and its chance level, forbidden [d] in nats
      per node with z of the prior, forbidden_of_data [d] with z of the data's posteriors (which the
      regulariser sees with the source "posterior"; None: too few data), composition [d] (None
      without z_hat parents, labels that vary or 20 images); see `metrics`.
    """
    model, structure = subject.model, build.structure(subject.config)
    prior, d = model.objective.prior, structure.latents
    rng, few = subject.key("structure"), subject.rows[:FEW]
    mean, logvar, factors = subject.mean[few], subject.logvar[few], subject.dataset.factors[few]
    z_rng, new_rng, joint_rng, noise_rng, data_rng, data_noise_rng, rest_rng = jax.random.split(
        rng, 7
    )
    re_encode = functools.partial(_re_encode, model, rest_rng)
    # Host arrays: setting a column of a device array compiles a program per column.
    z, new = (np.asarray(prior(key, DRAWS)) for key in (z_rng, new_rng))
    before = re_encode(z)[0]
    one = np.eye(d, dtype=bool)
    after = np.stack([re_encode(np.where(one[i], new, z))[0] for i in range(d)])  # [d, n, d]
    effects = metrics.intervention_effects(before, after)
    ancestors = np.array(structure.ancestor_matrix())
    share = metrics.ancestor_share(effects, ancestors)

    joint = subject.config.cascade.critic_input == "joint"
    seen = structure if joint else structure.marginal()

    def forbidden(z, key):
        z_hat = _draw(key, *re_encode(z))
        return metrics.forbidden_dependence(z, z_hat, seen.parents, joint=joint).tolist()

    of_prior = forbidden(np.asarray(prior(joint_rng, JOINT_ROWS)), noise_rng)
    of_data = None
    if len(mean) > 2 * d + 1:
        of_data = forbidden(_draw(data_rng, mean, logvar), data_noise_rng)
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


def structure_entries(subject, structure) -> dict:
    """Returns those of `structure_scores` that are single numbers: {score: entry}."""
    images, seed = min(FEW, len(subject.mean)), subject.seed
    chance = f"; by chance {structure['ancestor_share_by_chance']:.2f}"
    forbidden, of_data = structure["forbidden"], structure["forbidden_of_data"]
    scores = entry("ancestor_share", structure["ancestor_share"], DRAWS, seed, detail=chance)
    scores |= entry("forbidden_dependence", sum(forbidden), JOINT_ROWS, seed)
    if of_data is not None:
        scores |= entry("forbidden_dependence_of_data", sum(of_data), images, seed)
    composition = [x for x in structure["composition"] if x is not None]
    if composition:
        scores |= entry("composition", np.mean(composition), images, seed)
    return scores
