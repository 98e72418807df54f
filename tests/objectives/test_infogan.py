"""InfoGAN's two losses written out, its codes, and its networks."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import cvae_jax
from cvae_jax.networks.gan_networks import NETWORKS, infogan_networks
from cvae_jax.objectives import infogan


def make(loss="least_squares", categories=3, size=32, **kwargs):
    networks = infogan_networks(size, 1, 2, categories)
    return cvae_jax.infogan(
        networks, latents=2, categories=categories, noise=4, loss=loss, **kwargs
    )


@pytest.fixture(scope="module")
def ready():
    """(params, images) of a small model; every objective of `make` has the same parameters."""
    images = np.random.default_rng(0).random((8, 32, 32, 1)).astype(np.float32)
    return jax.jit(make().init)(jax.random.key(0), images), images


@pytest.mark.parametrize(
    "loss", [pytest.param("least_squares", marks=pytest.mark.slow), "cross_entropy"]
)
def test_losses_are_those_written_out(ready, loss):
    params, images = ready
    objective = make(loss, info_weight=0.7, image_noise=0.0)
    rng = jax.random.key(1)
    total, (metrics, samples) = jax.jit(objective.model_loss)(params, images, rng, 0)
    fake, z = (np.asarray(x) for x in (samples["image"]["fake"], samples["z"]))
    discriminator, recogniser = (infogan_networks(32, 1, 2, 3)[i] for i in (2, 1))
    np.testing.assert_array_equal(samples["image"]["real"], images)  # under no noise
    pairs = range(0, 8, 2)
    packs = [np.concatenate([*x[i : i + 2]], axis=-1) for x in (fake, images) for i in pairs]
    judged = jax.jit(discriminator.apply)({"params": params.critic["image"]}, np.stack(packs))
    d_fake, d_real = np.asarray(judged)[:, 0].reshape(2, 4)  # four packs of each
    read = jax.jit(recogniser.apply)({"params": params.model["recogniser"]}, fake)
    out = np.asarray(read, float)
    log_z = stats.norm.logpdf(z, out[:, :2], np.exp(out[:, 2:4] / 2)).sum(axis=1)
    rest_rng = jax.random.split(rng, 4)[1]
    keys = [jax.random.split(key)[0] for key in jax.random.split(rest_rng, 8)]
    category = np.array([jax.random.randint(key, (), 0, 3) for key in keys])
    p = np.exp(out[:, 4:]) / np.exp(out[:, 4:]).sum(axis=1, keepdims=True)
    log_q = np.mean(log_z + np.log(p[np.arange(8), category]))
    assert metrics["mi"] == pytest.approx(2 * np.log(2) + np.log(3) + log_q, rel=1e-4)
    if loss == "least_squares":
        generator = np.mean((d_fake - 1) ** 2) / 2
        critic = (np.mean((d_real - 1) ** 2) + np.mean(d_fake**2)) / 2
    else:
        sigmoid = lambda x: 1 / (1 + np.exp(-x))
        generator = -np.mean(np.log(sigmoid(d_fake)))
        critic = -(np.mean(np.log(sigmoid(d_real))) + np.mean(np.log(1 - sigmoid(d_fake)))) / 2
    assert total == pytest.approx(generator - 0.7 * log_q, rel=1e-4)
    found, _ = jax.jit(objective.critic_loss)(params, samples, rng, 1)
    assert found == pytest.approx(critic, rel=1e-4)


def test_a_variance_that_has_diverged_comes_back():
    """Its logvar is bounded below and has a gradient everywhere; where it is usual, it is as is."""
    least = infogan.LEAST_LOGVAR
    logvar = least + jnp.array([-34.0, -3.0, 0.0, 0.999, 1.0, 1.001, 4.0, 40.0])
    value, slope = jax.vmap(jax.value_and_grad(infogan.limited))(logvar)
    assert (value >= least).all()
    assert (slope[1:] > 0.01).all()
    np.testing.assert_allclose(value[4:], logvar[4:], rtol=1e-6)
    np.testing.assert_allclose(slope[3:], 1, atol=0.01)  # no kink where the two forms meet
    np.testing.assert_allclose(np.diff(value[3:6]), 0.001, rtol=0.01)


def test_noise_is_of_the_size_that_the_step_has(ready):
    params, images = ready
    objective = make(image_noise=lambda step: 0.5 / (1 + step))
    for step, expected in ((0, 0.5), (4, 0.1)):
        _, (_, samples) = jax.jit(objective.model_loss)(params, images, jax.random.key(5), step)
        noise = np.asarray(samples["image"]["real"]) - images
        assert noise.std() == pytest.approx(expected, rel=0.05)
        assert abs(noise.mean()) < 0.03 * expected
        assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] < 0.1


def test_a_batch_that_makes_no_packs_is_refused(ready):
    params, images = ready
    with pytest.raises(ValueError, match="6 images on a device do not divide into packs of 4"):
        jax.eval_shape(make(packed=4).model_loss, params, images[:6], jax.random.key(0), 0)


def test_the_generator_is_fixed_until_a_key_is_given(ready):
    params, _ = ready
    objective = make()
    z = objective.prior(jax.random.key(3), 1000)
    assert z.shape == (1000, 2)
    assert -1 <= z.min() < -0.98 < 0.98 < z.max() <= 1
    decode = jax.jit(objective.decode)
    still = [np.asarray(decode(params, z[:4])) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    drawn = [np.asarray(decode(params, z[:4], jax.random.key(i))) for i in range(2)]
    assert np.max(np.abs(drawn[0] - drawn[1])) > 1e-3
    assert still[0].min() >= 0
    assert still[0].max() <= 1


@pytest.mark.parametrize(
    ("size", "which"), [(28, ""), *((s, w) for s in (32, 64) for w in NETWORKS)]
)
def test_networks_of_every_size(size, which):
    networks = infogan_networks(size, 1, 2, 10, networks=which)
    objective = cvae_jax.infogan(networks, latents=2, categories=10, noise=4)
    images = jnp.zeros((4, size, size, 1))
    params = jax.eval_shape(objective.init, jax.random.key(0), images)
    mean, logvar = jax.eval_shape(objective.encode, params, images)
    assert mean.shape == logvar.shape == (4, 2)
    assert jax.eval_shape(objective.decode, params, mean).shape == (4, size, size, 1)
    with pytest.raises(ValueError, match=r"size 40 is not .*multiple of 16"):
        infogan_networks(40, 1, 2, 0)
    with pytest.raises(ValueError, match="size 28 is not a multiple of 16"):
        infogan_networks(28, 1, 2, 0, networks="strided")
    with pytest.raises(ValueError, match="networks 'nets' are not one of '', 'strided'"):
        infogan_networks(32, 1, 2, 0, networks="nets")


@pytest.mark.slow
def test_devices_share_their_batch(ready):
    params, images = ready
    structure = cvae_jax.structures.parse("1>2", 2)
    objective = cvae_jax.cascade(make(), structure, 2.0, critic=cvae_jax.networks.Critic(1, 8))
    params = jax.jit(objective.init)(jax.random.key(0), images)

    def losses(params, images, axis_name=None):
        loss, (_, samples) = objective.model_loss(params, images, jax.random.key(1), 0, axis_name)
        critic, _ = objective.critic_loss(params, samples, jax.random.key(2), 0, axis_name)
        return loss, critic, samples["cascade"]["z_hat"]

    loss, critic, z_hat = jax.jit(losses)(params, images)
    split = functools.partial(losses, axis_name="devices")
    split = jax.jit(jax.vmap(split, in_axes=(None, 0), axis_name="devices"))
    losses2, critics2, z_hat2 = split(params, images.reshape(2, 4, 32, 32, 1))
    assert np.mean(losses2) == pytest.approx(float(loss), rel=1e-5)
    assert np.mean(critics2) == pytest.approx(float(critic), rel=1e-5)
    np.testing.assert_allclose(z_hat2.reshape(8, 2), z_hat, rtol=1e-4, atol=1e-5)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="'wasserstein' is not one of cross_entropy"):
        make("wasserstein")
