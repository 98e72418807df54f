"""The facts at the head of a page: seed, when, how long, how large, which commit."""

import datetime
import math

from cvae_jax.runs.metrics_log import training_seconds
from cvae_jax.runs.weights import numbers


def duration(seconds: float) -> str:
    """Returns seconds as "45 s", "12 min" or "3 h 20 min"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(math.floor(seconds / 60 + 0.5), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _date(text) -> str:
    """The day and minute of a time of `runs.origin`; "": it is none."""
    try:
        return f"{datetime.datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    except (TypeError, ValueError):
        return ""


def of_training(metrics, described) -> dict[str, str]:
    """Returns what a run recorded of its training, by name: when it began, how long, which commit.

    Args:
      metrics: see `metrics_log.read_metrics`.
      described: the content of data.json; runs of before have no "origin".
    """
    origin = described.get("origin") if isinstance(described, dict) else None
    origin = origin if isinstance(origin, dict) else {}
    seconds, commit = training_seconds(metrics), origin.get("commit", "")
    found = {
        "Began": _date(origin.get("began")),
        "Training time": "" if seconds is None else duration(seconds),
        "Commit": commit if isinstance(commit, str) else "",
    }
    return {name: value for name, value in found.items() if value}


def of_run(model, metrics, described) -> dict[str, str]:
    """Returns what is known of a run, by name.

    Args:
      model: see `runs.model.Model`.
      metrics: see `metrics_log.read_metrics`.
      described: see `of_training`.
    """
    params = model.params
    critics = f", critics {numbers(params.critic)}" if params.critic else ""
    known = of_training(metrics, described)
    found = {
        "Seed": str(model.config.seed),
        "Began": known.get("Began"),
        "Training time": known.get("Training time"),
        "Parameters": numbers(params.model) + critics,
        "Commit": known.get("Commit"),
    }
    return {name: value for name, value in found.items() if value}
