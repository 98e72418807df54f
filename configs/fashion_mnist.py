"""The cascade on Fashion-MNIST articles, 32x32: a VAE, or InfoGAN.

Variants:
  (none)   the cascade VAE on the 28x28 images in a frame of two empty pixels
  infogan  InfoGAN with the original's 28x28 networks, a category of ten and two continuous latents,
           without the cascade; --config.cascade.weight=1.0 adds it

  cvae train --config=fashion_mnist
  cvae train --config=fashion_mnist:infogan

Neither has been run to its end. Fields that are not here have the values of
cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config(variant: str = ""):
    config = defaults.get_config()
    config.num_steps = 50_000
    config.data.name = "fashion_mnist"
    config.data.size = 32  # InfoGAN also has networks for 28 and 64
    config.objective.pixel_weight = 4.0  # balances the KL at 32x32 as 1 does at 64x64
    config.eval.every = 0
    if variant == "infogan":
        config.num_steps = 20_000
        config.data.size = 28
        config.objective.name = "infogan"
        config.objective.latents = 2
        config.objective.infogan.categories = 10
        config.objective.infogan.loss = "cross_entropy"
        config.cascade.weight = 0.0
        config.optim.model.learning_rate = 4e-4
        config.optim.model.b1 = 0.5
        config.optim.decay_from = 0.5
        config.checkpoint_every = 2_000
        # the paper's, 10 times as far as latents are drawn
        config.eval.traversal_range = 10.0
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; there is infogan")
    return config
