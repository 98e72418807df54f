"""DIP-VAE's penalty by hand, by numpy, and at the identity; its loss on one device and on four."""

import itertools

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import cvae_jax
from cvae_jax import networks
from cvae_jax.objectives.dip_vae import (
    covariance_of_latents,
    covariance_of_means,
    distance_from_identity,
)

NETWORKS = networks.burgess(8, 1, 4)
FORMS = {
    "i": (cvae_jax.dip_vae_i, covariance_of_means),
    "ii": (cvae_jax.dip_vae_ii, covariance_of_latents),
}
BOTH = pytest.mark.parametrize("form", FORMS)


def posteriors(batch=12, d=3):
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(batch, d)) @ rng.normal(size=(d, d)) + 5
    return mean, rng.uniform(-3, 0.5, (batch, d))


def numpy_covariance(form, mean, logvar):
    """Divided by B, as that of the batch itself."""
    c = np.cov(np.asarray(mean, np.float64), rowvar=False, bias=True)
    return c + np.diag(np.exp(np.asarray(logvar, np.float64)).mean(axis=0)) * (form == "ii")


def numpy_penalty(c, lambda_od, lambda_d):
    total = 0.0
    for i, j in np.ndindex(c.shape):
        total += lambda_d * (c[i, i] - 1) ** 2 if i == j else lambda_od * c[i, j] ** 2
    return total


@pytest.mark.parametrize(
    ("form", "covariance", "penalty"),
    [
        # Cov[(0, 0), (2, 0), (2, 4), (0, 4)] has 1 and 4 on its diagonal: 2 * (4 - 1)^2
        ("i", [[1, 0], [0, 4]], 18),
        # variances of 1, 1, 3, 3 and 1/2 add 2 and 1/2: 2 * (3 - 1)^2 + 2 * (4.5 - 1)^2
        ("ii", [[3, 0], [0, 4.5]], 32.5),
    ],
)
def test_four_images_by_hand(form, covariance, penalty):
    mean = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 4.0], [0.0, 4.0]])
    logvar = np.log([[1.0, 0.5], [1.0, 0.5], [3.0, 0.5], [3.0, 0.5]])
    found = FORMS[form][1](mean, logvar)
    np.testing.assert_allclose(found, covariance, rtol=1e-6, atol=1e-6)
    assert distance_from_identity(found, 5.0, 2.0) == pytest.approx(penalty, rel=1e-6)


def test_each_pair_of_latents_counts_twice():
    """Three images on a line: C = 2/3 everywhere; 5 * 2 * 4/9 + 2 * 2 * 1/9."""
    c = covariance_of_means(jnp.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]), None)
    assert distance_from_identity(c, 5.0, 2.0) == pytest.approx(44 / 9, rel=1e-6)


@BOTH
def test_covariance_is_that_of_numpy(form):
    mean, logvar = posteriors()
    expected = numpy_covariance(form, mean, logvar)
    np.testing.assert_allclose(FORMS[form][1](mean, logvar), expected, rtol=1e-4)
    # latents far from 0, in float32
    far = np.float32(mean + 1000)
    expected = numpy_covariance(form, far, logvar)
    np.testing.assert_allclose(FORMS[form][1](far, logvar), expected, rtol=1e-4)


@BOTH
def test_gradient_of_the_penalty_derived_by_hand(form):
    """G = dP/dC; C of means: 2/B (m - E[m]) G; its mean variance: diag(G) exp(logvar) / B."""
    lambda_od, lambda_d = 3.0, 7.0
    mean, logvar = posteriors()
    c = numpy_covariance(form, mean, logvar)
    g = 2 * lambda_od * c
    np.fill_diagonal(g, 2 * lambda_d * (np.diag(c) - 1))
    of_mean = 2 / len(mean) * (mean - mean.mean(axis=0)) @ g
    of_logvar = np.diag(g) * np.exp(logvar) / len(mean) * (form == "ii")

    def penalty(mean, logvar):
        return distance_from_identity(FORMS[form][1](mean, logvar), lambda_od, lambda_d)

    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(penalty, argnums=(0, 1)))
        found = gradient(jnp.array(mean), jnp.array(logvar))
    np.testing.assert_allclose(found, (of_mean, of_logvar), rtol=1e-10, atol=1e-12)


CORNERS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))  # covariance: the identity
ROTATION = np.array([[0.6, -0.8, 0.0], [0.8, 0.6, 0.0], [0.0, 0.0, 1.0]])  # rotates z1 and z2


def test_the_identity_has_no_penalty_however_it_is_rotated():
    for mean in (CORNERS, CORNERS @ ROTATION.T):
        c = covariance_of_means(mean, None)
        assert distance_from_identity(c, 10.0, 100.0) == pytest.approx(0, abs=1e-9)
    # Of II the mean is as wide as q(z|x) leaves room for: 1 = s^2 + (1 - s^2).
    s = 0.8
    mean, logvar = s * CORNERS, np.full(CORNERS.shape, np.log(1 - s**2))
    ii, i = covariance_of_latents(mean, logvar), covariance_of_means(mean, logvar)
    assert distance_from_identity(ii, 10.0, 10.0) == pytest.approx(0, abs=1e-9)
    assert distance_from_identity(i, 10.0, 10.0) == pytest.approx(
        10 * 3 * (1 - s**2) ** 2, rel=1e-5
    )


def test_rotated_latents_of_different_widths_have_a_penalty():
    """Variances 1.5, 0.5 and 1, turned: a covariance of .6 * .8 * (1.5 - 0.5) = 0.48."""
    mean = CORNERS * np.sqrt([1.5, 0.5, 1.0])
    straight = covariance_of_means(mean, None)
    turned = covariance_of_means(mean @ ROTATION.T, None)
    assert distance_from_identity(straight, 10.0, 0.0) == pytest.approx(0, abs=1e-9)
    assert distance_from_identity(turned, 10.0, 0.0) == pytest.approx(20 * 0.48**2, rel=1e-5)
    # whose squares, with those of the variances, add up to what they did before
    assert distance_from_identity(turned, 1.0, 1.0) == pytest.approx(0.5, rel=1e-5)


@BOTH
def test_the_loss_is_the_bound_and_the_penalty(form, images):
    objective = FORMS[form][0](NETWORKS, lambda_od=3.0, lambda_d_factor=4.0, pixel_weight=2.0)
    params = jax.jit(objective.init)(jax.random.key(0), helpers.floats(images))
    loss, (m, _) = jax.jit(objective.model_loss)(
        params, helpers.floats(images), jax.random.key(1), 0
    )
    mean, logvar = jax.jit(objective.encode)(params, helpers.floats(images))
    penalty = numpy_penalty(numpy_covariance(form, mean, logvar), 3.0, 12.0)
    assert loss - 2 * m["recon"] - m["kl"] == pytest.approx(penalty, rel=1e-4)


@BOTH
def test_the_weight_may_be_a_schedule(form, images):
    """lambda_d rises with lambda_od; 0 is the VAE."""
    make, _ = FORMS[form]
    rise = optax.linear_schedule(0.0, 4.0, 10)
    params = jax.jit(make(NETWORKS).init)(jax.random.key(0), helpers.floats(images))
    args = (params, helpers.floats(images), jax.random.key(1))
    for step, other in ((0, cvae_jax.vae(NETWORKS)), (5, make(NETWORKS, lambda_od=2.0))):
        found = jax.jit(make(NETWORKS, lambda_od=rise).model_loss)(*args, step)[0]
        assert found == pytest.approx(float(jax.jit(other.model_loss)(*args, 0)[0]), rel=1e-6)


@BOTH
def test_devices_share_their_batch(form, images):
    """Four devices, by vmap: loss and gradient are those of one."""
    objective = FORMS[form][0](NETWORKS)
    params = jax.jit(objective.init)(jax.random.key(0), helpers.floats(images))

    def loss(model, images, axis_name=None):
        p, rng = params._replace(model=model), jax.random.key(1)
        return objective.model_loss(p, images, rng, 0, axis_name)[0]

    helpers.assert_devices_share(loss, params.model, helpers.floats(images), 4)
