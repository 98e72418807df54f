"""The cascade VAE on Cars3D: cars, colour, 128x128 resized to 64x64.

  cvae train --config=cars3d

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "cars3d"
    return config
