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

from cvae_jax.devices import placement, processes
from cvae_jax.errors import UserError
from cvae_jax.runs import checkpoints, tracker
from cvae_jax.runs.holding import keep_config, open_workdir
from cvae_jax.runs.workdir import DIVERGED, why_diverged, write_json
from cvae_jax.step import TrainState


class Run(NamedTuple):
    """One seed's run."""

    config: Any
    workdir: Path
    manager: Any  # of its checkpoints; None in all processes but the first, who don't touch them
    board: Any = None  # on Weights & Biases, see `tracker.tracked`

    @property
    def diverged(self) -> str:
        """Returns which terms were not finite, and when; "": the run is sound."""
        return "" if self.manager is None else why_diverged(self.workdir)

    def diverge(self, reason: str) -> None:
        """Leaves the run out from here on."""
        write_json(self.workdir / DIVERGED, {"reason": reason})


@contextlib.contextmanager
def open_runs(workdir, config):
    """Opens the runs of a config: itself in workdir, or one per seed in a folder of workdir.

    Yields:
      A list of `Run`.

    Raises:
      UserError: see `holding.open_workdir`, `checkpoints.open_checkpoints`, `tracker.tracked`.
    """
    with contextlib.ExitStack() as stack:
        with processes.together():
            if processes.first():
                runs = _open(stack, workdir, config)
            else:
                runs = [Run(config, Path(workdir), None)]
        yield runs


def _open(stack, workdir, config):
    path = stack.enter_context(open_workdir(workdir, config))
    folders, group = {path: config}, None
    if config.num_seeds > 1:
        folders, group = {}, path.absolute().name
        for seed in range(config.seed, config.seed + config.num_seeds):
            one = config.copy_and_resolve_references()
            one.update(seed=seed, num_seeds=1)
            folders[stack.enter_context(open_workdir(path / f"seed_{seed}", one))] = one
    runs = []
    for folder, one in folders.items():
        manager = stack.enter_context(checkpoints.open_checkpoints(folder))
        runs.append(
            Run(one, folder, manager, stack.enter_context(tracker.tracked(one, folder, group)))
        )
    return runs


def keep_configs(runs, workdir, config) -> None:
    """Says in every folder of the runs what is new: see `holding.keep_config`."""
    with processes.together():
        if processes.first():
            keep_config(workdir, config)
            for run in runs:
                keep_config(run.workdir, run.config)


def restore(runs: list[Run], states: list[TrainState]) -> tuple[list[TrainState], int]:
    """Returns every seed's state at the last step that all have saved, and that step.

    Without any such step these are `states` and 0.

    A run that has diverged has step -1 and is not trained any more.

    Raises:
      UserError: all have diverged, or a seed has lost the checkpoints that the others have.
    """
    sound = [run for run in runs if not run.diverged]
    if not sound:
        raise UserError(f"{runs[0].workdir} has diverged: {runs[0].diverged}")
    saved = {run.workdir: checkpoints.saved_steps(run.manager) for run in sound}
    common = set.intersection(*map(set, saved.values()))
    # A kill during the very first save leaves one seed with a checkpoint and another without.
    if not common and max(map(len, saved.values())) > 1:
        lagging = min(saved, key=lambda path: (len(saved[path]), saved[path]))
        raise UserError(
            f"{lagging} has checkpoints of steps {saved[lagging]}, none that the other seeds have "
            "as well: put its folder back, or start again in another --workdir"
        )
    step = max(common, default=0)
    restored = []
    for run, state in zip(runs, states, strict=True):
        if run.diverged:
            state = state._replace(step=jnp.full_like(state.step, -1))
        restored.append(
            checkpoints.restore(run.manager, state, step) if step and not run.diverged else state
        )
    return restored, step


def stack(trees: list, devices):
    """Stacks trees of one shape, a multiple of devices: leaves [devices, trees / devices, ...]."""

    def join(*leaves):
        numpy = np if isinstance(leaves[0], np.ndarray) else jnp  # batches are not on a device yet
        return placement.shard(numpy.stack(leaves), devices)

    return jax.tree.map(join, *trees)


def _pick(tree, i):
    return jax.tree.map(lambda x: x[i // x.shape[1], i % x.shape[1]], tree)


_pick_on_device = jax.jit(_pick)  # one program for all i


def unstack(tree, count: int) -> list:
    """Returns the trees that were stacked; numpy arrays stay numpy arrays."""
    fetched = all(isinstance(x, np.ndarray) for x in jax.tree.leaves(tree))
    return [(_pick if fetched else _pick_on_device)(tree, i) for i in range(count)]


def unless_frozen(train_step):
    """Returns `train_step` of one of several seeds: (state, images, step) -> (state, metrics).

    A seed whose metrics are not finite keeps its state from then on: its own count of steps stays
    behind the run's.
    """

    def one(state, images, step):
        new, metrics = train_step(state, images)
        finite = [jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(metrics)]
        sound = functools.reduce(jnp.logical_and, finite, state.step == step)
        return jax.tree.map(lambda a, b: jnp.where(sound, a, b), new, state), metrics

    return one
