"""What the structure did to a model: interventions on z, forbidden dependence, composition."""

import functools

import jax
import numpy as np

from cvae_jax import metrics
from cvae_jax.config import build
from cvae_jax.evaluation.subject import FEW, entry
from cvae_jax.metrics.mig import information_of_varying
from cvae_jax.objectives.density_ratio import named_key
from cvae_jax.objectives.distributions import sample_gaussian, sample_z_hat

DRAWS = 1_000  # of z for interventions: d + 1 decodes and encodes of each
JOINT_ROWS = 10_000  # rows of (z, z_hat) for the forbidden dependence
_BATCH = 1_000


@functools.partial(jax.jit, static_argnums=(0, 1))
def _second_pass(encode, sample, params, z, rng, i):
    # Of row and place alone: an intervention sees the same noise of the pixels before and after.
    keys = jax.random.split(jax.random.fold_in(rng, i), len(z))
    return encode(params, sample(params, z, keys))


def _re_encode(model, rng, z):
    """Returns the posterior mean and logvar of x_hat ~ p(x | z) for z [n, d], in batches."""
    objective = model.objective
    functions = objective.encode, objective.sample or objective.decode
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

    Everything is of the second pass: z of the data's posteriors (of the prior for `forbidden`),
    x_hat ~ p(x | z), z_hat of the encoder. As x_hat is a sample and not the decoder's mean, what
    the decoder writes below the pixels' noise for the encoder to read scores nothing. At most
    10,000 images are used; factors of one value and missing factors say nothing.

    Returns:
      effects [d, d], ancestors [d, d], ancestor_share and its chance level, forbidden [d] in nats
      per latent with z of the prior, forbidden_of_data [d] with z of the data's posteriors (which
      the regulariser sees with the source "posterior"; None: too few data), composition [d] (None
      without z_hat parents, labels that vary or 20 images); see `metrics`.
    """
    model, structure = subject.model, build.structure(subject.config)
    d, few = structure.latents, subject.rows[:FEW]
    mean, logvar, factors = subject.mean[few], subject.logvar[few], subject.dataset.factors[few]
    joint = subject.config.cascade.critic_input == "joint"
    seen = structure if joint else structure.marginal()

    def key(name):
        return named_key(subject.key("structure"), name)

    def forbidden(z, mean, logvar, name):
        noise = jax.random.normal(key(f"z_hat of {name}"), mean.shape)
        z_hat = np.asarray(sample_z_hat(noise, mean, logvar))
        return metrics.forbidden_dependence(z, z_hat, seen.parents, joint=joint).tolist()

    effects = _effects(subject, key)
    ancestors = np.array(structure.ancestor_matrix())
    share = metrics.ancestor_share(effects, ancestors)

    z = np.asarray(model.objective.prior(key("prior"), JOINT_ROWS))
    of_prior = forbidden(z, *_re_encode(model, key("pixels of prior"), z), "prior")
    z = _draw(key("posterior"), mean, logvar)
    mean_hat, logvar_hat = _re_encode(model, key("pixels of posterior"), z)
    of_data = None
    if len(z) > 2 * d + 1:
        of_data = forbidden(z, mean_hat, logvar_hat, "posterior")
    composition, parents = np.full(d, np.nan), structure.marginal().parents
    information, varying = information_of_varying(mean_hat, factors)
    if varying.size and any(parents):
        floor = metrics.noise_floor(mean_hat, factors[:, varying])
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


def _effects(subject, key):
    """Effects [d, d] on posterior latents of random images; the redrawn z_i is another image's."""
    rows = np.random.default_rng(subject.seed).integers(len(subject.mean), size=(2, DRAWS))
    z, other = (
        _draw(key(name), subject.mean[row], subject.logvar[row])
        for name, row in zip(("kept z", "redrawn z"), rows, strict=True)
    )  # [n, d]
    one = np.eye(z.shape[1], dtype=bool)

    def passes(name):
        means = [
            _re_encode(subject.model, key(name), np.where(redrawn, other, z))[0]
            for redrawn in (np.zeros_like(one[0]), *one)
        ]
        return means[0], np.stack(means[1:])  # before [n, d], after [d, n, d]

    return metrics.intervention_effects(*passes("pixels"), again=passes("other pixels"))


def structure_entries(subject, structure) -> dict:
    """Returns those of `structure_scores` that are single numbers: {score: entry}."""
    images, seed = min(FEW, len(subject.mean)), subject.seed
    chance = f"; by chance {structure['ancestor_share_by_chance']:.2f}"
    forbidden, of_data = structure["forbidden"], structure["forbidden_of_data"]
    scores = entry("ancestor_share", structure["ancestor_share"], DRAWS, seed, detail=chance)
    seen = ", of z and z_hat" if subject.config.cascade.critic_input == "joint" else ""
    scores |= entry("forbidden_dependence", sum(forbidden), JOINT_ROWS, seed, detail=seen)
    if of_data is not None:
        scores |= entry("forbidden_dependence_of_data", sum(of_data), images, seed, detail=seen)
    composition = [x for x in structure["composition"] if x is not None]
    if composition:
        scores |= entry("composition", np.mean(composition), images, seed)
    return scores
