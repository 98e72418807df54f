"""A config's fields by their dotted names: flattened, compared, made fit to pass on, retired."""

from collections.abc import Mapping
from pathlib import Path

from cvae_jax.config import defaults
from cvae_jax.errors import UserError

# Where data lie, how steps are handed to the device, where metrics are logged: the machine's.
FREE = ("data.dir", "steps_per_call", "wandb")

# Fields that configs had: the value that is meant now, and what to do for another one.
_IN_PYTHON = "it is an argument of cvae_jax.{} in Python now"
RETIRED = {
    "objective.beta_tcvae.alpha": (1.0, _IN_PYTHON.format("beta_tcvae")),
    "objective.beta_tcvae.gamma": (1.0, _IN_PYTHON.format("beta_tcvae")),
    "objective.factor_vae.second_batch": (False, _IN_PYTHON.format("factor")),
    "objective.infogan.info_weight": (1.0, _IN_PYTHON.format("infogan")),
    "objective.infogan.packed": (2, _IN_PYTHON.format("infogan")),
}


def flat(config, prefix=""):
    """Yields (dotted name, value) of every field of a config."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def without_retired(config: dict, prefix="") -> dict:
    """Returns an older run's nested config without the fields that are retired.

    Raises:
      UserError: one had another value than the one that is meant now.
    """
    kept = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            kept[key] = without_retired(value, f"{name}.")
        elif name not in RETIRED:
            kept[key] = value
        elif value != RETIRED[name][0]:
            meant, remedy = RETIRED[name]
            raise UserError(
                f"config.{name} is {value!r}; the field is retired and means {meant!r}: {remedy}"
            )
    return kept


def refuse_retired(arguments: list[str]) -> None:
    """Refuses --config.FIELD=VALUE of a retired field on a command line."""
    for argument in arguments:
        name = argument.removeprefix("--config.").partition("=")[0]
        if name in RETIRED:
            raise UserError(f"config.{name} is retired: {RETIRED[name][1]}")


def without_paths(name: str) -> str:
    """Returns a data set's name; of folder:PATH and npz:PATH only the last part of the path."""
    kind, colon, path = name.partition(":")
    with_path = colon and kind in ("folder", "npz")
    return f"{kind}:{Path(path).absolute().name}" if with_path else name


def to_pass_on(config) -> dict:
    """Returns a config's fields by their dotted names without what only one's own machine knows.

    FREE is left out; of folder: data and of init_from the last part of the path remains.
    """
    fields = {name: value for name, value in flat(config.to_dict()) if name not in FREE}
    return fields | {
        "data.name": without_paths(config.data.name),
        "init_from": Path(config.init_from).name,
    }


def differences(old, new) -> str:
    """Returns how config new differs from old, in words; "": in nothing that makes another run.

    Args:
      old: a nested dict; fields that it lacks have their defaults.
      new: another.
    """
    retired = {name: value for name, (value, _) in RETIRED.items()}
    standard = dict(flat(defaults.get_config().to_dict())) | retired
    old, new = standard | dict(flat(old)), standard | dict(flat(new))
    names = [n for n in sorted({*old, *new}) if n not in FREE and old.get(n) != new.get(n)]
    return ", ".join(f"{n} {old.get(n)!r} -> {new.get(n)!r}" for n in names)
