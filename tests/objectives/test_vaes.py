"""The VAE's peers: their losses by hand, their limits, a batch that devices share."""

import functools

import chex
import helpers
import jax
import numpy as np
import optax
import pytest
from helpers import floats

import cvae_jax
from cvae_jax import networks
from cvae_jax.objectives.base import Players
from cvae_jax.objectives.decomposition import decompose
from cvae_jax.objectives.vae import annealed_vae, beta_vae, vae

NETWORKS = networks.burgess(8, 1, 4)


def train(objective, images, steps, learning_rate=1e-3):
    optimizers = Players(model=optax.adam(learning_rate), critic=optax.adam(1e-4))
    state = helpers.create(objective, optimizers, images)
    step = functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
    return jax.jit(
        lambda state: jax.lax.scan(lambda s, _: step(s, images), state, None, length=steps)
    )(state)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrapper", "other"),
    [
        ("", lambda: beta_vae(NETWORKS, beta=1.0)),
        ("factor", lambda: cvae_jax.factor(vae(NETWORKS), 0.0, critic=networks.Critic(1, 8))),
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


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda: annealed_vae(NETWORKS, gamma=10.0, capacity=2.0), marks=pytest.mark.slow
        ),
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
        lambda w: vae(NETWORKS, kl_factor=w),
        lambda w: beta_vae(NETWORKS, beta=w),
        lambda w: cvae_jax.factor(vae(NETWORKS), w, critic=networks.Critic(1, 8)),
    ):
        params = jax.jit(make(1.0).init)(jax.random.key(0), floats(images))
        args = (params, floats(images), jax.random.key(1))
        assert make(rise).model_loss(*args, 5)[0] == pytest.approx(
            float(make(2.0).model_loss(*args, 5)[0]), rel=1e-6
        )


def test_an_unknown_likelihood_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="'bernouli' is not one of bernoulli, gaussian"):
        vae(NETWORKS, likelihood="bernouli")
