"""Tables of paired runs, without and with the regulariser or a fall: differences and critic."""

import numpy as np
from scipy import stats

from cvae_jax.metrics.scores import form
from cvae_jax.reproduction import paper
from cvae_jax.reproduction.runs import definition
from cvae_jax.reproduction.tables import Found, not_run, seeds_of
from cvae_jax.runs.markdown import table
from cvae_jax.studies.table import mean_std


def pairs(experiment, found: Found) -> list[str]:
    """Returns tables without and with the regulariser: scores, explanations, the critic."""
    return [
        *_differences(experiment, experiment.scores, found, gain=True),
        "",
        "Other scores, and what may explain them:",
        "",
        *_differences(experiment, experiment.why, found, gain=False),
        *_critics(experiment, found),
    ]


def paired_difference(without: dict, with_: dict):
    """Returns (mean of with - without over shared seeds, half its 95 % interval, seeds).

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


def _differences(experiment, scores, found, gain):
    """Returns a table of each score without and with, and of the paired difference."""
    rows = []
    for score in scores:
        for pair in paper.pairs(experiment):
            base, keys = pair[0][1], [(*run, ()) for run in pair]
            values = [found.values(what, score) for what in keys]
            if any(found.records[what] for what in keys) and not any(values):
                continue  # InfoGAN has no bound on the likelihood, for instance
            paired = alike(found, keys, score)
            mean, half, n = paired_difference(*paired)
            interval = "-"
            if n:
                values = paired  # the means are of the seeds of the difference
                interval = f"{mean:+.3f} ± {half:.3f}" if n > 1 else f"{mean:+.3f}"
            elif set(values[0]) & set(values[1]):
                interval = "of two definitions or steps"
            row = [score, paper.pair_name(pair)]
            row += [
                mean_std(v.values()) if found.records[what] else not_run(found, what)
                for v, what in zip(values, keys, strict=True)
            ]
            row.append(interval)
            if gain:
                base_mean = np.mean([*values[0].values()]) if n else 0.0
                row.append(f"{100 * mean / base_mean:+.0f} %" if base_mean else "-")
                known = score.startswith("mig") and base in paper.FIGURE12
                known = known and paper.regularised(pair)
                row.append(f"{100 * paper.FIGURE12[base]:+.1f} %" if known else "-")
            rows.append([*row, str(n)])
    head = ["score", "method", "without", "with", "difference, 95 % interval"]
    if gain:
        head += ["gain", "paper's (MIG)"]
    return table([*head, "paired seeds"], rows)


def alike(found, keys, score):
    """Returns {seed: value} of both runs of a pair, for the seeds that can be compared.

    Those have the score at the same step and by the same definition. An interrupted run may differ
    in the step; a classifier that was trained on two machines makes two definitions.
    """
    having = [
        {s: record for s, record in found.records[what].items() if score in record["scores"]}
        for what in keys
    ]

    def form_of(record):
        entry = record["scores"][score]
        return record["step"], form(score, entry | {"definition": definition(entry)})

    both = [s for s in having[0] if s in having[1]]
    shared = [s for s in both if form_of(having[0][s]) == form_of(having[1][s])]
    return [{s: each[s]["scores"][score]["value"] for s in shared} for each in having]


def _critics(experiment, found):
    """Returns a table of the critic: what it saw to punish, and whether it diverged.

    Nothing of an experiment without the regulariser.
    """
    with_critic = [pair for pair in paper.pairs(experiment) if paper.regularised(pair)]
    if not with_critic:
        return []
    head = ("method", "accuracy", "loss", "KL, nats", "largest loss", "largest KL", "seeds")
    rows = []
    for pair in with_critic:
        what = (*pair[1], ())
        records = found.records[what].values()
        if records:
            names = ("critic_accuracy", "critic_loss", "kl")
            cells = [
                mean_std(_last_tenth(r["curves"], f"cascade_{name}") for r in records)
                for name in names
            ]
            cells += [_largest(records, f"cascade_{name}") for name in names[1:]]
        else:
            cells = [not_run(found, what), "", "", "", ""]
        rows.append([paper.pair_name(pair), *cells, seeds_of(found, what)])
    return [
        "",
        "The regulariser's critic: means over the last tenth of training, and the largest values",
        "after the first tenth. A critic that guesses has accuracy 0.5 and loss 0.693. A critic",
        "with a larger loss has diverged, and its KL means nothing.",
        "",
        *table(head, rows),
    ]


def _largest(records, name) -> str:
    found = [record.get("largest", {}).get(name) for record in records]
    return "-" if None in found else f"{max(found):.3f}"


def _last_tenth(curves, name):
    steps, values = curves["step"], curves.get(name, [])
    last = [x for step, x in zip(steps, values, strict=False) if step > 0.9 * steps[-1]]
    return np.mean([np.nan if x is None else x for x in last] or [np.nan])
