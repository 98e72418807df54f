"""Invariants 1, 3, 4 and 6: device count, replicas, players, seeds."""

import functools

import chex
import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from fixtures.step_runs import batches, run

import cvae_jax
from cvae_jax import step

KWARGS = [
    {},
    {"critic_input": "joint"},
    {"structure": "1>2 1>3 3>4", "critic_input": "joint", "prior_batch_size": 32},
]


def assert_replicas_equal(state):
    for leaf in jax.tree.leaves(state):
        first, *others = (helpers.raw(shard.data) for shard in leaf.addressable_shards)
        for other in others:
            np.testing.assert_array_equal(first, other)


@pytest.mark.parametrize(
    "kwargs", [*(pytest.param(k, marks=pytest.mark.slow) for k in KWARGS[:-1]), KWARGS[-1]]
)
def test_device_count_changes_nothing_in_float32(images, optimizers, kwargs):
    objective = helpers.small_cascade(**kwargs)
    start = helpers.create(objective, optimizers, images)
    curves = []
    counts = (1, 4) if kwargs == KWARGS[-1] else (1, 2, 4)
    for n in counts:
        state, metrics = run(objective, optimizers, images, jax.devices()[:n], 30, start)
        assert len(state.step.addressable_shards) == n
        assert_replicas_equal(state)
        curves.append([m["loss"] for m in metrics])
    for curve in curves[1:]:
        np.testing.assert_allclose(curve, curves[0], rtol=1e-4)
    assert curves[0][-1] < curves[0][0]


@pytest.mark.slow
def test_device_count_changes_nothing_in_float64(images, optimizers):
    with jax.enable_x64(True):
        objective = helpers.small_cascade(structure="1>2 1>3 3>4", critic_input="joint")
        start = helpers.create(objective, optimizers, images)
        start = jax.tree.map(lambda x: x.astype(jnp.float64) if x.dtype == "float32" else x, start)
        ends = []
        for n in (1, 4):
            devices = jax.devices()[:n]
            state, metrics = run(objective, optimizers, images / 255, devices, 200, start)
            assert metrics[-1]["loss"].dtype == np.float64
            ends.append(([m["loss"] for m in metrics], jax.device_get(state.params)))
    np.testing.assert_allclose(ends[1][0], ends[0][0], rtol=1e-8)
    chex.assert_trees_all_close(ends[1][1], ends[0][1], rtol=1e-6, atol=1e-8)


@pytest.mark.slow
def test_vmap_with_an_axis_stands_in_for_pmap(images, optimizers):
    """vmap with out_axes=None raises where a pmean is forgotten; and the numbers are pmap's."""
    objective = helpers.small_cascade()
    state = helpers.create(objective, optimizers, images)
    step = functools.partial(
        cvae_jax.train_step, objective=objective, optimizers=optimizers, axis_name="batch"
    )
    mapped = jax.vmap(step, axis_name="batch", in_axes=(None, 0), out_axes=(None, None))
    batch = batches(images, 1)[0]
    _, metrics = jax.jit(mapped)(state, batch.reshape(4, 4, *batch.shape[1:]))
    _, expected = run(objective, optimizers, images, jax.devices()[:4], 1)
    assert float(metrics["loss"]) == pytest.approx(float(expected[0]["loss"]), rel=1e-6)


def test_the_step_moves_each_player_by_its_own_gradient(images):
    """With plain gradient descent the update is minus rate times gradient at the old parameters."""
    objective = helpers.small_cascade()
    optimizers = cvae_jax.Players(model=optax.sgd(0.1), critic=optax.sgd(0.2))
    old = helpers.create(objective, optimizers, images)
    new, _ = jax.jit(
        functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
    )(old, images)
    model_rng, critic_rng = jax.random.split(jax.random.fold_in(old.rng, 0))
    x, params = images.astype(np.float32) / 255, old.params

    def model_loss(model):
        return objective.model_loss(params._replace(model=model), x, model_rng, 0)

    def critic_loss(critic):
        return objective.critic_loss(params._replace(critic=critic), samples, critic_rng, 0)[0]

    grads, (_, samples) = jax.jit(jax.grad(model_loss, has_aux=True))(params.model)
    critic_grads = jax.jit(jax.grad(critic_loss))(params.critic)
    expected = cvae_jax.Players(
        jax.tree.map(lambda p, g: p - 0.1 * g, params.model, grads),
        jax.tree.map(lambda p, g: p - 0.2 * g, params.critic, critic_grads),
    )
    chex.assert_trees_all_close(new.params, expected, rtol=1e-4, atol=1e-6)
    assert int(new.step) == 1


def test_same_seed_same_run_another_seed_another(images, optimizers):
    objective = helpers.small_cascade()
    one = jax.devices()[:1]
    starts = [helpers.create(objective, optimizers, images, seed) for seed in (0, 0, 1)]
    a, b, c = (run(objective, optimizers, images, one, 5, start)[0] for start in starts)
    helpers.assert_trees_equal(a, b)
    assert not np.array_equal(jax.tree.leaves(a.params)[-1], jax.tree.leaves(c.params)[-1])


def test_one_compilation_serves_all_steps(images, optimizers):
    objective = helpers.small_cascade()
    state = helpers.create(objective, optimizers, images)
    traces = []

    def counted(state, images):
        traces.append(1)
        return cvae_jax.train_step(state, images, objective=objective, optimizers=optimizers)

    step = jax.jit(counted)
    for batch in batches(images, 3):
        state, _ = step(state, batch)
    assert len(traces) == 1


def test_a_step_without_critic(images, optimizers):
    objective = cvae_jax.vae(cvae_jax.networks.burgess(8, 1, 4))
    state, metrics = run(objective, optimizers, images, jax.devices()[:2], 3)
    assert state.params.critic == {}
    assert metrics[0]["loss"] == pytest.approx(-metrics[0]["elbo"], rel=1e-6)


@pytest.mark.parametrize("dtype", [np.int32, np.uint16, bool])
def test_images_of_an_unknown_range_are_refused(dtype):
    with pytest.raises(ValueError, match=r"make them uint8, or floats in \[0, 1\]"):
        step.as_float(np.zeros((2, 16, 16, 1), dtype))


def test_what_is_no_batch_and_no_pair_of_optimizers_is_refused(images, optimizers):
    objective, key = helpers.small_cascade(), jax.random.key(0)
    with pytest.raises(ValueError, match="there are no images"):
        cvae_jax.create_train_state(key, objective, optimizers, images[:0])
    with pytest.raises(ValueError, match="not one for each player"):
        cvae_jax.create_train_state(key, objective, optax.adam(1e-3), images)
