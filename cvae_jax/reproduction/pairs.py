"""Runs of the same seed without and with the regulariser: what it changed, and what it saw."""

import numpy as np
from scipy import stats

from cvae_jax.reproduction import paper
from cvae_jax.reproduction.tables import Found, mean_std, not_run, seeds_of, table


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
                row.append(f"{100 * paper.FIGURE12[base]:+.1f} %" if known else "-")
            rows.append([*row, str(n)])
    head = ["score", "method", "without", "with", "difference, 95 % interval"]
    return table([*head, *(["gain", "paper's (MIG)"] if gain else []), "paired seeds"], rows)


def _alike(found, keys, score):
    """Values of both runs of a pair, of the seeds that have them alike.

    That is at the same step, which runs that were cut may not have, and by one definition: a
    classifier's scores are of two where it was trained on two machines, for instance.
    """
    having = [
        {s: record for s, record in found.records[what].items() if score in record["scores"]}
        for what in keys
    ]

    def form(record):
        return record["step"], record["scores"][score]["definition"]

    shared = [s for s in having[0] if s in having[1] and form(having[0][s]) == form(having[1][s])]
    return [{s: each[s]["scores"][score]["value"] for s in shared} for each in having]


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
            cells = [not_run(found, what), "", "", "", ""]
        rows.append([paper.pair_name(pair), *cells, seeds_of(found, what)])
    return table(head, rows)


def _last_tenth(curves, name):
    steps = np.array(curves["step"])
    return np.array(curves[name])[steps > 0.9 * steps[-1]].mean()
