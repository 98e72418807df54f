"""Tables of scores: text, Markdown and CSV. Runs that differ by their seed alone are one row."""

import csv
import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cvae_jax.files import not_written, replacing
from cvae_jax.metrics.scores import form, known
from cvae_jax.runs import markdown
from cvae_jax.studies.ended import Ended, differing

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """Runs that differ by their seed alone."""

    name: str  # in its study; "": it is in none
    fields: dict  # by name, of the config's fields that differ between rows
    method: str
    setting: str
    seeds: list[int]
    values: dict  # score -> its value for each seed that has it
    definitions: dict  # score -> what it is


def rows_of(runs: list[Ended]) -> list[Row]:
    """Returns the rows of runs, in the order of their first runs."""
    groups, several = {}, differing(runs)
    for run in runs:
        groups.setdefault(run.fields, []).append(run)
    return [_row(sorted(group, key=lambda run: run.seed), several) for group in groups.values()]


def _row(runs, several) -> Row:
    """Returns the row of a method's runs, in the order of seeds; rows differ by `several`."""
    first, scores = runs[0], [run.scores for run in runs]
    fields, names = dict(first.fields), dict.fromkeys(name for s in scores for name in s)
    firsts = {}  # the first seed's entry of each score
    for of_seed in scores:
        for name, content in of_seed.items():
            firsts.setdefault(name, content)
    scores = [_like(firsts, run) for run in runs]
    return Row(
        name=", ".join(filter(None, (first.method, first.setting))) if first.in_study else "",
        fields={name: fields[name] for name in several if name in fields},
        method=first.method,
        setting=first.setting,
        seeds=[run.seed for run in runs],
        values={name: [s[name]["value"] for s in scores if name in s] for name in names},
        definitions={name: content["definition"] for name, content in firsts.items()},
    )


def _like(firsts, run) -> dict:
    """The run's scores that compare with those of the first; the others are named."""
    odd = [name for name, x in run.scores.items() if form(name, x) != form(name, firsts[name])]
    if odd:
        log.warning(
            "%s: left out of the means, as they are of another definition or number of images: %s",
            *(run.path, ", ".join(odd)),
        )
    return {name: x for name, x in run.scores.items() if name not in odd}


def mean_std(values) -> str:
    """Returns a cell: mean ± standard deviation over seeds, or the value of a single seed."""
    values = [*values]
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def _cell(values, seeds: int) -> str:
    return mean_std(values) + (f" ({len(values)} of {seeds})" if 0 < len(values) < seeds else "")


def _spread(values):
    return f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""


def table(rows: list[Row], scores) -> str:
    """Returns rows as lines of text."""
    lines = []
    for row in rows:
        fields = ", ".join(f"{name} {value!r}" for name, value in row.fields.items())
        lines.append(
            f"{row.name or fields or 'one method'}; seeds {', '.join(map(str, row.seeds))}"
        )
        for name in scores:
            if name in row.values:
                values = row.values[name]
                few = f" of {len(values)} seeds" if len(values) < len(row.seeds) else ""
                lines.append(f"  {name:<20}{np.mean(values):>10.4f}{_spread(values)}{few}")
    return "\n".join(lines)


def markdown_table(rows: list[Row], scores) -> str:
    """Returns a table of Markdown: a line per method and setting, a column per score.

    A cell of fewer seeds than its line has says of how many.
    """
    shown = [name for name in scores if any(name in row.values for row in rows)]
    lines = []
    for row in rows:
        cells = [_cell(row.values.get(name, ()), len(row.seeds)) for name in shown]
        names = [markdown.cell(name) for name in (row.method, row.setting)]
        lines.append([*names, *cells, str(len(row.seeds))])
    return "\n".join(markdown.table(["method", "setting", *shown, "seeds"], lines))


def _shown(x):
    """A cell that spreadsheets show: text that they would take for a formula begins with a '."""
    return f"'{x}" if isinstance(x, str) and x.startswith(("=", "+", "-", "@")) else x


def write_csv(path, rows: list[Row]) -> None:
    """Writes every score of every row: its method and fields, its values, and what they mean."""
    fields = [*dict.fromkeys(name for row in rows for name in row.fields)]
    head = ("score", "seeds", "mean", "std", "values", "better", "range", "definition")
    lines = [["method", "setting", *fields, *head]]
    for row in rows:
        of = [_shown(x) for x in (row.method, row.setting)]
        of += [_shown(row.fields.get(field, "")) for field in fields]
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
        raise not_written(path, error, "name another --out") from None
