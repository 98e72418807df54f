"""A run of the paper's experiments: its config, its command, its record under results/.

A record is one JSON file, written when the run has ended: results.json of the run, its config, its
command, its curves thinned, the seconds it took. Beside it lie the images of its traversals. Once
it is there the run counts as done, wherever the run's own folder is. The record of an interrupted
run, which has fewer steps than its config asks for, is shown and does not count as done.
"""

import json
import logging
import shlex
from pathlib import Path
from typing import NamedTuple

import ml_collections

from cvae_jax.config import shipped
from cvae_jax.config.fields import differences
from cvae_jax.errors import UserError, first_line
from cvae_jax.files import replacing
from cvae_jax.runs.metrics_log import read_metrics, training_seconds
from cvae_jax.runs.workdir import damaged, read_config, read_json, read_results, write_json
from cvae_jax.studies.record import setting

log = logging.getLogger(__name__)

CONFIG = Path("configs/paper.py")
_CURVE_POINTS = 60
_NEEDED = ("config.json", "metrics.jsonl", "plots/traversals.npz")
_KEYS = (
    *("config", "data", "device", "training_seconds", "evaluation_seconds"),
    *("curves", "structure"),
)


class Run(NamedTuple):
    """One training of one seed."""

    scale: str
    data: str
    method: str
    seed: int
    changes: tuple = ()  # (field, value) on top of the variant's config

    @property
    def key(self) -> Path:
        """Returns the path under a folder of runs or of records."""
        changes = setting(self.changes)
        return Path(self.scale, self.data, self.method, changes, f"seed_{self.seed}")


def config(run: Run) -> ml_collections.ConfigDict:
    """Returns its config."""
    found = shipped.load(f"{CONFIG}:{run.scale},{run.data},{run.method}")
    found.update_from_flattened_dict({"seed": run.seed, **dict(run.changes)})
    return found


def _planned(run: Run) -> dict:
    return json.loads(config(run).to_json_best_effort())


def read_record(results: Path, run: Run) -> dict | None:
    """Reads a run's record; None if there is none.

    Raises:
      UserError: it is damaged, or its config differs from that of configs/paper.py.
    """
    path = results / run.key.with_suffix(".json")
    record = read_results(path)
    if record is None:
        return None
    lacks = [key for key in _KEYS if key not in record]
    if lacks:
        raise damaged(path, f"no {lacks[0]}")
    try:
        _require_numbers(record)
        changes = differences(record["config"], _planned(run))
    except (TypeError, KeyError, AttributeError) as error:
        raise damaged(path, f"{type(error).__name__}: {first_line(error)}") from None
    if changes:
        raise UserError(
            f"{path} has another config than {CONFIG} ({changes}): remove the record to run it "
            f"again, or restore {CONFIG}"
        )
    return record


def _require_numbers(record):
    """Raises TypeError, KeyError or AttributeError unless what is computed with is numbers."""
    numbers = [record["training_seconds"], record["evaluation_seconds"]]
    numbers += [record["data"]["size"], record["config"]["num_steps"]]
    numbers += record.get("largest", {}).values()
    d = record["config"]["objective"]["latents"]
    for name in ("effects", "ancestors"):
        rows = record["structure"][name]
        if [len(row) for row in rows] != [d] * d:
            raise TypeError(f"{name} of the structure are not {d} x {d}")
        numbers += [float(x) if isinstance(x, bool) else x for row in rows for x in row]
    curves = record["curves"]
    for name, points in curves.items():
        if len(points) != len(curves["step"]):
            raise TypeError(f"{len(points)} points of {name} for {len(curves['step'])} steps")
        for point in points:
            numbers += point if isinstance(point, list) else [] if point is None else [point]
    for number in numbers:
        if type(number) not in (int, float):
            raise TypeError(f"{type(number).__name__} in place of a number")


def is_cut(record: dict) -> bool:
    """Returns whether a record is of an interrupted run, scored at its last step."""
    return record["step"] < record["config"]["num_steps"]


def has_more(run: Run, record: dict | None, workdir: Path) -> bool:
    """Returns whether the run's folder holds a newer evaluation than its record.

    That is one of more steps, or one to which `evaluate` has added scores; any, if record is None.
    """
    found = read_results(workdir / "results.json")
    if found is None or "pictures" not in found:
        return False
    why = [f"it lacks {name}" for name in _NEEDED if not (workdir / name).exists()]
    if not why and training_seconds(read_metrics(workdir / "metrics.jsonl")) is None:
        why.append("its metrics.jsonl does not say how fast it was")
    if "changed" in found["data"]:
        why.append("it was scored on other data than its own")
    if why:
        log.warning("the results of %s are not taken over: %s", workdir, why[0])
        return False
    if differences(read_json(workdir / "config.json"), _planned(run)):
        return False
    if record is None or found["step"] > record["step"]:
        return True
    same = found["step"] == record["step"] and found["data"] == record["data"]
    return same and set(found["scores"]) > set(record["scores"])


def _at_once(run, workdir) -> int:
    """Returns how many seeds were trained in one program with the run in workdir."""
    if not (workdir.parent / "config.json").exists():
        return 1
    config = read_config(workdir.parent)
    return config.num_seeds if 0 <= run.seed - config.seed < config.num_seeds else 1


def write_record(results: Path, run: Run, workdir: Path) -> dict:
    """Records the run that was evaluated in workdir; returns the record.

    Raises:
      UserError: its metrics.jsonl does not say how fast it was.
    """
    evaluated = read_results(workdir / "results.json")
    lines = read_metrics(workdir / "metrics.jsonl")
    # an interrupted run may have trained on since
    lines = [line for line in lines if line["step"] <= evaluated["step"]]
    kept = lines[:: max(1, -(-len(lines) // _CURVE_POINTS))]
    if kept[-1:] != lines[-1:]:
        kept.append(lines[-1])
    names = [name for name in lines[0] if name != "steps_per_second"] if lines else []
    seconds = training_seconds(lines)
    if seconds is None:
        raise UserError(
            f"{workdir / 'metrics.jsonl'} does not say how fast the run was: remove {workdir}, and "
            "the command that made it trains it again"
        )
    begun = [line for line in lines if line["step"] > lines[-1]["step"] / 10]
    peaks = [name for name in names if name.endswith(("_kl", "_critic_loss"))]
    record = evaluated | {
        "config": read_json(workdir / "config.json"),
        "command": command([run]),
        "training_seconds": round(seconds / _at_once(run, workdir)),
        "curves": {name: [_short(line.get(name)) for line in kept] for name in names},
        # after the first tenth of the steps; training may diverge and recover between two points
        "largest": {
            name: _short(max(line[name] for line in begun if name in line)) for name in peaks
        },
    }
    path = results / run.key.with_suffix(".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    if run.scale != "tuning":  # whose plots nobody draws
        with replacing(path.with_suffix(".npz")) as file:
            file.write((workdir / "plots" / "traversals.npz").read_bytes())
    write_json(path, record)
    return record


def _short(value):
    """Rounds a number, or a list of numbers, to five digits."""
    if isinstance(value, list):
        return [_short(x) for x in value]
    return value if value is None or isinstance(value, int) else float(f"{value:.5g}")


def arguments(together: list[Run], folders: Path | None = None) -> list[str]:
    """Returns the arguments of `python` that train runs of successive seeds.

    Args:
      together: the runs.
      folders: of runs; None: the --workdir is left out.
    """
    first = together[0]
    fields = {"seed": first.seed, **dict(first.changes)}
    if len(together) > 1:
        fields["num_seeds"] = len(together)
    variant = f"{first.scale},{first.data},{first.method}"
    return [
        *("-m", "cvae_jax.main", f"--config={CONFIG}:{variant}"),
        *(f"--config.{field}={value}" for field, value in fields.items()),
        *([f"--workdir={workdir(together, folders)}"] if folders else []),
    ]


def command(together: list[Run], folders: Path | None = None) -> str:
    """Returns the command that trains runs as `arguments` has it, for a shell."""
    return shlex.join(["python", *arguments(together, folders)])


def workdir(together: list[Run], folders: Path) -> Path:
    """Returns the --workdir of runs; several seeds have the same folders in it as alone."""
    path = folders / together[0].key
    return path if len(together) == 1 else path.parent


# What 0.1 called the same things: those records compare with today's.
_WORDS_OF_0_1 = {
    "nats an image": "nats per image",
    "codes whose": "latents whose",
    "above .01": "above 0.01",
}


def definition(entry: dict) -> str:
    """Returns the definition of a record's score in today's words."""
    words = entry["definition"]
    for old, new in _WORDS_OF_0_1.items():
        words = words.replace(old, new)
    return words
