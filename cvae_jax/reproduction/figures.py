"""Draws an experiment's plots: scores over seeds, traversals, effects of a structure."""

import numpy as np

from cvae_jax import plots, structures
from cvae_jax.errors import first_line, printable
from cvae_jax.evaluation import hierarchy_picture
from cvae_jax.evaluation.latent_labels import without_bare_names
from cvae_jax.plots.page import plain
from cvae_jax.reproduction import paper
from cvae_jax.reproduction.pairs import alike
from cvae_jax.reproduction.runs import Run
from cvae_jax.runs.workdir import damaged

_MOST_LATENTS = 6  # of each method, in the grid that compares them


def _by_score(name, scale, experiment, folder, draw, panels_of, note):
    """Draws a plot for each of the experiment's scores that any run has; returns their paths."""
    paths = []
    for score in experiment.scores:
        panels = panels_of(score)
        if panels:
            path, subtitle = folder / f"{name}_{score}.png", f"{score}, scale {scale}; {note}"
            drawn = draw(path, panels, score=score, title=experiment.title, subtitle=subtitle)
            paths.append(drawn)
    return paths


def _draw_scores(name, scale, experiment, found, folder):
    def panels_of(score):
        panels = {}
        for data, method in experiment.runs:
            values = found.values((data, method, ()), score)
            panels.setdefault(data, {})[paper.shown(method)] = [*values.values()]
        return {data: panel for data, panel in panels.items() if any(panel.values())}

    note = "one dot per seed, a line at the mean"
    return _by_score(name, scale, experiment, folder, plots.points, panels_of, note)


def _draw_pairs(name, scale, experiment, found, folder):
    def panels_of(score):
        panels = {
            paper.pair_name(pair): alike(found, [(*run, ()) for run in pair], score)
            for pair in paper.pairs(experiment)
        }
        return {method: pair for method, pair in panels.items() if any(pair)}

    note = "a line joins the two runs of a seed; seeds that have both"
    return _by_score(name, scale, experiment, folder, plots.pairs, panels_of, note)


def _first(found, data, method):
    """Returns (record, seed) of the smallest recorded seed; None if there is none."""
    records = found.records[data, method, ()]
    return (records[min(records)], min(records)) if records else None


def _traversals(folder, scale, data, method, seed):
    """Reads a run's traversals: images [d, steps, H, W, C], values [steps], latents, labels [d].

    The most active latent comes first.
    """
    path = (folder.parent / Run(scale, data, method, seed).key).with_suffix(".npz")
    try:
        with np.load(path) as arrays:
            found = {name: arrays[name] for name in ("images", "values", "latents", "labels")}
    except Exception as error:  # zipfile, zlib and npy headers raise a dozen kinds
        raise damaged(path, first_line(error)) from None
    return found | {
        "images": found["images"] / 255.0,
        "labels": [without_bare_names(printable(str(label))) for label in found["labels"]],
    }


def _draw_methods(name, scale, experiment, found, folder):
    columns = {}
    for data, method in experiment.runs:
        first = _first(found, data, method)
        if first:
            columns[paper.shown(method)] = _traversals(folder, scale, data, method, first[1])
    if not columns:
        return []
    return [
        plots.methods(
            folder / f"{name}.png",
            columns,
            most=_MOST_LATENTS,
            title=f"{experiment.title}, the most informative latents",
            subtitle=f"scale {scale}, the first seed of each",
        )
    ]


def _draw_structures(name, scale, experiment, found, folder):
    paths = []
    for data, method in experiment.runs:
        first = _first(found, data, method)
        if not first:
            continue
        record, seed = first
        subtitle = f"{plain(record['data']['source'])}, scale {scale}, seed {seed}"
        stem = f"{name}_{data}_{method.replace('+', '_')}"
        moved = _traversals(folder, scale, data, method, seed)
        by_number = np.argsort(moved["latents"])  # as in the structure
        paths.append(
            plots.traversals(
                folder / f"{stem}_traversals.png",
                moved["images"][by_number],
                moved["values"],
                [moved["labels"][i] for i in by_number],
                title=f"{paper.shown(method)}: latent traversals",
                subtitle=subtitle,
            )
        )
        config, scores = record["config"], record["structure"]
        # version 0.1 redrew z of the prior, and its definition does not say of what
        measured = record["scores"].get("ancestor_share", {}).get("definition", "posterior")
        network = structures.from_config(
            config["cascade"]["structure"], config["objective"]["latents"]
        )
        paths.append(
            plots.effects(
                folder / f"{stem}_effects.png",
                network.parents,
                np.array(scores["effects"]),
                np.array(scores["ancestors"], bool),
                source="posterior" if "posterior" in measured else "prior",
                title=f"{paper.shown(method)}: how far each latent moves when one z is redrawn",
                subtitle=subtitle,
            )
        )
        hierarchy = hierarchy_picture.draw(
            folder / f"{stem}_hierarchy.png",
            network,
            moved,
            scores,
            title=f"{paper.shown(method)}: what each latent does, and what the edges carry",
            subtitle=subtitle,
        )
        paths += [hierarchy] if hierarchy else []
    return paths


# kind of experiment -> (name, scale, experiment, found, folder) -> paths
DRAWN = {
    "scores": _draw_scores,
    "pairs": _draw_pairs,
    "methods": _draw_methods,
    "structures": _draw_structures,
}
