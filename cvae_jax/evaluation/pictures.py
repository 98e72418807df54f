"""The plots of a run: which images, latents and labels go to which plot."""

import jax
import numpy as np

from cvae_jax import plots
from cvae_jax.config import build
from cvae_jax.devices import batches
from cvae_jax.evaluation import hierarchy_picture
from cvae_jax.evaluation.active_latents import prior_of
from cvae_jax.evaluation.latent_labels import labels_of
from cvae_jax.files import replacing
from cvae_jax.plots.page import plain
from cvae_jax.runs.metrics_log import read_metrics

_STEPS = 11  # images per row of the traversals
_HALF = 21  # frames from one end of an animated traversal to the other
_CELLS = 20  # latents that are animated at most
LABELLED = 10_000  # images that the labels of the traversals are computed from
_HIERARCHY = "Hierarchy: what each latent does, and what the edges carry"
_TERMS = ("recon", "kl", "elbo", "mi", "tc", "generator_loss")


def _labels(known, prior):
    """A label for each latent: its nats and, two spaces between them, its factors' shares."""
    what = "KL" if prior == "normal" else "info"
    return [
        "  ".join([f"$z_{{{j + 1}}}$", f"{what} {nats:.2f}", *map(plain, words)])
        for j, (nats, words) in enumerate(zip(known.nats, known.words, strict=True))
    ]


def _rows(scores):
    """The scores of each z_hat_j that stand under its effects."""
    rows = {"forbidden dependence\nof this node, nats": scores["forbidden"]}
    composition = np.array(scores["composition"], float)  # None: NaN
    if not np.isnan(composition).all():
        rows["composition: factor\ninformation shared with\nthe poorest parent"] = composition
    return rows


def moved(model, start, order, values):
    """Decodes images in which one latent at a time takes each value, the others those of a start.

    Args:
      model: see `runs.model.Model`.
      start: a code [d].
      order: the latents that are moved, [k].
      values: [steps].

    Returns:
      Images [k, steps, H, W, C].
    """
    grid = np.tile(start, (len(order), len(values), 1)).astype(np.float32)  # [k, steps, d]
    grid[np.arange(len(order)), :, order] = values
    z = grid.reshape(-1, len(start))
    parts = batches.slices(len(z), model.config.data.size, model.channels)
    images = np.concatenate([np.asarray(model.decode(z[rows])) for rows in parts])
    return images.reshape(len(order), len(values), *images.shape[1:])


def draw_all(subject, workdir, structure):
    """Draws reconstructions, samples, traversals, factors, the structure's pictures and curves.

    Args:
      subject: see `subject.Subject`.
      workdir: the run's folder; plots go to plots/.
      structure: see `structure.structure_scores`.

    Returns:
      The paths.
    """
    folder = workdir / "plots"
    if folder.is_symlink():  # plots of the same names behind it would be replaced
        folder.unlink()
    folder.mkdir(exist_ok=True)
    model, dataset = subject.model, subject.dataset
    size = f"{dataset.size}x{dataset.size}"
    where = f"{plain(dataset.source)}, {size}, step {model.step:,}"
    few = subject.rows[:20]
    reconstructions = plots.reconstructions(
        folder / "reconstructions.png",
        dataset.images(few) / 255.0,
        np.asarray(model.decode(subject.mean[few])),
        title="Reconstructions",
        subtitle=where,
    )
    paths = [reconstructions, _samples(folder, subject, where)]
    paths += _latents(folder, subject, where)
    if model.config.cascade.weight:
        paths.append(_structure(folder, model.config))
    network = build.structure(model.config)
    effects = plots.effects(
        folder / "effects.png",
        network.parents,
        np.array(structure["effects"]),
        np.array(structure["ancestors"], bool),
        _rows(structure),
        title="What the structure did: how far each latent moves when one z is redrawn",
        subtitle=where,
    )
    paths += [effects, *_hierarchy(folder, network, structure, where)]
    return [*paths, *_curves(folder, read_metrics(workdir / "metrics.jsonl"), where)]


def _samples(folder, subject, where):
    prior_rng, rest_rng = jax.random.split(subject.key("pictures"))
    z = subject.model.objective.prior(prior_rng, 64)
    images = np.asarray(subject.model.decode(z, rest_rng))
    title = "Samples from the prior"
    return plots.samples(folder / "samples.png", images, title=title, subtitle=where)


def _latents(folder, subject, where):
    """The traversals, and what the latents know of the data's factors."""
    dataset, some = subject.dataset, subject.rows[:LABELLED]
    mean, logvar, config = subject.mean[some], subject.logvar[some], subject.config
    known = labels_of(config, mean, logvar, dataset.factors[some], dataset.factor_names)
    labels = _labels(known, prior_of(config))
    paths = _traversals(folder, subject, where, mean, known.order, labels)
    return [*paths, *_factors(folder, known, labels, where)]


def _factors(folder, known, labels, where):
    """A heat map if a factor varies."""
    if not known.factors:
        return []
    return [
        plots.factors(
            folder / "factors.png",
            known.shares[known.order],
            known.named[known.order],
            ["  ".join(labels[j].split("  ")[:2]) for j in known.order],
            [plain(name) for name in known.factors],
            title="What each latent knows of each factor",
            subtitle=where,
        )
    ]


def _traversals(folder, subject, where, mean, order, labels):
    """The plot and the film; the images that they show are kept beside them, for other plots."""
    config = subject.config
    labels = [labels[j] for j in order]  # the most active first
    # From the middle of the latents: at their rim every move leads to where no image is.
    typical = mean[np.argmin(np.sum(mean**2, axis=1))]
    values = np.linspace(-1, 1, _STEPS)
    swing = np.sin(np.linspace(-0.5, 0.5, _HALF) * np.pi)  # slow at the ends, as a pendulum is
    values, swing = config.eval.traversal_range * values, config.eval.traversal_range * swing
    rows = moved(subject.model, typical, order, values)
    there = moved(subject.model, typical, order[:_CELLS], swing)
    with replacing(folder / "traversals.npz") as file:
        np.savez_compressed(
            file,
            images=np.round(255 * np.clip(rows, 0, 1)).astype(np.uint8),
            values=values,
            latents=order,
            labels=np.array(labels),
        )
    picture = plots.traversals(
        folder / "traversals.png",
        rows,
        values,
        labels,
        title="Latent traversals: one latent moved, the others those of a typical image",
        subtitle=where,
    )
    film = plots.animated_traversals(
        folder / "traversals.gif",
        np.concatenate([there, there[:, -2:0:-1]], axis=1),  # and back
        labels[:_CELLS],
    )
    return [picture, film]


def _structure(folder, config):
    if config.cascade.second_pass == "none":
        note = "the critic sees z of the images in the place of z_hat"
    elif config.cascade.critic_input == "z_hat":
        note = "the critic sees z_hat alone: the arrows from z are dropped in p_B"
    else:
        note = "the critic sees (z, z_hat)"
    return plots.structure(
        folder / "structure.png",
        build.structure(config).parents,
        source=config.cascade.source,
        title=f"Structure: {config.cascade.structure or 'independent'}",
        subtitle=note,
    )


def _hierarchy(folder, structure, scores, where):
    """A plot if the structure has edges, of the images that `_traversals` kept."""
    with np.load(folder / "traversals.npz") as arrays:
        moved = {**arrays, "images": arrays["images"] / 255.0}
    path = folder / "hierarchy.png"
    head = {"title": _HIERARCHY, "subtitle": where}
    found = hierarchy_picture.draw(path, structure, moved, scores, **head)
    return [found] if found else []


def terms(line: dict) -> list[str]:
    """Returns the names of a line of metrics that have curves: of the loss, then of the critics.

    Of an objective of one's own that has none of these, all numbers but the step and its speed.
    """
    numbers = [n for n, value in line.items() if np.ndim(value) == 0]
    names = [n for n in _TERMS if n in numbers]
    names += [n for n in numbers if n.endswith("_kl")]
    names += [n for n in numbers if n.endswith("_critic_accuracy")]
    return names or [n for n in numbers if n not in ("step", "steps_per_second")]


def _curves(folder, lines, where):
    """A plot if there are two lines of metrics or more, and numbers in them."""
    names = terms(lines[0]) if len(lines) > 1 else []
    if not names:
        return []
    return [
        plots.curves(
            folder / "curves.png",
            np.array([line["step"] for line in lines]),
            {n: np.array([line.get(n, np.nan) for line in lines]) for n in names},
            title="Training, in nats per image" if {*names} & {*_TERMS} else "Training",
            subtitle=where,
        )
    ]
