"""Scores and pictures of a run: `python -m cvae_jax.evaluate --workdir=runs/dsprites`.

The end of training does the same with the metrics that take seconds.
"""

import argparse
import importlib.metadata
import logging
import platform
import sys
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from cvae_jax import (
    __version__,
    allocator,
    batches,
    build,
    checks,
    command_line,
    compilation,
    files,
    loading,
    pictures,
    processes,
    same_data,
)
from cvae_jax.datasets import pipeline
from cvae_jax.errors import UserError
from cvae_jax.scores import registry
from cvae_jax.scores.subject import FEW, Subject, entry, varying
from cvae_jax.structure_scores import CODES, JOINT_ROWS, structure_scores
from cvae_jax.workdir import is_exported, read_results, write_json

log = logging.getLogger("cvae_jax.evaluate")  # not __main__, which nobody listens to

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
    changed = same_data.differences(workdir, dataset)
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
      names: of registry.METRICS; these alone are made. None: config.eval.metrics, the structure's
        scores and the pictures. What else results.json holds of the same step and data stays.
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
    found = registry.make(subject, registry.named(config.eval.metrics) if names is None else names)
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
        log.info("a page with sliders: python -m cvae_jax.report --workdir=%s", workdir)
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


def main(argv) -> None:
    """Evaluate as the command line asks."""
    parser = argparse.ArgumentParser(
        prog="python -m cvae_jax.evaluate", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--workdir", required=True, help="a trained run or exported model")
    parser.add_argument(
        "--metrics",
        default="",
        help="names with commas, or all; default: the run's eval.metrics, and the pictures. "
        f"There are {', '.join(registry.METRICS)}",
    )
    parser.add_argument(
        "--num_samples", type=int, default=10_000, help="images for FID, KID and inception score"
    )
    parser.add_argument("--inception", default="", help="pytorch-fid's file of weights")
    parser.add_argument("--data_dir", default="", help="where data are kept; default: the run's")
    args = parser.parse_args(argv[1:])
    compilation.keep_programs()
    allocator.compute_in_calling_thread()
    names = registry.named(args.metrics) if args.metrics else None
    checks.metrics(names or ())
    if args.num_samples < 100:
        raise UserError(f"--num_samples is {args.num_samples}: it must be at least 100")
    model = loading.load(args.workdir)
    if not Path(args.workdir).exists():
        ships = loading.folder(args.workdir)
        raise UserError(f"results are written beside the model: copy {ships} and name the copy")
    config = model.config
    if args.data_dir:
        config.data.dir = args.data_dir
    dataset = pipeline.load(config.data.name, config.data.size, config.data.dir)
    evaluate_run(
        config,
        Path(args.workdir),
        model.step,
        model.objective,
        model.params,
        dataset,
        names,
        Options(args.num_samples, args.inception),
    )


if __name__ == "__main__":
    allocator.restart_with_tunables()
    sys.exit(command_line.run(main, sys.argv))
