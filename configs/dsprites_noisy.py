"""The cascade VAE on dSprites in noise: white sprites before coloured noise.

  cvae train --config=dsprites_noisy
  cvae train --config=dsprites_noisy --config.data.name=dsprites_small_noisy

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "dsprites_noisy"
    return config
