"""sample_joint on cases where its answer is known row by row, and the law of its samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import linear_gaussian
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


def largest_error(structure, cov, batch, num_batches):
    """Of the samples' covariance against p_B's own, in units of p_B's standard deviations."""
    d = structure.latents
    factor = jnp.asarray(np.linalg.cholesky(cov), jnp.float32)

    def moments(rng):
        data_rng, rng = jax.random.split(rng)
        v = jax.random.normal(data_rng, (batch, 2 * d)) @ factor.T
        z_new, z_hat_new = sample_joint(rng, v[:, d:], v[:, :d], structure)
        new = jnp.concatenate([z_hat_new, z_new], axis=1)
        return new.T @ new / batch

    rngs = jax.random.split(jax.random.key(0), (num_batches // 50, 50))
    mean = jax.jit(lambda rngs: jnp.mean(jax.lax.map(jax.vmap(moments), rngs), axis=(0, 1)))
    expected = linear_gaussian.structured(cov, structure)
    scale = np.sqrt(np.diag(expected))
    return np.max(np.abs(mean(rngs) - expected) / np.outer(scale, scale))


RNG = np.random.default_rng(0)
DAGS = [linear_gaussian.random_structure(RNG, int(RNG.integers(5, 9))) for _ in range(50)]
PRESETS = [structures.preset(name, 5) for name in structures.PRESETS]


@pytest.mark.parametrize("joint", [False, True], ids=["z_hat", "joint"])
@pytest.mark.parametrize("structure", [*PRESETS, *DAGS[:2]], ids=str)
def test_law(structure, joint):
    """The covariance of p_B's samples, whatever dependence the structure forbids and q has."""
    cov = linear_gaussian.random_q(structure, seed=1)
    structure = structure if joint else structure.marginal()
    assert largest_error(structure, cov, 64, 4000) < 0.05
    # the test can fail: q itself is not p_B
    difference = cov - linear_gaussian.structured(cov, structure)
    assert np.max(np.abs(difference)) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("joint", [False, True], ids=["z_hat", "joint"])
@pytest.mark.parametrize("structure", DAGS[2:20], ids=str)
def test_law_of_more_dags(structure, joint):
    cov = linear_gaussian.random_q(structure, seed=1)
    structure = structure if joint else structure.marginal()
    assert largest_error(structure, cov, 64, 4000) < 0.05


def test_closed_form_of_the_kl_equals_the_gaussian_formula():
    """KL between two zero-mean Gaussians, computed the usual way."""
    structure = structures.preset("tower", 5)
    cov = linear_gaussian.random_q(structure, seed=3)
    for s, seen in ((structure, slice(0, 10)), (structure.marginal(), slice(0, 5))):
        q, p = cov[seen, seen], linear_gaussian.structured(cov, s)[seen, seen]
        expected = 0.5 * (
            np.trace(np.linalg.solve(p, q))
            - len(q)
            + np.linalg.slogdet(p)[1]
            - np.linalg.slogdet(q)[1]
        )
        assert linear_gaussian.kl(cov, s) == pytest.approx(expected, rel=1e-9)
