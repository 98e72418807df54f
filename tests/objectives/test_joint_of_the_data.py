"""The critic's estimate on posterior latents, D(z, z_hat), against linear-Gaussian closed forms."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from closed_forms import linear_gaussian, readings
from flax import linen as nn

from cvae_jax import cascade, structures
from cvae_jax.objectives import rows
from cvae_jax.objectives.base import Objective, Players

D = 3
_RNG = np.random.default_rng(0)
ROOT = _RNG.normal(size=(4, 4)).astype(np.float32)  # x = ROOT n
ENCODER = (0.4 * _RNG.normal(size=(D, 4))).astype(np.float32)
VARIANCES = np.float32([0.3, 0.5, 0.4])  # of q(z | x)
WHITE = np.linalg.inv(np.linalg.cholesky(ROOT @ ROOT.T))[:D].astype(np.float32)  # of no dependence
NEAR = np.float32([0.012, 0.007, 0.03])  # variances where z_hat is to be nearly z
PIXEL_NOISE = 0.7  # standard deviation of p(x | z)


class QuadraticCritic(nn.Module):
    """A logit that is quadratic in the latents, as the log ratio of two Gaussians is."""

    near: bool = False  # where z_hat is z but for a tenth: the difference has a scale of its own

    @nn.compact
    def __call__(self, v):
        v = helpers.with_tails(v)
        if self.near:
            v = jnp.concatenate([v[:, :D], 10 * (v[:, D:] - v[:, :D])], axis=1)
        products = (v[:, :, None] * v[:, None, :]).reshape(len(v), -1)
        return nn.Dense(1)(jnp.concatenate([v, products], axis=1))[:, 0]


def base(encoder=ENCODER, variances=VARIANCES):
    """z ~ N(encoder x, variances), x_hat = decoder z, with pixel noise where it is sampled."""
    decoder = np.linalg.pinv(encoder)

    def encode(params, x):
        mean = x.reshape(len(x), -1) @ encoder.T
        return mean, jnp.broadcast_to(jnp.log(variances), mean.shape)

    def decode(params, z, rng=None):
        return (z @ decoder.T)[:, None, None, :]

    def sample(params, z, keys):
        noise = jax.vmap(lambda key: jax.random.normal(key, (1, 1, 4)))(keys)
        return decode(params, z) + PIXEL_NOISE * noise

    def model_loss(params, x, rng, step, axis_name=None):
        mean, logvar = encode(params, x)
        z = mean + jnp.exp(logvar / 2) * rows.normal_rows(rng, mean.shape, axis_name)
        return 0.0, ({}, {"z": z})

    return Objective(
        init=lambda rng, x: Players(model={}, critic={}),
        model_loss=model_loss,
        critic_loss=lambda params, samples, rng, step, axis_name=None: (0.0, {}),
        prior=None,
        encode=encode,
        decode=decode,
        sample=sample,
    )


def covariance(x_hat, encoder=ENCODER, variances=VARIANCES):
    """Of (z_hat, z) in closed form."""
    of_z = encoder @ ROOT @ ROOT.T @ encoder.T + np.diag(variances)
    again = encoder @ np.linalg.pinv(encoder)
    of_z_hat = again @ of_z @ again.T + np.diag(variances)
    if x_hat == "sample":
        of_z_hat = of_z_hat + PIXEL_NOISE**2 * encoder @ encoder.T
    return np.block([[of_z_hat, again @ of_z], [of_z @ again.T, of_z]]).astype(np.float64)


def estimate(structure, x_hat, of=(ENCODER, VARIANCES), steps=1_200, batch=512, **reading):
    """The logged KL of fresh batches, after training the critic alone."""
    objective = cascade(
        base(*of),
        structure,
        1.0,
        source="posterior",
        x_hat=x_hat,
        critic=QuadraticCritic(near=of[1] is NEAR),
        **{"critic_input": "joint", **reading},
    )
    optimizer = optax.adam(optax.cosine_decay_schedule(0.03, steps), b1=0.5, b2=0.9)

    def losses(params, key):
        data_key, key = jax.random.split(key)
        x = (jax.random.normal(data_key, (batch, 4)) @ ROOT.T)[:, None, None, :]
        _, (metrics, samples) = objective.model_loss(params, x, key, 0)

        def of(critic):
            return objective.critic_loss(params._replace(critic=critic), samples, key, 0)[0]

        return metrics["cascade_kl"], jax.grad(of)(params.critic)

    def step(carry, key):
        critic, state = carry
        kl, gradient = losses(Players({}, critic), key)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(critic, updates), state), kl

    params = objective.init(jax.random.key(0), jnp.zeros((batch, 1, 1, 4)))
    start = params.critic, optimizer.init(params.critic)
    (critic, _), _ = jax.lax.scan(step, start, jax.random.split(jax.random.key(1), steps))
    keys = jax.random.split(jax.random.key(2), 100)
    return jnp.mean(jax.lax.map(lambda key: losses(Players({}, critic), key)[0], keys))


@pytest.mark.slow
@pytest.mark.parametrize("x_hat", ["mean", "sample"])
@pytest.mark.parametrize("edges", ["independent", "1>3 2>3"])
def test_the_estimate_is_the_closed_forms(edges, x_hat):
    structure = structures.from_config(edges, D)
    expected = linear_gaussian.kl(covariance(x_hat), structure)
    assert expected > 0.2
    found = jax.jit(lambda: estimate(structure, x_hat))()
    assert float(found) == pytest.approx(expected, rel=0.05)


def test_without_a_second_pass_it_is_the_kl_of_z():
    structure = structures.from_config("2>3", D)
    of_z = covariance("mean")[D:, D:]
    alone = np.block([[of_z, np.zeros((D, D))], [np.zeros((D, D)), np.eye(D)]])
    expected = linear_gaussian.kl(alone, structure.marginal())
    assert expected > 0.1
    found = jax.jit(lambda: estimate(structure, "mean", critic_input="z_hat", second_pass="none"))()
    assert float(found) == pytest.approx(expected, rel=0.05)


def test_given_conditionals_have_their_closed_form():
    structure = structures.from_config("independent", D)
    q = covariance("mean", WHITE, NEAR)
    of_z = np.diag(np.diag(q)[D:])  # independent
    p = np.block([[of_z + 0.1**2 * np.eye(D), of_z], [of_z, of_z]])
    expected = readings.gaussian_kl(q, p)
    assert expected > 0.2
    found = jax.jit(lambda: estimate(structure, "mean", (WHITE, NEAR), conditionals="given"))()
    assert float(found) == pytest.approx(expected, rel=0.05)
