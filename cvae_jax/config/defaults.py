"""Every field of a config, with its default and its limits; configs/ change what data need.

A field is one line: its default, inside `positive`, `not_negative`, `one_of` or `Field` where it
has limits, and a comment above or behind it.
"""

import ml_collections

from cvae_jax import datasets
from cvae_jax.config import limits
from cvae_jax.config.limits import Field, not_negative, one_of, positive

LARGEST_SEED = 2**32 - 1  # a key keeps 32 bits


def get_config() -> ml_collections.ConfigDict:
    """Returns a cascade VAE on dSprites in the paper's setting."""
    return limits.defaults_of(_declared())


def get_limits() -> dict[str, Field]:
    """Returns the fields that have limits, by their dotted names."""
    return limits.limits_of(_declared())


def _adam(learning_rate, b1, b2) -> ml_collections.ConfigDict:
    """Returns the fields of an optimizer: its rate and the decay of its two moments."""
    fields = ml_collections.ConfigDict()
    fields.learning_rate = positive(learning_rate)  # Adam's step size
    fields.b1 = Field(b1, least=0, below=1)  # decay of Adam's mean of gradients, per step
    fields.b2 = Field(b2, least=0, below=1)  # decay of Adam's mean of their squares, per step
    return fields


# Upper limits catch slips: more would fill the memory, or take hours, before anything is logged.
def _declared() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()

    config.seed = not_negative(0, most=LARGEST_SEED)  # all that is random in a run follows from it
    # Trained at once, from seed on, each in a folder of its own: docs/performance.md
    config.num_seeds = positive(1, most=64)
    # images per step over all devices; a multiple of their number
    config.batch_size = Field(64, least=2, most=1_000_000)
    config.num_steps = positive(300_000)  # updates of model and critics
    # What encoder, decoder (or InfoGAN's networks) and critics compute in: float32, or bfloat16 for
    # GPUs and TPUs; parameters, losses and everything else are float32
    config.compute_dtype = one_of("float32", "bfloat16")
    # Steps that the device takes without coming back, a divisor of log_every, checkpoint_every and
    # eval.every; 0: 1 on a CPU, up to 50 elsewhere
    config.steps_per_call = not_negative(0, most=10_000)
    # Weights & Biases' project to log to as well (pip install wandb); "": none
    config.wandb = ""
    # package.module:function that makes encoder and decoder of one's own, docs/data.md; "": none
    config.networks = ""
    config.init_from = ""  # another run's --workdir: start from its weights

    config.data = ml_collections.ConfigDict()
    # a name that `python -m cvae_jax.datasets` lists, folder:PATH, npz:PATH or tfds:NAME
    config.data.name = "dsprites"
    # pixels per side: 64; 32 and 16 are means of 2x2 and 4x4 pixels; of one's own pictures any
    # multiple of 16
    config.data.size = positive(64, most=datasets.LARGEST)
    # Of labelled data, docs/data.md: pairs of factors that training sees together, such as
    # shape~scale:0.2
    config.data.correlate = ""
    # Of labelled data, docs/data.md: combinations that training never sees, such as
    # shape=heart,x>16
    config.data.hold_out = ""
    config.data.dir = ""  # where data are kept; "": $TFDS_DATA_DIR or ~/tensorflow_datasets

    config.objective = ml_collections.ConfigDict()
    # vae, beta_vae, annealed_vae, factor_vae, beta_tcvae, dip_vae_i, dip_vae_ii or infogan; each
    # has its fields below
    config.objective.name = "vae"
    config.objective.latents = positive(10, most=1_000)  # dimensions of z
    # p(x|z), docs/methods.md: bernoulli is no normalised density of images that are not binary;
    # gaussian has unit variance and laplace unit scale; learned_gaussian is sigma-VAE's
    config.objective.likelihood = one_of(
        "bernoulli", "gaussian", "laplace", "continuous_bernoulli", "learned_gaussian"
    )
    # weight of the reconstruction; 4 at 32x32 balances as 1 at 64x64
    config.objective.pixel_weight = positive(1.0)

    # Steps over which beta (of beta_vae and beta_tcvae), weight (of factor_vae) or lambda_od (of
    # dip_vae_i and dip_vae_ii) rises from 0
    config.objective.warmup_steps = not_negative(0)
    # Steps over which the weight of a VAE's KL falls from 100 times its own, by equal factors.
    # Latents then get into use one after the other, those of the largest differences first:
    # docs/extensions.md
    config.objective.kl_falls_steps = not_negative(0)

    config.objective.beta_vae = ml_collections.ConfigDict()  # Higgins et al. 2017
    config.objective.beta_vae.beta = not_negative(4.0)  # weight of the KL

    config.objective.annealed_vae = ml_collections.ConfigDict()  # Burgess et al. 2018
    config.objective.annealed_vae.gamma = not_negative(1000.0)  # weight of |KL - capacity|
    config.objective.annealed_vae.capacity = not_negative(25.0)  # nats, at the end
    # steps over which the capacity rises from 0
    config.objective.annealed_vae.capacity_steps = not_negative(100_000)

    config.objective.factor_vae = ml_collections.ConfigDict()  # Kim & Mnih 2018
    config.objective.factor_vae.weight = not_negative(35.0)  # weight of the total correlation
    config.objective.factor_vae.critic_layers = positive(6, most=100)  # hidden layers of the critic
    config.objective.factor_vae.critic_width = positive(1000, most=20_000)  # units of each layer

    config.objective.beta_tcvae = ml_collections.ConfigDict()  # Chen et al. 2018
    config.objective.beta_tcvae.beta = not_negative(6.0)  # weight of the total correlation
    # how q(z) is estimated from a batch: two different losses, Chen et al.'s is weighted, see
    # docs/methods.md
    config.objective.beta_tcvae.estimator = one_of("stratified", "weighted")

    # Kumar et al. 2018; their lambda_d is lambda_d_factor times lambda_od
    config.objective.dip_vae_i = ml_collections.ConfigDict()
    config.objective.dip_vae_i.lambda_od = not_negative(10.0)  # weight of the means' covariances
    config.objective.dip_vae_i.lambda_d_factor = not_negative(10.0)  # of variances' distance from 1

    config.objective.dip_vae_ii = ml_collections.ConfigDict()  # Kumar et al. 2018
    config.objective.dip_vae_ii.lambda_od = not_negative(10.0)  # weight of the latents' covariances
    config.objective.dip_vae_ii.lambda_d_factor = not_negative(1.0)  # of variances' distance from 1

    # Its continuous latents are objective.latents
    config.objective.infogan = ml_collections.ConfigDict()
    # of a categorical code, drawn with equal chances; 0: none
    config.objective.infogan.categories = not_negative(0, most=10_000)
    config.objective.infogan.noise = not_negative(62, most=10_000)  # N(0, 1) inputs besides
    # of generator and discriminator; cross_entropy is the original's
    config.objective.infogan.loss = one_of("least_squares", "cross_entropy")
    # "": the original's at 28x28, the authors' at other sizes; or "strided", much faster ones
    config.objective.infogan.networks = one_of("", "strided")
    # weight of the continuous latents' information beside the category's
    config.objective.infogan.continuous_weight = not_negative(1.0)
    # standard deviation, at first, of the noise under which the discriminator sees images
    config.objective.infogan.image_noise = not_negative(0.4)
    config.objective.infogan.image_noise_end = not_negative(0.04)  # what that noise falls to
    config.objective.infogan.image_noise_steps = positive(900)  # steps over which it falls

    config.cascade = ml_collections.ConfigDict()
    # independent, decompose2, decompose3, compose2, compose3, tower, or edges such as "1>3 2>3"
    config.cascade.structure = "independent"
    config.cascade.weight = not_negative(6.0)  # of the KL; the paper's Eq. 5 has 1; 0: no cascade
    config.cascade.warmup_steps = not_negative(0)  # steps over which the weight rises
    # z_hat is Eq. 6 as printed; with joint the critic sees (z, z_hat)
    config.cascade.critic_input = one_of("z_hat", "joint")
    # z ~ N(0, I), as the paper's text has it; or posterior: z of the images, as its Fig. 2 draws it
    config.cascade.source = one_of("prior", "posterior")
    # what is encoded again: the decoder's mean, or a sample of p(x|z)
    config.cascade.x_hat = one_of("mean", "sample")
    # trained: the regulariser's gradient reaches the encoder also where it reads x_hat; fixed: not
    # there, so it can't learn to tell samples from images and answer them otherwise; none: the z of
    # the images stand for z_hat
    config.cascade.second_pass = one_of("trained", "fixed", "none")
    # of the network: own are those of the latents themselves, so it can only forbid; given ones ask
    # for z_hat = z, and for children that are the sum of their n parents by the root of n; for
    # critic_input=joint
    config.cascade.conditionals = one_of("own", "given")
    # more donors for samples of p_B; 0: batch_size
    config.cascade.prior_batch_size = not_negative(0, most=1_000_000)
    # weight of a penalty on the critic's slope, which steadies training at large weights of the KL
    # and makes the estimated KL too small; 0.001 to 0.01 are useful; 0: none
    config.cascade.smoothness = not_negative(0.0)
    # An extension, not in the paper: weight of a reward that every edge must earn, its information
    # given the child's other parents, up to half a nat each; needs x_hat=sample, or
    # second_pass=none; 0: none
    config.cascade.edge_reward = not_negative(0.0)
    # Another extension: the decoder reads each part of the structure as the sum of itself and its
    # wholes, and the encoder takes them apart; for a model that init_from names
    config.cascade.additive = False
    config.cascade.critic_layers = positive(6, most=100)  # hidden layers of the critic
    config.cascade.critic_width = positive(1000, most=20_000)  # units of each layer

    config.optim = ml_collections.ConfigDict()
    # FactorVAE's rates. The critic must be as fast as the model, or it diverges and the estimated
    # KL means nothing. On dSprites at 64x64 and 5e-4 for both the critic diverged within 1,600
    # steps (its loss reached 6.3 nats; guessing has 0.69), at 1e-4 it stayed under 0.69 over 4,000
    # steps.
    config.optim.model = _adam(1e-4, 0.9, 0.999)
    config.optim.cascade = _adam(1e-4, 0.5, 0.9)

    # The critics of factor_vae (the paper's rate) and of infogan (the discriminator)
    config.optim.factor = _adam(1e-4, 0.5, 0.9)
    config.optim.image = _adam(4e-4, 0.5, 0.999)

    # Share of num_steps after which all rates fall, linearly, to 0 at the end; 1: they never do
    config.optim.decay_from = Field(1.0, least=0, most=1)

    config.log_every = positive(100)  # steps between lines of metrics.jsonl
    config.checkpoint_every = positive(5_000)  # steps between checkpoints

    config.eval = ml_collections.ConfigDict()
    config.eval.every = not_negative(50_000)  # steps between evaluations; 0: at the end alone
    # names with commas between them (docs/metrics.md), or all; "": those that take seconds
    config.eval.metrics = ""
    config.eval.num_images = positive(1_000)  # for the scores of reconstructions
    config.eval.traversal_range = positive(2.0)  # traversals move a latent from minus this to this
    return config
