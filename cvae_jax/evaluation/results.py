"""results.json: which run and data scores are of, what stays beside new ones, the table."""

import importlib.metadata
import platform

import jax

from cvae_jax import __version__, files
from cvae_jax.devices import processes
from cvae_jax.errors import UserError
from cvae_jax.metrics.scores import counted
from cvae_jax.runs import data_record
from cvae_jax.runs.workdir import read_results, write_json

# Of the file's last evaluation; a score that stayed from an earlier one has its own.
_MADE_BY = ("versions", "device")
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scikit-learn")


def results_of(workdir, step) -> dict | None:
    """Returns what a whole evaluation of that step left in the run's folder; None: nothing."""
    found = _results_at(workdir, step)
    return found if found and "pictures" in found else None


def facts(model, workdir, dataset) -> dict:
    """Returns what scores are of: step, seed, data, versions, device.

    data["changed"] says how the data differ from those the run was trained on, if they do.
    """
    data = {"name": dataset.name, "source": dataset.source, "size": dataset.size}
    changed = data_record.differences(workdir, dataset)
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "step": model.step,
        "seed": model.config.seed,
        "data": data | ({"changed": changed} if changed else {}),
        "versions": {"cvae_jax": __version__, **versions, "python": platform.python_version()},
        "device": f"{len(processes.devices())} x {jax.local_devices()[0].device_kind}",
    }


def kept(workdir, facts, names) -> dict:
    """Returns what results.json holds that stays: of the same step and data, at least "scores".

    Raises:
      UserError: it holds scores of other data, and names are given.
    """
    old = _results_at(workdir, facts["step"])
    if old is None:
        return {"scores": {}}
    if facts["data"] == old["data"]:
        return old
    if names is not None:
        raise UserError(
            f"{workdir / 'results.json'} has scores of {_shown(old['data'])}, and there are "
            f"{_shown(facts['data'])} now: put those back, or evaluate without --metrics to "
            "compute all again"
        )
    return {"scores": {}}


def write(workdir, results, names, seconds) -> dict:
    """Puts results beside what results.json has; returns its content.

    Args:
      workdir: the run's folder.
      results: `facts` with "scores" and more.
      names: of the metrics that were asked for; None: all of the config.
      seconds: that the evaluation took.
    """
    with files.locked_if_possible(workdir / ".results.lock"):
        old = kept(workdir, results, names)  # another evaluation may have added scores since
        spent = 0.0 if names is None else old.get("evaluation_seconds", 0.0)
        content = old | results
        before = {key: old[key] for key in _MADE_BY if key in old and old[key] != results[key]}
        stay = {name: before | entry for name, entry in old["scores"].items()}
        content["scores"] = stay | results["scores"]
        content["evaluation_seconds"] = round(spent + seconds, 1)
        write_json(workdir / "results.json", content)
    return content


def table(results: dict) -> str:
    """Results as lines of text: name, value, spread where it is known, definition."""
    lines = [f"step {results['step']:,}, {results['data']['source']}"]
    for name, score in results["scores"].items():
        spread = f"± {score['std']:.4f}" if "std" in score else ""
        lines.append(
            f"  {name:<30}{score['value']:>10.4f} {spread:<9}  {score['definition']} "
            f"({counted(name, score)})"
        )
    return "\n".join(lines)


def _results_at(workdir, step) -> dict | None:
    """The content of a results.json of this step; None: there is none."""
    old = read_results(workdir / "results.json")
    return old if old is not None and old["step"] == step else None


def _shown(data) -> str:
    other = f" with {data['changed']}" if "changed" in data else ""
    return f"{data['name']}, {data['source']}{other}"
