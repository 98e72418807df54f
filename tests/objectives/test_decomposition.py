"""The KL's three parts of beta-TCVAE: by hand, in numpy, by a closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from cvae_jax.objectives.decomposition import decompose, log_stratified_weights

parts_of = jax.jit(decompose, static_argnames=("dataset_size", "estimator"))


def test_stratified_weights_by_hand():
    """N = 10 images, B = 4: own 1/10, the next one 7/30, the others 1/3."""
    expected = np.array(
        [
            [1 / 10, 7 / 30, 1 / 3, 1 / 3],
            [1 / 3, 1 / 10, 7 / 30, 1 / 3],
            [1 / 3, 1 / 3, 1 / 10, 7 / 30],
            [7 / 30, 1 / 3, 1 / 3, 1 / 10],
        ]
    )
    found = np.exp(log_stratified_weights(jnp.arange(4), 4, 10))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    part = np.exp(log_stratified_weights(jnp.arange(2, 4), 4, 10))  # the rows of a second device
    np.testing.assert_allclose(part, expected[2:], rtol=1e-6)


def numpy_decomposition(z, mean, logvar, dataset_size, weights):
    """The same, written out with scipy's densities, sample by sample."""
    scale = np.exp(logvar / 2)
    log_joint, log_product = [], []
    for i in range(len(z)):
        log_q = stats.norm.logpdf(z[i], mean, scale)  # [B, d]
        log_joint.append(logsumexp(np.log(weights[i]) + log_q.sum(axis=1)))
        log_product.append(
            sum(logsumexp(np.log(weights[i]) + log_q[:, k]) for k in range(z.shape[1]))
        )
    conditional = stats.norm.logpdf(z, mean, scale).sum(axis=1)
    prior = stats.norm.logpdf(z).sum(axis=1)
    joint, product = np.array(log_joint), np.array(log_product)
    return [np.mean(conditional - joint), np.mean(joint - product), np.mean(product - prior)]


def draw_latents(batch, d, seed=0):
    rng = np.random.default_rng(seed)
    mean, logvar = rng.normal(size=(batch, d)), rng.uniform(-3, 0, (batch, d))
    return mean + np.exp(logvar / 2) * rng.normal(size=(batch, d)), mean, logvar


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
def test_decomposition_is_that_of_numpy(estimator):
    batch, dataset_size = 12, 500
    z, mean, logvar = draw_latents(batch, 3)
    m = batch - 1
    if estimator == "stratified":
        weights = np.full((batch, batch), 1 / m)
        for i in range(batch):
            weights[i, i] = 1 / dataset_size
            weights[i, (i + 1) % batch] = (dataset_size - m) / (dataset_size * m)
    else:
        weights = np.full((batch, batch), 1 / (dataset_size * batch))
    found = parts_of(z, mean, logvar, dataset_size, estimator=estimator)
    np.testing.assert_allclose(
        found, numpy_decomposition(z, mean, logvar, dataset_size, weights), rtol=1e-4, atol=1e-4
    )


def test_the_parts_add_up_to_the_kl_of_the_samples():
    z, mean, logvar = draw_latents(16, 4)
    total = stats.norm.logpdf(z, mean, np.exp(logvar / 2)) - stats.norm.logpdf(z)
    for estimator in ("stratified", "weighted"):
        parts = parts_of(z, mean, logvar, 100, estimator=estimator)
        assert sum(parts) == pytest.approx(total.sum(axis=1).mean(), rel=1e-5)


@pytest.mark.slow
def test_the_two_estimators_are_different_losses():
    """Not only by a constant: at beta 6 their gradients point elsewhere."""
    rng = np.random.default_rng(0)
    mean, noise = rng.normal(size=(64, 10)), rng.normal(size=(64, 10))
    posterior = jnp.array(mean), jnp.full((64, 10), 2 * np.log(0.1))

    def gradient(estimator):
        def loss(posterior):
            mean, logvar = posterior
            z = mean + jnp.exp(logvar / 2) * noise
            parts = decompose(z, mean, logvar, 50_000, estimator=estimator)
            return parts.mi + 6 * parts.tc + parts.dwkl

        return np.concatenate([np.ravel(x) for x in jax.jit(jax.grad(loss))(posterior)])

    a, b = gradient("stratified"), gradient("weighted")
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert cosine == pytest.approx(0.72, abs=0.02)  # docs/methods.md names it


@pytest.mark.parametrize(
    ("batch", "tolerance"), [(64, 3.0), pytest.param(256, 0.5, marks=pytest.mark.slow)]
)
def test_toy_with_known_information_and_total_correlation(batch, tolerance):
    """50,000 images, q(z|x) far apart in 10 dimensions: MI = log N = 10.82, TC = 12.21.

    The total correlation is N's own: KL of the mixture from the product of its marginals, where
    the mixture's entropy is log N more than a component's, and each marginal is N(0, 1 + s^2).
    """
    dataset_size, d, scale = 50_000, 10, 0.1
    log_n = np.log(dataset_size)
    marginal_entropy = 0.5 * np.log(2 * np.pi * np.e * (1 + scale**2))
    own_entropy = 0.5 * d * np.log(2 * np.pi * np.e * scale**2)
    tc = d * marginal_entropy - own_entropy - log_n
    assert log_n == pytest.approx(10.82, abs=0.005)
    assert tc == pytest.approx(12.21, abs=0.05)

    def one(rng):
        mean_rng, noise_rng = jax.random.split(rng)
        mean = jax.random.normal(mean_rng, (batch, d))
        z = mean + scale * jax.random.normal(noise_rng, mean.shape)
        return decompose(z, mean, jnp.full_like(mean, 2 * np.log(scale)), dataset_size)

    parts = jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(0), 200))
    assert np.mean(parts.mi) == pytest.approx(log_n, rel=0.01)
    assert np.mean(parts.tc) == pytest.approx(tc, abs=tolerance)


def test_a_wrong_batch_or_estimator_is_named():
    z, mean, logvar = draw_latents(8, 2)
    with pytest.raises(ValueError, match="batch size 8 is not from 2 to dataset_size 5"):
        decompose(z, mean, logvar, 5)
    with pytest.raises(ValueError, match="'mws' is not one of stratified, weighted"):
        decompose(z, mean, logvar, 50, estimator="mws")
