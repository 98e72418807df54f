"""Many seeds in one program: a run's folder for each, their steps vmapped on every device.

Seed s of a run with --workdir=W trains in W/seed_s as it would alone: its own initialisation, order
of the data, checkpoints and results. W/results.json holds them all, with mean and spread.
"""

import contextlib
import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cvae_jax import checkpoints, parallel
from cvae_jax.step import TrainState
from cvae_jax.workdir import open_workdir, read_json, write_json

_DIVERGED = "diverged.json"


class Run(NamedTuple):
    """One seed's run."""

    config: Any
    workdir: Path
    manager: Any  # of its checkpoints

    @property
    def diverged(self) -> dict | None:
        """The step and the terms that were not finite; None: the run is sound."""
        path = self.workdir / _DIVERGED
        return read_json(path) if path.exists() else None

    def diverge(self, reason: str) -> None:
        """From here on the run is left out."""
        write_json(self.workdir / _DIVERGED, {"reason": reason})


@contextlib.contextmanager
def open_runs(workdir, config):
    """The runs of a config: itself in workdir, or one for each of its seeds in a folder of workdir.

    Yields:
      A list of `Run`.

    Raises:
      UserError: see `workdir.open_workdir` and `checkpoints.open_checkpoints`.
    """
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(open_workdir(workdir, config))
        folders = {path: config}
        if config.num_seeds > 1:
            folders = {}
            for seed in range(config.seed, config.seed + config.num_seeds):
                one = config.copy_and_resolve_references()
                one.update(seed=seed, num_seeds=1)
                folders[stack.enter_context(open_workdir(path / f"seed_{seed}", one))] = one
        yield [
            Run(one, folder, stack.enter_context(checkpoints.open_checkpoints(folder)))
            for folder, one in folders.items()
        ]


def restore(runs: list[Run], states: list[TrainState]) -> list[TrainState]:
    """Every seed's state at the last step that all have saved; `states` where there is none.

    A run that has diverged keeps the state of its own last checkpoint.
    """
    last = {i: max(checkpoints.saved_steps(run.manager), default=0) for i, run in enumerate(runs)}
    sound = [step for i, step in last.items() if not runs[i].diverged] or [0]
    restored = []
    for i, (run, state) in enumerate(zip(runs, states, strict=True)):
        step = last[i] if run.diverged else min(sound)
        restored.append(checkpoints.restore(run.manager, state, step) if step else state)
    return restored


def stack(trees: list, devices):
    """Trees of one shape, a multiple of devices -> leaves [devices, trees / devices, ...]."""
    m = len(devices)
    joined = jax.tree.map(lambda *x: jnp.stack(x).reshape(m, -1, *x[0].shape), *trees)
    return parallel.split_rows(joined, devices)


def _pick(tree, i):
    return jax.tree.map(lambda x: x[i // x.shape[1], i % x.shape[1]], tree)


_pick_on_device = jax.jit(_pick)  # one program for all i


def unstack(tree, count: int) -> list:
    """The trees that were stacked; numpy arrays stay numpy arrays."""
    fetched = all(isinstance(x, np.ndarray) for x in jax.tree.leaves(tree))
    return [(_pick if fetched else _pick_on_device)(tree, i) for i in range(count)]


def pmap_step(train_step, devices, **kwargs):
    """`train_step` of every seed: (states, images, step) -> (states, metrics), all stacked.

    A seed whose metrics are not finite keeps its state from then on: its own count of steps stays
    behind the run's.
    """

    def one(state, images, step):
        new, metrics = train_step(state, images, **kwargs)
        finite = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(metrics)]
        sound = functools.reduce(jnp.logical_and, finite, state.step == step)
        kept = jax.tree.map(lambda a, b: jnp.where(sound, a, b), new[:-1], state[:-1])
        return TrainState(*kept, state.rng), metrics

    return jax.pmap(
        jax.vmap(one, in_axes=(0, 0, None)),
        axis_name=parallel.AXIS,
        in_axes=(0, 0, None),
        donate_argnums=(0,),
        devices=devices,
    )


def gather(runs: list[Run], results: list[dict]) -> dict:
    """Results of all seeds as one: each score's mean, its spread over seeds and every value.

    Args:
      runs: all of them.
      results: of those that have not diverged, as `evaluate.evaluate_run` returns them.
    """
    first = results[0]
    scores = {}
    for name, score in first["scores"].items():
        values = {str(r["seed"]): r["scores"][name]["value"] for r in results}
        found = np.array([*values.values()])
        what = score["definition"].partition(";")[0]
        scores[name] = {
            "value": float(found.mean()),
            **({"std": float(found.std(ddof=1))} if len(found) > 1 else {}),
            "definition": f"{what}; mean and std over {len(found)} seeds",
            "samples": score["samples"],
            "seeds": values,
        }
    diverged = {str(run.config.seed): run.diverged for run in runs if run.diverged}
    shared = ("step", "data", "versions", "device")
    return {key: first[key] for key in shared} | {
        "num_seeds": len(results),
        "diverged": diverged,
        "scores": scores,
    }
