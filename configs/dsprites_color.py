"""The cascade VAE on dSprites in colours: each sprite in one of its own, on black.

  cvae train --config=dsprites_color
  cvae train --config=dsprites_color --config.data.name=dsprites_small_color

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "dsprites_color"
    return config
