"""The likelihoods against scipy, numerical integration and closed forms."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.special
from helpers import floats
from scipy import integrate, stats

import cvae_jax
from cvae_jax import networks
from cvae_jax.objectives import likelihoods
from cvae_jax.objectives.likelihoods import LIKELIHOODS
from cvae_jax.runs import weights

CB = LIKELIHOODS["continuous_bernoulli"]
NEAR = [0.0, 1e-7, -1e-4, 1e-2, -0.0999, 0.1001, 0.4, -0.499, 0.501, -1.0]
LOGITS = np.float32([*NEAR, 3.0, -12.0, 17.0, 50.0, -50.0])
# of learned_gaussian, sigma 0.2 + exp(-6)
LEARNED = {"tenth_log_sigma": np.log(0.2) / 10}
SIGMA = 0.2 + np.exp(-6)


def learned(name):
    return LEARNED if name == "learned_gaussian" else {}


def test_likelihoods_equal_scipys():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 4, 2)).astype(np.float32)
    images = (rng.random((3, 4, 4, 2)) > 0.5).astype(np.float32)
    p = scipy.special.expit(logits.astype(np.float64))
    densities = {
        "bernoulli": stats.bernoulli.logpmf(images.astype(int), p),
        "gaussian": stats.norm.logpdf(images, p, 1.0),
        "laplace": stats.laplace.logpdf(images, p, 1.0),
        "learned_gaussian": stats.norm.logpdf(images, p, SIGMA),
    }
    for name, of_pixels in densities.items():
        found = LIKELIHOODS[name].negative_log(logits, images, **learned(name))
        np.testing.assert_allclose(found, -of_pixels.sum(axis=(1, 2, 3)), rtol=1e-5)
        np.testing.assert_allclose(LIKELIHOODS[name].mean(logits), p, rtol=1e-5)


def test_bernoulli_stays_exact_far_out():
    logits, images = np.full((1, 1, 1, 1), -200.0, np.float32), np.ones((1, 1, 1, 1), np.float32)
    found = LIKELIHOODS["bernoulli"].negative_log(logits, images)
    np.testing.assert_allclose(found, [200.0])


def integral(logit, of=lambda x: 1.0):
    """Of exp(logit x) of(x) over the interval, divided by exp(max(logit, 0)), in float64."""
    logit = np.float64(logit)
    integrand = lambda x: np.exp(logit * x - max(logit, 0)) * of(x)
    return integrate.quad(integrand, 0, 1, epsabs=0, epsrel=1e-12)[0]


def moments(logit):
    """Mean and variance of a continuous Bernoulli, by integration."""
    total = integral(logit)
    mean = integral(logit, lambda x: x) / total
    return mean, integral(logit, lambda x: (x - mean) ** 2) / total


@pytest.mark.parametrize("pixel", [0.0, 0.3, 1.0])
def test_continuous_bernoulli_is_normalised(pixel):
    logits = LOGITS.reshape(-1, 1, 1, 1)
    found = jax.jit(CB.negative_log)(logits, np.full_like(logits, pixel))
    # log of the integral of exp(l x), less l x
    logs = np.array([max(logit, 0) + np.log(integral(logit)) for logit in LOGITS])
    pixel = np.float64(np.float32(pixel))
    np.testing.assert_allclose(found, logs - pixel * LOGITS.astype(np.float64), atol=4e-6)
    np.testing.assert_allclose(found[:9], (logs - pixel * LOGITS)[:9], atol=2e-7)


def test_the_mean_of_continuous_bernoulli_is_the_integral():
    expected = np.array([moments(logit) for logit in LOGITS])
    np.testing.assert_allclose(jax.jit(CB.mean)(LOGITS), expected[:, 0], atol=3e-7)
    # The derivative of the mean is the variance, and that of the loss the mean's error.
    variance = jax.jit(jax.grad(lambda x: CB.mean(x).sum()))(LOGITS)
    np.testing.assert_allclose(variance, expected[:, 1], atol=2e-6)
    logits = LOGITS.reshape(-1, 1, 1, 1)
    loss = lambda x: CB.negative_log(x, np.full_like(logits, 0.3)).sum()
    gradient = jax.jit(jax.grad(loss))(logits).ravel()
    np.testing.assert_allclose(gradient, expected[:, 0] - 0.3, atol=1e-6)


@pytest.mark.parametrize("logit", [0.0, 1e-4, 0.0999, -0.1001, 4.0, -4.0, 50.0, -50.0])
def test_samples_of_continuous_bernoulli_have_its_law(logit):
    n = 20_000
    keys = jax.random.split(jax.random.key(0), n)
    logits = np.full((n, 1, 1, 1), logit, np.float32)
    x = np.float64(jax.jit(CB.sample)(keys, logits)).ravel()
    assert 0 <= x.min() <= x.max() <= 1
    mean, variance = moments(logit)
    assert x.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / n))
    assert x.var() == pytest.approx(variance, rel=0.05)
    law = lambda t: (
        t if logit == 0 else np.expm1(logit * np.float64(t)) / np.expm1(np.float64(logit))
    )
    assert stats.kstest(x, law).pvalue > 1e-3
    gradient = jax.jit(jax.grad(lambda x: CB.sample(keys, x).sum()))(logits).ravel()
    assert gradient.mean() == pytest.approx(variance, rel=0.02)


def test_samples_of_continuous_bernoulli_follow_their_logits():
    """Pixel by pixel, the same noise: the gradient is that of finite differences, and 0 no jump."""
    logits = np.linspace(-0.3, 0.3, 601, dtype=np.float32).reshape(1, -1, 1, 1)
    key = jax.random.key(1)

    def one(logit):  # the same noise for every logit
        return CB.sample(key[None], logit[None, None, None, None])[0, 0, 0, 0]

    x, slopes = jax.jit(jax.vmap(jax.value_and_grad(one)))(logits.ravel())
    rises = np.diff(np.float64(x)) / 1e-3
    np.testing.assert_allclose(rises, 0.5 * (slopes[1:] + slopes[:-1]), atol=1e-3)


@pytest.mark.parametrize("name", ["bernoulli", "gaussian", "laplace", "learned_gaussian"])
def test_samples_have_the_likelihoods_moments_and_the_gradient_of_its_mean(name):
    likelihood, n = LIKELIHOODS[name], 20_000
    sample = jax.jit(lambda logits: likelihood.sample(keys, logits, **learned(name)))
    logits = np.float32([-2.0, 0.0, 1.5]).reshape(1, 3, 1, 1) * np.ones((n, 1, 1, 1), np.float32)
    keys = jax.random.split(jax.random.key(0), n)
    x = np.asarray(sample(logits), np.float64)[:, :, 0, 0]  # [n, 3]
    p = scipy.special.expit(logits[0, :, 0, 0].astype(np.float64))
    variances = {"bernoulli": p * (1 - p), "laplace": [2] * 3, "learned_gaussian": [SIGMA**2] * 3}
    np.testing.assert_allclose(x.mean(axis=0), p, atol=0.04)
    covariance = np.diag(variances.get(name, [1] * 3))
    np.testing.assert_allclose(np.cov(x, rowvar=False), covariance, atol=0.08)
    gradient = jax.grad(lambda logits: sample(logits).sum())(logits)
    np.testing.assert_allclose(gradient[0, :, 0, 0], p * (1 - p), rtol=1e-5)
    if name == "bernoulli":
        np.testing.assert_allclose(x, np.rint(x), atol=1e-6)
    if name == "laplace":
        assert stats.kstest(x[:, 1], stats.laplace(0.5).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_losses_and_gradients_are_finite_everywhere(name):
    of = LIKELIHOODS[name]
    logits = np.float32([*LOGITS, 0.1, -0.1, 0.5, -0.5, 89, -89, 1e4, -1e4, 1e8, -1e8])
    logits = logits.reshape(-1, 1, 1, 1)
    keys = jax.random.split(jax.random.key(0), len(logits))

    @jax.jit
    def values(logits, parameters):
        grey = [jnp.full_like(logits, pixel) for pixel in (0.0, 0.5, 1.0)]
        losses = [of.negative_log(logits, images, **parameters).sum() for images in grey]
        return jnp.stack([*losses, of.sample(keys, logits, **parameters).sum()])

    jacobian = jax.jit(jax.jacrev(values, argnums=(0, 1)))
    for start in (-10.0, 0.0, 1.0) if of.parameters else (None,):
        parameters = {key: np.float32(start) for key in of.parameters}
        assert np.all(np.isfinite(values(logits, parameters)))
        gradients = jacobian(logits, parameters)
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(gradients))
    assert np.all(np.isfinite(jax.jit(jax.grad(lambda x: of.mean(x).sum()))(logits)))
    means = np.asarray(jax.jit(of.mean)(logits))
    assert 0 <= means.min() <= means.max() <= 1


def test_the_best_sigma_is_the_maximum_likelihood_variance():
    """In closed form: the mean squared error over all pixels and images."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(8, 4, 4, 3)).astype(np.float32)
    images = rng.random((8, 4, 4, 3), dtype=np.float32)
    of = LIKELIHOODS["learned_gaussian"]

    def loss(parameter):
        return float(of.negative_log(logits, images, tenth_log_sigma=parameter).mean())

    best = scipy.optimize.minimize_scalar(loss, bounds=(-1, 1), options={"xatol": 1e-6})
    error = np.mean((scipy.special.expit(logits) - images) ** 2, dtype=np.float64)
    assert likelihoods.learned_sigma(best.x) ** 2 == pytest.approx(error, rel=1e-2)
    assert best.fun == pytest.approx(24 * np.log(2 * np.pi * np.e * error), rel=1e-5)
    loss_of = lambda s: of.negative_log(logits, images, tenth_log_sigma=s).mean()
    gradient = jax.jit(jax.grad(loss_of))
    at = np.float32(np.log(np.sqrt(error) - np.exp(-6)) / 10)
    assert gradient(at) == pytest.approx(0, abs=1e-2)  # 0.01 away in log sigma it is about 10
    # An exact decoder takes sigma to its limit, and the loss no further.
    assert likelihoods.learned_sigma(-10.0) == pytest.approx(np.exp(-6), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("laplace", marks=pytest.mark.slow),
        pytest.param("continuous_bernoulli", marks=pytest.mark.slow),
        "learned_gaussian",
    ],
)
def test_four_devices_have_the_loss_and_gradient_of_one(images, name):
    objective = cvae_jax.cascade(
        cvae_jax.vae(networks.burgess(8, 1, 4), likelihood=name),
        cvae_jax.structures.parse("1>3", 4),
        2.0,
        source="posterior",
        x_hat="sample",
        critic=networks.Critic(2, 32),
    )
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))

    def loss(model, images, axis_name=None):
        p, rng = params._replace(model=model), jax.random.key(1)
        return objective.model_loss(p, images, rng, 0, axis_name)[0]

    helpers.assert_devices_share(loss, params.model, floats(images), 4)


def test_the_learned_sigma_is_a_parameter_of_the_model(images, tmp_path):
    """Of the density, the samples and the model; of a VAE with another likelihood there is none."""
    objective = cvae_jax.vae(networks.burgess(8, 1, 4), likelihood="learned_gaussian")
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    other = cvae_jax.vae(networks.burgess(8, 1, 4), likelihood="gaussian")
    others = jax.eval_shape(other.init, jax.random.key(0), floats(images)).model
    assert set(params.model) - set(others) == {"likelihood"}
    params.model["likelihood"] = {k: jnp.float32(v) for k, v in LEARNED.items()}
    weights.save(tmp_path / "weights.npz", params.model, 7)  # as an exported model keeps it
    model, _ = weights.read(tmp_path / "weights.npz", params.model)
    params = params._replace(model=model)
    z = np.zeros((16, 4), np.float32)
    mean = np.float64(jax.jit(objective.decode)(params, z))
    expected = stats.norm.logpdf(floats(images), mean, SIGMA).sum(axis=(1, 2, 3))
    found = jax.jit(objective.log_likelihood)(params, floats(images), z)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    x = jax.jit(objective.sample)(params, z, jax.random.split(jax.random.key(2), 16))
    assert np.std(x - mean) == pytest.approx(SIGMA, rel=0.1)  # of 1,024 pixels


def test_bytes_have_no_likelihood():
    objective = cvae_jax.vae(networks.burgess(size=8, channels=1, latents=2))
    images = np.zeros((2, 8, 8, 1), np.uint8)
    params = jax.jit(objective.init)(jax.random.key(0), jnp.asarray(images, jnp.float32))
    with pytest.raises(ValueError, match="images are uint8"):
        objective.log_likelihood(params, images, jnp.zeros((2, 2)))
