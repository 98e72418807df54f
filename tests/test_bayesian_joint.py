"""sample_joint on cases where its answer is known row by row, and the law of its samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cvae_jax import structures
from cvae_jax.objectives.cascade import sample_joint


def tagged(batch, latents):
    """z and z_hat whose entries tell their row: z[i, j] = i + j / 100, z_hat = the same + .5."""
    z = jnp.arange(batch)[:, None] + jnp.arange(latents) / 100.0
    return z, z + 0.5


def test_independent_joint_keeps_each_z_with_its_z_hat_and_mixes_the_rest():
    z, z_hat = tagged(32, 5)
    structure = structures.preset("independent", 5)
    z_new, z_hat_new = sample_joint(jax.random.key(0), z, z_hat, structure)
    rows_z, rows_z_hat = np.floor(z_new).astype(int), np.floor(z_hat_new).astype(int)
    np.testing.assert_array_equal(rows_z, rows_z_hat)
    assert all(len(set(row)) == 5 for row in rows_z)  # no row serves twice in a sample
    for j in range(5):
        assert sorted(rows_z[:, j]) == list(range(32))  # each column is a permutation


def test_independent_marginal_is_a_permutation_of_each_column():
    z, z_hat = tagged(32, 5)
    structure = structures.preset("independent", 5).marginal()
    _, z_hat_new = sample_joint(jax.random.key(1), z, z_hat, structure)
    for j in range(5):
        np.testing.assert_array_equal(np.sort(z_hat_new[:, j]), z_hat[:, j])
    assert all(len(set(row)) == 5 for row in np.floor(z_hat_new).astype(int))


def test_a_chain_copies_the_only_child_and_draws_the_next():
    z, z_hat = tagged(64, 3)
    structure = structures.parse("1>2 2>3", 3).marginal()
    _, z_hat_new = sample_joint(jax.random.key(2), z, z_hat, structure)
    rows = np.floor(z_hat_new).astype(int)
    np.testing.assert_array_equal(rows[:, 0], rows[:, 1])  # 2 is copied with its parent 1
    # 3 given 2 must not come from the row that holds 1 as well: its donor is another row, moved
    # by the slope 1 of the tags to where the row itself would be.
    np.testing.assert_allclose(z_hat_new[:, 2], z_hat_new[:, 1] + 0.01, atol=0.2)


def test_rows_select_without_changing_the_samples():
    rng = np.random.default_rng(0)
    z, z_hat = (jnp.asarray(rng.normal(size=(24, 4)), jnp.float32) for _ in range(2))
    structure = structures.parse("1>3 2>3 1>4", 4)
    whole = sample_joint(jax.random.key(3), z, z_hat, structure)
    part = sample_joint(jax.random.key(3), z, z_hat, structure, jnp.arange(8, 16))
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_allclose(a[8:16], b, rtol=1e-6)


def test_gradient_is_stopped():
    rng = np.random.default_rng(0)
    z, z_hat = (jnp.asarray(rng.normal(size=(16, 4)), jnp.float32) for _ in range(2))
    structure = structures.parse("1>3 2>3", 4)
    total = lambda z, z_hat: sum(map(jnp.sum, sample_joint(jax.random.key(0), z, z_hat, structure)))
    assert not np.any(jax.grad(total, argnums=(0, 1))(z, z_hat)[1])


def linear_gaussian(structure, seed):
    """A random linear-Gaussian q over v = (z_hat, z), with forbidden dependence: its covariance.

    z_hat = A z + noise with a dense A.
    """
    d = structure.latents
    rng = np.random.default_rng(seed)
    a = np.eye(d) + 0.5 * rng.normal(size=(d, d))
    cov_hat = a @ a.T + 0.3 * np.eye(d)
    scale = 1 / np.sqrt(np.diag(cov_hat))
    a = a * scale[:, None]
    cov_hat = cov_hat * np.outer(scale, scale)
    return np.block([[cov_hat, a], [a.T, np.eye(d)]])


def structured_covariance(cov, structure):
    """The covariance of p_B when q is N(0, cov): each node regressed on its parents alone."""
    d = structure.latents
    order = [*range(d, 2 * d), *structure.order]
    weights, noise = np.zeros((2 * d, 2 * d)), np.zeros(2 * d)
    for node in order:
        pa = []
        if node < d:
            pa = [*structure.z_hat_parents(node), *(d + i for i in structure.z_parents(node))]
        beta = np.linalg.solve(cov[np.ix_(pa, pa)], cov[pa, node]) if pa else np.zeros(0)
        weights[node, pa] = beta
        noise[node] = cov[node, node] - cov[node, pa] @ beta
    inverse = np.linalg.inv(np.eye(2 * d) - weights)
    return inverse @ np.diag(noise) @ inverse.T


TEXTS = [*structures.PRESETS.values(), "1>2 1>3 2>4 3>4", "1>4 2>4 3>4 1>5 2>5 4>5"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("joint", [False, True])
def test_covariance_of_the_samples(text, joint):
    structure = structures.parse(text, 5)
    structure = structure if joint else structure.marginal()
    cov = linear_gaussian(structure, seed=7)
    expected = structured_covariance(cov, structure)
    factor = jnp.asarray(np.linalg.cholesky(cov), jnp.float32)

    def moments(rng):
        data_rng, rng = jax.random.split(rng)
        v = jax.random.normal(data_rng, (64, 10)) @ factor.T
        z_new, z_hat_new = sample_joint(rng, v[:, 5:], v[:, :5], structure)
        new = jnp.concatenate([z_hat_new, z_new], axis=1)
        return new.T @ new / 64

    found = np.mean(jax.jit(jax.vmap(moments))(jax.random.split(jax.random.key(0), 2000)), axis=0)
    np.testing.assert_allclose(found, expected, atol=0.05)
    # the test can fail: q itself is not p_B
    assert np.max(np.abs(cov - expected)) > 0.2
