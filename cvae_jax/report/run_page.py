"""A run's page: read from its folder, its model and its data, and written beside its scores."""

import os
import shlex
from pathlib import Path

from cvae_jax.config import defaults
from cvae_jax.config.fields import to_pass_on, without_paths
from cvae_jax.datasets import arrays, filters
from cvae_jax.errors import UserError
from cvae_jax.evaluation.active_latents import encode_some, prior_of
from cvae_jax.evaluation.faults import scorable_factors
from cvae_jax.evaluation.latent_labels import labels_of
from cvae_jax.evaluation.pictures import LABELLED
from cvae_jax.files import expanded, require_writable
from cvae_jax.report import facts, latents, page, pictures
from cvae_jax.report.explorer import explorer
from cvae_jax.report.words import PICTURES
from cvae_jax.runs import data_record, loading, parts
from cvae_jax.runs.identity import title
from cvae_jax.runs.metrics_log import read_metrics
from cvae_jax.runs.workdir import (
    is_exported,
    read_config,
    read_json,
    read_results,
    why_diverged,
    write_text,
)

_NO_SLIDERS = (
    "This run has no sliders: its decoder is not one of the package's, whose layers the page knows."
)


def _scored(path: Path) -> bool:
    """Returns whether a run has plots beside its scores, as after a whole evaluation."""
    return "pictures" in (read_results(path / "results.json") or {})


def _latents(model, some, mean, logvar, metrics) -> latents.Latents:
    """What is known of the latents by some images' posteriors [n, d] and the run's curves."""
    labels = labels_of(model.config, mean, logvar, some.factors, some.factor_names)
    logged = latents.logged(metrics, mean.shape[1])
    return latents.Latents(labels, mean, prior_of(model.config), *logged)


def _report(path, config, results, notes, sliders, known=None, found=None) -> page.Report:
    data, size = results["data"], config.data.size
    of = f"{data['source']}, {size}x{size}"
    names = path.resolve().parts
    drawn = {name: pictures.drawn(path / "plots" / f"{name}.png") for name in PICTURES}
    return page.Report(
        name="/".join(names[-2:]) if names[-1] == f"seed_{config.seed}" else names[-1],
        subtitle=f"{title(config, parts.recorded(path))} · {of} · step {results['step']:,}",
        results=results | {"data": data | {"name": without_paths(data["name"])}},
        pictures={name: content for name, content in drawn.items() if content},
        explorer=sliders,
        config=to_pass_on(config),
        defaults=to_pass_on(defaults.get_config()),
        notes=notes,
        facts=found,
        latents=known,
        film=pictures.drawn(path / "plots" / "traversals.gif", pictures.GIF),
    )


def _of_one(path: Path, dataset=None, data_dir="", own=None, out=None) -> Path:
    """Writes the report of a run of one seed."""
    if not _scored(path):
        raise UserError(
            f"{path} has no scores and plots yet; score it first: "
            f"{shlex.join(['cvae', 'evaluate', str(path)])}"
        )
    results, model = read_results(path / "results.json"), loading.load(path, **(own or {}))
    config = model.config
    if dataset is None:
        dataset = filters.load(config.data, data_dir=data_dir)
    data_record.require_channels(path, model, dataset)
    notes = []
    if changed := data_record.differences(path, dataset):
        notes.append(f"The images here are not those that the run was trained on: {changed}")
    notes += _of_other_data(results)
    if is_exported(path):
        notes.append("Of an exported model: dates and curves of its training stayed with its run.")
    if reason := why_diverged(path):
        notes.append(f"This seed diverged and was left out: {reason}")
    if model.step != results["step"]:
        notes.append(
            f"The scores and plots are of step {results['step']:,}, the sliders of step "
            f"{model.step:,}: cvae evaluate scores the latter."
        )
    # The images, and their order, that the run's plots have.
    dataset = scorable_factors(dataset, config.seed)
    some, mean, logvar = encode_some(model, dataset, config.seed, LABELLED)
    metrics = read_metrics(path / "metrics.jsonl")
    known = _latents(model, some, mean, logvar, metrics)
    if known.labels.factors and not (path / "plots" / "factors.png").exists():
        notes.append(
            "The plots are of an earlier version, which named a latent after a factor however "
            "little it knows of it: cvae evaluate draws them again."
        )
    shown = _NO_SLIDERS if parts.recorded(path) else explorer(model, some, known)
    found = facts.of_run(model, metrics, read_json(path / "data.json"))
    report = _report(path, config, results, tuple(notes), shown, known, found)
    return write_text(out or path / "report.html", page.page(report))


def _of_other_data(results) -> list[str]:
    """Returns what to note of scores of other data than the run was trained on."""
    changed = results["data"].get("changed")
    said = "The scores are of other data than the run was trained on"
    return [f"{said}: {changed}"] if changed else []


def write(workdir, data_dir="", data="", *, out="", dataset=None, **own) -> Path:
    """Writes a run's report.html, of several seeds one for each and one for all; returns its path.

    Args:
      workdir: the run's folder, or an exported model's.
      data_dir: where data are kept; "": the run's.
      data: name of the run's data where they are now; "": as the run's config names them.
      out: the file; "": report.html in that folder.
      dataset: the data themselves, as `training.loop.train_and_evaluate` takes them.
      **own: networks or objective of a run whose config does not name them, see `loading.load`.

    Raises:
      UserError: it is not such a folder, has no checkpoint or no scores yet, a file of it is
        damaged, or the data are not available.
    """
    path, found = expanded(workdir), loading.folder(workdir)
    if found != path:
        raise UserError(
            f"{workdir} ships with the package, without plots: copy {found}, score the copy first "
            "by cvae evaluate, and name it"
        )
    file = expanded(out) if out else path / "report.html"
    config = read_config(path)
    if dataset is not None:
        own_data = arrays.own(dataset)
        dataset = filters.filtered(own_data, config.data.correlate, config.data.hold_out)
    elif data:
        dataset = filters.load(config.data, data, data_dir)
    require_writable(file)
    if config.num_seeds == 1:
        return _of_one(path, dataset, data_dir, own, file)
    return _of_seeds(path, config, dataset, data_dir, own, file)


def _of_seeds(path: Path, config, dataset, data_dir, own, file) -> Path:
    """Writes the report of a run of several seeds, and that of each seed in its folder."""
    results = read_results(path / "results.json")
    if results is None:
        raise UserError(
            f"{path} has no scores of all seeds yet: run the command that began it again, to the "
            "end"
        )
    if dataset is None:
        dataset = filters.load(config.data, data_dir=data_dir)
    seeds, notes = {}, _of_other_data(results)
    for seed in range(config.seed, config.seed + config.num_seeds):
        folder = f"seed_{seed}"
        reason = results.get("diverged", {}).get(str(seed), {}).get("reason", "")
        if reason:
            notes.append(f"Seed {seed} diverged and is in no mean: {reason}")
        if _scored(path / folder):
            _of_one(path / folder, dataset, own=own)
            name = f"seed {seed}, which diverged" if reason else f"seed {seed}"
            seeds[name] = os.path.relpath(path / folder / "report.html", file.parent)
        elif not reason:
            notes.append(f"Seed {seed} has no scores and plots: no whole evaluation was made.")
    every = {"Seeds": f"{config.seed} to {config.seed + config.num_seeds - 1}"}
    report = _report(path, config, results, tuple(notes), "", found=every)
    return write_text(file, page.page(report, seeds))
