"""An experiment as files: its table as Markdown, its figures as PNG."""

from pathlib import Path

import numpy as np

from cvae_jax import plots, structures
from cvae_jax.reproduction import paper, tables, tuning
from cvae_jax.reproduction.runs import Run

_MOST_LATENTS = 6  # of each method, in the grid that compares them


def write(name: str, scale: str, found: tables.Found, results: Path) -> list[Path]:
    """Writes an experiment's Markdown and pictures to results/scale; returns their paths.

    Args:
      name: of paper.EXPERIMENTS, or tuning.
      scale: of configs/paper.py.
      found: its records.
      results: the folder of all records.
    """
    experiment = _TUNING if name == "tuning" else paper.EXPERIMENTS[name]
    folder = results / scale
    folder.mkdir(parents=True, exist_ok=True)
    draw = _DRAWN.get(experiment.kind)
    drawn = draw(name, scale, experiment, found, folder) if draw else []
    lines = [f"# {experiment.title}, scale {scale}", "", f"    {_command(name, scale)}", ""]
    lines += tables.SHOWN[experiment.kind](experiment, found)
    lines += ["", *_notes(experiment, found)]
    lines += [line for path in drawn for line in ("", f"![{path.stem}]({path.name})")]
    path = folder / f"{name}.md"
    path.write_text("\n".join([*lines, ""]))
    return [path, *drawn]


_TUNING = paper.Experiment(
    f"The settings tried on dSprites, seed {tuning.SEED}", (), "tuning", tuning.SCORES
)


def _command(name, scale):
    if name == "tuning":
        return "python -m cvae_jax.reproduce --tuning"
    kind = "table" if name.startswith("table") else "figure"
    return f"python -m cvae_jax.reproduce --{kind}={name.removeprefix(kind)} --scale={scale}"


def _notes(experiment, found):
    """What the numbers were made of."""
    records = [record for by_seed in found.records.values() for record in by_seed.values()]
    if not records:
        return []
    lines = []
    for data in dict.fromkeys(tuple(record["data"].items()) for record in records):
        data = dict(data)
        lines.append(f"* data: {data['source']}, {data['size']}x{data['size']}")
    names = dict.fromkeys(name for record in records for name in record["scores"])
    for score in names:
        if score in (experiment.scores or tables.SCORES[experiment.kind]):
            entry = next(r["scores"][score] for r in records if score in r["scores"])
            lines.append(f"* {score}: {entry['definition']} ({entry['samples']:,} images)")
    hours = sum(r["training_seconds"] + r["evaluation_seconds"] for r in records) / 3600
    devices = ", ".join(dict.fromkeys(r["device"] for r in records))
    steps = ", ".join(f"{n:,}" for n in dict.fromkeys(r["step"] for r in records))
    lines.append(f"* {len(records)} runs of {steps} steps, {hours:.1f} hours in all, on {devices}")
    return lines


def _draw_scores(name, scale, experiment, found, folder):
    paths = []
    for score in experiment.scores:
        panels = {}
        for data, method in experiment.runs:
            values = found.values((data, method, ()), score)
            panels.setdefault(data, {})[paper.shown(method)] = [*values.values()]
        panels = {data: panel for data, panel in panels.items() if any(panel.values())}
        if panels:
            paths.append(
                plots.points(
                    folder / f"{name}_{score}.png",
                    panels,
                    score=score,
                    title=experiment.title,
                    subtitle=f"{score}, scale {scale}; a dot a seed, a line their mean",
                )
            )
    return paths


def _draw_pairs(name, scale, experiment, found, folder):
    paths = []
    for score in experiment.scores:
        panels = {}
        for data, method in experiment.runs:
            base = paper.shown(method.partition("+")[0])
            panels.setdefault(base, []).append(found.values((data, method, ()), score))
        panels = {base: pair for base, pair in panels.items() if any(pair)}
        if panels:
            paths.append(
                plots.pairs(
                    folder / f"{name}_{score}.png",
                    panels,
                    score=score,
                    title=experiment.title,
                    subtitle=f"{score}, scale {scale}; a line joins the two runs of a seed",
                )
            )
    return paths


def _first(found, data, method):
    """(record, seed) of the first seed that there is; None: there is none."""
    records = found.records[data, method, ()]
    return (records[min(records)], min(records)) if records else None


def _traversals(folder, scale, data, method, seed):
    """A recorded run's traversals: images [d, steps, H, W, C], values [steps], latents, labels [d].

    The most active latent comes first.
    """
    path = (folder.parent / Run(scale, data, method, seed).key).with_suffix(".npz")
    with np.load(path) as arrays:
        found = dict(arrays)
    return found | {"images": found["images"] / 255.0, "labels": [*map(str, found["labels"])]}


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
            title=f"{experiment.title}, the codes that hold most",
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
        subtitle = f"{record['data']['source']}, scale {scale}, seed {seed}"
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
        network = structures.from_config(
            config["cascade"]["structure"], config["objective"]["latents"]
        )
        paths.append(
            plots.effects(
                folder / f"{stem}_effects.png",
                network.parents,
                np.array(scores["effects"]),
                np.array(scores["ancestors"], bool),
                title=f"{paper.shown(method)}: how far each code moves when one z is redrawn",
                subtitle=subtitle,
            )
        )
    return paths


_DRAWN = {
    "scores": _draw_scores,
    "pairs": _draw_pairs,
    "methods": _draw_methods,
    "structures": _draw_structures,
}
