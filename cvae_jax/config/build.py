"""From a config to networks, objective and optimizers."""

from typing import NamedTuple

import optax

from cvae_jax import structures
from cvae_jax.config import methods, own_networks
from cvae_jax.config.once import once_per_method
from cvae_jax.errors import UserError
from cvae_jax.networks import Networks
from cvae_jax.networks.additive import additive
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.cascade import cascade
from cvae_jax.objectives.edge_reward import edge_reward


class DataInfo(NamedTuple):
    """What a method must know of its data."""

    size: int  # side of the square images, pixels
    channels: int
    num_examples: int


def structure(config) -> structures.Structure:
    """Returns the Bayesian network that config.cascade.structure names or writes out."""
    try:
        return structures.from_config(config.cascade.structure, config.objective.latents)
    except ValueError as error:
        raise UserError(f"config.cascade.structure: {error}") from None


@once_per_method
def objective(config, data_info: DataInfo, own: Networks | None = None) -> Objective:
    """Returns the method that the config names, with its cascade unless cascade.weight is 0.

    Args:
      config: of the run.
      data_info: of its data.
      own: encoder and decoder of one's own; None: those that config.networks names, or else the
        built-in ones.

    Raises:
      UserError: images of a size that the built-in networks can't take.
    """
    method = methods.method_of(config)
    own = own_networks.of(config, data_info, own)
    try:
        nets = own or method.networks(config, data_info)
    except ValueError as error:
        raise UserError(f"config.data.size: {error}") from None
    if config.cascade.additive:
        nets = additive(nets, structure(config).parents)
    base = method.make(nets, config, data_info)
    if not config.cascade.weight:
        return base
    network = structure(config)
    wrapped = cascade(
        base,
        network,
        methods.rising(config.cascade.weight, config.cascade.warmup_steps),
        critic_input=config.cascade.critic_input,
        source=config.cascade.source,
        x_hat=config.cascade.x_hat,
        second_pass=config.cascade.second_pass,
        conditionals=config.cascade.conditionals,
        prior_batch_size=config.cascade.prior_batch_size,
        smoothness=config.cascade.smoothness,
        critic=methods.critic(config, config.cascade),
    )
    if not config.cascade.edge_reward:
        return wrapped
    return edge_reward(wrapped, network, config.cascade.edge_reward)


def critics(config) -> list[str]:
    """Returns the names of the method's critics."""
    own = list(methods.method_of(config).critics)
    return own + (["cascade"] if config.cascade.weight else [])


@once_per_method
def optimizers(config, names: tuple[str, ...] | None = None) -> Players:
    """Returns Adam for the model, and for each critic an Adam with its own rate and betas.

    Args:
      config: of the run.
      names: of the critics; None: those of the config's method.
    """
    names = critics(config) if names is None else names
    critic = optax.partition(
        {name: _adam(config, name) for name in names},
        lambda params: {name: name for name in params},
    )
    return Players(model=_adam(config, "model"), critic=critic)


def _adam(config, player: str):
    fields, rate = config.optim[player], config.optim[player].learning_rate
    if config.optim.decay_from < 1:
        begin = int(config.optim.decay_from * config.num_steps)
        rate = optax.linear_schedule(rate, 0.0, config.num_steps - begin, begin)
    return optax.adam(rate, b1=fields.b1, b2=fields.b2)
