"""The runs of a sweep as one table: `cvae gather runs/sweep`.

Runs that differ by their seed alone are one row: mean and standard deviation over seeds.
"""

if __name__ == "__main__":  # as `cvae gather`, before the imports below
    import sys

    from cvae_jax import __main__ as program

    sys.exit(program.main(["gather", *sys.argv[1:]]))

import csv
import logging
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cvae_jax import cli
from cvae_jax.config.checks import check, one_of
from cvae_jax.config.fields import FREE, flat
from cvae_jax.errors import UserError
from cvae_jax.files import replacing
from cvae_jax.metrics.scores import known
from cvae_jax.runs.workdir import CONFIG, is_exported, read_config, read_json, read_results

log = logging.getLogger(__name__)

SHOWN = ("mig", "mig_chen", "factor_score", "sap", "iou", "elbo", "cascade_kl")
_RUNS = {"objective", "data", "num_steps"}  # fields that every run's config has
_NOT_THE_METHOD = (*FREE, "seed", "num_seeds")


class Row(NamedTuple):
    """Runs that differ by their seed alone."""

    fields: dict  # by name, of the config's fields that differ between rows
    seeds: list[int]
    values: dict  # score -> its value for each seed that has it
    definitions: dict  # score -> what it is


def runs_under(folders) -> list[Path]:
    """Returns the runs' folders in folders, of many seeds each seed's; no exported models.

    A config.json of another program, or a damaged one, is left out and named.
    """
    found = sorted({path.parent for folder in folders for path in Path(folder).rglob(CONFIG)})
    return [path for path in found if not is_exported(path) and _is_one_run(path)]


def _is_one_run(path) -> bool:
    try:
        content = read_json(path / CONFIG)
        if not isinstance(content, dict) or not _RUNS.issubset(content):
            log.warning("%s is no run's: left out", path / CONFIG)
            return False
        config = read_config(path)
        check(config, 1)
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


def gather(folders) -> tuple[list[Row], list[Path]]:
    """Returns the rows, in the order of their first runs, and the runs that have not ended.

    Raises:
      UserError: no run has ended, or two runs are the same method with the same seed.
    """
    unfinished, groups = [], {}
    for path in runs_under(folders):
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
        # Data rendered in place of the published ones differ from them, whatever the config says.
        method += (("source", results["data"]["source"]),)
        runs = groups.setdefault(method, {})
        if config.seed in runs:
            raise UserError(
                f"{path} and {runs[config.seed][0]} are the same run, seed {config.seed}: name one"
            )
        runs[config.seed] = path, results["scores"]
    if not groups:
        raise UserError(f"no run under {', '.join(map(str, folders))} has ended")
    names = dict.fromkeys(name for method in groups for name, _ in method)
    several = [name for name in names if len({dict(m).get(name) for m in groups}) > 1]
    return [_row(dict(method), runs, several) for method, runs in groups.items()], unfinished


def _row(method, runs, several) -> Row:
    """Returns the row of a method's runs {seed: (path, scores)}; rows differ by `several`."""
    scores = [runs[seed][1] for seed in sorted(runs)]
    names = dict.fromkeys(name for s in scores for name in s)
    definitions = {}  # the first seed's that has the score
    for of_seed in scores:
        for name, content in of_seed.items():
            definitions.setdefault(name, content["definition"])
    return Row(
        fields={name: method[name] for name in several if name in method},
        seeds=sorted(runs),
        values={name: [s[name]["value"] for s in scores if name in s] for name in names},
        definitions=definitions,
    )


def _spread(values):
    return f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""


def table(rows: list[Row], scores) -> str:
    """Returns rows as lines of text."""
    lines = []
    for row in rows:
        what = ", ".join(f"{name} {value!r}" for name, value in row.fields.items()) or "one method"
        lines.append(f"{what}; seeds {', '.join(map(str, row.seeds))}")
        for name in scores:
            if name in row.values:
                values = row.values[name]
                few = f" of {len(values)} seeds" if len(values) < len(row.seeds) else ""
                lines.append(f"  {name:<20}{np.mean(values):>10.4f}{_spread(values)}{few}")
    return "\n".join(lines)


def _shown(x):
    """A cell that spreadsheets show: text that they would take for a formula begins with a '."""
    return f"'{x}" if isinstance(x, str) and x.startswith(("=", "+", "-", "@")) else x


def write_csv(path, rows: list[Row]) -> None:
    """Writes every score of every row: the fields, its values, and what they mean."""
    fields = [*dict.fromkeys(name for row in rows for name in row.fields)]
    head = ("score", "seeds", "mean", "std", "values", "better", "range", "definition")
    lines = [[*fields, *head]]
    for row in rows:
        of = [_shown(row.fields.get(field, "")) for field in fields]
        for name, values in row.values.items():
            std = np.std(values, ddof=1) if len(values) > 1 else ""
            shown = " ".join(map(str, values))
            of_score = known(name)
            words = (of_score.better, of_score.range) if of_score else ("", "")
            said = _shown(row.definitions[name])
            what = (name, len(values), np.mean(values), std, shown, *words, said)
            lines.append([*of, *what])
    text = {"encoding": "utf-8", "errors": "backslashreplace"}
    try:
        with replacing(Path(path), "w", newline="", **text) as file:
            csv.writer(file).writerows(lines)
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}; name another --out") from None


def main(argv) -> None:
    """Gathers as the command line asks."""
    parser = cli.Parser("gather", __doc__.splitlines()[0])
    parser.add_argument(
        "folders", nargs="+", metavar="RUNS", type=cli.path, help="runs, or folders of runs"
    )
    parser.add_argument("--scores", default=",".join(SHOWN), help="names with commas")
    parser.add_argument("--out", default="", type=cli.path, help="a CSV file with every score")
    args = parser.parse_args(argv[1:])
    for folder in args.folders:
        if not Path(folder).is_dir():
            raise UserError(f"there is no folder {folder}")
    rows, unfinished = gather(args.folders)
    scores = [name.strip() for name in args.scores.split(",")]
    if args.scores != parser.get_default("scores"):  # of which a row may have none
        for name in scores:
            one_of("score", name, [*dict.fromkeys(n for row in rows for n in row.values)])
    cli.show(table(rows, scores))
    if unfinished:
        log.info("not ended: %s", ", ".join(map(str, unfinished)))
    if args.out:
        write_csv(args.out, rows)
        log.info("all scores: %s", args.out)
