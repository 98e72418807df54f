"""FactorVAE's penalty: columns permuted on their own, both losses in numpy."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import floats

import cvae_jax
from cvae_jax import networks
from cvae_jax.objectives.factor import permute_dims
from cvae_jax.objectives.vae import vae

NETWORKS = networks.burgess(8, 1, 4)


def test_permute_dims_permutes_each_dimension_on_its_own():
    z = jnp.arange(64)[:, None] + jnp.zeros((64, 5))
    permuted = np.asarray(permute_dims(jax.random.key(0), z)).astype(int)
    for j in range(5):
        assert sorted(permuted[:, j]) == list(range(64))
    assert len({tuple(column) for column in permuted.T}) == 5


@pytest.mark.parametrize("second_batch", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_factor_losses_are_those_of_numpy(images, second_batch):
    critic = networks.Critic(1, 8)
    objective = cvae_jax.factor(vae(NETWORKS), 5.0, critic=critic, second_batch=second_batch)
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    loss, (_, samples) = jax.jit(objective.model_loss)(params, floats(images), jax.random.key(1), 0)
    z, other = (np.asarray(samples["factor"][key]) for key in ("q", "p"))
    used = floats(images)[::2] if second_batch else floats(images)
    alone = helpers.as_base_of("factor", vae(NETWORKS))
    base_loss, (_, base) = jax.jit(alone.model_loss)(params, used, jax.random.key(1), 0)
    np.testing.assert_allclose(z, base["z"], rtol=1e-5, atol=1e-6)
    assert z.shape == other.shape == (8 if second_batch else 16, 4)
    assert np.array_equal(z, other) != second_batch

    weights = [(p["kernel"], p["bias"]) for p in params.critic["factor"].values()]

    def logits(v):
        hidden = v @ weights[0][0] + weights[0][1]
        return (np.where(hidden > 0, hidden, 0.2 * hidden) @ weights[1][0] + weights[1][1])[:, 0]

    assert loss == pytest.approx(float(base_loss + 5 * np.mean(logits(z))), rel=1e-5)
    critic_loss, _ = jax.jit(objective.critic_loss)(params, samples, jax.random.key(2), 0)
    q, permuted = map(np.asarray, samples["factor_critic"])
    np.testing.assert_array_equal(q, z)
    np.testing.assert_array_equal(np.sort(permuted, axis=0), np.sort(other, axis=0))
    p = logits(permuted)
    expected = (np.log1p(np.exp(-logits(z))).mean() + np.log1p(np.exp(p)).mean()) / 2
    assert critic_loss == pytest.approx(expected, rel=1e-5)
