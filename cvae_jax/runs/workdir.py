"""The files of a run's folder: written whole, read with care."""

import json
from pathlib import Path

import ml_collections

from cvae_jax import files
from cvae_jax.config import defaults
from cvae_jax.config.fields import without_retired
from cvae_jax.errors import UserError, first_line
from cvae_jax.runs import forms

CONFIG = "config.json"
DIVERGED = "diverged.json"  # of one of several seeds: why it is left out
WEIGHTS = "weights.npz"  # of an exported model
_FIELDS = {"objective", "data", "num_steps"}  # that every run's config has


def write_text(path: Path, text: str) -> Path:
    """Writes text whole or not at all; returns the path."""
    try:
        # a name from elsewhere may hold what UTF-8 can't, such as a path's bytes
        with files.replacing(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise files.not_written(path, error) from None
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


def is_config(content) -> bool:
    """Returns whether the content of a config.json is a run's, not another program's."""
    return isinstance(content, dict) and _FIELDS.issubset(content)


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


def is_exported(path: Path) -> bool:
    """Returns whether a folder is an exported model's, not a run's."""
    return (path / WEIGHTS).exists()
