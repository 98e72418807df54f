"""The peers of the VAE: decomposition and losses against closed forms and plain numpy."""

import functools

import chex
import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats
from scipy.special import logsumexp

import cvae_jax
from cvae_jax import networks
from cvae_jax.objectives.base import Players
from cvae_jax.objectives.decomposition import decompose, log_stratified_weights
from cvae_jax.objectives.factor import permute_dims
from cvae_jax.objectives.vae import annealed_vae, beta_vae, vae

NETWORKS = networks.burgess(8, 1, 4)


def floats(images):
    return images.astype(np.float32) / 255


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


def codes(batch, d, seed=0):
    rng = np.random.default_rng(seed)
    mean, logvar = rng.normal(size=(batch, d)), rng.uniform(-3, 0, (batch, d))
    return mean + np.exp(logvar / 2) * rng.normal(size=(batch, d)), mean, logvar


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
def test_decomposition_is_that_of_numpy(estimator):
    batch, dataset_size = 12, 500
    z, mean, logvar = codes(batch, 3)
    m = batch - 1
    if estimator == "stratified":
        weights = np.full((batch, batch), 1 / m)
        for i in range(batch):
            weights[i, i] = 1 / dataset_size
            weights[i, (i + 1) % batch] = (dataset_size - m) / (dataset_size * m)
    else:
        weights = np.full((batch, batch), 1 / (dataset_size * batch))
    found = decompose(z, mean, logvar, dataset_size, estimator=estimator)
    np.testing.assert_allclose(
        found, numpy_decomposition(z, mean, logvar, dataset_size, weights), rtol=1e-4, atol=1e-4
    )


def test_the_parts_add_up_to_the_kl_of_the_samples():
    z, mean, logvar = codes(16, 4)
    total = stats.norm.logpdf(z, mean, np.exp(logvar / 2)) - stats.norm.logpdf(z)
    for estimator in ("stratified", "weighted"):
        parts = decompose(z, mean, logvar, 100, estimator=estimator)
        assert sum(parts) == pytest.approx(total.sum(axis=1).mean(), rel=1e-5)


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

        return np.concatenate([np.ravel(x) for x in jax.grad(loss)(posterior)])

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


def train(objective, images, steps, learning_rate=1e-3):
    optimizers = Players(model=optax.adam(learning_rate), critic=optax.adam(1e-4))
    state = helpers.create(objective, optimizers, images)
    step = functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
    return jax.jit(
        lambda state: jax.lax.scan(lambda s, _: step(s, images), state, None, length=steps)
    )(state)


@pytest.mark.parametrize(
    ("wrapper", "other"),
    [
        ("", lambda: beta_vae(NETWORKS, beta=1.0)),
        pytest.param(
            "factor",
            lambda: cvae_jax.factor(vae(NETWORKS), 0.0, critic=networks.Critic(1, 8)),
            marks=pytest.mark.slow,
        ),
        ("cascade", lambda: helpers.small_cascade(weight=0.0)),
    ],
    ids=["beta 1", "factor weight 0", "cascade weight 0"],
)
def test_without_its_weight_a_method_is_the_vae(images, wrapper, other):
    """Parameter by parameter after 50 steps with the same keys."""
    base = vae(NETWORKS)
    expected, _ = train(helpers.as_base_of(wrapper, base) if wrapper else base, images, 50)
    found, _ = train(other(), images, 50)
    chex.assert_trees_all_close(found.params.model, expected.params.model, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_kl_settles_at_the_capacity(images):
    capacity = optax.linear_schedule(0.0, 3.0, 300)
    _, metrics = train(annealed_vae(NETWORKS, gamma=100.0, capacity=capacity), images, 800)
    assert abs(np.mean(metrics["kl"][-100:]) - 3.0) < 0.5
    assert np.mean(metrics["kl"][90:110]) < 2.0  # C is 1 there


def test_annealed_loss_by_hand(images):
    objective = annealed_vae(NETWORKS, gamma=7.0, capacity=lambda step: 2.0 * step)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    loss, (metrics, _) = jax.jit(objective.model_loss)(params, floats(images), jax.random.key(1), 3)
    expected = metrics["recon"] + 7 * abs(metrics["kl"] - 6)
    assert loss == pytest.approx(float(expected), rel=1e-6)


def test_beta_tcvae_loss_weighs_the_parts(images):
    objective = cvae_jax.beta_tcvae(NETWORKS, dataset_size=1000, alpha=2.0, beta=6.0, gamma=0.5)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    loss, (m, samples) = jax.jit(objective.model_loss)(params, floats(images), jax.random.key(1), 0)
    mean, logvar = objective.encode(params, floats(images))
    parts = decompose(samples["z"], mean, logvar, 1000)
    np.testing.assert_allclose([m["mi"], m["tc"], m["dwkl"]], parts, rtol=1e-4, atol=1e-5)
    expected = m["recon"] + 2 * parts.mi + 6 * parts.tc + 0.5 * parts.dwkl
    assert loss == pytest.approx(float(expected), rel=1e-5)
    weighted = cvae_jax.beta_tcvae(NETWORKS, dataset_size=1000, estimator="weighted")
    _, (other, _) = jax.jit(weighted.model_loss)(params, floats(images), jax.random.key(1), 0)
    assert other["tc"] == pytest.approx(float(m["tc"]), rel=1e-5)  # the stratified one is logged


def test_permute_dims_permutes_each_dimension_on_its_own():
    z = jnp.arange(64)[:, None] + jnp.zeros((64, 5))
    permuted = np.asarray(permute_dims(jax.random.key(0), z)).astype(int)
    for j in range(5):
        assert sorted(permuted[:, j]) == list(range(64))
    assert len({tuple(column) for column in permuted.T}) == 5


@pytest.mark.parametrize("second_batch", [False, True])
def test_factor_losses_are_those_of_numpy(images, second_batch):
    critic = networks.Critic(1, 8)
    objective = cvae_jax.factor(vae(NETWORKS), 5.0, critic=critic, second_batch=second_batch)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    loss, (_, samples) = jax.jit(objective.model_loss)(params, floats(images), jax.random.key(1), 0)
    z, other = (np.asarray(samples["factor"][key]) for key in ("q", "p"))
    used = floats(images)[::2] if second_batch else floats(images)
    alone = helpers.as_base_of("factor", vae(NETWORKS))
    base_loss, (_, base) = alone.model_loss(params, used, jax.random.key(1), 0)
    np.testing.assert_allclose(z, base["z"], rtol=1e-5, atol=1e-6)
    assert z.shape == other.shape == (8 if second_batch else 16, 4)
    assert np.array_equal(z, other) != second_batch

    weights = [(p["kernel"], p["bias"]) for p in params.critic["factor"].values()]

    def logits(v):
        hidden = v @ weights[0][0] + weights[0][1]
        return (np.where(hidden > 0, hidden, 0.2 * hidden) @ weights[1][0] + weights[1][1])[:, 0]

    assert loss == pytest.approx(float(base_loss + 5 * np.mean(logits(z))), rel=1e-5)
    critic_loss, _ = objective.critic_loss(params, samples, jax.random.key(2), 0)
    q, permuted = map(np.asarray, samples["factor_critic"])
    np.testing.assert_array_equal(q, z)
    np.testing.assert_array_equal(np.sort(permuted, axis=0), np.sort(other, axis=0))
    p = logits(permuted)
    expected = (np.log1p(np.exp(-logits(z))).mean() + np.log1p(np.exp(p)).mean()) / 2
    assert critic_loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: annealed_vae(NETWORKS, gamma=10.0, capacity=2.0),
        lambda: cvae_jax.beta_tcvae(NETWORKS, dataset_size=100),
        lambda: cvae_jax.factor(vae(NETWORKS), 5.0, critic=networks.Critic(1, 8)),
    ],
    ids=["annealed", "beta_tcvae", "factor"],
)
def test_devices_share_their_batch(images, make):
    """Four devices, by vmap: loss and gradient of both players are those of one."""
    objective = make()
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))

    def losses(params, images, axis_name=None):
        loss, (_, samples) = objective.model_loss(params, images, jax.random.key(1), 0, axis_name)
        samples = jax.lax.stop_gradient(samples)
        return loss + objective.critic_loss(params, samples, jax.random.key(2), 0, axis_name)[0]

    helpers.assert_devices_share(losses, params, floats(images), 4)


def test_weights_may_be_schedules(images):
    rise = optax.linear_schedule(0.0, 4.0, 10)
    for make in (
        lambda w: beta_vae(NETWORKS, beta=w),
        lambda w: cvae_jax.factor(vae(NETWORKS), w, critic=networks.Critic(1, 8)),
    ):
        params = jax.jit(make(1.0).init)(jax.random.key(0), floats(images))
        args = (params, floats(images), jax.random.key(1))
        assert make(rise).model_loss(*args, 5)[0] == pytest.approx(
            float(make(2.0).model_loss(*args, 5)[0]), rel=1e-6
        )


def test_what_is_wrong_is_said():
    z, mean, logvar = codes(8, 2)
    with pytest.raises(ValueError, match="batch size 8 is not from 2 to dataset_size 5"):
        decompose(z, mean, logvar, 5)
    with pytest.raises(ValueError, match="'mws' is not one of stratified, weighted"):
        decompose(z, mean, logvar, 50, estimator="mws")
