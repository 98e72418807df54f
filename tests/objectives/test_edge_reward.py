"""The extension that rewards edges: its bound against closed forms, and how it enters the loss."""

import functools

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import cvae_jax
from cvae_jax import networks, structures
from cvae_jax.objectives import edge_reward
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.edge_reward import information_bound


def test_bound_by_hand():
    scores = np.log([[4.0, 1.0], [2.0, 6.0]])
    expected = np.log(2) + (np.log(4 / 5) + np.log(6 / 8)) / 2
    assert information_bound(scores, np.arange(2)) == pytest.approx(expected, rel=1e-6)
    crossed = np.log(2) + (np.log(1 / 5) + np.log(2 / 8)) / 2
    assert information_bound(scores, np.array([1, 0])) == pytest.approx(crossed, rel=1e-6)


@pytest.mark.parametrize("correlation", [0.5, 0.9])
def test_bound_with_the_true_density_ratio_is_the_information(correlation):
    """f = log p(y | x) / p(y) is the best there is; the bound's gap closes with the batch.

    Compared on the same sample: mean of log p(y | x) / p(y).
    """
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 2000))
    y = correlation * x + np.sqrt(1 - correlation**2) * noise
    scores = y**2 / 2 - (y - correlation * x[:, None]) ** 2 / (2 * (1 - correlation**2))
    ratio = np.diag(scores) - 0.5 * np.log(1 - correlation**2)
    assert np.mean(ratio) == pytest.approx(-0.5 * np.log(1 - correlation**2), abs=0.1)
    found = information_bound(jnp.asarray(scores), jnp.arange(2000))
    assert found == pytest.approx(np.mean(ratio), abs=0.03)


def linear_cascade():
    """z_hat_2 = .6 z_hat_1 + noise under the cascade of 1>2, parameters of no effect."""
    mix = jnp.array([[1.0, 0.6], [0.0, 0.8]])
    base = Objective(
        init=lambda rng, images: Players(model={}, critic={}),
        model_loss=lambda params, images, rng, step, axis_name=None: (0.0, ({}, {})),
        critic_loss=lambda params, samples, rng, step, axis_name=None: (0.0, {}),
        prior=lambda rng, n: jax.random.normal(rng, (n, 2)),
        encode=lambda params, images: (images @ mix, jnp.full_like(images, -20.0)),
        decode=lambda params, z, rng=None: z,
    )
    structure = structures.parse("1>2", 2)
    critic = networks.Critic(1, 8)
    return edge_reward.edge_reward(
        cvae_jax.cascade(base, structure, 1e-6, critic=critic), structure, 1.0
    )


def test_trained_scorers_find_the_information_of_an_edge():
    objective = linear_cascade()
    optimizers = Players(model=optax.adam(3e-3), critic=optax.adam(1e-3))
    images = np.zeros((64, 2), np.float32)
    state = helpers.create(objective, optimizers, images)
    step = functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
    run = jax.jit(
        lambda state: jax.lax.scan(lambda s, _: step(s, images), state, None, 600),
        compiler_options=helpers.FULL,
    )
    _, metrics = run(state)
    found = np.mean(metrics["edge_information"][-200:])
    information = -0.5 * np.log(1 - 0.36)
    assert 0.75 * information < found < 1.05 * information


def test_the_loss_falls_by_the_weighted_bound_and_gains_a_scorer_for_each_composed_node(images):
    base = helpers.small_cascade("1>3 2>3 3>4")
    structure = structures.parse("1>3 2>3 3>4", 4)
    objective = cvae_jax.edge_reward(base, structure, 3.0)
    floats = images.astype(np.float32) / 255
    params = jax.jit(objective.init)(jax.random.key(0), floats)
    assert set(params.model) == {"encoder", "decoder", "edges"}
    shapes = {k: p["Dense_0"]["kernel"].shape for k, p in params.model["edges"].items()}
    assert shapes == {"z_hat_3": (3, 64), "z_hat_4": (2, 64)}
    loss, (metrics, _) = jax.jit(objective.model_loss)(params, floats, jax.random.key(1), 0)
    base_loss, _ = jax.jit(base.model_loss)(params, floats, jax.random.key(1), 0)
    assert loss == pytest.approx(float(base_loss - 3 * metrics["edge_information"]), rel=1e-5)

    def bound(model):
        p = params._replace(model=model)
        return objective.model_loss(p, floats, jax.random.key(1), 0)[1][0]["edge_information"]

    gradient = jax.jit(jax.grad(bound))(params.model)
    for part in ("encoder", "decoder", "edges"):  # all of them can raise it
        assert any(np.any(g) for g in jax.tree.leaves(gradient[part]))


@pytest.mark.slow
def test_devices_share_their_negatives(images):
    """Two devices, by vmap: the mean of loss and gradient is that of one."""
    objective = cvae_jax.edge_reward(helpers.small_cascade(), structures.parse("1>3 2>3", 4), 3.0)
    floats = images.astype(np.float32) / 255
    params = jax.jit(objective.init)(jax.random.key(0), floats)

    def loss(model, images, axis_name=None):
        p = params._replace(model=model)
        return objective.model_loss(p, images, jax.random.key(1), 0, axis_name)[0]

    helpers.assert_devices_share(loss, params.model, floats, 2)


def test_a_structure_without_edges_is_refused():
    with pytest.raises(ValueError, match="no edges between z_hat nodes"):
        cvae_jax.edge_reward(helpers.small_cascade(), structures.parse("", 4), 1.0)
