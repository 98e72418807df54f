"""The cascade VAE on 3D Shapes, 64x64 in colour: rooms with six known factors.

  cvae train --config=shapes3d

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "shapes3d"
    return config
