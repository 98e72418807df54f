"""The paper's tables and its figures' numbers as Markdown: ours, over seeds, beside its own."""

from typing import NamedTuple

import numpy as np

from cvae_jax.reproduction import paper, runs

# Of the kinds whose scores are always the same.
SCORES = {
    "quality": ("is", "fid", "is_classifier", "fid_classifier"),
    "structures": ("ancestor_share", "forbidden_dependence", "composition", "mig"),
}

_MOVES = 0.05  # a code whose own z moves it by less is not in use


class Found(NamedTuple):
    """What there is of an experiment."""

    records: dict  # (data, method, changes) -> {seed: record}, in the order of the plan
    reasons: dict  # (data, method, changes) -> why there is none, or not of all seeds

    def values(self, what, score) -> dict:
        """{seed: value} of a score."""
        having = self.records[what].items()
        return {
            seed: record["scores"][score]["value"]
            for seed, record in having
            if score in record["scores"]
        }


def mean_std(values) -> str:
    """Values over seeds as a cell."""
    values = [*values]
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} +- {np.std(values, ddof=1):.3f}"


def table(head, rows) -> list[str]:
    """As lines of Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def not_run(found, what) -> str:
    """A cell for what has no record."""
    return f"not run: {found.reasons[what]}"


def _or_reason(found, what, cells) -> list[str]:
    """Cells of what has records; of what has none the first says why, and the others are empty."""
    return cells if found.records[what] else [not_run(found, what), *[""] * (len(cells) - 1)]


def seeds_of(found, what) -> str:
    """A cell: how many there are."""
    return str(len(found.records[what]))


def quality(experiment, found: Found) -> list[str]:
    """IS and FID, by Inception where its weights are there, and by the data's own classifier."""
    head = ("data", "method", "IS", "paper's", "FID", "paper's")
    head += ("IS, classifier", "FID, classifier", "seeds")
    rows = []
    for data, method in experiment.runs:
        what = (data, method, ())
        told = [paper.TABLE1[score].get(method, {}).get(data, "-") for score in ("is", "fid")]
        name = [data, paper.shown(method)]
        if not found.records[what]:
            reason = not_run(found, what)
            rows.append([*name, reason, told[0], "", told[1], "", "", "0"])
            continue
        ours = {s: mean_std(found.values(what, s).values()) for s in SCORES["quality"]}
        for score in ("is", "fid"):
            if ours[score] == "-":
                ours[score] = "needs Inception's weights: docs/metrics.md"
        row = [ours["is"], told[0], ours["fid"], told[1]]
        own = [ours["is_classifier"], ours["fid_classifier"]]
        rows.append([*name, *row, *own, seeds_of(found, what)])
    return table(head, rows)


def scores(experiment, found: Found) -> list[str]:
    """The experiment's scores of every method, beside the paper's where it has a number."""
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
    """What each structure did, and whether codes move with what it lets them depend on."""
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
        "A move is the share of a code's variance that another's z accounts for when redrawn: the",
        "mean over pairs of codes in use, from the first to the last code of a path of the",
        "structure, from the last to the first, and of pairs without a path.",
    ]


def _moves(structure) -> list[np.ndarray]:
    """Effects of one code's z on another code: along a path, against one, of pairs without."""
    effects, path = np.array(structure["effects"]), np.array(structure["ancestors"], bool)
    used = np.diag(effects) > _MOVES
    others = np.outer(used, used) & ~np.eye(len(used), dtype=bool)
    kinds = (path, path.T, ~path & ~path.T)
    return [effects[others & kind] for kind in kinds]


def tuning(experiment, found: Found) -> list[str]:
    """Every setting that was tried; the best of each method by the first score is marked."""
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
    """The (data, method, changes) of a method's best setting; None: not all have ended."""
    tried = {
        what: {} if any(map(runs.is_cut, by_seed.values())) else found.values(what, score)
        for what, by_seed in found.records.items()
        if what[1] == method
    }
    return max(tried, key=lambda what: max(tried[what].values())) if all(tried.values()) else None
