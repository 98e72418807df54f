"""From a config to networks, objective and optimizers; a config that can't be run is refused."""

import difflib
from typing import NamedTuple

import ml_collections
import optax

from cvae_jax import distributions, networks, structures
from cvae_jax.errors import UserError
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.bayesian_joint import rows_needed
from cvae_jax.objectives.cascade import CRITIC_INPUTS, cascade
from cvae_jax.objectives.edge_reward import edge_reward
from cvae_jax.objectives.vae import vae


class DataInfo(NamedTuple):
    """What a method must know of its data."""

    size: int  # side of the square images, pixels
    channels: int
    num_examples: int


_POSITIVE = (
    "batch_size",
    "num_steps",
    "log_every",
    "checkpoint_every",
    "objective.latents",
    "objective.pixel_weight",
    "cascade.critic_layers",
    "cascade.critic_width",
    "optim.model.learning_rate",
    "optim.cascade.learning_rate",
    "eval.num_images",
    "eval.traversal_range",
)
_NOT_NEGATIVE = (
    "seed",
    "cascade.weight",
    "cascade.prior_batch_size",
    "cascade.edge_reward",
    "eval.every",
)
_OTHER = (
    "init_from",
    "data.name",
    "data.size",
    "data.dir",
    "objective.name",
    "objective.likelihood",
    "cascade.structure",
    "cascade.critic_input",
)
_BETAS = ("optim.model.b1", "optim.model.b2", "optim.cascade.b1", "optim.cascade.b2")


def _field(config, name):
    for part in name.split("."):
        if not isinstance(config, ml_collections.ConfigDict) or part not in config:
            raise UserError(f"the config has no field {name}: add it, as in configs/dsprites.py")
        config = config[part]
    return config


def one_of(what: str, name: str, names) -> None:
    """Refuse a name that is not among names, with the nearest of them."""
    if name not in names:
        near = difflib.get_close_matches(str(name), names, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UserError(f"unknown {what} {name!r}; {hint}there are: {', '.join(names)}")


def structure(config) -> structures.Structure:
    """The Bayesian network that config.cascade.structure names or writes out."""
    try:
        return structures.from_config(config.cascade.structure, config.objective.latents)
    except ValueError as error:
        raise UserError(f"config.cascade.structure: {error}") from None


def check(config, num_devices: int) -> None:
    """Refuse a config that can't be run on this many devices, before anything is built.

    Raises:
      UserError: one line that names the field, its value and what it must be.
    """
    for name in _POSITIVE:
        if not _field(config, name) > 0:
            raise UserError(f"config.{name} is {_field(config, name)}; it must be above 0")
    for name in _NOT_NEGATIVE:
        if not _field(config, name) >= 0:
            raise UserError(f"config.{name} is {_field(config, name)}; it must be 0 or more")
    for name in _BETAS:
        if not 0 <= _field(config, name) < 1:
            raise UserError(f"config.{name} is {_field(config, name)}; it must be in [0, 1)")
    for name in _OTHER:
        _field(config, name)
    one_of("config.objective.name", config.objective.name, ("vae",))
    one_of(
        "config.objective.likelihood", config.objective.likelihood, (*distributions.LIKELIHOODS,)
    )
    one_of("config.cascade.critic_input", config.cascade.critic_input, CRITIC_INPUTS)
    network = structure(config)
    if config.cascade.critic_input == "z_hat":
        network = network.marginal()
    if config.cascade.edge_reward and not (config.cascade.weight and _has_edges(network)):
        raise UserError(
            f"config.cascade.edge_reward is {config.cascade.edge_reward}; it rewards edges between "
            "z_hat nodes: give config.cascade.structure some and config.cascade.weight above 0, "
            "or set it to 0"
        )
    batch, pool = config.batch_size, config.cascade.prior_batch_size or config.batch_size
    for name, size in (("batch_size", batch), ("cascade.prior_batch_size", pool)):
        if size % num_devices:
            raise UserError(
                f"config.{name} {size} does not divide by {num_devices} devices; "
                f"the nearest that do are {_nearest_multiples(size, num_devices)}"
            )
    if pool < batch:
        raise UserError(
            f"config.cascade.prior_batch_size {pool} is under batch_size {batch}; "
            "0 makes it as large as batch_size"
        )
    if config.cascade.weight and pool < rows_needed(network):
        raise UserError(
            f"a sample of p_B takes {rows_needed(network)} rows and the batch has {pool}: raise "
            "config.batch_size or config.cascade.prior_batch_size"
        )


def _has_edges(network):
    return any(network.z_hat_parents(j) for j in range(network.latents))


def _nearest_multiples(size, factor):
    below = size - size % factor
    return f"{below} and {below + factor}" if below else f"{factor}"


def objective(config, data_info: DataInfo) -> Objective:
    """The method that the config names, with its cascade unless cascade.weight is 0.

    Raises:
      UserError: images of a size that the networks can't take.
    """
    try:
        nets = networks.burgess(data_info.size, data_info.channels, config.objective.latents)
    except ValueError as error:
        raise UserError(f"config.data.size: {error}") from None
    base = vae(
        nets,
        likelihood=config.objective.likelihood,
        pixel_weight=config.objective.pixel_weight,
    )
    if not config.cascade.weight:
        return base
    network = structure(config)
    method = cascade(
        base,
        network,
        config.cascade.weight,
        critic_input=config.cascade.critic_input,
        prior_batch_size=config.cascade.prior_batch_size,
        critic=networks.Critic(config.cascade.critic_layers, config.cascade.critic_width),
    )
    if not config.cascade.edge_reward:
        return method
    return edge_reward(method, network, config.cascade.edge_reward)


def optimizers(config) -> Players:
    """Adam for the model, and for each critic an Adam with rate and betas of its own."""
    critics = ["cascade"] if config.cascade.weight else []
    critic = optax.partition(
        {name: _adam(config.optim[name]) for name in critics},
        lambda params: {name: name for name in params},
    )
    return Players(model=_adam(config.optim.model), critic=critic)


def _adam(fields):
    return optax.adam(fields.learning_rate, b1=fields.b1, b2=fields.b2)
