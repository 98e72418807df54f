"""The cascade VAE on dSprites.

Variants:
  (none)    the paper's setting: 64x64, batch 64, 300,000 steps. On two CPU cores 8 to 10 steps
            per second (docs/performance.md), so 8 to 10 hours, after some minutes that render
            the 737,280 images once. Not yet run to its end; version 0.1 had after 4,000 steps
            (--config.num_steps=4000) IoU 0.82, MIG 0.10, FactorVAE score 0.55. Squares, ellipses
            and hearts come apart much later: IoU 0.96 in three runs of 257,600 to 266,500 steps,
            14 minutes side by side on an NVIDIA H200 (results/paper, docs/reproduction.md)
  quick     a look at everything: a sub-grid of the data at 32x32, few steps. 3 minutes 12 s of
            processor time; IoU 0.85, MIG 0.02, FactorVAE score 0.64 (docs/tutorial.md). Machines
            round differently: another run had MIG 0.05 and a FactorVAE score of 0.71. Place and
            size are found, shapes are not: squares and hearts come back as discs and ellipses
  half      the best of our settings, 32x32: x, y and scale get a latent each. Ellipses and large
            hearts come back as such, squares with round corners. All images, 30,000 steps, 15
            minutes on one CPU core (docs/extensions.md, "Given conditionals, and what they cost")
  hierarchy a latent, z_5, that is made of three others: on top of the shipped model
            dsprites_cascade, which is (half), a decoder that adds z_5 to z_2, z_3 and z_8, and a
            reward for edges. 32x32, 5,000 steps, 4 minutes on one CPU core (docs/extensions.md, "A
            whole that is the sum of its parts")
  official  as (none), on DeepMind's own file in place of the rendered images
  color, noisy, patches  as (none), each sprite in a colour of its own, in noise, or on a patch of a
            texture. Not yet run to its end
  infogan   InfoGAN by the authors' least-squares networks, without the cascade, which
            --config.cascade.weight=1.0 adds. Not yet run to its end

  cvae train --config=dsprites
  cvae train --config=dsprites:quick
  cvae train --config=dsprites:half
  cvae train --config=dsprites:hierarchy
  cvae train --config=dsprites:official
  cvae train --config=dsprites:color
  cvae train --config=dsprites:infogan

Fields that are not here have the values of cvae_jax/config/defaults.py, which says what each is.
"""

from cvae_jax import defaults


def get_config(variant: str = ""):
    config = defaults.get_config()  # the paper's setting on dSprites: the defaults
    if variant == "quick":
        _smaller(config)
        config.num_steps = 2_500
        config.data.name = "dsprites_small"
        config.checkpoint_every = 1_000
    elif variant == "half":
        _sampled(config)
        config.objective.kl_falls_steps = 4_000
        config.num_steps = 30_000
        config.cascade.critic_input = "joint"
        config.cascade.conditionals = "given"
    elif variant == "hierarchy":
        _sampled(config)
        config.init_from = "dsprites_cascade"  # which has x in z_8, y in z_2 and size in z_3
        config.num_steps = 5_000
        config.cascade.structure = "2>5 3>5 8>5"
        config.cascade.weight = 40.0
        config.cascade.edge_reward = 15.0
        # slow beside its critic: with 5e-4 latents that were not in use depend on the others
        config.optim.model.learning_rate = 1e-4
        config.optim.decay_from = 0.4
        config.cascade.additive = True
        config.cascade.second_pass = "none"
    elif variant in ("official", "color", "noisy", "patches"):
        config.data.name = f"dsprites_{variant}"
    elif variant == "infogan":
        config.objective.name = "infogan"
        config.objective.latents = 5
        config.cascade.weight = 0.0
        config.optim.model.learning_rate = 4e-4
        config.optim.model.b1 = 0.5
    elif variant:
        raise ValueError(
            f"unknown variant {variant!r}; there are quick, half, hierarchy, official, color, "
            "noisy, patches and infogan"
        )
    return config


def _smaller(config):
    """32x32, balanced as 64x64, and faster rates for fewer steps."""
    config.data.size = 32
    config.objective.pixel_weight = 4.0
    config.optim.model.learning_rate = 5e-4
    config.optim.cascade.learning_rate = 5e-4
    config.optim.factor.learning_rate = 5e-4
    config.eval.every = 0


def _sampled(config):
    """Posterior latents and sampled images, at 32x32."""
    _smaller(config)
    config.cascade.source = "posterior"
    config.cascade.x_hat = "sample"
    config.cascade.smoothness = 0.001
    config.cascade.critic_layers, config.cascade.critic_width = 4, 512
