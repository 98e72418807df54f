"""Writes an experiment to files: its table as Markdown, its figures as PNG."""

from collections.abc import Callable
from pathlib import Path

from cvae_jax.config.fields import flat
from cvae_jax.metrics.scores import counted
from cvae_jax.reproduction import figures, paper, runs, tables, tuning
from cvae_jax.reproduction.pairs import pairs
from cvae_jax.runs.markdown import text
from cvae_jax.runs.workdir import write_text

_TABLES: dict[str, Callable] = {
    "quality": tables.quality,
    "scores": tables.scores,
    "methods": tables.scores,
    "pairs": pairs,
    "structures": tables.structures,
    "tuning": tables.tuning,
}
_TUNING = paper.Experiment(
    f"The settings tried on dSprites, seed {tuning.SEED}", (), "tuning", tuning.SCORES
)


def write(
    name: str, scale: str, found: tables.Found, results: Path, seeds: int | None = None
) -> list[Path]:
    """Writes an experiment's Markdown and plots to results/scale; returns their paths.

    Args:
      name: of paper.EXPERIMENTS, or tuning.
      scale: of configs/paper.py.
      found: its records.
      results: the folder of all records.
      seeds: as the command line has them.
    """
    experiment = _TUNING if name == "tuning" else paper.EXPERIMENTS[name]
    folder = results / scale
    folder.mkdir(parents=True, exist_ok=True)
    draw = figures.DRAWN.get(experiment.kind)
    drawn = draw(name, scale, experiment, found, folder) if draw else []
    lines = [f"# {experiment.title}, scale {scale}", "", f"    {_command(name, scale, seeds)}", ""]
    lines += _TABLES[experiment.kind](experiment, found)
    lines += ["", *_notes(experiment, found)]
    lines += [line for path in drawn for line in ("", f"![{path.stem}]({path.name})")]
    return [write_text(folder / f"{name}.md", "\n".join([*lines, ""])), *drawn]


def _command(name, scale, seeds):
    if name == "tuning":
        return "cvae reproduce --tuning"
    kind = "table" if name.startswith("table") else "figure"
    what = f"--{kind}={name.removeprefix(kind)} --scale={scale}"
    return f"cvae reproduce {what}" + (f" --seeds={seeds}" if seeds else "")


def _notes(experiment, found):
    """Returns lines on the data, definitions, missing seeds, steps and hours behind the numbers."""
    records = [record for by_seed in found.records.values() for record in by_seed.values()]
    if not records:
        return []
    lines = []
    for data in dict.fromkeys(tuple(record["data"].items()) for record in records):
        data = dict(data)
        lines.append(f"* data: {text(data['source'])}, {data['size']}x{data['size']}")
    shown = (*experiment.scores, *experiment.why) or tables.SCORES[experiment.kind]
    names = dict.fromkeys(name for record in records for name in record["scores"])
    for name in (name for name in names if name in shown):
        # Data sets have different factors, hence definitions.
        texts = {}
        for record in (r for r in records if name in r["scores"]):
            entry = record["scores"][name]
            what = runs.definition(entry).partition("; by chance")[0]  # which differs by structure
            texts.setdefault(f"{what} ({counted(name, entry)})", []).append(record["data"]["name"])
        for said, of in texts.items():
            data = f", {', '.join(dict.fromkeys(of))}" if len(texts) > 1 else ""
            lines.append("* " + text(f"{name}{data}: {said}"))
    estimators = {}  # as an ordered set
    for record in records:
        fields = dict(flat(record["config"]))
        method = fields.get("objective.name", "")
        if estimator := fields.get(f"objective.{method}.estimator"):
            estimators[method, estimator] = None
    for method, estimator in estimators:
        lines.append(
            f"* {paper.shown(method)}: trained with the {estimator} estimator; "
            "docs/methods.md says which one published numbers have"
        )
    for what, reason in found.reasons.items():
        if seeds := found.records[what]:
            of = f"{what[0]}, {paper.shown(what[1])}"
            lines.append(f"* {of}: only seeds {', '.join(map(str, seeds))}; others: {text(reason)}")
    for what, by_seed in found.records.items():
        interrupted = [
            f"seed {seed} at {record['step']:,} of {record['config']['num_steps']:,}"
            for seed, record in by_seed.items()
            if runs.is_cut(record)
        ]
        if interrupted:
            of = ", ".join([what[0], paper.shown(what[1]), *(f"{f} {v}" for f, v in what[2])])
            lines.append(f"* {of}: interrupted, {', '.join(interrupted)} steps")
    hours = sum(r["training_seconds"] + r["evaluation_seconds"] for r in records) / 3600
    devices = text(", ".join(dict.fromkeys(r["device"] for r in records)))
    steps = ", ".join(f"{n:,}" for n in dict.fromkeys(r["step"] for r in records))
    lines.append(f"* {len(records)} runs of {steps} steps, {hours:.1f} hours in all, on {devices}")
    return lines
