"""A config that can't be run is refused before anything is built."""

import ml_collections
import numpy as np

from cvae_jax.config import defaults, limits, methods
from cvae_jax.config.cascade_checks import check_cascade
from cvae_jax.config.fields import flat
from cvae_jax.datasets import filters
from cvae_jax.errors import UserError, did_you_mean
from cvae_jax.metrics.groups import METRICS, named
from cvae_jax.metrics.scores import OF_THE_STRUCTURE

_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
# Steps are counted in int32, and everything else is float32.
_LARGEST = {int: int(np.iinfo(np.int32).max), float: float(np.finfo(np.float32).max)}


def _field(config, name):
    for part in name.split("."):
        if not isinstance(config, ml_collections.ConfigDict) or part not in config:
            raise UserError(f"the config has no field {name}: add it, as in configs/dsprites.py")
        config = config[part]
    return config


def _shown(value) -> str:
    """Returns a value in few words, on one line."""
    if isinstance(value, int) and value.bit_length() > 100:
        return f"a number of {value.bit_length()} bits"
    scalar = value is None or isinstance(value, (*_KINDS,))
    return repr(value)[:80] if scalar else f"a {type(value).__name__}"


def without_effect(config, names) -> list[str]:
    """Returns those of the fields that nothing of the config's method and cascade reads."""
    name, weight = _field(config, "objective.name"), _field(config, "cascade.weight")
    if name not in methods.METHODS:
        return []  # `check` refuses it
    method = methods.METHODS[name]
    idle = [f"objective.{other}." for other in methods.METHODS if other != name]
    critics = {critic for other in methods.METHODS.values() for critic in other.critics}
    idle += [f"optim.{critic}." for critic in critics - set(method.critics)]
    if not method.likelihood:
        # and no noise of pixels to sample
        idle += ["objective.likelihood", "objective.pixel_weight", "cascade.x_hat"]
    if not method.warms_up:
        idle.append("objective.warmup_steps")
    if not weight:
        idle += ["cascade.", "optim.cascade."]
    elif _field(config, "cascade.second_pass") == "none":
        idle.append("cascade.x_hat")
    if _field(config, "networks") and not method.critics and not weight:
        idle.append("compute_dtype")  # networks of one's own have a type of their own
    # A model without the cascade is scored by two of them all the same, and built by one.
    used = ("cascade.weight", "cascade.structure", "cascade.critic_input", "cascade.additive")
    return [field for field in names if field.startswith(tuple(idle)) and field not in used]


def check_types(config) -> None:
    """Refuse a field that is missing, not of its default's type, or too large to be meant."""
    bounded = {name for name, field in defaults.get_limits().items() if field.most is not None}
    for name, default in flat(defaults.get_config().to_dict()):
        value, kind = _field(config, name), type(default)
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise UserError(f"config.{name} is {_shown(value)}; it must be {_KINDS[kind]}")
        most = None if name in bounded else _LARGEST.get(kind)
        if most is not None and not abs(value) <= most:  # so NaN is refused
            limit = f"{most:,}" if kind is int else f"{most:.2g}"
            raise UserError(f"config.{name} is {_shown(value)}; it must be at most {limit}")


def one_of(what: str, name: str, names) -> None:
    """Refuses a name that is not among names, with the nearest of them."""
    if name not in names:
        hint = did_you_mean(name, names)
        raise UserError(f"unknown {what} {name!r}; {hint}there are: {', '.join(names)}")


def metrics(names) -> None:
    """Refuses the name of a metric that does not exist, and of what no metric gives."""
    for name in names:
        if name in OF_THE_STRUCTURE:
            raise UserError(f"{name} comes with a whole evaluation alone: name no metrics")
        one_of("metric", name, METRICS)


def check(config, num_devices: int, num_processes: int = 1, *, begins: bool = True) -> None:
    """Refuses a config that can't be run on this many devices, before anything is built.

    Args:
      config: of the run.
      num_devices: of all processes.
      num_processes: that share the run.
      begins: whether the run is yet to begin: then also what earlier versions took is refused.

    Raises:
      UserError: one line that names the field, its value and what it must be.
    """
    check_types(config)
    _check_limits(config)
    _check_seeds(config, num_devices, num_processes)
    # Seeds are what the devices share: each batch stays whole.
    _check_batch(config, num_devices if config.num_seeds == 1 else 1)
    check_cascade(config, begins)


def require_batch(config, num_images: int) -> None:
    """Refuses data that have fewer images than a batch, after `data.hold_out` has left some out."""
    of = ", ".join([config.data.name, *filters.words(config.data)])
    if num_images < 2:
        raise UserError(f"{of}: {num_images} images, and training takes 2 at least")
    if not 2 <= config.batch_size <= num_images:
        raise UserError(
            f"config.batch_size is {config.batch_size} and {of} has {num_images:,} "
            "images: set it from 2 to their number"
        )


def _check_limits(config):
    """Each field by the limits beside its default, and the method's name."""
    for name, field in defaults.get_limits().items():
        value = _field(config, name)
        if field.names:
            one_of(f"config.{name}", value, field.names)
            continue
        needed = limits.required(field, value)
        if needed:
            raise UserError(f"config.{name} is {_shown(value)}; it must be {needed}")
    one_of("config.objective.name", config.objective.name, methods.METHODS)
    falls = config.objective.kl_falls_steps
    if falls and not methods.method_of(config).likelihood:
        raise UserError(
            f"config.objective.kl_falls_steps is {falls}, and {config.objective.name} has no KL "
            "to the prior: set it to 0"
        )
    metrics(named(config.eval.metrics))
    filters.parse_correlate(config.data.correlate)
    filters.parse_hold_out(config.data.hold_out)
    for name in ("log_every", "checkpoint_every", "eval.every"):
        if config.steps_per_call and _field(config, name) % config.steps_per_call:
            raise UserError(
                f"config.{name} {_field(config, name)} is not divisible by steps_per_call "
                f"{config.steps_per_call}: no step within a call can be logged or saved"
            )


def _check_seeds(config, num_devices, num_processes):
    last, most = config.seed + config.num_seeds - 1, defaults.LARGEST_SEED
    if last > most:
        raise UserError(f"config.seed {config.seed} makes the last seed {last}; at most is {most}")
    if config.num_seeds == 1:
        return
    if num_processes > 1:
        raise UserError(
            f"config.num_seeds is {config.num_seeds} and {num_processes} processes share the run: "
            "seeds need nothing of each other, start one run for each (launch/slurm.sbatch)"
        )
    _require_multiple("num_seeds", config.num_seeds, num_devices)


def _check_batch(config, num_devices):
    """Whether each device gets rows, and as many as the objective needs."""
    batch = config.batch_size
    _require_multiple("batch_size", batch, num_devices)
    _require_multiple("cascade.prior_batch_size", config.cascade.prior_batch_size, num_devices)
    multiple = methods.method_of(config).batch_multiple
    if batch // num_devices % multiple:
        raise UserError(
            f"config.batch_size {batch} on {num_devices} devices does not divide into packs of "
            f"{multiple} images, which {config.objective.name} needs; the nearest ones are "
            f"{_nearest_multiples(batch, multiple * num_devices)}"
        )


def _require_multiple(name, size, num_devices):
    if size % num_devices:
        raise UserError(
            f"config.{name} {size} is not divisible by {num_devices} devices; "
            f"the nearest ones are {_nearest_multiples(size, num_devices)}"
        )


def _nearest_multiples(size, factor):
    below = size - size % factor
    return f"{below} and {below + factor}" if below else f"{factor}"
