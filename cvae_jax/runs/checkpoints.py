"""Checkpoints by orbax: atomic, a few kept, each with the SHA-256 of its files, verified.

A checkpoint counts once its list is there; the list is the last thing that a save writes.
"""

import contextlib
import functools
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from cvae_jax import files
from cvae_jax.errors import UserError, first_line
from cvae_jax.runs import forms
from cvae_jax.step import TrainState

_KEPT = 3
_LIST = "sha256.json"


def _first_line(error):
    return first_line(error)[:160]


def hashes(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file of a checkpoint but the list itself, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _LIST)
    found = {}
    for path in paths:
        with path.open("rb") as file:  # of any size: never whole in memory
            found[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint's files, or None. orbax itself checks no array's bytes."""
    try:
        listed, found = forms.parsed(folder / _LIST, finite=False), hashes(folder)
    except (OSError, ValueError, RecursionError) as error:
        return _first_line(error)
    if not isinstance(listed, dict):
        return f"{_LIST} is no list of files"
    wrong = [name for name in {**listed, **found} if listed.get(name) != found.get(name)]
    return f"{wrong[0]} is not as it was written" if wrong else None


def _is_key(leaf):
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _stored(leaf):
    """A leaf of a state as a plain array, which orbax takes from one of several processes too."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


@functools.cache
def _key_data(shape, dtype):
    return jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(shape, dtype))


def _empty(like):
    stored = _key_data(like.shape, like.dtype) if _is_key(like) else like
    return np.empty(stored.shape, stored.dtype)


def _require_same_form(array, like):
    if (array.shape, array.dtype) != (like.shape, like.dtype):
        raise ValueError(f"{array.dtype} {array.shape} in place of {like.dtype} {like.shape}")


def _placed(array, like):
    """The inverse of `_stored`, on the devices of `like`."""
    leaf = jax.random.wrap_key_data(array) if _is_key(like) else array
    return jax.device_put(leaf, like.sharding)


@contextlib.contextmanager
def open_checkpoints(workdir, *, read_only: bool = False):
    """Opens the checkpoint manager of a run's folder; what a killed save left is removed.

    Args:
      workdir: the run's folder.
      read_only: for all but the run itself, whose save may be under way: nothing is removed.

    The state is the same in all processes of a run, so the one that calls this does it alone.
    """
    directory = (Path(workdir) / "checkpoints").absolute()
    process = jax.process_index()
    alone = {}
    if jax.process_count() > 1:  # or orbax would wait for the others
        alone = {"primary_host": process, "active_processes": {process}}
        alone["barrier_sync_key_prefix"] = "cvae_jax"
    options = ocp.CheckpointManagerOptions(
        max_to_keep=None if read_only else _KEPT,
        # By a thread that would still look at a new folder when a refused start has removed it.
        cleanup_tmp_directories=not read_only and directory.is_dir() and any(directory.iterdir()),
        # Not orbax's read_only, of which it warns: it would skip saves and removals, and a reader
        # asks for none.
        # A save of these small models takes less than a second: when it returns, it is on disk,
        # and a full disk is an error there and then.
        enable_async_checkpointing=False,
        create=False,
        multiprocessing_options=ocp.options.MultiprocessingOptions(**alone),
    )
    try:
        if not read_only:
            if directory.is_symlink():  # what lies behind it may be anyone's, and is cleaned up
                raise OSError("it is a link")
            directory.mkdir(exist_ok=True)
            for folder in directory.glob("*"):
                if folder.name.isdigit() and not (folder / _LIST).exists():
                    shutil.rmtree(folder)
        manager = ocp.CheckpointManager(directory, options=options)
    except Exception as error:  # whatever orbax and the file system raise
        raise UserError(
            f"can't open the checkpoints in {directory}: {_first_line(error)}"
        ) from error
    with manager:
        yield manager


def saved_steps(manager) -> list[int]:
    """Returns the steps of the checkpoints that count, in order."""
    directory = Path(manager.directory)
    return sorted(s for s in manager.all_steps() if (directory / str(s) / _LIST).exists())


def _require_space(folder: Path, size: int) -> None:
    """Raise OSError where size bytes won't fit or nothing can be written.

    Asked before orbax starts: its threads would print their own errors after ours.
    """
    with tempfile.TemporaryFile(dir=folder):
        free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(f"No space left on device: {size:,} bytes needed, {free:,} free")


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def save(manager, state: TrainState) -> None:
    """Saves the state as its step's checkpoint, unless that step is saved.

    Raises:
      UserError: it could not be written (a full or read-only disk); earlier ones are intact.
    """
    step = int(state.step)
    steps = saved_steps(manager)
    if step in steps:
        return
    folder = Path(manager.directory) / str(step)
    try:
        _require_space(folder.parent, sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
        arrays = jax.device_get(jax.tree.map(_stored, state))
        manager.save(step, args=ocp.args.StandardSave(arrays), force=True)
        listed = json.dumps(hashes(folder), indent=1)
        for path in (*folder.rglob("*"), folder):  # on the disk before the list makes it count
            _sync(path)
        with files.replacing(folder / _LIST, "w") as file:
            file.write(listed)
        _sync(folder)
    except Exception as error:  # OSError, or tensorstore's ValueError with the cause in its text
        kept = f"the checkpoint of step {steps[-1]} is intact" if steps else "none was saved"
        raise UserError(
            f"can't write the checkpoint of step {step} to {manager.directory} "
            f"({_first_line(error)}); {kept}: free space or repair the disk, then run the same "
            "command again"
        ) from error


def restore(manager, like: TrainState, step: int | None = None) -> TrainState | None:
    """Returns a checkpoint with the shapes, types and shardings of `like`; None without any.

    Args:
      manager: see `open_checkpoints`.
      like: a state of the same config.
      step: of the checkpoint; None: the latest.

    Raises:
      UserError: it is damaged, and the one before it is named; or it is of another model.
    """
    steps = saved_steps(manager)
    if not steps:
        return None
    step = steps[-1] if step is None else step
    problem = _damage(Path(manager.directory) / str(step))
    if problem is None:
        try:
            template = jax.tree.map(_empty, like)
            found = manager.restore(step, args=ocp.args.StandardRestore(template))
            jax.tree.map(_require_same_form, found, template)  # orbax gives what is stored
            return jax.tree.map(_placed, found, like)
        except Exception as error:  # a state of other parts surfaces as any of a dozen types
            raise UserError(
                f"the checkpoint of step {step} in {manager.directory} is of another model "
                f"({_first_line(error)}): put back the config.json and data.json that it was "
                "trained with, or choose another --workdir"
            ) from error
    before = [s for s in steps if s < step]
    if before:
        remedy = f"to resume from the one before it, step {before[-1]}, rm -r"
        remedy += f" {shlex.quote(str(manager.directory / str(step)))}"
    else:
        whole = shlex.quote(str(manager.directory.parent))
        remedy = f"there is none before it: to start again, rm -r {whole}"
    raise UserError(f"the checkpoint of step {step} is damaged ({problem}); {remedy}")
