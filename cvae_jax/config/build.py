"""From a config to networks, objective and optimizers."""

from typing import NamedTuple

import jax.numpy as jnp
import optax

from cvae_jax import networks, structures
from cvae_jax.config import methods
from cvae_jax.config.once import once_per_method
from cvae_jax.errors import UserError
from cvae_jax.networks import gan_networks
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.beta_tcvae import beta_tcvae
from cvae_jax.objectives.cascade import cascade
from cvae_jax.objectives.edge_reward import edge_reward
from cvae_jax.objectives.factor import factor
from cvae_jax.objectives.infogan import infogan
from cvae_jax.objectives.vae import annealed_vae, beta_vae, vae


class DataInfo(NamedTuple):
    """What a method must know of its data."""

    size: int  # side of the square images, pixels
    channels: int
    num_examples: int


COMPUTE_DTYPES = {"float32": None, "bfloat16": jnp.bfloat16}  # None: that of parameters
METHODS = tuple(methods.NAMES)


def structure(config) -> structures.Structure:
    """The Bayesian network that config.cascade.structure names or writes out."""
    try:
        return structures.from_config(config.cascade.structure, config.objective.latents)
    except ValueError as error:
        raise UserError(f"config.cascade.structure: {error}") from None


def _rising(weight, steps: int):
    """A weight, or its rise from 0 over so many steps."""
    return optax.linear_schedule(0.0, weight, steps) if steps else weight


def _dtype(config):
    return COMPUTE_DTYPES[config.compute_dtype]


def _critic(config, fields):
    return networks.Critic(fields.critic_layers, fields.critic_width, _dtype(config))


def _base(config, info: DataInfo) -> Objective:
    """The method without the cascade; see METHODS."""
    name, latents = config.objective.name, config.objective.latents
    fields = config.objective[name] if name != "vae" else None
    if name == "infogan":
        nets = gan_networks.infogan_networks(
            info.size, info.channels, latents, fields.categories, _dtype(config), fields.networks
        )
        noise = optax.linear_schedule(
            fields.image_noise, fields.image_noise_end, fields.image_noise_steps
        )
        return infogan(
            nets,
            latents=latents,
            categories=fields.categories,
            noise=fields.noise,
            info_weight=fields.info_weight,
            continuous_weight=fields.continuous_weight,
            loss=fields.loss,
            packed=fields.packed,
            image_noise=noise,
        )
    nets = networks.burgess(info.size, info.channels, latents, _dtype(config))
    shared = {
        "likelihood": config.objective.likelihood,
        "pixel_weight": config.objective.pixel_weight,
        "dataset_size": info.num_examples,
    }
    warmup = config.objective.warmup_steps
    if name == "beta_vae":
        return beta_vae(nets, beta=_rising(fields.beta, warmup), **shared)
    if name == "annealed_vae":
        capacity = _rising(fields.capacity, fields.capacity_steps)
        return annealed_vae(nets, gamma=fields.gamma, capacity=capacity, **shared)
    if name == "beta_tcvae":
        return beta_tcvae(
            nets,
            alpha=fields.alpha,
            beta=_rising(fields.beta, warmup),
            gamma=fields.gamma,
            estimator=fields.estimator,
            **shared,
        )
    base = vae(nets, **shared)
    if name == "factor_vae":
        return factor(
            base,
            _rising(fields.weight, warmup),
            critic=_critic(config, fields),
            second_batch=fields.second_batch,
        )
    return base


@once_per_method
def objective(config, data_info: DataInfo) -> Objective:
    """The method that the config names, with its cascade unless cascade.weight is 0.

    Raises:
      UserError: images of a size that the networks can't take.
    """
    try:
        base = _base(config, data_info)
    except ValueError as error:
        raise UserError(f"config.data.size: {error}") from None
    if not config.cascade.weight:
        return base
    network = structure(config)
    method = cascade(
        base,
        network,
        _rising(config.cascade.weight, config.cascade.warmup_steps),
        critic_input=config.cascade.critic_input,
        source=config.cascade.source,
        prior_batch_size=config.cascade.prior_batch_size,
        critic=_critic(config, config.cascade),
    )
    if not config.cascade.edge_reward:
        return method
    return edge_reward(method, network, config.cascade.edge_reward)


@once_per_method
def optimizers(config) -> Players:
    """Adam for the model, and for each critic an Adam with rate and betas of its own."""
    critic = optax.partition(
        {name: _adam(config, name) for name in critics(config)},
        lambda params: {name: name for name in params},
    )
    return Players(model=_adam(config, "model"), critic=critic)


def critics(config) -> list[str]:
    """The names of the method's critics."""
    own = {"factor_vae": ["factor"], "infogan": ["image"]}.get(config.objective.name, [])
    return own + (["cascade"] if config.cascade.weight else [])


def _adam(config, player: str):
    fields, rate = config.optim[player], config.optim[player].learning_rate
    if config.optim.decay_from < 1:
        begin = int(config.optim.decay_from * config.num_steps)
        rate = optax.linear_schedule(rate, 0.0, config.num_steps - begin, begin)
    return optax.adam(rate, b1=fields.b1, b2=fields.b2)
