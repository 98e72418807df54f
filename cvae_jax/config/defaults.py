"""Every field of a config, with its default; the files of configs/ change what their data need."""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """A cascade VAE on dSprites in the paper's setting."""
    config = ml_collections.ConfigDict()

    config.seed = 0
    # Trained at once, from seed on, each in a folder of its own: docs/performance.md
    config.num_seeds = 1
    config.batch_size = 64  # images a step over all devices; a multiple of their number
    config.num_steps = 300_000
    # What encoder, decoder (or InfoGAN's networks) and critics compute in: float32, or bfloat16 for
    # GPUs and TPUs; parameters, losses and everything else are float32
    config.compute_dtype = "float32"
    # Steps that the device takes without coming back, a divisor of log_every, checkpoint_every and
    # eval.every; 0: 1 on a CPU, up to 50 elsewhere
    config.steps_per_call = 0
    # Weights & Biases' project to log to as well (pip install wandb); "": none
    config.wandb = ""
    # package.module:function that makes encoder and decoder of one's own, docs/data.md; "": none
    config.networks = ""
    config.init_from = ""  # another run's --workdir: start from its weights

    config.data = ml_collections.ConfigDict()
    # a name that `python -m cvae_jax.datasets` lists, folder:PATH, npz:PATH or tfds:NAME
    config.data.name = "dsprites"
    config.data.size = 64  # pixels a side; 32 and 16 are means of 2x2 and 4x4 pixels
    config.data.dir = ""  # where data are kept; "": $TFDS_DATA_DIR or ~/tensorflow_datasets

    config.objective = ml_collections.ConfigDict()
    # vae, beta_vae, annealed_vae, factor_vae, beta_tcvae or infogan; each has its fields below
    config.objective.name = "vae"
    config.objective.latents = 10
    config.objective.likelihood = "bernoulli"  # or gaussian (unit variance)
    config.objective.pixel_weight = 1.0  # on the reconstruction; 4 at 32x32 balances as 1 at 64x64

    # Steps over which beta (of beta_vae and beta_tcvae) or weight (of factor_vae) rises from 0
    config.objective.warmup_steps = 0
    config.objective.beta_vae = ml_collections.ConfigDict({"beta": 4.0})  # Higgins et al. 2017
    config.objective.annealed_vae = ml_collections.ConfigDict(  # Burgess et al. 2018
        {"gamma": 1000.0, "capacity": 25.0, "capacity_steps": 100_000}  # capacity in nats
    )
    config.objective.factor_vae = ml_collections.ConfigDict(  # Kim & Mnih 2018
        {"weight": 35.0, "critic_layers": 6, "critic_width": 1000}
    )
    # True: as in the paper's Algorithm 2 half of each batch serves for permutation alone
    config.objective.factor_vae.second_batch = False
    config.objective.beta_tcvae = ml_collections.ConfigDict(  # Chen et al. 2018
        {"alpha": 1.0, "beta": 6.0, "gamma": 1.0, "estimator": "stratified"}  # or weighted
    )
    config.objective.infogan = ml_collections.ConfigDict(  # codes are objective.latents
        {"categories": 0, "noise": 62, "info_weight": 1.0, "loss": "least_squares"}
    )  # or cross_entropy, the original's
    # "": the original's at 28x28, the authors' at 32x32 and 64x64; or "strided", much faster ones
    config.objective.infogan.networks = ""
    # of the continuous codes' information beside the category's
    config.objective.infogan.continuous_weight = 1.0
    config.objective.infogan.packed = 2  # images that the discriminator judges together
    # standard deviation of the noise that it sees them under, and what it falls to in so many steps
    config.objective.infogan.image_noise = 0.4
    config.objective.infogan.image_noise_end = 0.04
    config.objective.infogan.image_noise_steps = 900

    config.cascade = ml_collections.ConfigDict()
    # independent, decompose2, decompose3, compose2, compose3, tower, or edges such as "1>3 2>3"
    config.cascade.structure = "independent"
    config.cascade.weight = 6.0  # of the KL; the paper's Eq. 5 has 1; 0: no cascade
    config.cascade.warmup_steps = 0  # over which the weight rises from 0
    config.cascade.critic_input = "z_hat"  # Eq. 6 as printed; or joint: the critic sees (z, z_hat)
    # z ~ N(0, I), as the paper's text has it; or posterior: z of the images, as its Fig. 2 draws it
    config.cascade.source = "prior"
    config.cascade.prior_batch_size = 0  # more donors for samples of p_B; 0: batch_size
    # An extension, not in the paper: weight of a reward for edges that are used, a lower bound of
    # I(z_hat_j; its z_hat parents); 0: none
    config.cascade.edge_reward = 0.0
    config.cascade.critic_layers = 6
    config.cascade.critic_width = 1000

    config.optim = ml_collections.ConfigDict()
    # FactorVAE's rates. The critic must be as fast as the model, or the model outruns it and the
    # estimated KL means nothing. On dSprites at 64x64 and 5e-4 for both the critic lost within
    # 1,600 steps (its loss reached 6.3 nats; guessing has 0.69), at 1e-4 it stayed under 0.69 over
    # 4,000 steps.
    config.optim.model = ml_collections.ConfigDict({"learning_rate": 1e-4, "b1": 0.9, "b2": 0.999})
    config.optim.cascade = ml_collections.ConfigDict({"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9})

    # The critics of factor_vae (the paper's rate) and of infogan (the discriminator)
    config.optim.factor = ml_collections.ConfigDict({"learning_rate": 1e-4, "b1": 0.5, "b2": 0.9})
    config.optim.image = ml_collections.ConfigDict({"learning_rate": 4e-4, "b1": 0.5, "b2": 0.999})

    # Share of num_steps after which all rates fall, linearly, to 0 at the end; 1: they never do
    config.optim.decay_from = 1.0

    config.log_every = 100  # steps
    config.checkpoint_every = 5_000

    config.eval = ml_collections.ConfigDict()
    config.eval.every = 50_000  # steps between evaluations; 0: at the end alone
    # names with commas between them (docs/metrics.md), or all; "": those that take seconds
    config.eval.metrics = ""
    config.eval.num_images = 1_000  # for the scores of reconstructions
    config.eval.traversal_range = 2.0  # traversals move a code from minus this to this
    return config
