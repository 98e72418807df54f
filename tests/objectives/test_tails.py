"""What the critic sees of latents with long tails: the same KL, without the outliers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import integrate, stats

import cvae_jax
from cvae_jax import structures
from cvae_jax.networks import Critic
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.cascade import without_tails
from cvae_jax.objectives.density_ratio import classification_loss


def test_the_map_by_hand():
    latents = np.float32([0, 1.5, -3, 4, -103, 1e30])
    expected = [0, 1.5, -3, 3 + np.log(2), -3 - np.log(101), 3 + np.log(1e30)]
    np.testing.assert_allclose(without_tails(latents), expected, rtol=1e-6)


def test_it_is_one_to_one_and_smooth():
    latents = jnp.linspace(-50.0, 50.0, 100_001)
    slopes = jax.vmap(jax.grad(without_tails))(latents)
    np.testing.assert_allclose(slopes, 1 / (1 + np.maximum(np.abs(latents) - 3, 0)), rtol=1e-4)
    assert (np.diff(without_tails(latents)) > 0).all()


def test_the_kl_between_two_laws_stays_what_it_is():
    """Student's t of 3 degrees to another scale, by quadrature in the latents and in their map."""
    q, p = stats.t(3), stats.t(3, scale=2)

    def inverse(y):
        return y if abs(y) <= 3 else np.sign(y) * (2 + np.exp(abs(y) - 3))

    def mapped(law, y):
        return law.logpdf(inverse(y)) + max(abs(y) - 3, 0)  # the slope of the inverse

    direct, _ = integrate.quad(lambda v: q.pdf(v) * (q.logpdf(v) - p.logpdf(v)), -np.inf, np.inf)
    seen, _ = integrate.quad(
        lambda y: np.exp(mapped(q, y)) * (mapped(q, y) - mapped(p, y)), -15, 15, points=[-3, 3]
    )
    assert seen == pytest.approx(direct, rel=1e-3)


@pytest.mark.slow
def test_a_critic_learns_rows_with_outliers():
    """One row in 500 is a thousand times as large: with its tails the critic's losses are nats."""

    def draw(key):
        normal_key, size_key = jax.random.split(key)
        v = jax.random.normal(normal_key, (2, 256, 4))
        far = jax.random.bernoulli(size_key, 1 / 500, (2, 256, 1))
        return jnp.where(far, 1_000 * v, v)

    def losses(seen):
        critic, optimizer = Critic(2, 64), optax.adam(1e-3, b1=0.5, b2=0.9)
        params = critic.init(jax.random.key(0), jnp.zeros((1, 4)))

        def step(carry, key):
            params, state = carry
            q, p = seen(draw(key))
            loss = lambda params: classification_loss(
                critic.apply(params, q), critic.apply(params, p)
            )[0]
            value, gradient = jax.value_and_grad(loss)(params)
            updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(params, updates), state), value

        keys = jax.random.split(jax.random.key(1), 600)
        start = params, optimizer.init(params)
        return np.asarray(jax.jit(lambda: jax.lax.scan(step, start, keys)[1])())

    assert losses(lambda v: v).max() > 2
    assert losses(without_tails)[100:].max() < 0.75


def test_a_variance_without_bound_leaves_loss_and_gradient_finite():
    """exp(1000 / 2) is beyond float32, as an encoder's logvar of an odd x_hat was."""
    base = Objective(
        init=lambda rng, x: Players(model={"logvar": jnp.float32(1_000)}, critic={}),
        model_loss=lambda params, x, rng, step, axis_name=None: (0.0, ({}, {"z": x})),
        critic_loss=lambda params, samples, rng, step, axis_name=None: (0.0, {}),
        prior=None,
        encode=lambda params, x: (x, jnp.full_like(x, params.model["logvar"])),
        decode=lambda params, z, rng=None: z,
    )
    objective = cvae_jax.cascade(
        base, structures.parse("", 4), 1.0, source="posterior", critic=Critic(2, 8)
    )
    images = jax.random.normal(jax.random.key(1), (16, 4))
    params = jax.jit(objective.init)(jax.random.key(0), images)

    def loss(model):
        return objective.model_loss(params._replace(model=model), images, jax.random.key(2), 0)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(params.model)
    assert np.isfinite(value)
    assert np.isfinite(gradient["logvar"])
