"""The cascade VAE on heads3d: grey 64x64 heads with known identity, pose and light, rendered here.

Variants:
  (none)  the whole grid, 127,050 images, in the setting that faces3d has
  quick   a look at everything: a sub-grid of 3,960 heads, few steps

  cvae train --config=heads3d
  cvae train --config=heads3d:quick

The whole grid has not been run to its end; the quick look takes some three minutes and shows
outline, pose and light, no features yet. Fields that are not here have the values of
cvae_jax/config/defaults.py.
"""

from cvae_jax import defaults


def get_config(variant: str = ""):
    config = defaults.get_config()
    config.data.name = "heads3d"
    if variant == "quick":
        config.num_steps = 1_500
        config.data.name = "heads3d_small"
        config.data.size = 32
        config.objective.pixel_weight = 4.0
        config.optim.model.learning_rate = 5e-4
        config.optim.cascade.learning_rate = 5e-4
        config.optim.factor.learning_rate = 5e-4
        config.checkpoint_every = 1_000
        config.eval.every = 0
    elif variant:
        raise ValueError(f"unknown variant {variant!r}; there is quick")
    return config
