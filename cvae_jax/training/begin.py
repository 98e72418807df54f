"""What a run begins with: its data, its method, and the states of its last checkpoint."""

import logging

import jax
import numpy as np

from cvae_jax import datasets
from cvae_jax.config import build, checks
from cvae_jax.datasets import arrays, filters
from cvae_jax.devices import processes
from cvae_jax.errors import UserError
from cvae_jax.runs import checkpoints, data_record, loading, parts
from cvae_jax.step import create_train_state
from cvae_jax.training import seeds

log = logging.getLogger(__name__)


def with_data(config, dataset):
    """Returns (config, dataset): the config of a run says which images were passed for it.

    Args:
      config: as it was given; it is not changed.
      dataset: see `arrays.own`; None: the data are those that the config names.
    """
    config = config.copy_and_resolve_references()
    if config.data.dir:  # it must hold in any folder
        config.data.dir = str(datasets.data_root(config.data.dir))
    if dataset is None:
        config.data.name = datasets.absolute(config.data.name)
        return config, None
    dataset = arrays.own(dataset, datasets.NAMES)
    config.data.update(name=dataset.name, size=dataset.size)
    return config, dataset


def load_data(config, dataset=None):
    """Returns the data set of a run, the same in all its processes.

    Raises:
      UserError: it can't be had, filtered as the config says, or has fewer images than a batch.
    """
    if dataset is None:
        with processes.together():
            dataset = datasets.load(config.data.name, config.data.size, config.data.dir)
    dataset = filters.filtered(dataset, config.data.correlate, config.data.hold_out)
    if processes.count() > 1:  # alone it need not read the images for it
        # a digest, as messages between processes are short
        fingerprint = data_record.fingerprint(dataset).encode()
        processes.require_same("data set", data_record.digest(fingerprint))
    checks.require_batch(config, dataset.num_images)
    return dataset


def check_parts(config, runs, networks=None, objective=None) -> None:
    """Refuses parts and weights of which that can be said before data are prepared.

    Raises:
      UserError: see `parts.build_with`, `loading.folder`.
    """
    parts.check(config, networks, objective)
    with processes.together():
        if processes.first() and config.init_from:
            # a run that has begun needs them no more
            if not any(checkpoints.saved_steps(run.manager) for run in runs):
                loading.folder(config.init_from)


def method(config, dataset, networks=None, objective=None) -> parts.Built:
    """Returns the run's method, see `parts.build_with`."""
    info = build.DataInfo(dataset.size, dataset.channels, dataset.num_images)
    return parts.build_with(config, info, networks, objective)


def states(config, runs, dataset, built, **own):
    """Returns the states that training starts with, one per run, and their step.

    What the runs' folders lack is written.

    Args:
      config: of all runs.
      runs: see `seeds.open_runs`.
      dataset: see `datasets.Dataset`.
      built: see `method`.
      **own: networks and objective as they were passed.

    Raises:
      UserError: a run began with other data or parts, or its checkpoints can't be used.
    """
    example = dataset.images(np.arange(config.batch_size))
    # jitted: initialisation op by op compiles a hundred small programs
    create = jax.jit(
        lambda rng, images: create_train_state(rng, built.objective, built.optimizers, images)
    )
    found = [create(jax.random.key(run.config.seed), example) for run in runs]
    start = 0
    with processes.together():
        if processes.first():
            found, start = _restored(config, runs, found, dataset, built, own)
    if processes.count() > 1:
        found, start = processes.from_first((found, np.int32(start)))
    return found, int(start)


def _require_no_scores(workdir) -> None:
    """Refuses to begin where a run has scores, which the new run would take for its own or replace.

    A checkpoint is written before the scores of its step.
    """
    if (workdir / "results.json").exists():
        raise UserError(
            f"{workdir} has the scores of a run and no checkpoint of it any more: choose another "
            "--workdir, or remove its results.json to train it again from the first step"
        )


def _restored(config, runs, found, dataset, built, own):
    for run in runs:
        data_record.require_same(run.workdir, dataset)
        parts.require_same(run.workdir, built.record)
    found, start = seeds.restore(runs, found)
    if 0 < start < config.num_steps:
        for run in runs:
            data_record.require_same_version(run.workdir)
    for run in () if start else runs:
        _require_no_scores(run.workdir)
    if config.init_from and not start:
        like = own if parts.recorded(loading.folder(config.init_from)) else {}
        given = loading.params_like(config.init_from, [x.params for x in found], **like)
        found = [x._replace(params=y) for x, y in zip(found, given, strict=True)]
    for run in runs:
        parts.keep(run.workdir, built.record)
        # last: a folder with data.json holds a run
        data_record.keep(run.workdir, dataset, begins=not start)
    return found, start
