"""The cascade VAE on 3D Chairs, 64x64 in colour.

The rate of FactorVAE's critic is the one that its paper has for chairs.

  cvae train --config=chairs3d

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "chairs3d"
    config.optim.factor.learning_rate = 1e-5
    return config
