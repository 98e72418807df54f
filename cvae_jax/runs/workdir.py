"""A run's folder: one run at a time, one config for good, its JSON files."""

import contextlib
import errno
import fcntl
import json
import os
import shlex
from pathlib import Path

import ml_collections

from cvae_jax import datasets, files
from cvae_jax.config import defaults
from cvae_jax.config.fields import differences, without_retired
from cvae_jax.errors import UserError, first_line
from cvae_jax.runs import forms

CONFIG = "config.json"
DIVERGED = "diverged.json"  # of one of several seeds: why it is left out
WEIGHTS = "weights.npz"  # of an exported model


def write_text(path: Path, text: str) -> Path:
    """Writes text whole or not at all; returns the path."""
    try:
        # a name from elsewhere may hold what UTF-8 can't, such as a path's bytes
        with files.replacing(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"can't write {path}: {error.strerror}; free space or fix it") from None
    return path


def write_json(path: Path, content) -> None:
    """Writes content as `write_text` does."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path, finite: bool = False):
    """Returns the content of a JSON file of a run.

    Args:
      path: of the file.
      finite: whether NaN and Infinity, which only Python's JSON has, are refused.

    Raises:
      UserError: it is not there, can't be read, or is larger than such a file can be.
    """
    try:
        return forms.parsed(path, finite)
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror}; is it a run's folder?") from None
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from None


def read_results(path: Path) -> dict | None:
    """Returns the content of a results.json, of one run or several seeds; None: there is none.

    Raises:
      UserError: it is not as an evaluation writes it.
    """
    if not path.exists():
        return None
    found = read_json(path)
    try:
        forms.require_results(found)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise damaged(path, f"{type(error).__name__}: {first_line(error)}") from None
    return found


def why_diverged(workdir) -> str:
    """Returns why one of several seeds was left out; "": it was not.

    Raises:
      UserError: its file is damaged.
    """
    path = Path(workdir) / DIVERGED
    if not path.exists():
        return ""
    try:
        return str(read_json(path)["reason"]) or "for no known reason"
    except (KeyError, TypeError) as error:
        raise damaged(path, repr(error)) from None


def damaged(path: Path, problem) -> UserError:
    """Returns the error for a file of a run that is not as a run writes it."""
    remedy = "restore it from a copy"
    if path.name == "results.json":  # which an evaluation can make again
        remedy = "remove it and evaluate the run again"
    return UserError(f"{path} is damaged ({problem}): {remedy}")


def read_config(workdir) -> ml_collections.ConfigDict:
    """Returns a run's config; fields added since it began have their defaults.

    Raises:
      UserError: it is not there, can't be read, or sets a retired field.
    """
    config, path = defaults.get_config(), Path(workdir) / CONFIG
    content = read_json(path, finite=True)
    try:
        with config.ignore_type():
            config.update(without_retired(content))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except Exception as error:  # what ml_collections makes of a list, or of text for a group
        raise damaged(path, f"no config: {error}") from None
    return config


def _saved(path) -> list[Path]:
    """The folders of a run, or of its seeds, that hold a checkpoint."""
    lists = [path.glob(f"{seed}checkpoints/*/sha256.json") for seed in ("", "seed_*/")]
    return sorted({file.parents[2] for files in lists for file in files})


def _begun(path, config) -> bool:
    """Returns whether a folder holds a run of this config; refuses anything else in it."""
    if is_exported(path):
        raise UserError(
            f"--workdir {path} is an exported model: choose another one, with "
            f"{shlex.quote(f'--config.init_from={path}')} to start from its weights"
        )
    saved = _saved(path)
    for name in (CONFIG, "data.json") if path in saved else ():
        if not (path / name).exists():
            raise UserError(
                f"{path} holds checkpoints and no {name}: put it back, or choose another --workdir"
            )
    # A start that came no further than its data, misspelt for instance, has nothing to keep.
    begun = any(any(path.glob(name)) for name in ("data.json", "seed_*/data.json"))
    if not begun or not (path / CONFIG).exists():
        return False
    old = read_config(path).to_dict()
    changes = differences(_moved_or_lengthened(path, old, config), config)
    if changes:
        start = ""
        if saved:
            flag = shlex.quote(f"--config.init_from={saved[0]}")
            start = f", with {flag} to start from its weights"
        raise UserError(
            f"{path} holds a run of another config ({changes}); choose another --workdir{start}"
        )
    return True


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
        if Path(new["init_from"]).name == Path(old["init_from"]).name:  # it has begun
            old = old | {"init_from": new["init_from"]}
        if datasets.kind_of(new["data"]["name"]) == datasets.kind_of(name):
            old = old | {"data": old["data"] | {"name": new["data"]["name"]}}
    except (AttributeError, KeyError, TypeError) as error:
        raise damaged(path / CONFIG, error) from None
    return old


def is_exported(path: Path) -> bool:
    """Returns whether a folder is an exported model's, not a run's."""
    return (path / WEIGHTS).exists()


def in_use(workdir) -> bool:
    """Returns whether a run is at work in a folder."""
    try:
        with files.open_lock(Path(workdir) / ".lock", make=False) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:  # without a lock, or with a link in its place, no run is at work
        return error.errno not in (errno.ENOENT, errno.ELOOP)
    return False


@contextlib.contextmanager
def open_workdir(workdir, config):
    """Holds a run's folder while its run lasts; makes it, with its config.json, if it is not there.

    A start that is refused before training begins leaves nothing behind.

    Args:
      workdir: the folder.
      config: a ConfigDict; what config.json must say.

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
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = files.open_lock(path / ".lock")
    except OSError as error:
        raise UserError(
            f"can't write --workdir {path}: {error.strerror}; choose another one"
        ) from None
    with lock:
        try:
            # The kernel frees it when the process ends, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another run is at work in {path}; choose another --workdir") from None
        if not _still_there(path / ".lock", lock):
            raise UserError(f"a start in {path} has just been refused; run the same command again")
        for name in (CONFIG, "data.json", "metrics.jsonl"):
            files.remove_leftovers(path / name)
        if not _begun(path, config) or read_json(path / CONFIG) != config:
            write_json(path / CONFIG, config)
        try:
            yield path
        except BaseException:
            if not _saved(path) and not any(path.rglob("data.json")):
                _leave_nothing(path, made)
            raise


def _still_there(path, file) -> bool:
    """Returns whether an open file is the one at a path, not one that was removed meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    return False


def _leave_nothing(path, made) -> None:
    """Removes what a refused start has made: its config, its lock, and folders that were not there.

    Args:
      path: the run's folder.
      made: the folders that were made for it, the innermost first.
    """
    with contextlib.suppress(OSError):  # the error that ended the start is the one to report
        for name in (CONFIG, ".lock"):
            (path / name).unlink(missing_ok=True)
        for folder in (path / "checkpoints", *made):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
