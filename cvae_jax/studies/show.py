"""Writes what papers show of a study: its table, and pictures of its scores."""

from pathlib import Path

import numpy as np

from cvae_jax import plots
from cvae_jax.metrics.scores import HELD_OUT, known
from cvae_jax.plots.page import plain
from cvae_jax.runs.data_record import digest
from cvae_jax.runs.identity import OF_DATA
from cvae_jax.runs.workdir import write_text
from cvae_jax.studies.analysis import by_chance, rank_correlation, variance_explained
from cvae_jax.studies.ended import Ended
from cvae_jax.studies.table import markdown_table, rows_of

_LONGEST = 40  # characters, of up to four bytes each, and a name has at most 255 bytes
SHOWN = ("mig", "mig_chen", "factor_score", "sap", "iou", "elbo", "cascade_kl")


def write(runs: list[Ended], scores, folder) -> list[Path]:
    """Writes table.md and pictures to a folder; returns their paths.

    Runs on several data sets have pictures for each, whose names end with the data set's; so have
    those on other images, sizes or parts of one.

    Args:
      runs: see `ended.ended_runs`.
      scores: names of those to show; what no run has is left out.
      folder: is made if it is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [write_text(folder / "table.md", markdown_table(rows_of(runs), scores) + "\n")]
    of_data = _by_data(runs)
    ends = _ends([*of_data]) if len(of_data) > 1 else [""]
    for (data, group), end in zip(of_data.items(), ends, strict=True):
        for name, draw in _DRAWN.items():
            path = draw(folder / f"{name}{end}.png", group, _having(group, scores), plain(data))
            paths += [path] if path else []
    return paths


def _by_data(runs) -> dict[str, list[Ended]]:
    """Returns the runs on each data set, {its name and what else differs: runs}."""
    found = {}
    for run in runs:
        fields = dict(run.fields)
        found.setdefault((run.data, *map(fields.get, OF_DATA)), []).append(run)
    named = {}
    for (data, *values), group in found.items():
        several = [of[1:] for of in found if of[0] == data]
        differ = [i for i in range(len(OF_DATA)) if len({of[i] for of in several}) > 1]
        words = [f"{OF_DATA[i].removeprefix('data.')} {values[i]}" for i in differ if values[i]]
        named[", ".join([data, *words])] = group
    return named


def _ends(names) -> list[str]:
    """Returns the end of a file's name for each name, no two the same and none too long."""
    ends = ["_" + "".join(c if c.isalnum() else "_" for c in name) for name in names]
    return [
        end
        if len(end) <= _LONGEST and ends.count(end) == 1
        else f"_{end[-_LONGEST:]}_{digest(name.encode(errors='backslashreplace'))[:8]}"
        for name, end in zip(names, ends, strict=True)
    ]


def _having(runs, scores) -> list[str]:
    return [name for name in scores if any(name in run.scores for run in runs)]


def _values(runs, score) -> list[float]:
    return [run.scores[score]["value"] for run in runs if score in run.scores]


def _label(score) -> str:
    """Returns a score's name as readers know it."""
    found = known(score)
    if not found:
        return plain(score)
    return found.label + (", held out" if score.endswith(HELD_OUT) else "")


def _count(runs) -> str:
    return f"{len(runs)} runs" if len(runs) > 1 else "1 run"


def _draw_violins(path, runs, scores, data):
    """Draws every score by method, the runs of all settings and seeds together."""
    methods = dict.fromkeys(run.method for run in runs)
    panels = {
        _label(score): {
            method: _values([run for run in runs if run.method == method], score)
            for method in methods
        }
        for score in scores
    }
    if not panels:
        return None
    return plots.violins(
        path,
        panels,
        title="Scores by method",
        subtitle=f"{data}, {_count(runs)}: a dot each; line and number: the mean",
    )


def _draw_correlation(path, runs, scores, data):
    """Draws the rank correlation of scores over all runs, if there are two scores that have one."""
    values = [
        [run.scores[s]["value"] if s in run.scores else np.nan for s in scores] for run in runs
    ]
    matrix = rank_correlation(np.reshape(values, (len(runs), len(scores))))
    kept = [i for i in range(len(scores)) if not np.isnan(matrix[i, i])]
    if len(kept) < 2:
        return None
    return plots.correlation(
        path,
        matrix[np.ix_(kept, kept)],
        [_label(scores[i]) for i in kept],
        title="Rank correlation of scores",
        subtitle=f"Spearman, {data}, {_count(runs)}",
    )


def _draw_shares(path, runs, scores, data):
    """Draws what explains each score's variance, if a method has several runs of one setting."""
    explained, chances = {}, []
    for score in scores:
        having = [run for run in runs if score in run.scores]
        methods = [run.method for run in having]
        settings = [f"{run.method}\n{run.setting}" for run in having]
        if len({*settings}) == len(having):  # without seeds nothing tells them from settings
            continue
        values = _values(having, score)
        by_method, by_both = (variance_explained(values, of) for of in (methods, settings))
        if np.isfinite(by_method):
            explained[_label(score)] = by_method, by_both
            chances.append((by_chance(methods), by_chance(settings)))
    if not explained:
        return None
    method, both = (_percent(of) for of in zip(*chances, strict=True))
    return plots.shares(
        path,
        explained,
        title="What explains the variance of scores",
        subtitle=f"{data}, {_count(runs)}; without any effect method would have {method}, method "
        f"and setting {both}",
    )


def _percent(shares) -> str:
    """Returns shares in words: the one that all have, or their range."""
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


_DRAWN = {
    "violins": _draw_violins,
    "rank_correlation": _draw_correlation,
    "variance_explained": _draw_shares,
}
