"""Reads the runs that one page compares: what they recorded, and the plots drawn of them."""

import shlex
from pathlib import Path
from typing import NamedTuple

from cvae_jax.config.fields import to_pass_on
from cvae_jax.errors import UserError
from cvae_jax.files import expanded
from cvae_jax.report import facts, pictures
from cvae_jax.report.words import PICTURES
from cvae_jax.runs import loading, parts
from cvae_jax.runs.identity import identity, title
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import (
    is_exported,
    read_json,
    read_results,
    why_diverged,
)


class Run(NamedTuple):
    """What a page shows of one of several runs."""

    name: str
    method: str
    config: dict  # the fields by their dotted names
    identity: tuple  # see `runs.identity`
    results: dict  # the content of results.json
    metrics: list[dict]  # see `metrics_log.read_metrics`
    facts: dict[str, str]
    pictures: dict[str, bytes]  # names of words.PICTURES -> PNG
    film: bytes  # the traversals' GIF
    notes: tuple[str, ...]


def distinct(folders) -> list[Path]:
    """Returns the folders in their order, each once however it is written."""
    return list(dict.fromkeys(expanded(folder).resolve() for folder in folders))


def read(paths: list[Path]) -> list[Run]:
    """Reads runs; of several seeds the scores of all, and the curves and plots of one.

    Args:
      paths: the runs' folders, or exported models'.

    Raises:
      UserError: one is no such folder, has no scores, or a file of it is damaged.
    """
    return [_read(path, name) for path, name in zip(paths, _names(paths), strict=True)]


def _names(paths):
    """The last parts of the paths, as many as tell them apart."""
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-count:]) for path in paths]
        if len({*names}) == len(names):
            break
    return names


def _read(path, name):
    config = loading.checked_config(path)
    results = read_results(path / "results.json")
    if results is None:
        raise UserError(
            f"{path} has no scores yet; score it first: "
            f"{shlex.join(['cvae', 'evaluate', str(path)])}"
            if config.num_seeds == 1
            else f"{path} has no scores of all seeds yet: run the command that began it again, to "
            "the end"
        )
    shown, notes = path, []
    if is_exported(path):
        notes.append(f"{name} is an exported model: its training's curves stayed with its run.")
    if reason := why_diverged(path):
        notes.append(f"{name} diverged: {reason}")
    if config.num_seeds > 1:
        diverged = results.get("diverged", {})
        notes += [f"Seed {k} of {name} diverged: {x['reason']}" for k, x in diverged.items()]
        seeds = range(config.seed, config.seed + config.num_seeds)
        seed = next((k for k in seeds if str(k) not in diverged), config.seed)
        shown = path / f"seed_{seed}"
        notes.append(
            f"The scores of {name} are means over {len(seeds) - len(diverged)} seeds, its curves "
            f"and plots those of seed {seed}."
        )
    if changed := results["data"].get("changed"):
        notes.append(f"The scores of {name} are of other data than it was trained on: {changed}")
    if results["step"] < config.num_steps:
        notes.append(f"{name} is at step {results['step']:,} of {config.num_steps:,}.")
    metrics, described = read_metrics(shown / "metrics.jsonl"), shown / "data.json"
    drawn = {key: pictures.drawn(shown / "plots" / f"{key}.png") for key in PICTURES}
    return Run(
        name=name,
        method=title(config, parts.recorded(shown)),
        config=to_pass_on(config),
        identity=identity(shown, results),
        results=results,
        metrics=metrics,
        facts=facts.of_training(metrics, read_json(described) if described.exists() else {}),
        pictures={key: content for key, content in drawn.items() if content},
        film=pictures.drawn(shown / "plots" / "traversals.gif", pictures.GIF),
        notes=tuple(notes),
    )
