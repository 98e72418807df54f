"""Cascade variational auto-encoders in JAX.

The public names are imported when they are first used: importing the package starts no backend,
defines no flag and loads neither data sets nor plots.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_PUBLIC = {
    "Objective": "cvae_jax.objectives.base",
    "Players": "cvae_jax.objectives.base",
    "TrainState": "cvae_jax.step",
    "annealed_vae": "cvae_jax.objectives.vae",
    "beta_tcvae": "cvae_jax.objectives.beta_tcvae",
    "beta_vae": "cvae_jax.objectives.vae",
    "cascade": "cvae_jax.objectives.cascade",
    "create_train_state": "cvae_jax.step",
    "dip_vae_i": "cvae_jax.objectives.dip_vae",
    "dip_vae_ii": "cvae_jax.objectives.dip_vae",
    "edge_reward": "cvae_jax.objectives.edge_reward",
    "factor": "cvae_jax.objectives.factor",
    "infogan": "cvae_jax.objectives.infogan",
    "load": "cvae_jax.runs.loading",
    "train_and_evaluate": "cvae_jax.training.loop",
    "train_step": "cvae_jax.step",
    "vae": "cvae_jax.objectives.vae",
}
_MODULES = {
    "build": "cvae_jax.config.build",
    "defaults": "cvae_jax.config.defaults",
    "dependence": "cvae_jax.structures.independence",
    "gan_networks": "cvae_jax.networks.gan_networks",
    "metrics": "cvae_jax.metrics",
    "networks": "cvae_jax.networks",
    "parallel": "cvae_jax.devices.placement",
    "plots": "cvae_jax.plots",
    "structures": "cvae_jax.structures",
}

if TYPE_CHECKING:  # for editors, which know no names that are imported later
    from cvae_jax import metrics, networks, plots, structures
    from cvae_jax.config import build, defaults
    from cvae_jax.devices import placement as parallel
    from cvae_jax.networks import gan_networks
    from cvae_jax.objectives.base import Objective, Players
    from cvae_jax.objectives.beta_tcvae import beta_tcvae
    from cvae_jax.objectives.cascade import cascade
    from cvae_jax.objectives.dip_vae import dip_vae_i, dip_vae_ii
    from cvae_jax.objectives.edge_reward import edge_reward
    from cvae_jax.objectives.factor import factor
    from cvae_jax.objectives.infogan import infogan
    from cvae_jax.objectives.vae import annealed_vae, beta_vae, vae
    from cvae_jax.runs.loading import load
    from cvae_jax.step import TrainState, create_train_state, train_step
    from cvae_jax.structures import independence as dependence
    from cvae_jax.training.loop import train_and_evaluate

__all__ = [
    "Objective",
    "Players",
    "TrainState",
    "annealed_vae",
    "beta_tcvae",
    "beta_vae",
    "build",
    "cascade",
    "create_train_state",
    "defaults",
    "dependence",
    "dip_vae_i",
    "dip_vae_ii",
    "edge_reward",
    "factor",
    "gan_networks",
    "infogan",
    "load",
    "metrics",
    "networks",
    "parallel",
    "plots",
    "structures",
    "train_and_evaluate",
    "train_step",
    "vae",
]


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'cvae_jax' has no attribute {name!r}")


def __dir__():
    return __all__
