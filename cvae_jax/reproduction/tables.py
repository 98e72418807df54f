"""The paper's tables and its figures' numbers as Markdown: ours, over seeds, beside its own."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

from cvae_jax.reproduction import paper

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


def paired_difference(without: dict, with_: dict):
    """(mean of with - without over the seeds of both, half its 95 % interval, number of seeds).

    The interval is Student's t over paired differences; NaN where there are fewer than two.

    Args:
      without: {seed: value}.
      with_: the same.
    """
    seeds = sorted(set(without) & set(with_))
    differences = np.array([with_[s] - without[s] for s in seeds])
    n = len(differences)
    if not n:
        return np.nan, np.nan, 0
    if n == 1:
        return differences[0], np.nan, 1
    spread = differences.std(ddof=1) / np.sqrt(n)
    return differences.mean(), stats.t.ppf(0.975, n - 1) * spread, n


def _table(head, rows) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def _not_run(found, what):
    return f"not run: {found.reasons[what]}"


def _seeds(found, what):
    return str(len(found.records[what]))


def quality(experiment, found: Found) -> list[str]:
    """IS and FID, by Inception where its weights are there, and by the data's own classifier."""
    head = ("data", "method", "IS", "paper's", "FID", "paper's", "IS, classifier")
    rows = []
    for data, method in experiment.runs:
        what = (data, method, ())
        told = [paper.TABLE1[score].get(method, {}).get(data, "-") for score in ("is", "fid")]
        name = [data, paper.shown(method)]
        if not found.records[what]:
            reason = _not_run(found, what)
            rows.append([*name, reason, told[0], "", told[1], "", "", "0"])
            continue
        ours = {s: mean_std(found.values(what, s).values()) for s in SCORES["quality"]}
        for score in ("is", "fid"):
            if ours[score] == "-":
                ours[score] = "needs Inception's weights: docs/metrics.md"
        row = [ours["is"], told[0], ours["fid"], told[1]]
        own = [ours["is_classifier"], ours["fid_classifier"]]
        rows.append([*name, *row, *own, _seeds(found, what)])
    return _table((*head, "FID, classifier", "seeds"), rows)


def scores(experiment, found: Found) -> list[str]:
    """The experiment's scores of every method, beside the paper's where it has a number."""
    head = ["data", "method"]
    for score in experiment.scores:
        head += [score, "paper's"] if _published(experiment, score) else [score]
    rows = []
    for data, method in experiment.runs:
        what = (data, method, ())
        row = [data, paper.shown(method)]
        for score in experiment.scores:
            ours = mean_std(found.values(what, score).values())
            row.append(ours if found.records[what] else _not_run(found, what))
            if _published(experiment, score):
                value = paper.FIGURE6.get((data, method), {}).get(score)
                row.append(str(value) if value else "-")
        rows.append([*row, _seeds(found, what)])
    return _table((*head, "seeds"), rows)


def _published(experiment, score):
    return any(score in paper.FIGURE6.get(run, {}) for run in experiment.runs)


def pairs(experiment, found: Found) -> list[str]:
    """Without and with the regulariser: the scores, what may explain them, what the critic saw."""
    return [
        *_differences(experiment, experiment.scores, found, gain=True),
        "",
        "What may explain them:",
        "",
        *_differences(experiment, experiment.why, found, gain=False),
        "",
        "What the regulariser's critic saw: means over the last tenth of training, the largest of",
        "all after the first. A critic that guesses has accuracy .5 and loss .693; one of a larger",
        "loss has lost, and its KL means nothing.",
        "",
        *_critics(experiment, found),
    ]


def _differences(experiment, scores, found, gain):
    """Each score without and with, and the difference over paired seeds with its interval."""
    rows = []
    for score in scores:
        for pair in paper.pairs(experiment):
            base, keys = pair[0][1], [(*run, ()) for run in pair]
            values = [found.values(what, score) for what in keys]
            if any(found.records[what] for what in keys) and not any(values):
                continue  # InfoGAN has no bound on the likelihood, for instance
            alike = _alike(found, keys, score)
            mean, half, n = paired_difference(*alike)
            interval = f"{mean:+.3f}" + (f" +- {half:.3f}" if n > 1 else "") if n else "-"
            if n:  # means of the seeds that the difference is of
                values = alike
            elif set(values[0]) & set(values[1]):
                interval = "of two definitions"
            row = [score, paper.pair_name(pair)]
            row += [
                mean_std(v.values()) if found.records[what] else _not_run(found, what)
                for v, what in zip(values, keys, strict=True)
            ]
            row.append(interval)
            if gain:
                base_mean = np.mean([*values[0].values()]) if n else 0.0
                row.append(f"{100 * mean / base_mean:+.0f} %" if base_mean else "-")
                known = score.startswith("mig") and base in paper.FIGURE12
                row.append(f"{100 * paper.FIGURE12[base]:+.1f} %" if known else "-")
            rows.append([*row, str(n)])
    head = ["score", "method", "without", "with", "difference, 95 % interval"]
    return _table([*head, *(["gain", "paper's (MIG)"] if gain else []), "paired seeds"], rows)


def _alike(found, keys, score):
    """Values of both runs of a pair, of the seeds that have them by one definition.

    A classifier's scores are of two where it was trained on two machines, for instance.
    """
    records = [found.records[what] for what in keys]
    entries = [
        {s: r["scores"][score] for s, r in each.items() if score in r["scores"]} for each in records
    ]
    shared = [
        s
        for s in entries[0]
        if s in entries[1] and entries[0][s]["definition"] == entries[1][s]["definition"]
    ]
    return [{s: each[s]["value"] for s in shared} for each in entries]


def _critics(experiment, found):
    """How much there was to punish, and whether the game was stable."""
    head = ("method", "accuracy", "loss", "KL, nats", "largest loss", "largest KL", "seeds")
    rows = []
    for pair in paper.pairs(experiment):
        what = (*pair[1], ())
        records = found.records[what].values()
        if records:
            names = ("critic_accuracy", "critic_loss", "kl")
            cells = [
                mean_std(_last_tenth(r["curves"], f"cascade_{name}") for r in records)
                for name in names
            ]
            cells += [
                f"{max(r['largest'][f'cascade_{name}'] for r in records):.3f}" for name in names[1:]
            ]
        else:
            cells = [_not_run(found, what), "", "", "", ""]
        rows.append([paper.pair_name(pair), *cells, _seeds(found, what)])
    return _table(head, rows)


def _last_tenth(curves, name):
    steps = np.array(curves["step"])
    return np.array(curves[name])[steps > 0.9 * steps[-1]].mean()


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
            row = [_not_run(found, what), *[""] * (len(shown) + len(moves) - 1)]
        rows.append([data, paper.shown(method), *row, _seeds(found, what)])
    return [
        *_table(head, rows),
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
        values = [found.values(what, s) for s in experiment.scores]
        row = [mean_std(v.values()) for v in values]
        if not found.records[what]:
            row = [_not_run(found, what), *[""] * (len(row) - 1)]
        setting = ", ".join(f"{field} {value}" for field, value in what[2])
        mark = "best" if what == best(found, what[1], experiment.scores[0]) else ""
        rows.append([paper.shown(what[1]), setting, *row, mark])
    return _table(head, rows)


def best(found: Found, method: str, score: str):
    """The (data, method, changes) of a method's best setting; None: not all have ended."""
    tried = {what: found.values(what, score) for what in found.records if what[1] == method}
    return max(tried, key=lambda what: max(tried[what].values())) if all(tried.values()) else None


SHOWN: dict[str, Callable] = {
    "quality": quality,
    "scores": scores,
    "methods": scores,
    "pairs": pairs,
    "structures": structures,
    "tuning": tuning,
}
