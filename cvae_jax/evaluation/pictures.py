"""The pictures of a run: which images, codes and labels go to which plot."""

import functools

import jax
import numpy as np

from cvae_jax import plots
from cvae_jax.config import build
from cvae_jax.evaluation.active_latents import prior_of, what_codes_hold
from cvae_jax.files import replacing
from cvae_jax.plots.page import plain
from cvae_jax.runs.metrics_log import read_metrics

_STEPS = 11  # images a traversal row
_HALF = 21  # frames from one end of an animated traversal to the other
_CELLS = 20  # latents that are animated at most
CODES = 10_000  # codes that the labels of the traversals are computed from
_TERMS = ("recon", "kl", "elbo", "mi", "tc", "generator_loss")


def _labels(nats, names, prior):
    """A label for each latent: its nats and, of labelled data, the factor it knows most about."""
    what = "KL" if prior == "normal" else "info"
    labels = [f"$z_{{{j + 1}}}$  {what} {x:.2f}" for j, x in enumerate(nats)]
    return [f"{a}  {plain(b)}" if b else a for a, b in zip(labels, names, strict=True)]


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
      dataset: see `datasets.Dataset`.
      mean: posterior means of all images [N, d].
      logvar: their log variances [N, d].
      scores: see `structure_scores`.

    Returns:
      The paths.
    """
    folder = workdir / "plots"
    if folder.is_symlink():  # pictures of the same names behind it would be replaced
        folder.unlink()
    folder.mkdir(exist_ok=True)
    decode = functools.partial(jax.jit(objective.decode), params)
    pick = np.random.default_rng(config.seed).permutation(len(mean))
    where = f"{plain(dataset.source)}, {dataset.size}x{dataset.size}, step {step:,}"
    few, some = pick[:20], pick[:CODES]
    what_varies = mean[some], logvar[some], dataset.factors[some], dataset.factor_names
    return [
        plots.reconstructions(
            folder / "reconstructions.png",
            dataset.images(few) / 255.0,
            np.asarray(decode(mean[few])),
            title="Reconstructions",
            subtitle=where,
        ),
        _samples(folder, config, objective, decode, where),
        *_traversals(folder, config, decode, what_varies, where),
        *([_structure(folder, config)] if config.cascade.weight else []),
        plots.effects(
            folder / "effects.png",
            build.structure(config).parents,
            np.array(scores["effects"]),
            np.array(scores["ancestors"], bool),
            _rows(scores),
            title="What the structure did: how far each code moves when one z is redrawn",
            subtitle=where,
        ),
        *_curves(folder, read_metrics(workdir / "metrics.jsonl"), where),
    ]


def _samples(folder, config, objective, decode, where):
    prior_rng, rest_rng = jax.random.split(jax.random.key(config.seed))
    images = np.asarray(decode(objective.prior(prior_rng, 64), rest_rng))
    title = "Samples from the prior"
    return plots.samples(folder / "samples.png", images, title=title, subtitle=where)


def _traversals(folder, config, decode, codes, where):
    """The picture, and the film; what the picture shows is kept beside it, for other pictures."""
    mean, logvar, factors, factor_names = codes
    prior = prior_of(config)
    nats, names = what_codes_hold(mean, logvar, factors, factor_names, prior)
    order = np.argsort(-nats, kind="stable")  # the most active first
    labels = _labels(nats, names, prior)
    labels = [labels[j] for j in order]
    # From the middle of the codes: at their rim every move leads to where no image is.
    typical = mean[np.argmin(np.sum(mean**2, axis=1))]
    values = np.linspace(-1, 1, _STEPS)
    swing = np.sin(np.linspace(-0.5, 0.5, _HALF) * np.pi)  # slow at the ends, as a pendulum is
    moves = config.eval.traversal_range * np.concatenate([values, swing])
    images = moved(decode, typical, order, moves)
    rows, there = images[:, :_STEPS], images[:_CELLS, _STEPS:]
    with replacing(folder / "traversals.npz") as file:
        np.savez_compressed(
            file,
            images=np.round(255 * np.clip(rows, 0, 1)).astype(np.uint8),
            values=moves[:_STEPS],
            latents=order,
            labels=np.array(labels),
        )
    picture = plots.traversals(
        folder / "traversals.png",
        rows,
        moves[:_STEPS],
        labels,
        title="Latent traversals: one code moved, the others those of a typical image",
        subtitle=where,
    )
    film = plots.animated_traversals(
        folder / "traversals.gif",
        np.concatenate([there, there[:, -2:0:-1]], axis=1),  # and back
        labels[:_CELLS],
    )
    return picture, film


def _structure(folder, config):
    if config.cascade.critic_input == "z_hat":
        note = "the critic sees z_hat alone: the arrows from z are dropped in p_B"
    else:
        note = "the critic sees (z, z_hat)"
    return plots.structure(
        folder / "structure.png",
        build.structure(config).parents,
        title=f"Structure: {config.cascade.structure or 'independent'}",
        subtitle=note,
    )


def _curves(folder, lines, where):
    """A picture if there are two lines of metrics or more."""
    if len(lines) < 2:
        return []
    names = [n for n in _TERMS if n in lines[0]]
    names += [n for n in lines[0] if n.endswith("_kl")]
    names += [n for n in lines[0] if n.endswith("_critic_accuracy")]
    return [
        plots.curves(
            folder / "curves.png",
            np.array([line["step"] for line in lines]),
            {n: np.array([line.get(n, np.nan) for line in lines]) for n in names},
            title="Training, in nats an image",
            subtitle=where,
        )
    ]
