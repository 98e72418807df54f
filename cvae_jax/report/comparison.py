"""Several runs on one page: how they differ, their scores, curves and plots side by side."""

import html
import math
from pathlib import Path

import numpy as np

from cvae_jax.errors import UserError
from cvae_jax.evaluation.pictures import terms
from cvae_jax.files import expanded, require_writable
from cvae_jax.metrics.scores import HELD_OUT, form, known
from cvae_jax.plots.training import reach, running_mean
from cvae_jax.report import cells, charts, markup
from cvae_jax.report.compared import Run, distinct, read
from cvae_jax.report.words import GROUPS, PICTURES
from cvae_jax.runs.identity import OF_DATA
from cvae_jax.runs.workdir import write_text

MOST = 8  # runs of a page: as many colours can be told apart
_POINTS = 240  # of a curve
_ACCURACY = "_critic_accuracy"
# Densities of two likelihoods do not compare; a structure that allows everything forbids nothing.
_OF_LIKELIHOOD = ("recon", "elbo", "test_elbo", "test_log_likelihood")
_OF_STRUCTURE = (
    *("ancestor_share", "composition", "hierarchy", "cascade_kl"),
    *("forbidden_dependence", "forbidden_dependence_of_data"),
)
_OF_CRITIC = ("cascade.critic_input", "cascade.source", "cascade.conditionals")


def _called(i: int, run: Run) -> str:
    """A run's name beside its colour."""
    return f'<i class="dot run-{i}"></i>{html.escape(run.name)}'


def _same_data(runs) -> bool:
    """Whether the runs share data, size and what is taken out of them."""
    of = [tuple(map((run.config | dict(run.identity)).get, OF_DATA)) for run in runs]
    return all(data == of[0] for data in of)


def _table(heads, rows, kind="") -> str:
    """A table whose first column stays where it is; heads and cells are HTML."""
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{x}</td>" for x in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="wide"><table class="compare {kind}" style="--runs:{len(heads) - 1}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _heads(runs) -> list[str]:
    return ["", *(_called(i, run) for i, run in enumerate(runs))]


def _differences(runs) -> str:
    """The recorded facts and the fields that differ, a column for each run."""
    rows = [["method", *(html.escape(run.method) for run in runs)]]
    rows += [["step", *(f"{run.results['step']:,}" for run in runs)]]
    told = dict.fromkeys(name for run in runs for name, _ in run.identity)
    for name in told:
        of = [dict(run.identity).get(name, "–") for run in runs]
        if len({*of}) > 1:
            rows.append([name.replace("_", " "), *map(html.escape, of)])
    for name in dict.fromkeys(name for run in runs for name in run.facts):
        rows.append([name.lower(), *(html.escape(run.facts.get(name, "–")) for run in runs)])
    fields = dict.fromkeys(name for run in runs for name in run.config)
    differ = [
        name for name in fields if any(r.config.get(name) != runs[0].config.get(name) for r in runs)
    ]
    for name in differ:
        rows.append([markup.code(name), *(cells.field(run.config.get(name)) for run in runs)])
    text = (
        "What each run recorded, and the fields of the configs that differ."
        if differ
        else "What each run recorded. The configs are the same."
    )
    return markup.section("differences", "What differs", text, _table(_heads(runs), rows))


def _forms(key, runs) -> set[tuple]:
    """What the values of a score must share to compare; one element if they do."""
    name, found = key.removesuffix(HELD_OUT), set()
    for run in runs:
        if entry := run.results["scores"].get(key):
            likelihood = run.config.get("objective.likelihood") if name in _OF_LIKELIHOOD else None
            structure = run.config.get("cascade.structure") or "independent"
            critic = map(run.config.get, _OF_CRITIC if name == "cascade_kl" else ())
            of = structure if name in _OF_STRUCTURE else likelihood
            found.add((*form(key, entry), of, *critic))
    return found


def _best(key, runs) -> float | None:
    """The best value of a score; None: there is none, or the values do not compare."""
    score = known(key)
    found = [run.results["scores"].get(key, {}).get("value", math.nan) for run in runs]
    finite = [x for x in found if math.isfinite(x)]
    if not score or not score.better or len({*finite}) < 2:
        return None
    if not _same_data(runs) or len(_forms(key, runs)) > 1:
        return None
    return max(finite) if score.better == "higher" else min(finite)


def _score_row(key, runs) -> list[str]:
    score, best, row = known(key), _best(key, runs), []
    for run in runs:
        entry = run.results["scores"].get(key)
        shown = cells.value(entry) if entry else "–"
        row.append(f"<b>{shown}</b>" if entry and entry["value"] == best else shown)
    name = cells.label(key)
    if name is None:
        return [markup.code(key), *row]
    words = f"{score.better} is better" if score.better else score.range
    return [f"{html.escape(name)} <small>{html.escape(words)}</small>", *row]


def _scores(runs) -> str:
    keys = dict.fromkeys(key for run in runs for key in run.results["scores"])
    heads, parts = _heads(runs), []
    for heading, names in GROUPS.items():
        if found := [key for key in names if key in keys]:
            parts.append(f"<h3>{html.escape(heading)}</h3>")
            parts.append(_table(heads, [_score_row(key, runs) for key in found], "values"))
    grouped = {name for names in GROUPS.values() for name in names}
    if rest := [_score_row(key, runs) for key in keys if key not in grouped]:
        parts.append(markup.details("Other scores", _table(heads, rest, "values")))
    text = "The best of these runs is bold; that of one seed may be chance."
    odd = [cells.label(key) or key for key in keys if len(_forms(key, runs)) > 1]
    if odd:
        text += f" Defined differently in these runs: {'; '.join(odd)}."
    if not _same_data(runs):
        text = "Of different data, so the columns do not compare."
    return markup.section("scores", "Scores", text, "\n".join(parts))


def _term(key) -> str:
    """What a curve shows, as HTML."""
    if key.endswith(_ACCURACY):
        return html.escape(f"Accuracy of the {key.removesuffix(_ACCURACY)} critic")
    label = cells.label(key)
    return html.escape(label) if label else markup.code(key)


def _curve(run, key):
    """(steps, running mean, lowest, highest) of a term of a run's training; None: no curve."""
    lines = [line for line in run.metrics if isinstance(line.get(key), int | float)]
    if len(lines) < 2:
        return None
    steps, values = (np.array([line[name] for line in lines], float) for name in ("step", key))
    mean = running_mean(values)
    every = np.unique(np.linspace(0, len(lines) - 1, min(_POINTS, len(lines))).round().astype(int))
    return steps[every], mean[every], *reach(values, mean)


def _chart(runs, key) -> str:
    """A card: the curves of all runs of one term, and where each ends; "": no run has it."""
    found = [(i, run, curve) for i, run in enumerate(runs) if (curve := _curve(run, key))]
    if not found:
        return ""
    low, high = min(c[2] for *_, c in found), max(c[3] for *_, c in found)
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    low, high = low - room, high + room
    drawn = charts.curves(
        [(i, steps, mean) for i, _, (steps, mean, *_) in found], low, high, f"curves of {key}"
    )
    last = max(curve[0][-1] for *_, curve in found)
    ends = "".join(
        f'<li><i class="dot run-{i}"></i>{cells.number(float(mean[-1]))}'
        f'<span class="for-ear"> {html.escape(run.name)}</span></li>'
        for i, run, (_, mean, *_) in found
    )
    return (
        f"<li><h3>{_term(key)}</h3>"
        f"<small>{cells.number(float(high))}</small>{drawn}"
        f"<small><span>{cells.number(float(low))}</span><span>step {last:,.0f}</span></small>"
        f'<ul class="ends-of">{ends}</ul></li>'
    )


def _curves(runs) -> str:
    keys = dict.fromkeys(key for run in runs if run.metrics for key in terms(run.metrics[0]))
    shown = "\n".join(filter(None, (_chart(runs, key) for key in keys)))
    if not shown:
        return ""
    legend = "".join(f"<li>{_called(i, run)}</li>" for i, run in enumerate(runs))
    body = f'<ul class="legend">{legend}</ul><ul class="cards lines">{shown}</ul>'
    text = "Running means of the terms of the loss and of the critics, over the steps; below each "
    return markup.section("curves", "Training", f"{text}chart where each run ended.", body)


def _plots(runs) -> list[str]:
    """A section for each kind of plot, with the runs' one below the other."""
    sections = []
    for key, (heading, caption) in PICTURES.items():
        having = [(i, run) for i, run in enumerate(runs) if key in run.pictures]
        if key == "curves" or not having:  # which are in one chart
            continue
        parts = []
        for i, run in having:
            alt = f'alt="{html.escape(f"{heading}, {run.name}")}" aria-describedby="{key}-text"'
            parts.append(f"<h3>{_called(i, run)}</h3>")
            parts.append(cells.plot(key, run.pictures, run.film, alt))
        if key == "reconstructions" and len({run.config["seed"] for _, run in having}) > 1:
            caption += " Runs of different seeds show different images."
        sections.append(markup.section(key, heading, caption, "\n".join(parts)))
    return sections


def page(runs: list[Run]) -> str:
    """Returns the HTML of a page that compares runs, two or more and at most `MOST`."""
    notes = [note for run in runs for note in run.notes]
    data = dict.fromkeys(run.results["data"]["source"] for run in runs)
    if not _same_data(runs):
        notes.append("The runs are of different data: their scores do not compare.")
    sections = [_differences(runs), _scores(runs), _curves(runs), *_plots(runs)]
    return markup.document(
        ", ".join(run.name for run in runs),
        f"{len(runs)} runs · {'; '.join(data)}",
        [*filter(None, sections)],
        facts={},
        notes=notes,
    )


def write(workdirs, out="comparison.html") -> Path:
    """Writes a page that compares runs by what they recorded; returns its path.

    Args:
      workdirs: folders of runs or exported models, two or more and at most `MOST`.
      out: the file.

    Raises:
      UserError: there are too many, one is no such folder or has no scores yet, or a file of it is
        damaged.
    """
    paths = distinct(workdirs)
    if len(paths) > MOST:
        raise UserError(
            f"a page compares {MOST} runs at most, and these are {len(paths)}: cvae gather makes a "
            "table of any number"
        )
    out = expanded(out)
    require_writable(out)
    return write_text(out, page(read(paths)))
