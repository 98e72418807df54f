"""Runs that have ended, with their scores, in any folders or in a study's."""

import logging
import math
from pathlib import Path
from typing import NamedTuple

from cvae_jax.config.checks import check
from cvae_jax.config.fields import FREE, flat
from cvae_jax.errors import UserError
from cvae_jax.runs import parts
from cvae_jax.runs.identity import identity, title
from cvae_jax.runs.workdir import (
    CONFIG,
    is_config,
    is_exported,
    read_config,
    read_json,
    read_results,
)
from cvae_jax.studies import record

log = logging.getLogger(__name__)

_NOT_THE_METHOD = (*FREE, "seed", "num_seeds")


class Ended(NamedTuple):
    """A run that has ended."""

    path: Path
    seed: int
    fields: tuple  # (name, value) of all of its config but seed and machine, and its identity
    in_study: bool
    method: str  # its name in its study, else that of its objective
    setting: str  # likewise, else the fields that differ between runs
    data: str  # name of its data set
    scores: dict  # name -> entry of results.json; those that are finite


def runs_under(folders) -> list[Path]:
    """Returns the runs' folders in folders, of many seeds each seed's; no exported models.

    A config.json of another program, or a damaged one, is left out and named.
    """
    found = sorted({path.parent for folder in folders for path in Path(folder).rglob(CONFIG)})
    return [path for path in found if not is_exported(path) and _is_one_run(path)]


def _is_one_run(path) -> bool:
    try:
        if not is_config(read_json(path / CONFIG)):
            log.warning("%s is no run's: left out", path / CONFIG)
            return False
        config = read_config(path)
        check(config, 1, begins=False)
    except UserError as error:
        log.warning("%s: left out (%s)", path, error)
        return False
    return config.num_seeds == 1


def _scored(path) -> dict | None:
    """The content of a run's results.json with the scores that are finite; None: there is none."""
    results = read_results(path / "results.json")
    if results is None:
        return None
    wrong = [name for name, x in results["scores"].items() if not math.isfinite(x["value"])]
    if wrong:
        log.warning("%s: left out, as they are not finite: %s", path, ", ".join(wrong))
    scores = {name: x for name, x in results["scores"].items() if name not in wrong}
    return results | {"scores": scores}


def ended_runs(folders) -> tuple[list[Ended], list[Path]]:
    """Returns the runs in folders that have ended, and those that have not.

    Of a study's folder these are the study's own runs, in its order; of other folders all runs.

    Raises:
      UserError: no run has ended, or two runs are the same method with the same seed.
    """
    named = {path: cell for folder in folders for path, cell in record.cells(folder).items()}
    begun = [path for path in named if (path / CONFIG).exists()]
    ended, unfinished, seen = [], [path for path in named if path not in begun], {}
    others = runs_under(folder for folder in folders if not record.is_study(folder))
    own = [path for path in begun if _is_one_run(path)]
    for path in [*own, *(path for path in others if path not in named)]:
        try:
            config, results = read_config(path), _scored(path)
        except UserError as error:
            log.warning("left out: %s", error)
            continue
        if results is None or results["step"] < config.num_steps:
            unfinished.append(path)
            continue
        fields = dict(flat(config.to_dict()))
        method = tuple((k, v) for k, v in fields.items() if k not in _NOT_THE_METHOD)
        try:
            method += identity(path, results)
            called = title(config, parts.recorded(path))
        except UserError as error:
            log.warning("left out: %s", error)
            continue
        if (method, config.seed) in seen:
            raise UserError(
                f"{path} and {seen[method, config.seed]} are the same run, seed {config.seed}: "
                "name one"
            )
        seen[method, config.seed] = path
        names = path in named, *(named.get(path) or (called, ""))
        data, scores = results["data"]["name"], results["scores"]
        ended.append(Ended(path, config.seed, method, *names, data, scores))
    if not ended:
        raise UserError(f"no run under {', '.join(map(str, folders))} has ended")
    differ = differing(ended)
    return [run if run.in_study else _with_setting(run, differ) for run in ended], unfinished


def differing(runs: list[Ended]) -> list[str]:
    """Returns the names of the fields that are not the same in all runs."""
    fields = [dict(run.fields) for run in runs]
    names = dict.fromkeys(name for of in fields for name in of)
    return [name for name in names if len({of.get(name) for of in fields}) > 1]


def _with_setting(run, differ) -> Ended:
    """Returns a run of no study with a name for its setting."""
    said = {"objective.name", "source"}  # by its method and its data
    fields = [(k, v) for k, v in run.fields if k in differ and k not in said]
    return run._replace(setting=record.setting(fields))
