"""The paper's experiments, each run a variant: SCALE,DATA,METHOD.

SCALE   quick  a look, minutes for a whole figure on two CPU cores: sub-grids, 32x32, 1,000 steps
        half   32x32, 30,000 steps, critics of 4 x 512: at most a quarter of an hour a run there
        tuning as half, half as many steps, few scores: what the settings of half were chosen by
        paper  the paper's setting, for GPUs and TPUs: 64x64, 300,000 steps, critics of 6 x 1000
DATA    dsprites, heads3d (stands in for faces3d), mnist, fashion_mnist, faces3d, chairs3d, celeba
METHOD  vae, beta_vae, factor_vae, beta_tcvae or infogan, alone or, after a +, with the cascade and
        a structure: vae+independent is the paper's method, vae+tower its Fig. 9

  python -m cvae_jax.main --config=configs/paper.py:half,dsprites,vae+independent

`python -m cvae_jax.reproduce` runs what a table or figure needs of them: docs/reproduction.md.
Fields that are not here have the values of cvae_jax/defaults.py.
"""

from cvae_jax import defaults

SCALES = ("quick", "tuning", "half", "paper")
METHODS = ("vae", "beta_vae", "factor_vae", "beta_tcvae", "infogan")
# Of each data set: how far codes are moved in the paper's pictures (Sections 4.1 to 4.4).
RANGES = {
    "dsprites": 2.0,
    "heads3d": 2.0,
    "faces3d": 2.0,
    "mnist": 2.0,
    "fashion_mnist": 2.0,
    "chairs3d": 2.0,
    "celeba": 5.0,
}
METRICS = (
    "mig,mig_chen,factor_score,sap,modularity_explicitness,unsupervised,reconstruction,terms,"
    "classifier"
)


def get_config(variant: str = "half,dsprites,vae+independent"):
    scale, data, method = [*variant.split(","), "", ""][:3]
    base, _, structure = method.partition("+")
    known = scale in SCALES and data in RANGES and base in METHODS
    if not known or variant.count(",") != 2:
        raise ValueError(
            f"unknown variant {variant!r}; there are SCALE,DATA,METHOD, for instance "
            "half,dsprites,vae+independent"
        )
    config = defaults.get_config()
    config.data.name = data
    config.objective.name = base
    config.cascade.structure = structure or "independent"
    config.eval.every = 0
    config.eval.metrics = METRICS
    config.eval.traversal_range = RANGES[data]
    if not structure:
        config.cascade.weight = 0.0
    if data == "celeba":
        config.optim.factor.learning_rate = 1e-5  # FactorVAE's paper
    if scale != "paper":
        _smaller(config)
    if base == "infogan":
        _infogan(config)
    if scale == "tuning":
        config.num_steps = 15_000
        config.eval.metrics = "mig,mig_chen,factor_score,reconstruction,terms"
    if scale == "quick":
        config.num_steps = 1_000
        if data in ("dsprites", "heads3d"):
            config.data.name = f"{data}_small"
    return config


def _smaller(config):
    """32x32, balanced as 64x64, and faster rates for fewer steps."""
    config.num_steps = 30_000
    config.data.size = 32
    config.objective.pixel_weight = 4.0
    for player in (config.cascade, config.objective.factor_vae):
        player.critic_layers, player.critic_width = 4, 512
    for player in (config.optim.model, config.optim.cascade, config.optim.factor):
        player.learning_rate = 5e-4


def _infogan(config):
    """InfoGAN with strided convolutions, and a discriminator that does not win outright.

    With the defaults it told all sprites from samples within 400 steps, which never got a shape.
    """
    config.objective.latents = 5
    if "mnist" in config.data.name:
        config.data.size = 32
        config.objective.infogan.categories = 10
    config.objective.infogan.networks = "strided"
    config.objective.infogan.loss = "cross_entropy"
    config.objective.infogan.noise = 8
    config.objective.infogan.continuous_weight = 0.1
    config.objective.infogan.image_noise_end = 0.3
    config.optim.model.learning_rate = 1e-3
    config.optim.model.b1 = 0.5
    config.optim.image.learning_rate = 2e-4
