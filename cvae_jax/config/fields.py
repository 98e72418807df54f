"""A config's fields by their dotted names: flattened, compared, made fit to pass on."""

from collections.abc import Mapping
from pathlib import Path

from cvae_jax.config import defaults

# Where the data lie, how steps are handed to the device, who is told: matters of the machine.
FREE = ("data.dir", "steps_per_call", "wandb")


def flat(config, prefix=""):
    """(dotted name, value) of every field of a config."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def without_paths(name: str) -> str:
    """Returns a data set's name; of folder:PATH and npz:PATH only the last part of the path."""
    kind, colon, path = name.partition(":")
    with_path = colon and kind in ("folder", "npz")
    return f"{kind}:{Path(path).absolute().name}" if with_path else name


def to_pass_on(config) -> dict:
    """A config's fields by their dotted names without what only one's own machine knows.

    FREE is left out; of folder: data and of init_from the last part of the path remains.
    """
    fields = {name: value for name, value in flat(config.to_dict()) if name not in FREE}
    return fields | {
        "data.name": without_paths(config.data.name),
        "init_from": Path(config.init_from).name,
    }


def differences(old, new) -> str:
    """How config new differs from config old, in words; "": in nothing that makes another run.

    Args:
      old: a nested dict; fields that it lacks have their defaults.
      new: another.
    """
    old = dict(flat(defaults.get_config().to_dict())) | dict(flat(old))
    new = dict(flat(new))
    names = [n for n in sorted({*old, *new}) if n not in FREE and old.get(n) != new.get(n)]
    return ", ".join(f"{n} {old.get(n)!r} -> {new.get(n)!r}" for n in names)
