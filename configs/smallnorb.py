"""The cascade VAE on SmallNORB: toys, grey, 96x96 resized to 64x64.

  cvae train --config=smallnorb

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "smallnorb"
    return config
