"""The pictures of a run: which images, codes and labels go to which plot."""

import jax
import numpy as np

from cvae_jax import build, plots
from cvae_jax.distributions import kl_to_standard_normal
from cvae_jax.metrics.mig import entropy, information_of_varying
from cvae_jax.writers import read_metrics

_STEPS = 11  # images a traversal row
_HALF = 21  # frames from one end of an animated traversal to the other
_CELLS = 20  # latents that are animated at most
_USED = 0.05  # nats; a latent with less tells nothing
CODES = 10_000  # codes that the labels of the traversals are computed from
_CURVES = ("recon", "kl", "elbo", "mi", "tc", "generator_loss")


def prior_of(config) -> str:
    """What a method's codes are drawn from: "normal", N(0, 1), or "uniform", U(-1, 1)."""
    return "uniform" if config.objective.name == "infogan" else "normal"


def nats_of_codes(mean, logvar, prior) -> np.ndarray:
    """What each latent says about an image, in nats, the mean over images [d].

    Of a normal prior KL(q(z|x) || N(0, 1)). Of a uniform one log 2 - H(q(z|x)), at least 0: the
    information that a recogniser has if it is as sure as it says. A code that it knows nothing of
    is a Gaussian with the prior's variance 1/3, whose entropy is above the prior's.
    """
    if prior == "normal":
        return np.asarray(kl_to_standard_normal(mean, logvar)).mean(axis=0)
    entropies = 0.5 * (np.log(2 * np.pi * np.e) + logvar)  # [n, d]
    return np.maximum(np.log(2) - entropies.mean(axis=0), 0)


def what_codes_hold(
    mean, logvar, factors, factor_names, prior="normal"
) -> tuple[np.ndarray, list[str]]:
    """Each latent's nats, [d], see `nats_of_codes`, and what it tells of.

    That is the factor that it knows most about, as a share of the factor's entropy; "unused" where
    there are next to no nats, "" where the data have no labels that vary or too few images.

    Args:
      mean: posterior means [n, d].
      logvar: their log variances [n, d].
      factors: class labels [n, k].
      factor_names: k of them; none: the data have no labels.
      prior: see `prior_of`.
    """
    nats = nats_of_codes(mean, logvar, prior)
    information, varying = information_of_varying(mean, factors)
    best = [""] * len(nats)
    if varying.size:
        shares = information / [entropy(factor) for factor in factors.T[varying]]  # [d, m]
        best = [factor_names[i] for i in varying[shares.argmax(axis=1)]]
    return nats, [name if x > _USED else "unused" for name, x in zip(best, nats, strict=True)]


def _labels(nats, names, prior):
    """A label for each latent: its nats and, of labelled data, the factor it knows most about."""
    what = "KL" if prior == "normal" else "info"
    labels = [f"$z_{{{j + 1}}}$  {what} {x:.2f}" for j, x in enumerate(nats)]
    return [f"{a}  {b}" if b else a for a, b in zip(labels, names, strict=True)]


def _rows(scores):
    """The scores of each z_hat_j that stand under its effects."""
    rows = {"forbidden dependence\nof this node, nats": scores["forbidden"]}
    composition = np.array(scores["composition"], float)  # None: NaN
    if not np.isnan(composition).all():
        rows["composition: factor\ninformation shared with\nthe poorest parent"] = composition
    return rows


def moved(decode, start, order, values):
    """Images as one latent at a time takes each value, the others those of a start.

    Args:
      decode: z [n, d] -> images [n, H, W, C].
      start: codes [d].
      order: the latents that are moved, [k].
      values: [steps].

    Returns:
      Images [k, steps, H, W, C].
    """
    grid = np.tile(start, (len(order), len(values), 1)).astype(np.float32)  # [k, steps, d]
    grid[np.arange(len(order)), :, order] = values
    images = np.asarray(decode(grid.reshape(-1, len(start))))
    return images.reshape(len(order), len(values), *images.shape[1:])


def draw_all(config, workdir, step, objective, params, dataset, mean, logvar, scores):
    """Draw reconstructions, samples, traversals, the structure, its effects and the loss curves.

    Args:
      config: the run's.
      workdir: its folder; pictures go to plots/.
      step: of the parameters.
      objective: with decode and prior.
      params: the parameters.
      dataset: see `datasets.pipeline.Dataset`.
      mean: posterior means of all images [N, d].
      logvar: their log variances [N, d].
      scores: see `structure_scores`.

    Returns:
      The paths.
    """
    folder = workdir / "plots"
    folder.mkdir(exist_ok=True)
    decode = jax.jit(lambda params, z: objective.decode(params, z))
    pick = np.random.default_rng(config.seed).permutation(len(mean))
    where = f"{dataset.source}, {dataset.size}x{dataset.size}, step {step:,}"

    few = pick[:20]
    images = dataset.images(few) / 255.0
    paths = [
        plots.reconstructions(
            folder / "reconstructions.png",
            images,
            np.asarray(decode(params, mean[few])),
            title="Reconstructions",
            subtitle=where,
        )
    ]

    prior_rng, rest_rng = jax.random.split(jax.random.key(config.seed))
    z = objective.prior(prior_rng, 64)
    paths.append(
        plots.samples(
            folder / "samples.png",
            np.asarray(jax.jit(objective.decode)(params, z, rest_rng)),
            title="Samples from the prior",
            subtitle=where,
        )
    )

    values = np.linspace(-1, 1, _STEPS)
    swing = np.sin(np.linspace(-0.5, 0.5, _HALF) * np.pi)  # slow at the ends, as a pendulum is
    moves = config.eval.traversal_range * np.concatenate([values, swing])
    some = pick[:CODES]
    prior = prior_of(config)
    nats, names = what_codes_hold(
        mean[some], logvar[some], dataset.factors[some], dataset.factor_names, prior
    )
    order = np.argsort(-nats, kind="stable")  # the most active first
    # From the middle of the codes: at their rim every move leads to where no image is.
    typical = mean[some[np.argmin(np.sum(mean[some] ** 2, axis=1))]]
    rows = moved(lambda z: decode(params, z), typical, order, moves)
    labels = [_labels(nats, names, prior)[j] for j in order]
    # What the picture shows, for other pictures.
    np.savez_compressed(
        folder / "traversals.npz",
        images=np.round(255 * np.clip(rows[:, :_STEPS], 0, 1)).astype(np.uint8),
        values=moves[:_STEPS],
        latents=order,
        labels=np.array(labels),
    )
    paths.append(
        plots.traversals(
            folder / "traversals.png",
            rows[:, :_STEPS],
            moves[:_STEPS],
            labels,
            title="Latent traversals: one code moved, the others those of a typical image",
            subtitle=where,
        )
    )
    there = rows[:_CELLS, _STEPS:]
    paths.append(
        plots.animated_traversals(
            folder / "traversals.gif",
            np.concatenate([there, there[:, -2:0:-1]], axis=1),  # and back
            labels[:_CELLS],
        )
    )

    if config.cascade.weight:
        network = build.structure(config)
        if config.cascade.critic_input == "z_hat":
            note = "the critic sees z_hat alone: the arrows from z are dropped in p_B"
        else:
            note = "the critic sees (z, z_hat)"
        paths.append(
            plots.structure(
                folder / "structure.png",
                network.parents,
                title=f"Structure: {config.cascade.structure or 'independent'}",
                subtitle=note,
            )
        )

    paths.append(
        plots.effects(
            folder / "effects.png",
            build.structure(config).parents,
            np.array(scores["effects"]),
            np.array(scores["ancestors"], bool),
            _rows(scores),
            title="What the structure did: how far each code moves when one z is redrawn",
            subtitle=where,
        )
    )

    lines = read_metrics(workdir / "metrics.jsonl")
    if len(lines) > 1:
        names = [n for n in _CURVES if n in lines[0]]
        names += [n for n in lines[0] if n.endswith("_kl")]
        names += [n for n in lines[0] if n.endswith("_critic_accuracy")]
        paths.append(
            plots.curves(
                folder / "curves.png",
                np.array([line["step"] for line in lines]),
                {n: np.array([line.get(n, np.nan) for line in lines]) for n in names},
                title="Training, in nats an image",
                subtitle=where,
            )
        )
    return paths
