"""study.json in a study's folder: its runs by method and setting, and the scores it is about."""

import shlex
from pathlib import Path

from cvae_jax.errors import first_line
from cvae_jax.runs.workdir import damaged, read_json, write_json

STUDY = "study.json"


def setting(fields) -> str:
    """Returns a setting's name: "beta=2.0,latents=10" of (field, value), the fields' last parts."""
    return ",".join(f"{field.split('.')[-1]}={value}" for field, value in fields)


def write(out: Path, grid) -> None:
    """Writes what `cells` and `scores` read.

    Args:
      out: the study's folder.
      grid: see `grid.read`.
    """
    cells = [
        {
            "run": str(cell.key),
            "method": cell.method,
            "setting": cell.setting,
            "seed": cell.seed,
            "command": shlex.join(["cvae", "train", *cell.arguments(out)]),
        }
        for cell in grid.cells
    ]
    write_json(out / STUDY, {"scores": list(grid.scores), "cells": cells})


def is_study(folder) -> bool:
    """Returns whether a folder is a study's."""
    return (Path(folder) / STUDY).exists()


def cells(folder) -> dict[Path, tuple[str, str]]:
    """Returns (method, setting) by each run's folder, in the study's order; {}: it is no study's.

    Raises:
      UserError: study.json is damaged.
    """
    folder, found = Path(folder), {}
    for cell in _read(folder)["cells"]:
        run, method, of = cell["run"], cell["method"], cell["setting"]
        found[folder / run] = method, of
    return found


def scores(folder) -> list[str]:
    """Returns the names of the scores that a study is about; []: it is no study's, or names none.

    Raises:
      UserError: study.json is damaged.
    """
    return _read(Path(folder))["scores"]


def _read(folder):
    """The content of study.json, checked; without one, of a study of no runs."""
    path = folder / STUDY
    if not path.exists():
        return {"scores": [], "cells": []}
    found = read_json(path)
    try:
        words = [*found["scores"]]
        for cell in found["cells"]:
            words += [cell["run"], cell["method"], cell["setting"]]
        if not all(isinstance(word, str) for word in words):
            raise TypeError("a name is no text")
        runs = [Path(cell["run"]) for cell in found["cells"]]
        if any(run.is_absolute() or ".." in run.parts for run in runs):
            raise ValueError("a run lies elsewhere")
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, first_line(error)) from None
    return found
