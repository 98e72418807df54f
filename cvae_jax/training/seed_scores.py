"""The scores of several seeds as one: means and spreads of what compares."""

import logging

import numpy as np

from cvae_jax.metrics.scores import form, of_definition
from cvae_jax.training.seeds import Run

log = logging.getLogger(__name__)


def gather(runs: list[Run], results: list[dict]) -> dict:
    """Returns results of all seeds as one: each score's mean, its spread and every value.

    A seed that was scored on other data than it was trained on is in no mean, if another was not;
    nor is a score of another definition or number of images than that of the first seed.

    Args:
      runs: all of them.
      results: of those that have not diverged, as `evaluate.evaluate_run` returns them.
    """
    used, scores = _of_same_data(results), {}
    # A score may be missing where a seed's rows could not give it.
    for name in dict.fromkeys(name for r in used for name in r["scores"]):
        entries = _comparable(name, used)
        first, values = next(iter(entries.values())), [x["value"] for x in entries.values()]
        scores[name] = {
            "value": float(np.mean(values)),
            **({"std": float(np.std(values, ddof=1))} if len(values) > 1 else {}),
            "definition": f"{of_definition(first['definition'])[0]}; "
            f"mean and std over {len(values)} seeds",
            "samples": first["samples"],
            "seeds": {seed: entry["value"] for seed, entry in entries.items()},
        }
    diverged = {str(run.config.seed): {"reason": run.diverged} for run in runs if run.diverged}
    shared = ("step", "data", "versions", "device")
    return {key: used[0][key] for key in shared} | {
        "num_seeds": len(used),
        "diverged": diverged,
        "scores": scores,
    }


def _of_same_data(results) -> list[dict]:
    """Returns the results on the same data as the first on those of training; names the others.

    Paths and names of the data may differ, as they may have moved.
    """
    changed = [r["data"].get("changed", "") for r in results]
    like = "" if "" in changed else changed[0]
    for other, why in zip(results, changed, strict=True):
        if why != like:
            log.warning(
                "seed %d is in no mean: its scores are of other data (%s); cvae evaluate of its "
                "folder scores it again",
                *(other["seed"], why),
            )
    return [r for r, why in zip(results, changed, strict=True) if why == like]


def _comparable(name, results) -> dict:
    """Returns a score's entry by seed, of those that compare with the first; names the others."""
    entries = {str(r["seed"]): r["scores"][name] for r in results if name in r["scores"]}
    like = form(name, next(iter(entries.values())))
    odd = [seed for seed, entry in entries.items() if form(name, entry) != like]
    if odd:
        log.warning(
            "%s of seed %s is in no mean: it is of another definition or number of images",
            *(name, ", ".join(odd)),
        )
    return {seed: entry for seed, entry in entries.items() if seed not in odd}
