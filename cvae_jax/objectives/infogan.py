"""InfoGAN: a generator whose latents a recogniser reads from its images, as two players."""

import jax
import jax.numpy as jnp

from cvae_jax.networks.checks import require_floats, require_range
from cvae_jax.networks.gan_networks import GanNetworks
from cvae_jax.objectives import distributions, rows
from cvae_jax.objectives.base import Objective, Players, at_step
from cvae_jax.objectives.density_ratio import classification_loss

LOSSES = ("cross_entropy", "least_squares")
# Of a recognised latent, whose density has no upper bound where the generator is deterministic. The
# gradient of a wrong mean grows with the inverse variance: -4 and -6 broke down sooner.
LEAST_LOGVAR = -2.0


def limited(logvar):
    """Returns logvar where it is over -1, below that bent towards -2, which it never reaches.

    A clip has no gradient: a latent that reached its limit would stay there for good.
    """
    over = logvar - (LEAST_LOGVAR + 1)
    return LEAST_LOGVAR + jnp.where(over > 0, over + 1, jnp.exp(jnp.where(over > 0, 0, over)))


def infogan(
    networks: GanNetworks,
    *,
    latents: int,
    categories: int = 0,
    noise: int = 62,
    info_weight=1.0,
    continuous_weight=1.0,
    loss: str = "least_squares",
    packed: int = 2,
    image_noise=0.04,
) -> Objective:
    """Returns InfoGAN of Chen et al. 2016 (arXiv:1606.03657), two players in place of three parts.

    Latents z ~ U(-1, 1)^d, a category c and noise e make an image x = G(z, c, e). Generator and
    recogniser Q minimise, mean over the batch, in nats:

        adversarial(D(x)) - info_weight * ( E[log q(c | x)] + continuous_weight E[log q(z | x)] )

    The discriminator D minimises its own loss. It judges `packed` images at a time, stacked as
    channels (Lin et al. 2018, arXiv:1712.04086), and all of them under fresh Gaussian noise
    (Arjovsky & Bottou 2017, arXiv:1701.04862). Without the two D separated 5,000 digits from
    samples within some dozen steps, and G made one image of every input: a pack of equal images is
    seen to be fake, and noise hides from D what no eye sees.

    In the original Q shares D's body and its gradient moves D; here Q has a body of its own, so
    that neither player's loss moves the other.

    Args:
      networks: see `gan_networks.infogan_networks`.
      latents: d, the number of continuous latents; they are the z of the cascade and the metrics.
      categories: of the categorical code, drawn with equal chances; 0: none.
      noise: the number of N(0, 1) inputs besides.
      info_weight: a number, or a function of the step.
      continuous_weight: of the continuous latents beside the category. The paper asks for a smaller
        one; with 1 their information, which has no upper bound, outgrows the category's.
      loss: "cross_entropy" (the original's, with -log D(x) for the generator) or "least_squares"
        (Mao et al. 2017).
      packed: images that D judges together; the batch on each device is a multiple of it.
      image_noise: standard deviation, of pixels from 0 to 1; a number, or a function of the step.

    Returns:
      An `Objective` with the critic "image". encode is Q's mean and logvar, decode is G; metrics:
      mi, the bound H(z) + E[log q(z | x)] and the same of c, summed; generator_loss;
      image_critic_loss and image_critic_accuracy.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss {loss!r} is not one of {', '.join(LOSSES)}")
    generator, recogniser, discriminator = networks

    def init(rng, images):
        keys = jax.random.split(rng, 3)
        fake = jnp.zeros((1, latents + categories + noise))
        pack = jnp.repeat(images[:1], packed, axis=-1)
        parts = zip(networks, keys, (fake, images[:1], pack), strict=True)
        generator_params, recogniser_params, image = (
            module.init(key, example)["params"] for module, key, example in parts
        )
        model = {"generator": generator_params, "recogniser": recogniser_params}
        return Players(model=model, critic={"image": image})

    def prior(rng, n):
        return jax.random.uniform(rng, (n, latents), minval=-1.0, maxval=1.0)

    def generate(params, z, category, e):
        """Generates images from z [n, d], category int [n] and e [n, noise]."""
        one_hot = jax.nn.one_hot(category, categories)
        inputs = jnp.concatenate([z, one_hot, e], axis=1)
        return generator.apply({"params": params.model["generator"]}, inputs)

    def rest(keys):
        """Returns what images hold besides z: (category [n], noise [n, noise]), from a key each."""

        def one(rng):
            category_rng, noise_rng = jax.random.split(rng)
            category = jax.random.randint(category_rng, (), 0, max(categories, 1))
            return category, jax.random.normal(noise_rng, (noise,))

        return jax.vmap(one)(keys)

    def recognise(params, images):
        out = recogniser.apply({"params": params.model["recogniser"]}, images)
        mean, logvar, logits = jnp.split(out, (latents, 2 * latents), axis=1)
        return mean, limited(logvar), logits

    def encode(params, images):
        require_floats(images)
        require_range(images)
        return recognise(params, images)[:2]

    def decode(params, z, rng=None):
        n = z.shape[0]  # which an exported program leaves open
        if rng is None:
            return generate(params, z, jnp.zeros(n, int), jnp.zeros((n, noise)))
        return generate(params, z, *rest(rng if rng.ndim else jax.random.split(rng, n)))

    def noisy(images, keys, step):
        noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:]))(keys)
        return images + at_step(image_noise, step) * noise

    def logits_of(params, images):
        """Images [n, H, W, C] -> logits [n / packed]."""
        n, height, width, channels = images.shape
        packs = images.reshape(n // packed, packed, height, width, channels)
        packs = packs.transpose(0, 2, 3, 1, 4).reshape(-1, height, width, packed * channels)
        return discriminator.apply({"params": params.critic["image"]}, packs)[:, 0]

    def model_loss(params, images, rng, step, axis_name=None):
        z_rng, rest_rng, real_rng, fake_rng = jax.random.split(rng, 4)
        n = len(images)
        if n % packed:
            raise ValueError(f"{n} images on a device do not divide into packs of {packed}")
        z = rows.local_rows(prior(z_rng, n * rows.num_devices(axis_name)), axis_name)
        category, e = rest(rows.row_keys(rest_rng, n, axis_name))
        fake = generate(params, z, category, e)
        mean, logvar, category_logits = recognise(params, fake)
        log_q = jnp.sum(distributions.log_gaussian(z, mean, logvar), axis=1)
        weighted = continuous_weight * log_q
        entropy = latents * jnp.log(2.0)
        if categories:
            own = jnp.take_along_axis(category_logits, category[:, None], axis=1)[:, 0]
            log_q_category = own - jax.nn.logsumexp(category_logits, axis=1)
            log_q += log_q_category
            weighted += log_q_category
            entropy += jnp.log(categories)
        mi = entropy + jnp.mean(log_q)
        seen = {
            "real": noisy(images, rows.row_keys(real_rng, n, axis_name), step),
            "fake": noisy(fake, rows.row_keys(fake_rng, n, axis_name), step),
        }
        logits = logits_of(params, seen["fake"])
        if loss == "cross_entropy":
            adversarial = jnp.mean(jax.nn.softplus(-logits))  # -log D(x)
        else:
            adversarial = 0.5 * jnp.mean((logits - 1) ** 2)
        total = adversarial - at_step(info_weight, step) * jnp.mean(weighted)
        metrics = {"mi": mi, "generator_loss": adversarial}
        return total, (metrics, {"z": z, "image": seen})

    def critic_loss(params, samples, rng, step, axis_name=None):
        del rng, step, axis_name
        real = logits_of(params, samples["image"]["real"])  # label 1
        fake = logits_of(params, samples["image"]["fake"])  # label 0
        if loss == "cross_entropy":
            value, accuracy = classification_loss(real, fake)
        else:
            value = 0.5 * (jnp.mean((real - 1) ** 2) + jnp.mean(fake**2))
            accuracy = 0.5 * (jnp.mean(real > 0.5) + jnp.mean(fake <= 0.5))
        metrics = {"image_critic_loss": value, "image_critic_accuracy": accuracy}
        return value, metrics

    return Objective(init, model_loss, critic_loss, prior, encode, decode)
