"""The cascade VAE on dSprites on patches: sprites that invert a patch of a texture.

  cvae train --config=dsprites_patches
  cvae train --config=dsprites_patches --config.data.name=dsprites_small_patches

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "dsprites_patches"
    return config
