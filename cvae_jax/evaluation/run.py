"""Scores and pictures of a run, made and written into its folder."""

import importlib.metadata
import logging
import platform
import shlex
import time
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import __version__, files
from cvae_jax.config import build
from cvae_jax.devices import batches, processes
from cvae_jax.errors import UserError
from cvae_jax.evaluation import pictures, registry
from cvae_jax.evaluation.structure import CODES, JOINT_ROWS, structure_scores
from cvae_jax.evaluation.subject import FEW, Subject, entry, varying
from cvae_jax.metrics import scores
from cvae_jax.runs import data_record
from cvae_jax.runs.workdir import is_exported, read_results, write_json

log = logging.getLogger(__name__)

_VERSIONS = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")


class Options(NamedTuple):
    """What only a request says."""

    num_samples: int = 10_000  # images of the model and of the data for FID, KID and IS
    inception: str = ""  # the file of Inception's weights; "": see `sample_quality`


def _structure_entries(structure, images, seed) -> dict:
    """The structure's scores that are single numbers; images: of the data, for them."""
    share = (
        "share of the codes' movement that comes from their ancestors when one z is redrawn; by "
        f"chance {structure['ancestor_share_by_chance']:.2f}"
    )
    forbidden = "nats of dependence that the structure forbids, Gaussian copula"
    of_data = f"{forbidden}, z of the data's posteriors"
    entries = {
        "ancestor_share": entry(structure["ancestor_share"], share, CODES, seed),
        "forbidden_dependence": entry(sum(structure["forbidden"]), forbidden, JOINT_ROWS, seed),
    }
    if structure["forbidden_of_data"] is not None:
        value = sum(structure["forbidden_of_data"])
        entries["forbidden_dependence_of_data"] = entry(value, of_data, images, seed)
    composition = [x for x in structure["composition"] if x is not None]
    if composition:
        text = "factor information that composed nodes share with their poorest parent"
        entries["composition"] = entry(np.mean(composition), text, images, seed)
    return entries


def _results_at(path, step) -> dict | None:
    """The content of a results.json of this step; None: there is none."""
    old = read_results(path)
    return old if old is not None and old["step"] == step else None


def results_of(workdir, step) -> dict | None:
    """What a whole evaluation of that step has left in the run's folder; None: there was none."""
    results = _results_at(workdir / "results.json", step)
    return results if results and "pictures" in results else None


def _data(workdir, dataset) -> dict:
    """Which data scores are of; "changed": what they have otherwise than the run's own."""
    found = {"name": dataset.name, "source": dataset.source, "size": dataset.size}
    changed = data_record.differences(workdir, dataset)
    return found | ({"changed": changed} if changed else {})


def _kept(workdir, step, data, names) -> dict:
    """What results.json holds that stays: of the same step and data, at least "scores".

    Raises:
      UserError: it holds scores of other data, and names are given.
    """
    path = workdir / "results.json"
    old = _results_at(path, step)
    if old is None:
        return {"scores": {}}
    if data == old["data"]:
        return old
    if names is not None:
        raise UserError(
            f"{path} has scores of {_shown(old['data'])}, and there are {_shown(data)} now: put "
            "those back, or evaluate without --metrics to make all anew"
        )
    return {"scores": {}}


def _shown(data) -> str:
    other = f" with {data['changed']}" if "changed" in data else ""
    return f"{data['name']}, {data['source']}{other}"


def _write(workdir, names, results, found, start) -> dict:
    """Put results and the scores found beside what results.json has; returns all of it."""
    with files.locked_if_possible(workdir / ".results.lock"):
        old = _kept(
            workdir, results["step"], results["data"], names
        )  # another may have added scores since
        spent = 0.0 if names is None else old.get("evaluation_seconds", 0.0)
        results = old | results
        results["scores"] = old["scores"] | found
        results["evaluation_seconds"] = round(spent + time.perf_counter() - start, 1)
        write_json(workdir / "results.json", results)
    return results


def evaluate_run(
    config, workdir, step, objective, params, dataset, names=None, options=None
) -> dict:
    """Score, draw, write results.json and print the table; returns the content of results.json.

    Args:
      config: the run's.
      workdir: its folder.
      step: of params.
      objective: see `objectives.base`.
      params: the model's.
      dataset: what it was trained on.
      names: of `metrics.scores.METRICS`; these alone are made. None: config.eval.metrics, the
        structure's scores and the pictures. What else results.json holds of the same step and
        data stays.
      options: an `Options`; None: its defaults.

    Of several processes all encode and the first does the rest; the others return {}.

    Raises:
      UserError: results.json holds scores of other data, and names are given; or the pictures can't
        be written.
    """
    start = time.perf_counter()
    data = _data(workdir, dataset)
    if "changed" in data:
        log.warning("the data are others than %s began with: %s", workdir, data["changed"])
    _kept(workdir, step, data, names)  # or refused, before the work
    devices = jax.local_devices()
    log.info("encoding %d images", dataset.num_images)
    mean, logvar = batches.encode_all(objective, params, dataset, devices)
    if not processes.first():
        return {}
    subject = Subject(
        config, objective, params, varying(dataset), devices, mean, logvar, options or Options()
    )
    found = registry.make(subject, scores.named(config.eval.metrics) if names is None else names)
    results = {
        "step": step,
        "seed": config.seed,
        "data": data,
        "versions": {"cvae_jax": __version__}
        | {name: importlib.metadata.version(name) for name in _VERSIONS}
        | {"python": platform.python_version()},
        "device": f"{len(processes.devices())} x {devices[0].device_kind}",
    }
    if names is None:
        few = subject.rows[:FEW]
        structure = structure_scores(
            objective,
            params,
            build.structure(config),
            config.cascade.critic_input,
            jax.random.fold_in(jax.random.key(config.seed), 2),
            mean[few],
            logvar[few],
            dataset.factors[few],
        )
        found |= _structure_entries(structure, len(few), config.seed)
        results["structure"] = structure
    log.info("%s", table(results | {"scores": found}))
    written = _write(workdir, names, results, found, start)
    if names is not None:
        return written
    try:  # the scores are safe by now
        paths = pictures.draw_all(
            config, workdir, step, objective, params, dataset, mean, logvar, structure
        )
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"can't write pictures to {workdir}/plots: {reason}; mend it") from None
    results["pictures"] = [str(path.relative_to(workdir)) for path in paths]
    log.info("pictures: %s", "  ".join(str(path) for path in paths))
    if not is_exported(workdir):
        command = shlex.join(["python", "-m", "cvae_jax.report", f"--workdir={workdir}"])
        log.info("a page with sliders: %s", command)
    return _write(workdir, names, results, found, start)


def table(results: dict) -> str:
    """Results as lines of text: name, value, spread where it is known, definition."""
    lines = [f"step {results['step']}, {results['data']['source']}"]
    for name, score in results["scores"].items():
        spread = f"+- {score['std']:.4f}" if "std" in score else ""
        lines.append(
            f"  {name:<30}{score['value']:>10.4f} {spread:<9}  {score['definition']} "
            f"({score['samples']:,} images)"
        )
    return "\n".join(lines)
