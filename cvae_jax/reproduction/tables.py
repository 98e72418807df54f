"""Markdown tables of the paper's tables and figures: our values over seeds beside the paper's."""

from typing import NamedTuple

import numpy as np

from cvae_jax.reproduction import paper, runs
from cvae_jax.runs.markdown import table
from cvae_jax.studies.table import mean_std

# The scores of each kind of experiment that always shows the same ones.
SCORES = {
    "quality": ("is", "fid", "is_classifier", "fid_classifier"),
    "structures": ("ancestor_share", "forbidden_dependence", "composition", "mig"),
}

_MOVES = 0.05  # a latent whose own z moves it by less is not in use


class Found(NamedTuple):
    """The records of an experiment, and the reasons for those that are missing."""

    records: dict  # (data, method, changes) -> {seed: record}, in the planned order
    reasons: dict  # (data, method, changes) -> why some or all seeds have no record

    def values(self, what, score) -> dict:
        """Returns {seed: value} of a score."""
        values = {}
        for seed, record in self.records[what].items():
            if score in record["scores"]:
                values[seed] = record["scores"][score]["value"]
        return values


def not_run(found, what) -> str:
    """Returns a cell that says why there is no record."""
    return f"not run: {found.reasons[what]}"


def _or_reason(found, what, cells) -> list[str]:
    """Returns the cells; without records the first says why and the others are empty."""
    return cells if found.records[what] else [not_run(found, what), *[""] * (len(cells) - 1)]


def seeds_of(found, what) -> str:
    """Returns a cell with the number of seeds."""
    return str(len(found.records[what]))


def quality(experiment, found: Found) -> list[str]:
    """Returns a table of IS and FID, by Inception and by the data's own classifier.

    Inception's columns are filled where its weights are installed.
    """
    head = ("data", "method", "IS", "paper's", "FID", "paper's")
    head += ("IS, classifier", "FID, classifier", "seeds")
    rows = []
    for data, method in experiment.runs:
        what = (data, method, ())
        published = [paper.TABLE1[score].get(method, {}).get(data, "-") for score in ("is", "fid")]
        name = [data, paper.shown(method)]
        if not found.records[what]:
            reason = not_run(found, what)
            rows.append([*name, reason, published[0], "", published[1], "", "", "0"])
            continue
        ours = {s: mean_std(found.values(what, s).values()) for s in SCORES["quality"]}
        for score in ("is", "fid"):
            if ours[score] == "-":
                ours[score] = "needs Inception's weights: docs/metrics.md"
        row = [ours["is"], published[0], ours["fid"], published[1]]
        own = [ours["is_classifier"], ours["fid_classifier"]]
        rows.append([*name, *row, *own, seeds_of(found, what)])
    return table(head, rows)


def scores(experiment, found: Found) -> list[str]:
    """Returns a table of every method's scores, beside the paper's where it has a number."""
    head = ["data", "method"]
    for score in experiment.scores:
        head += [score, "paper's"] if _published(experiment, score) else [score]
    rows = []
    for data, method in experiment.runs:
        what = (data, method, ())
        row = [data, paper.shown(method)]
        values = [mean_std(found.values(what, s).values()) for s in experiment.scores]
        for score, ours in zip(experiment.scores, _or_reason(found, what, values), strict=True):
            row.append(ours)
            if _published(experiment, score):
                value = paper.FIGURE6.get((data, method), {}).get(score)
                row.append(str(value) if value else "-")
        rows.append([*row, seeds_of(found, what)])
    return table((*head, "seeds"), rows)


def _published(experiment, score):
    return any(score in paper.FIGURE6.get(run, {}) for run in experiment.runs)


def structures(experiment, found: Found) -> list[str]:
    """Returns a table of each structure's scores and of latents' moves along and off its paths."""
    shown = SCORES["structures"]
    moves = ("moves along paths (pairs)", "against them", "elsewhere")
    head = ("data", "method", *(s.replace("_", " ") for s in shown), *moves, "seeds")
    rows = []
    for data, method in experiment.runs:
        what = (data, method, ())
        row = [mean_std(found.values(what, s).values()) for s in shown]
        of_seeds = [record["structure"] for record in found.records[what].values()]
        for kind in zip(*map(_moves, of_seeds), strict=True):  # a list of each seed
            effects = np.concatenate(kind)
            row.append(f"{effects.mean():.3f} ({len(effects)})" if len(effects) else "-")
        if not of_seeds:
            row += [""] * len(moves)
        row = _or_reason(found, what, row)
        rows.append([data, paper.shown(method), *row, seeds_of(found, what)])
    return [
        *table(head, rows),
        "",
        "A move is the share of a latent's variance that another's z accounts for when redrawn,",
        "averaged over pairs of latents in use: pairs along a path of the structure, against one,",
        "and without a path.",
    ]


def _moves(structure) -> list[np.ndarray]:
    """Returns effects of a latent's z on another latent: along a path, against one, without."""
    effects, path = np.array(structure["effects"]), np.array(structure["ancestors"], bool)
    used = np.diag(effects) > _MOVES
    others = np.outer(used, used) & ~np.eye(len(used), dtype=bool)
    kinds = (path, path.T, ~path & ~path.T)
    return [effects[others & kind] for kind in kinds]


def tuning(experiment, found: Found) -> list[str]:
    """Returns a table of every setting tried; the best per method by the first score is marked."""
    head = ("method", "setting", *experiment.scores, "best")
    rows = []
    for what in sorted(found.records, key=lambda what: what[1]):
        row = [mean_std(found.values(what, s).values()) for s in experiment.scores]
        row = _or_reason(found, what, row)
        setting = ", ".join(f"{field} {value}" for field, value in what[2])
        mark = "best" if what == best(found, what[1], experiment.scores[0]) else ""
        rows.append([paper.shown(what[1]), setting, *row, mark])
    return table(head, rows)


def best(found: Found, method: str, score: str):
    """Returns the (data, method, changes) of a method's best setting; None until all have ended."""
    tried = {}
    for what, by_seed in found.records.items():
        if what[1] != method:
            continue
        values = found.values(what, score)
        if not values or any(runs.is_cut(record) for record in by_seed.values()):
            return None
        tried[what] = max(values.values())
    return max(tried, key=tried.get)
