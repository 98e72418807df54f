"""A config that can't be run is refused before anything is built."""

import ml_collections
import numpy as np

from cvae_jax.config import defaults, limits, methods
from cvae_jax.config.build import structure
from cvae_jax.config.fields import flat
from cvae_jax.datasets import filters
from cvae_jax.errors import UserError, did_you_mean
from cvae_jax.metrics.groups import METRICS, named
from cvae_jax.objectives import bayesian_joint
from cvae_jax.structures import wholes

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
    """Returns those of the fields that belong to another method, or to a cascade that is off."""
    method = _field(config, "objective.name")
    others = [f"objective.{name}." for name in methods.METHODS if name != method]
    if not _field(config, "cascade.weight"):
        others.append("cascade.")
    # By two of them a model without the cascade is scored all the same.
    used = ("cascade.weight", "cascade.structure", "cascade.critic_input")
    return [name for name in names if name.startswith(tuple(others)) and name not in used]


def _check_types(config) -> None:
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
    """Refuses the name of a metric that does not exist."""
    for name in names:
        one_of("metric", name, METRICS)


def check(config, num_devices: int, num_processes: int = 1) -> None:
    """Refuses a config that can't be run on this many devices, before anything is built.

    Args:
      config: of the run.
      num_devices: of all processes.
      num_processes: that share the run.

    Raises:
      UserError: one line that names the field, its value and what it must be.
    """
    _check_types(config)
    _check_limits(config)
    _check_seeds(config, num_devices, num_processes)
    # Seeds are what the devices share: each batch stays whole.
    _check_batch(config, num_devices if config.num_seeds == 1 else 1)
    _check_cascade(config)


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


def _check_cascade(config):
    """Whether the regulariser can have its source, its structure and enough rows."""
    cascade, posterior = config.cascade, config.cascade.source == "posterior"
    if posterior and not methods.method_of(config).likelihood:
        raise UserError(
            f"config.cascade.source is posterior, and {config.objective.name} encodes no data: "
            "set it to prior"
        )
    if posterior and cascade.prior_batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size is {cascade.prior_batch_size}; it adds prior "
            "latents: set it to 0, or config.cascade.source to prior"
        )
    joint, network = cascade.critic_input == "joint", structure(config)
    if cascade.weight and cascade.conditionals == "given":
        _check_given(config, network)
    if cascade.weight and cascade.second_pass == "none" and (joint or not posterior):
        raise UserError(
            "config.cascade.second_pass is none, so z of the images is all there is: set "
            "config.cascade.source to posterior and config.cascade.critic_input to z_hat"
        )
    marginal = network.marginal()
    if cascade.edge_reward and not (cascade.weight and any(marginal.parents)):
        raise UserError(
            f"config.cascade.edge_reward is {cascade.edge_reward}; it rewards edges between "
            "z_hat nodes: give config.cascade.structure some and config.cascade.weight above 0, "
            "or set it to 0"
        )
    if cascade.edge_reward and cascade.second_pass != "none" and cascade.x_hat != "sample":
        raise UserError(
            f"config.cascade.edge_reward is {cascade.edge_reward} and config.cascade.x_hat "
            f"{cascade.x_hat}: marks too faint to be seen would earn it; set x_hat to sample, or "
            "second_pass to none"
        )
    if cascade.additive:
        _check_additive(config, network)
    rows = cascade.prior_batch_size or config.batch_size
    if rows < config.batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size {rows} is under batch_size {config.batch_size}; "
            "0 makes it as large as batch_size"
        )
    plan = bayesian_joint.plan(network if joint else marginal, with_z=joint)
    needed = bayesian_joint.rows_needed(plan)
    if cascade.weight and rows < needed:
        raise UserError(
            f"a sample of p_B needs {needed} rows and gets {rows}: raise "
            "config.batch_size or config.cascade.prior_batch_size"
        )


def _check_given(config, network):
    """Whether given conditionals are those of the network, and can be met."""
    cascade = config.cascade
    if cascade.critic_input != "joint":
        raise UserError(
            "config.cascade.conditionals is given, and the critic sees z_hat alone: set "
            "config.cascade.critic_input to joint"
        )
    if not network.has_own_z_alone:
        raise UserError(
            f"config.cascade.structure {cascade.structure} has edges from z of its own, which "
            "given conditionals do not know: leave them out"
        )
    if methods.method_of(config).prior != "normal":
        raise UserError(
            f"config.cascade.conditionals is given, and {config.objective.name} reads latents "
            "more coarsely than to a tenth: set it to own"
        )
    if cascade.prior_batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size is {cascade.prior_batch_size}, and given "
            "conditionals need none: set it to 0"
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


def _check_additive(config, network):
    """Whether there are wholes that can be added to their parts in a decoder."""
    if not methods.method_of(config).likelihood:
        raise UserError(
            f"config.cascade.additive is True, and {config.objective.name} has no decoder of a "
            "VAE: set it to False"
        )
    try:
        wholes.sums(network.parents)
    except ValueError as error:
        raise UserError(
            f"config.cascade.additive is True, and {error}: set it to False, or "
            "config.cascade.structure to one with wholes, such as compose3"
        ) from None
