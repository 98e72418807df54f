"""An experiment of the paper from its plan to its page: what is missing trained, all gathered."""

import re
from pathlib import Path
from typing import NamedTuple

from cvae_jax.datasets import catalogue
from cvae_jax.reproduction import paper, runs, show, trainer, tuning
from cvae_jax.reproduction.tables import Found

SEEDS = {"quick": 2, "half": 3, "paper": 3}
_SEED = re.compile(r"seed_(\d+)")


class Outcome(NamedTuple):
    """What there is of an experiment in the end."""

    planned: list[runs.Run]
    failed: dict[runs.Run, str]  # why each has no record
    paths: list[Path]  # its Markdown, then its plots


def plan(name: str, scale: str, seeds: int) -> list[runs.Run]:
    """Returns the runs of an experiment, seed by seed: an early end cuts all methods alike."""
    if name == "tuning":
        return tuning.planned()
    experiment = paper.EXPERIMENTS[name]
    return [
        runs.Run(scale, data, method, seed)
        for seed in range(seeds)
        for data, method in dict.fromkeys(experiment.runs)
    ]


def _most_kept(name: str, scale: str, folders: Path, results: Path) -> int:
    """Returns how many seeds a method of the experiment has at most, in records or folders."""
    kept = [0]
    for run in plan(name, scale, 1):
        method = run.key.parent
        names = [path.stem for path in (results / method).glob("seed_*.json")]
        names += [path.parent.name for path in (folders / method).glob("seed_*/results.json")]
        # a copy may lie beside them, seed_1 (2).json
        kept += [int(found[1]) + 1 for found in map(_SEED.fullmatch, names) if found]
    return max(kept)


def _needs(data: str) -> str:
    """Returns what runs of a data set need, where nobody has tried to train them."""
    source = catalogue.ENTRIES[data].source
    rendered = source.startswith("rendered here")
    first = "" if rendered else f"{data} ({source}; docs/data.md says what goes where) and "
    return f"needs {first}the command above"


def _found(planned, records, reasons) -> Found:
    """Returns by method the records of each seed, or why there are none."""
    grouped = Found({}, {})
    for run in planned:
        what = (run.data, run.method, run.changes)
        by_seed = grouped.records.setdefault(what, {})
        if run in records:
            by_seed[run.seed] = records[run]
        if run not in records or run in reasons:  # an interrupted one may have failed since
            grouped.reasons.setdefault(what, reasons.get(run, _needs(run.data)))
    return grouped


def reproduce(
    name: str, scale: str, seeds: int | None, folders: Path, results: Path, *, training=None
) -> Outcome:
    """Trains the runs of an experiment that have not ended, and writes what there is of all.

    Args:
      name: of paper.EXPERIMENTS, or tuning.
      scale: of configs/paper.py.
      seeds: of each method; None: those of the scale, and where nothing is trained all that a
        method has.
      folders: of the runs themselves.
      results: the folder of records, pages and plots.
      training: (at_once, jobs) as `trainer.train` takes them; None: nothing is trained.

    Raises:
      Stopped: a signal asked this program to stop; the running runs have saved.
      UserError: a run is running already, or a record is damaged.
    """
    if seeds is None and training is None and name != "tuning":
        kept = _most_kept(name, scale, folders, results)
        seeds = kept if kept > SEEDS[scale] else None
    planned = plan(name, scale, seeds or SEEDS.get(scale))
    records = {run: runs.read_record(results, run) for run in planned}
    for run, record in records.items():
        if runs.has_more(run, record, folders / run.key):
            records[run] = runs.write_record(results, run, folders / run.key)
    records = {run: record for run, record in records.items() if record}
    reasons, failed = {}, []
    if training:
        done = {run: record for run, record in records.items() if not runs.is_cut(record)}
        reasons, failed = trainer.train(planned, done, folders, results, *training)
        records |= done
    found = _found(planned, records, reasons)
    paths = show.write(name, scale, found, results, seeds)
    return Outcome(planned, {run: reasons[run] for run in failed}, paths)
