"""A config that can't be run is refused before anything is built."""

import ml_collections
import numpy as np

from cvae_jax import datasets
from cvae_jax.config import defaults
from cvae_jax.config.build import COMPUTE_DTYPES, METHODS, structure
from cvae_jax.config.fields import flat
from cvae_jax.errors import UserError, did_you_mean
from cvae_jax.metrics.scores import METRICS, named
from cvae_jax.networks.gan_networks import NETWORKS
from cvae_jax.objectives import bayesian_joint, distributions
from cvae_jax.objectives.cascade import CRITIC_INPUTS, SOURCES
from cvae_jax.objectives.decomposition import ESTIMATORS
from cvae_jax.objectives.infogan import LOSSES

_OPTIMIZERS = ("model", "cascade", "factor", "image")

_POSITIVE = (
    "data.size",
    "num_seeds",
    "batch_size",
    "num_steps",
    "log_every",
    "checkpoint_every",
    "objective.latents",
    "objective.pixel_weight",
    "cascade.critic_layers",
    "cascade.critic_width",
    *(f"optim.{player}.learning_rate" for player in _OPTIMIZERS),
    "objective.factor_vae.critic_layers",
    "objective.factor_vae.critic_width",
    "objective.infogan.packed",
    "objective.infogan.image_noise_steps",
    "eval.num_images",
    "eval.traversal_range",
)
_NOT_NEGATIVE = (
    "seed",
    "steps_per_call",
    "cascade.weight",
    "cascade.prior_batch_size",
    "cascade.edge_reward",
    "cascade.warmup_steps",
    "objective.warmup_steps",
    "objective.beta_vae.beta",
    "objective.annealed_vae.gamma",
    "objective.annealed_vae.capacity",
    "objective.annealed_vae.capacity_steps",
    "objective.factor_vae.weight",
    "objective.beta_tcvae.alpha",
    "objective.beta_tcvae.beta",
    "objective.beta_tcvae.gamma",
    "objective.infogan.categories",
    "objective.infogan.noise",
    "objective.infogan.info_weight",
    "objective.infogan.continuous_weight",
    "objective.infogan.image_noise",
    "objective.infogan.image_noise_end",
    "eval.every",
)
# More is a slip: it would fill the memory, or the start would take hours, before anything is told.
_AT_MOST = {
    "seed": 2**32 - 1,  # a key keeps 32 bits
    "num_seeds": 64,
    "batch_size": 1_000_000,
    "steps_per_call": 10_000,
    "data.size": datasets.LARGEST,
    "objective.latents": 1_000,
    "objective.factor_vae.critic_layers": 100,
    "objective.factor_vae.critic_width": 20_000,
    "objective.infogan.categories": 10_000,
    "objective.infogan.noise": 10_000,
    "objective.infogan.packed": 1_000,
    "cascade.prior_batch_size": 1_000_000,
    "cascade.critic_layers": 100,
    "cascade.critic_width": 20_000,
}
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
    """A value in few words, on one line."""
    if isinstance(value, int) and value.bit_length() > 100:
        return f"a number of {value.bit_length()} bits"
    scalar = value is None or isinstance(value, (*_KINDS,))
    return repr(value)[:80] if scalar else f"a {type(value).__name__}"


def without_effect(config, names) -> list[str]:
    """Those of a config's fields that belong to another method, or to a cascade that is off."""
    method = _field(config, "objective.name")
    others = [f"objective.{name}." for name in METHODS if name != method]
    if not _field(config, "cascade.weight"):
        others.append("cascade.")
    # By two of them a model without the cascade is scored all the same.
    used = ("cascade.weight", "cascade.structure", "cascade.critic_input")
    return [name for name in names if name.startswith(tuple(others)) and name not in used]


def _check_types(config) -> None:
    """Refuse a field that is missing, not of its default's type, or too large to be meant."""
    for name, default in flat(defaults.get_config().to_dict()):
        value, kind = _field(config, name), type(default)
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise UserError(f"config.{name} is {_shown(value)}; it must be {_KINDS[kind]}")
        most = _AT_MOST.get(name, _LARGEST.get(kind))
        if most is not None and not abs(value) <= most:  # so NaN is refused
            limit = f"{most:,}" if kind is int else f"{most:.2g}"
            raise UserError(f"config.{name} is {_shown(value)}; it must be at most {limit}")


def one_of(what: str, name: str, names) -> None:
    """Refuse a name that is not among names, with the nearest of them."""
    if name not in names:
        hint = did_you_mean(name, names)
        raise UserError(f"unknown {what} {name!r}; {hint}there are: {', '.join(names)}")


def metrics(names) -> None:
    """Refuse a name of a metric that there is not."""
    for name in names:
        one_of("metric", name, METRICS)


def check(config, num_devices: int, num_processes: int = 1) -> None:
    """Refuse a config that can't be run on this many devices, before anything is built.

    Args:
      config: of the run.
      num_devices: of all processes.
      num_processes: that share the run.

    Raises:
      UserError: one line that names the field, its value and what it must be.
    """
    _check_types(config)
    _check_ranges(config)
    _check_names(config)
    _check_seeds(config, num_devices, num_processes)
    # Seeds are what the devices share: each batch stays whole.
    _check_batch(config, num_devices if config.num_seeds == 1 else 1)
    _check_cascade(config)


def _check_ranges(config):
    for name in _POSITIVE:
        if not _field(config, name) > 0:
            raise UserError(f"config.{name} is {_field(config, name)}; it must be above 0")
    for name in _NOT_NEGATIVE:
        if not _field(config, name) >= 0:
            raise UserError(f"config.{name} is {_field(config, name)}; it must be 0 or more")
    for name in (f"optim.{player}.{beta}" for player in _OPTIMIZERS for beta in ("b1", "b2")):
        if not 0 <= _field(config, name) < 1:
            raise UserError(f"config.{name} is {_field(config, name)}; it must be in [0, 1)")
    if not 0 <= _field(config, "optim.decay_from") <= 1:
        raise UserError(
            f"config.optim.decay_from is {config.optim.decay_from}; it must be from 0 to 1"
        )
    for name in ("log_every", "checkpoint_every", "eval.every"):
        if config.steps_per_call and _field(config, name) % config.steps_per_call:
            raise UserError(
                f"config.{name} {_field(config, name)} is not divisible by steps_per_call "
                f"{config.steps_per_call}: nothing can be looked at within a call"
            )


def _check_names(config):
    for name, names in {
        "compute_dtype": COMPUTE_DTYPES,
        "objective.name": METHODS,
        "objective.likelihood": distributions.LIKELIHOODS,
        "objective.beta_tcvae.estimator": ESTIMATORS,
        "objective.infogan.loss": LOSSES,
        "objective.infogan.networks": NETWORKS,
        "cascade.critic_input": CRITIC_INPUTS,
        "cascade.source": SOURCES,
    }.items():
        one_of(f"config.{name}", _field(config, name), names)
    metrics(named(config.eval.metrics))


def _check_seeds(config, num_devices, num_processes):
    last, most = config.seed + config.num_seeds - 1, _AT_MOST["seed"]
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
    if _halved(config) and batch // num_devices % 2:
        raise UserError(
            f"config.batch_size {batch} is odd on each of {num_devices} devices; "
            "objective.factor_vae.second_batch halves it: make it even"
        )
    packed = config.objective.infogan.packed
    if config.objective.name == "infogan" and batch // num_devices % packed:
        raise UserError(
            f"config.batch_size {batch} on {num_devices} devices does not divide into packs of "
            f"{packed} images (objective.infogan.packed); the nearest ones are "
            f"{_nearest_multiples(batch, packed * num_devices)}"
        )


def _check_cascade(config):
    """Whether the regulariser can have its source, its structure and enough rows."""
    cascade, posterior = config.cascade, config.cascade.source == "posterior"
    if posterior and config.objective.name == "infogan":
        raise UserError(
            "config.cascade.source is posterior, and infogan encodes no data: set it to prior"
        )
    if posterior and cascade.prior_batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size is {cascade.prior_batch_size}; it adds codes "
            "of the prior: set it to 0, or config.cascade.source to prior"
        )
    joint, network = cascade.critic_input == "joint", structure(config)
    marginal = network.marginal()
    if cascade.edge_reward and not (cascade.weight and any(marginal.parents)):
        raise UserError(
            f"config.cascade.edge_reward is {cascade.edge_reward}; it rewards edges between "
            "z_hat nodes: give config.cascade.structure some and config.cascade.weight above 0, "
            "or set it to 0"
        )
    rows = cascade.prior_batch_size or config.batch_size
    if rows < config.batch_size:
        raise UserError(
            f"config.cascade.prior_batch_size {rows} is under batch_size {config.batch_size}; "
            "0 makes it as large as batch_size"
        )
    if _halved(config) and posterior:
        rows //= 2  # the other half is for FactorVAE's own critic
    plan = bayesian_joint.plan(network if joint else marginal, with_z=joint)
    needed = bayesian_joint.rows_needed(plan)
    if cascade.weight and rows < needed:
        raise UserError(
            f"a sample of p_B needs {needed} rows and gets {rows}: raise "
            "config.batch_size or config.cascade.prior_batch_size"
        )


def _halved(config) -> bool:
    """Whether half of the batch is for FactorVAE's critic alone."""
    return config.objective.name == "factor_vae" and config.objective.factor_vae.second_batch


def _require_multiple(name, size, num_devices):
    if size % num_devices:
        raise UserError(
            f"config.{name} {size} is not divisible by {num_devices} devices; "
            f"the nearest ones are {_nearest_multiples(size, num_devices)}"
        )


def _nearest_multiples(size, factor):
    below = size - size % factor
    return f"{below} and {below + factor}" if below else f"{factor}"
