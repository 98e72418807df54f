"""Cascade variational auto-encoders in JAX.

The public names are imported when they are first used: importing the package starts no backend,
defines no flag and loads neither data sets nor plots.
"""

import importlib

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
    "edge_reward": "cvae_jax.objectives.edge_reward",
    "factor": "cvae_jax.objectives.factor",
    "infogan": "cvae_jax.objectives.infogan",
    "load": "cvae_jax.runs.loading",
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

__all__ = sorted([*_PUBLIC, *_MODULES])


def __getattr__(name):
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(f"module 'cvae_jax' has no attribute {name!r}")


def __dir__():
    return __all__
