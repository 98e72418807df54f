"""The table of methods: all that the rest of the package knows of a method, one row each.

A new method is a file in objectives/, a row here, its fields in defaults.py, a row in
docs/methods.md and tests: CONTRIBUTING.md.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax

from cvae_jax import networks
from cvae_jax.networks import gan_networks
from cvae_jax.objectives.beta_tcvae import beta_tcvae
from cvae_jax.objectives.dip_vae import dip_vae_i, dip_vae_ii
from cvae_jax.objectives.factor import factor
from cvae_jax.objectives.infogan import infogan
from cvae_jax.objectives.vae import annealed_vae, beta_vae, vae

COMPUTE_DTYPES = {"float32": None, "bfloat16": jnp.bfloat16}  # None: that of parameters


def rising(weight, steps: int):
    """Returns the weight, or a linear warm-up to it over so many steps."""
    return optax.linear_schedule(0.0, weight, steps) if steps else weight


def _kl_factor(config):
    """Returns 1, or a fall from 100 to 1 by equal factors."""
    steps = config.objective.kl_falls_steps
    return optax.exponential_decay(100.0, steps, 0.01, end_value=1.0) if steps else 1.0


def dtype(config):
    """Returns what networks compute in; None: the type of their parameters."""
    return COMPUTE_DTYPES[config.compute_dtype]


def critic(config, fields) -> networks.Critic:
    """Returns the critic that a config's fields critic_layers and critic_width describe."""
    return networks.Critic(fields.critic_layers, fields.critic_width, dtype(config))


def _burgess(config, info):
    return networks.burgess(info.size, info.channels, config.objective.latents, dtype(config))


def _infogan_networks(config, info):
    fields = config.objective.infogan
    latents, kind = config.objective.latents, fields.networks
    return gan_networks.infogan_networks(
        info.size, info.channels, latents, fields.categories, dtype(config), kind
    )


def _shared(config, info) -> dict:
    """What every VAE takes."""
    return {
        "likelihood": config.objective.likelihood,
        "pixel_weight": config.objective.pixel_weight,
        "dataset_size": info.num_examples,
        "kl_factor": _kl_factor(config),
    }


def _vae(nets, config, info):
    return vae(nets, **_shared(config, info))


def _beta_vae(nets, config, info):
    beta = rising(config.objective.beta_vae.beta, config.objective.warmup_steps)
    return beta_vae(nets, beta=beta, **_shared(config, info))


def _annealed_vae(nets, config, info):
    fields = config.objective.annealed_vae
    capacity = rising(fields.capacity, fields.capacity_steps)
    return annealed_vae(nets, gamma=fields.gamma, capacity=capacity, **_shared(config, info))


def _factor_vae(nets, config, info):
    fields = config.objective.factor_vae
    weight = rising(fields.weight, config.objective.warmup_steps)
    return factor(_vae(nets, config, info), weight, critic=critic(config, fields))


def _beta_tcvae(nets, config, info):
    fields = config.objective.beta_tcvae
    return beta_tcvae(
        nets,
        beta=rising(fields.beta, config.objective.warmup_steps),
        estimator=fields.estimator,
        **_shared(config, info),
    )


def _dip_vae(make, nets, config, info):
    fields = fields_of(config)
    lambda_od = rising(fields.lambda_od, config.objective.warmup_steps)
    factor = fields.lambda_d_factor
    return make(nets, lambda_od=lambda_od, lambda_d_factor=factor, **_shared(config, info))


def _infogan(nets, config, info):
    del info
    fields = config.objective.infogan
    return infogan(
        nets,
        latents=config.objective.latents,
        categories=fields.categories,
        noise=fields.noise,
        continuous_weight=fields.continuous_weight,
        loss=fields.loss,
        image_noise=optax.linear_schedule(
            fields.image_noise, fields.image_noise_end, fields.image_noise_steps
        ),
    )


class Method(NamedTuple):
    """A row of the table. Its fields are those of config.objective.NAME, if there are any."""

    name: str  # as readers know it
    paper: str
    make: Callable  # (networks, config, DataInfo) -> Objective
    networks: Callable = _burgess  # (config, DataInfo) -> the built-in ones
    # its critics by name, each with fields under config.optim; and the config's field that weighs
    # the KL that the critic estimates, "" of one that estimates none
    critics: Mapping[str, str] = {}
    prior: str = "normal"  # z ~ N(0, I); or uniform, z ~ U(-1, 1)^d
    # whether it has a likelihood p(x|z) and a posterior q(z|x) of the data
    likelihood: bool = True
    warms_up: bool = True  # whether objective.warmup_steps are those of a weight of its own
    batch_multiple: int = 1  # of which each device's share of a batch is a multiple


METHODS = {
    "vae": Method("VAE", "Kingma & Welling 2014", _vae, warms_up=False),
    "beta_vae": Method("beta-VAE", "Higgins et al. 2017", _beta_vae),
    "annealed_vae": Method("annealed VAE", "Burgess et al. 2018", _annealed_vae, warms_up=False),
    "factor_vae": Method(
        "FactorVAE",
        "Kim & Mnih 2018",
        _factor_vae,
        critics={"factor": "objective.factor_vae.weight"},
    ),
    "beta_tcvae": Method("beta-TCVAE", "Chen et al. 2018", _beta_tcvae),
    "dip_vae_i": Method("DIP-VAE-I", "Kumar et al. 2018", partial(_dip_vae, dip_vae_i)),
    "dip_vae_ii": Method("DIP-VAE-II", "Kumar et al. 2018", partial(_dip_vae, dip_vae_ii)),
    "infogan": Method(
        "InfoGAN",
        "Chen et al. 2016",
        _infogan,
        networks=_infogan_networks,
        critics={"image": ""},
        prior="uniform",
        likelihood=False,
        warms_up=False,
        batch_multiple=2,  # its discriminator judges packs of two images
    ),
}


def title(config) -> str:
    """Returns what a config's method is called, with its cascade."""
    name = method_of(config).name
    if not config.cascade.weight:
        return name
    return f"{name} with the cascade, structure {config.cascade.structure or 'independent'}"


def method_of(config) -> Method:
    """Returns the row of the method that a config names."""
    return METHODS[config.objective.name]


def fields_of(config) -> Any:
    """Returns the fields of the config's own method; {}: it has none."""
    return config.objective.get(config.objective.name, {})


def critic_weights() -> dict[str, str]:
    """Returns the config's field that weighs each critic's KL, by the critic's name."""
    weights = {"cascade": "cascade.weight"}
    for method in METHODS.values():
        weights |= method.critics
    return weights
