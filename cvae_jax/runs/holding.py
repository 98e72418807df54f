"""A run's folder while its run lasts: one run at a time, one config for good."""

import contextlib
import errno
import fcntl
import json
import os
import shlex
from pathlib import Path

from cvae_jax import datasets, files
from cvae_jax.config.fields import differences
from cvae_jax.errors import UserError, option
from cvae_jax.runs.workdir import (
    CONFIG,
    damaged,
    is_config,
    is_exported,
    read_config,
    read_json,
    write_json,
)


def _saved(path) -> list[Path]:
    """The folders of a run, or of its seeds, that hold a checkpoint."""
    lists = [path.glob(f"{seed}checkpoints/*/sha256.json") for seed in ("", "seed_*/")]
    return sorted({file.parents[2] for files in lists for file in files})


def holds_run(path, config) -> bool:
    """Returns whether a folder holds a run of this config; refuses anything else in it."""
    if is_exported(path):
        raise UserError(
            f"{path} is an exported model: choose another {option('workdir')}{_weights(path)}"
        )
    saved = _saved(path)
    # A start that came no further than its data, misspelt for instance, has nothing to keep.
    begun = any(any(path.glob(name)) for name in ("data.json", "seed_*/data.json"))
    _require_no_others(path, begun)
    if not begun or not (path / CONFIG).exists():
        return False
    old = read_config(path).to_dict()
    changes = differences(_moved_or_lengthened(path, old, config), config)
    if changes:
        start = _weights(saved[0]) if saved else ""
        raise UserError(
            f"{path} holds a run of another config ({changes}); choose another "
            f"{option('workdir')}{start}"
        )
    return True


def _weights(path) -> str:
    """Returns how to begin another run with a folder's weights."""
    return option("weights").format(init_from=shlex.quote(f"--config.init_from={path}"))


def _require_no_others(path, begun) -> None:
    """Refuses files that a run would replace or remove, where no run of ours has written them.

    A run writes config.json and data.json before any of them. Other programs have checkpoints/ and
    metrics.jsonl too, and orbax's checkpoints look alike.
    """
    needed = (CONFIG,) if begun else (CONFIG, "data.json")  # of several seeds each has data.json
    lacking = [name for name in needed if not (path / name).exists()]
    held = [name for name in ("metrics.jsonl", "results.json") if (path / name).exists()]
    with contextlib.suppress(OSError):
        held += ["checkpoints"] if any((path / "checkpoints").iterdir()) else []
    if lacking and held:
        raise UserError(
            f"{path} holds {held[-1]} and no {lacking[0]}: put it back, or choose another "
            f"{option('workdir')}"
        )
    if not begun and (path / CONFIG).exists() and not is_config(read_json(path / CONFIG)):
        raise UserError(
            f"{path} holds a {CONFIG} that is no run's: choose another {option('workdir')}"
        )


def _moved_or_lengthened(path, old, new) -> dict:
    """The config `old` with those fields of `new` that leave the run the same.

    More steps train the same run further, unless its rates fall towards its end, which would lie
    elsewhere. Images of one's own are known by their contents, which
    `data_record` compares, wherever they lie now.
    """
    try:
        before, name = old["num_steps"], old["data"]["name"]
        if new["num_steps"] > before and new["optim"]["decay_from"] == 1:
            old = old | {"num_steps": new["num_steps"]}
        if _moved(old["init_from"], new["init_from"]):  # it has begun
            old = old | {"init_from": new["init_from"]}
        if datasets.kind_of(new["data"]["name"]) == datasets.kind_of(name):
            old = old | {"data": old["data"] | {"name": new["data"]["name"]}}
    except (AttributeError, KeyError, TypeError) as error:
        raise damaged(path / CONFIG, error) from None
    return old


def _moved(old, new) -> bool:
    """Returns whether a folder of weights may be `old` under another path.

    All seeds' folders have the same last names, so one that is still where it was is another.
    """
    if not old or not new:
        return old == new
    old, new = (Path(os.path.expanduser(name)) for name in (old, new))
    return old.name == new.name and (
        not old.exists() or (new.exists() and os.path.samefile(old, new))
    )


def in_use(workdir) -> bool:
    """Returns whether a run is at work in a folder."""
    try:
        with files.open_lock(Path(workdir) / ".lock", make=False) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:  # without a lock, or with a link in its place, no run is at work
        return error.errno not in (errno.ENOENT, errno.ELOOP, *files.NO_LOCKS)
    return False


@contextlib.contextmanager
def open_workdir(workdir, config):
    """Holds a run's folder while its run lasts; makes it, with its config.json, if it is not there.

    A start that is refused before training begins leaves nothing behind, and a run that is there
    as it was: `keep_config` says in config.json what has changed once nothing can be refused.

    Args:
      workdir: the folder.
      config: a ConfigDict; what config.json must say, but for what leaves a run the same.

    Yields:
      The folder as a Path.

    Raises:
      UserError: it can't be written, is in use by another run, is an exported model, lacks a part
        of its run, or holds a run of another config, the differences named.
    """
    path = Path(workdir)
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:  # what writes checkpoints would refuse it, after the first steps
        raise UserError(
            f"--workdir {path} has bytes that are no text: choose another one"
        ) from None
    config = json.loads(config.to_json_best_effort())
    new = (path / CONFIG, path / ".lock", path / "checkpoints", path, *path.parents)
    new = [name for name in new if not name.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = files.open_lock(path / ".lock")
    except OSError as error:
        raise files.not_written(f"--workdir {path}", error, "choose another one") from None
    with lock:
        try:
            files.lock(lock)
        except BlockingIOError:
            raise UserError(f"another run is at work in {path}; choose another --workdir") from None
        if not _still_there(path / ".lock", lock):
            raise UserError(f"a start in {path} has just been refused; run the same command again")
        try:
            holds = holds_run(path, config)
            for name in (CONFIG, "data.json", "metrics.jsonl"):
                files.remove_leftovers(path / name)
            if not holds:
                write_json(path / CONFIG, config)
            yield path
        except BaseException:
            if not _saved(path) and not any(path.rglob("data.json")):
                _remove(new)
            raise


def keep_config(workdir, config) -> None:
    """Writes to config.json of a run that is trained on what is new: more steps, moved data."""
    path = Path(workdir) / CONFIG
    config = json.loads(config.to_json_best_effort())
    if read_json(path) != config:
        write_json(path, config)


def _still_there(path, file) -> bool:
    """Returns whether an open file is the one at a path, not one that was removed meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    return False


def _remove(new) -> None:
    """Removes what a refused start has made, unless a folder holds something else.

    Args:
      new: files and folders that were not there, the innermost first.
    """
    with contextlib.suppress(OSError):  # the error that ended the start is the one to report
        for path in new:
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
