"""Trains the cells of a study that have not ended, each as `cvae train` in a process of its own."""

import json
import logging
import os
from pathlib import Path

from cvae_jax.config import build, checks
from cvae_jax.datasets import filters
from cvae_jax.errors import UserError
from cvae_jax.evaluation.results import results_of
from cvae_jax.runs import loading, parts
from cvae_jax.runs.holding import holds_run
from cvae_jax.runs.metrics_log import read_metrics, training_seconds
from cvae_jax.runs.workdir import CONFIG, why_diverged
from cvae_jax.studies import work
from cvae_jax.studies.grid import Cell, Grid

log = logging.getLogger(__name__)

_LAST = 1 << 16  # bytes at the end of a log in which its last line is looked for


def check(grid: Grid, out: Path, together: bool) -> None:
    """Refuses what can't be trained, and prepares each data set once.

    Raises:
      UserError: a folder holds another run than the grid's, data can't be had or are too few, or a
        method can't be built for them.
    """
    for group in _groups(grid, together):
        _refuse_others(grid, group, out)
    by_data = {}
    for cell, config in grid.configs.items():
        if not _done(grid, cell, out):
            by_data.setdefault(json.dumps(config.data.to_dict()), []).append(cell)
    for cells in by_data.values():
        _refuse_unfit(grid, cells, out)


def _refuse_unfit(grid, cells, out) -> None:
    """Refuses cells, all of the same data, that their data or method would end at their start."""
    dataset = filters.load(grid.configs[cells[0]].data)
    info = build.DataInfo(dataset.size, dataset.channels, dataset.num_images)
    firsts = {}  # the first seed of each setting
    for cell in cells:
        firsts.setdefault(cell._replace(seed=0), cell)
    for cell in firsts.values():
        config = grid.configs[cell]
        try:
            checks.require_batch(config, dataset.num_images)
            parts.build_with(config, info)
            if config.init_from and not (out / cell.key / CONFIG).exists():
                loading.folder(config.init_from)
        except UserError as error:
            raise UserError(f"{cell.key}: {error}") from None


def train(grid: Grid, out: Path, jobs: int, together: bool) -> dict[Cell, str]:
    """Trains and scores the cells that have not ended, in the grid's order.

    Args:
      grid: of the study.
      out: its folder.
      jobs: processes side by side, which share the processor's cores.
      together: whether successive seeds of a setting are one program.

    Returns:
      Why cells have failed.

    Raises:
      Stopped: a signal asked this program to stop; the running cells have saved.
      UserError: a run is running already.
    """
    groups = _groups(grid, together)
    seconds = {c: _seconds(grid, c, out, len(g)) for g in groups for c in g if _done(grid, c, out)}
    todo = [group for group in groups if not seconds.keys() >= {*group}]
    failed, sizes = {}, {cell: len(group) for group in groups for cell in group}

    def began(job, unfinished):
        took = [(cell.method, spent) for cell, spent in seconds.items()]
        kinds = [cell.method for of in unfinished for cell in of.runs]
        left = work.time_left(took, kinds, min(jobs, len(unfinished)))
        names = ", ".join(str(cell.key) for cell in job.runs)
        log.info("%s%s; now %s, see %s", _count(grid, seconds), left, names, job.log)

    def ended(job, code):
        for cell in job.runs:
            if _done(grid, cell, out):
                seconds[cell] = _seconds(grid, cell, out, sizes[cell])
                continue
            diverged = why_diverged(out / cell.key)
            failed[cell] = diverged or _reason(job, code)
            log.warning("%s: %s", cell.key, failed[cell])

    queue = [_job(group, out) for group in todo]
    work.run(queue, jobs, began, ended, _share_of_cores(min(jobs, len(groups))))
    log.info("%s", _count(grid, seconds))
    return failed


def _groups(grid, together) -> list[list[Cell]]:
    """Returns the cells that are trained in one program each."""
    return work.successive(grid.cells) if together else [[cell] for cell in grid.cells]


def _count(grid, done) -> str:
    return f"{len(done)} of {len(grid.cells)} runs done"


def _job(group, out) -> work.Job:
    """Returns the process that trains these cells."""
    first = group[0]
    workdir = out / (first.key if len(group) == 1 else first.key.parent)
    command = work.program(["-m", "cvae_jax.main", *first.arguments(out, len(group))])
    return work.Job(group, workdir, command, workdir.with_name(f"{workdir.name}.log"))


def _share_of_cores(beside: int) -> dict[str, str]:
    """Returns what lets each of so many processes take its share of the cores alone.

    XLA reads NPROC, what scikit-learn computes with the other. Those that are set already stay.
    """
    if beside == 1:
        return {}
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = str(max(1, (cores or 1) // beside))
    return {name: share for name in ("NPROC", "OMP_NUM_THREADS") if name not in os.environ}


def _refuse_others(grid, group, out) -> None:
    """Refuses folders that hold other runs than these cells."""
    configs = {out / cell.key: grid.configs[cell] for cell in group}
    if len(group) > 1:
        config = grid.configs[group[0]].copy_and_resolve_references()
        config.num_seeds = len(group)
        configs[out / group[0].key.parent] = config
    for folder, config in configs.items():
        holds_run(folder, json.loads(config.to_json_best_effort()))


def _done(grid, cell, out) -> bool:
    """Returns whether a cell was trained to its last step and scored."""
    return results_of(out / cell.key, grid.configs[cell].num_steps) is not None


def _seconds(grid, cell, out, seeds) -> float:
    """Returns how long a cell took, trained in one program with so many seeds; 0 if unknown."""
    results = results_of(out / cell.key, grid.configs[cell].num_steps)
    spent = training_seconds(read_metrics(out / cell.key / "metrics.jsonl"))
    return (spent or 0.0) / seeds + results.get("evaluation_seconds", 0.0)


def _reason(job, code) -> str:
    """Returns why a process failed: the last line that it wrote."""
    with open(job.log, "rb") as file:
        file.seek(max(0, job.log.stat().st_size - _LAST))
        lines = file.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    last = said[-1].removeprefix("error: ") if said and code > 0 else work.how_it_ended(code)
    return f"{last}; see {job.log}"
