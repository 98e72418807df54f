"""Checkpoints by orbax: atomic, a few kept, each with a digest of its contents that is verified."""

import contextlib
import hashlib
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from cvae_jax.errors import UserError
from cvae_jax.step import TrainState

_KEPT = 3


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160]


def digest(tree) -> str:
    """SHA-256 over the path, type, shape and bytes of every leaf."""
    sha = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.ascontiguousarray(leaf)
        sha.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        sha.update(array)
    return sha.hexdigest()


@contextlib.contextmanager
def open_checkpoints(workdir):
    """The checkpoint manager of a run's folder; leftovers of a killed save are removed."""
    options = ocp.CheckpointManagerOptions(
        max_to_keep=_KEPT,
        cleanup_tmp_directories=True,
        # A save of these small models takes less than a second: when it returns, it is on disk,
        # and a full disk is an error there and then.
        enable_async_checkpointing=False,
    )
    directory = (Path(workdir) / "checkpoints").absolute()
    try:
        manager = ocp.CheckpointManager(directory, options=options)
    except Exception as error:  # whatever orbax and the file system raise
        raise UserError(
            f"can't open the checkpoints in {directory}: {_first_line(error)}"
        ) from error
    with manager:
        yield manager


def save(manager, state: TrainState) -> None:
    """Save the state as its step's checkpoint, unless that step is saved.

    Raises:
      UserError: it could not be written (a full or read-only disk); earlier ones are intact.
    """
    step = int(state.step)
    if step in manager.all_steps():
        return
    args = ocp.args.Composite(
        state=ocp.args.StandardSave(state), digest=ocp.args.JsonSave({"sha256": digest(state)})
    )
    try:
        manager.save(step, args=args, force=True)
    except Exception as error:  # OSError, or tensorstore's ValueError with the cause in its text
        last = manager.latest_step()
        kept = f"the checkpoint of step {last} is intact" if last is not None else "none was saved"
        raise UserError(
            f"can't write the checkpoint of step {step} to {manager.directory} "
            f"({_first_line(error)}); {kept}: free space or mend the disk, then run the same "
            "command again"
        ) from error


def restore(manager, like: TrainState) -> TrainState | None:
    """The latest checkpoint, with the shapes, types and shardings of `like`; None without any.

    Raises:
      UserError: it is damaged; the one before it is named.
    """
    step = manager.latest_step()
    if step is None:
        return None
    template = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    args = ocp.args.Composite(
        state=ocp.args.StandardRestore(template), digest=ocp.args.JsonRestore()
    )
    try:
        restored = manager.restore(step, args=args)
        problem = None if restored.digest["sha256"] == digest(restored.state) else "wrong digest"
    except Exception as error:  # a damaged file surfaces as any of a dozen types
        problem = _first_line(error)
    if problem is None:
        return restored.state
    earlier = [s for s in manager.all_steps() if s < step]
    if earlier:
        remedy = f"to go on from the one before it, step {max(earlier)}, rm -r"
        remedy += f" {manager.directory / str(step)}"
    else:
        remedy = f"there is none before it: to start again, rm -r {manager.directory.parent}"
    raise UserError(f"the checkpoint of step {step} is damaged ({problem}); {remedy}")
