"""What the structure did to a model: interventions on z, edges, hierarchy, what is forbidden."""

import logging

import jax
import numpy as np

from cvae_jax import metrics
from cvae_jax.config import build, methods
from cvae_jax.evaluation.active_latents import nats_of_latents, prior_of
from cvae_jax.evaluation.factor_reader import factor_reader
from cvae_jax.evaluation.second_pass import draw, re_encode, read_back
from cvae_jax.evaluation.subject import FEW, entry
from cvae_jax.metrics.mig import information_of_varying
from cvae_jax.objectives.base import named_key
from cvae_jax.objectives.distributions import sample_z_hat

log = logging.getLogger(__name__)

DRAWS = 1_000  # of z for interventions: d + 1 decodes and encodes of each
JOINT_ROWS = 10_000  # rows of (z, z_hat) for the forbidden dependence
EDGE_ROWS = 5_000  # rows of z_hat for the information of an edge
IN_USE = 0.1  # nats per image that a latent of a hierarchy says
# Of a latent with half a nat or more, R^2 of z by z_hat, 0.63 of a Gaussian one that says half a
# nat: with less the encoder does not know its own samples.
_READ_BACK = 0.25


def structure_scores(subject) -> dict:
    """Scores a model against its structure, for results.json and the heat map.

    Everything is of the second pass: z of the data's posteriors (of the prior for `forbidden`),
    x_hat ~ p(x | z), z_hat of the encoder. As x_hat is a sample and not the decoder's mean, what
    the decoder writes below the pixels' noise for the encoder to read scores nothing. At most
    10,000 images are used; factors of one value and missing factors say nothing.

    Returns:
      effects [d, d], ancestors [d, d], ancestor_share and its chance level, forbidden [d] in nats
      per latent with z of the prior, forbidden_of_data [d] with z of the data's posteriors (which
      the regulariser sees with the source "posterior"; where the critic sees z_hat alone, of z or
      of z_hat, whichever have more; None: too few data), composition [d] (None without z_hat
      parents, labels that vary or 20 images); see `metrics`. nats [d], what each latent says about
      an image; read_back [d], the squared correlation of z with the mean of z_hat; edges, {"1>4":
      nats, low and high} of each edge, of z or z_hat, whichever have less ({}: too few images). Of
      a structure with edges: factors (names of the k that can be read), factor_r2 {factor: R^2} of
      them and of those that can't, factor_effects [d, k]; hierarchy, its families with nodes from 1
      as in the text (None: undefined, as a logged line says).
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

    has_edges = any(structure.marginal().parents)
    reader = _reader(subject) if has_edges else None  # training one takes a while
    effects, factor_effects = _effects(subject, key, reader)
    ancestors = np.array(structure.ancestor_matrix())
    share = metrics.ancestor_share(effects, ancestors)

    z = np.asarray(model.objective.prior(key("prior"), JOINT_ROWS))
    of_prior = forbidden(z, *re_encode(model, key("pixels of prior"), z), "prior")
    z = draw(key("posterior"), mean, logvar)
    mean_hat, logvar_hat = re_encode(model, key("pixels of posterior"), z)
    nats = nats_of_latents(mean, logvar, prior_of(subject.config))
    noise = jax.random.normal(key("z_hat of edges"), mean_hat.shape)
    z_hat = np.asarray(sample_z_hat(noise, mean_hat, logvar_hat))
    known = read_back(z, mean_hat)
    _warn_of_another_answer(subject.config, known, nats)
    edges = _edges(structure, z, z_hat)
    hierarchy = None
    if has_edges:
        hierarchy = _hierarchy(factor_effects, structure, nats > IN_USE, subject.seed)
    of_data = None
    if len(z) > 2 * d + 1:
        of_data = forbidden(z, mean_hat, logvar_hat, "posterior")
        if not joint:
            of_z = metrics.forbidden_dependence(None, z, seen.parents, joint=False).tolist()
            of_data = max(of_z, of_data, key=sum)
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
        "nats": nats.tolist(),
        "read_back": known.tolist(),
        "edges": edges,
        "factors": list(reader.names) if reader else [],
        "factor_r2": reader.r2 if reader else {},
        "factor_effects": factor_effects.tolist(),
        "hierarchy": hierarchy,
    }


def _warn_of_another_answer(config, known, nats):
    """Logs the latents that say much and come back from the second pass as something else."""
    lost = np.flatnonzero((nats > 0.5) & (known < _READ_BACK)) + 1
    if not lost.size or not methods.method_of(config).likelihood:
        return  # a recogniser reads samples alone: there is nothing else that it could answer
    cascade, remedy = config.cascade, ""
    if cascade.weight and cascade.second_pass == "trained" and cascade.conditionals == "own":
        remedy = (
            ": config.cascade.second_pass=fixed or config.cascade.conditionals=given prevent it"
        )
    log.warning(
        "of images sampled from its own z the encoder reads z_%s otherwise (R^2 under %.2f), so "
        "z_hat says little of them%s",
        ", z_".join(map(str, lost)),
        _READ_BACK,
        remedy,
    )


def _reader(subject):
    """The reader of factors; None, and a line that says why: there is none."""
    try:
        reader = factor_reader(subject.dataset, subject.model)
    except ValueError as error:
        log.info("factor effects left out: %s", error)
        return None
    unread = [f"{name} (R^2 {x:.2f})" for name, x in reader.r2.items() if name not in reader.names]
    if unread:
        log.info("factors that can't be read from images: %s", ", ".join(unread))
    return reader


def _edges(structure, z, z_hat) -> dict:
    """{"1>4": {"nats", "low", "high"}} of each edge between z_hat nodes, given other parents.

    The lesser of what z and z_hat have: an encoder can answer samples otherwise than images.
    """
    found = {}
    for j in range(structure.latents):
        parents = structure.z_hat_parents(j)
        for i in parents:
            others = [k for k in parents if k != i]
            try:
                both = [
                    metrics.edge_information(v[:, i], v[:, j], v[:, others])
                    for v in (z[:EDGE_ROWS], z_hat[:EDGE_ROWS])
                ]
            except ValueError as error:
                log.info("information of edges left out: %s", error)
                return {}
            found[f"{i + 1}>{j + 1}"] = min(both, key=lambda edge: edge.nats)._asdict()
    return found


def _hierarchy(effects, structure, used, seed) -> dict | None:
    """`metrics.hierarchy` for results.json; None, and a line that says why: it is undefined."""
    if not effects.shape[1]:
        log.info("hierarchy left out: no factor can be read from images")
        return None
    try:
        found = metrics.hierarchy(effects, structure.parents, used, seed=seed)
    except ValueError as error:
        log.info("hierarchy left out: %s", error)
        return None
    families = [
        {"whole": whole + 1, "parts": [part + 1 for part in parts], "score": score}
        for whole, parts, score in found.families
    ]
    return found._asdict() | {"families": families}


def _effects(subject, key, reader):
    """Effects of z on z_hat [d, d], and on the factors that a reader reads [d, k].

    Of posterior latents of random images; the redrawn z_i is another image's.
    """
    rows = np.random.default_rng(subject.seed).integers(len(subject.mean), size=(2, DRAWS))
    z, other = (
        draw(key(name), subject.mean[row], subject.logvar[row])
        for name, row in zip(("kept z", "redrawn z"), rows, strict=True)
    )  # [n, d]
    one = np.eye(z.shape[1], dtype=bool)

    def passes(name):
        found = [
            re_encode(subject.model, key(name), np.where(redrawn, other, z), reader)
            for redrawn in (np.zeros_like(one[0]), *one)
        ]
        return [np.stack(part) for part in zip(*found, strict=True)]  # each [d + 1, n, ...]

    def moved(of, columns=slice(None)):
        first, again = (found[of][..., columns] for found in twice)
        return first[0], first[1:], (again[0], again[1:])

    twice = passes("pixels"), passes("other pixels")
    effects = metrics.intervention_effects(*moved(0))
    if not (reader and reader.names):
        return effects, np.zeros((len(effects), 0))
    readings = moved(2, reader.columns)
    return effects, metrics.factor_effects(*readings, reader.factor_of, reader.spread)


def structure_entries(subject, structure) -> dict:
    """Returns those of `structure_scores` that are single numbers: {score: entry}."""
    images, seed = min(FEW, len(subject.mean)), subject.seed
    chance = f"; by chance {structure['ancestor_share_by_chance']:.2f}"
    forbidden, of_data = structure["forbidden"], structure["forbidden_of_data"]
    scores = entry("ancestor_share", structure["ancestor_share"], DRAWS, seed, detail=chance)
    joint = subject.config.cascade.critic_input == "joint"
    seen = ", of z and z_hat" if joint else ""
    scores |= entry("forbidden_dependence", sum(forbidden), JOINT_ROWS, seed, detail=seen)
    if of_data is not None:
        seen = seen or ", of z or z_hat, the larger"
        scores |= entry("forbidden_dependence_of_data", sum(of_data), images, seed, detail=seen)
    composition = [x for x in structure["composition"] if x is not None]
    if composition:
        scores |= entry("composition", np.mean(composition), images, seed)
    if (found := structure["hierarchy"]) is not None:
        r2 = structure["factor_r2"]
        known = ", ".join(f"{name} {r2[name]:.2f}" for name in structure["factors"])
        words = (
            f" (R^2: {known}); by chance {found['chance']:.2f}, 95 % of {found['placements']:,} "
            f"placements at most {found['quantile']:.2f}"
        )
        scores |= entry("hierarchy", found["score"], DRAWS, seed, detail=words)
    return scores
