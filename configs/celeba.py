"""The cascade VAE on CelebA, 64x64 in colour, the paper's setting.

img_align_celeba.zip has to be put into the data folder by hand: its authors share it from a drive
with a download quota.
10 latents, as the paper learns 10 features of it (its Fig. 4); others take 32:
--config.objective.latents=32. FactorVAE's critic has the rate that its paper gives it for CelebA.

  cvae train --config=celeba

Not yet run to its end. Fields that are not here have the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config():
    config = defaults.get_config()
    config.data.name = "celeba"
    config.objective.annealed_vae.capacity = 50.0
    config.optim.factor.learning_rate = 1e-5
    config.eval.traversal_range = 5.0  # the paper's
    return config
