"""sample_joint on cases where its answer is known row by row, and the law of its samples."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import linear_gaussian

from cvae_jax import structures
from cvae_jax.objectives import bayesian_joint
from cvae_jax.objectives.cascade import sample_joint

joint_of = jax.jit(sample_joint, static_argnums=3)


def tagged(batch, latents):
    """z and z_hat whose entries tell their row: z[i, j] = i + j / 100, z_hat = the same + .5."""
    z = jnp.arange(batch)[:, None] + jnp.arange(latents) / 100.0
    return z, z + 0.5


def test_independent_joint_keeps_each_z_with_its_z_hat_and_mixes_the_rest():
    z, z_hat = tagged(32, 5)
    structure = structures.preset("independent", 5)
    z_new, z_hat_new = joint_of(jax.random.key(0), z, z_hat, structure)
    rows_z, rows_z_hat = np.floor(z_new).astype(int), np.floor(z_hat_new).astype(int)
    np.testing.assert_array_equal(rows_z, rows_z_hat)
    assert all(len(set(row)) == 5 for row in rows_z)  # no row serves twice in a sample
    for j in range(5):
        assert sorted(rows_z[:, j]) == list(range(32))  # each column is a permutation


def test_independent_marginal_is_a_permutation_of_each_column():
    z, z_hat = tagged(32, 5)
    structure = structures.preset("independent", 5).marginal()
    _, z_hat_new = joint_of(jax.random.key(1), z, z_hat, structure)
    for j in range(5):
        np.testing.assert_array_equal(np.sort(z_hat_new[:, j]), z_hat[:, j])
    assert all(len(set(row)) == 5 for row in np.floor(z_hat_new).astype(int))


def test_a_chain_copies_the_only_child_and_draws_the_next():
    z, z_hat = tagged(64, 3)
    structure = structures.parse("1>2 2>3", 3).marginal()
    _, z_hat_new = joint_of(jax.random.key(2), z, z_hat, structure)
    rows = np.floor(z_hat_new).astype(int)
    np.testing.assert_array_equal(rows[:, 0], rows[:, 1])  # 2 is copied with its parent 1
    # 3 given 2 must not come from the row that holds 1 as well: its donor is another row, moved
    # by the slope 1 of the tags to where the row itself would be.
    np.testing.assert_allclose(z_hat_new[:, 2], z_hat_new[:, 1] + 0.01, atol=0.2)


def test_rows_select_without_changing_the_samples():
    rng = np.random.default_rng(0)
    z, z_hat = (jnp.asarray(rng.normal(size=(24, 4)), jnp.float32) for _ in range(2))
    structure = structures.parse("1>3 2>3 1>4", 4)
    whole = joint_of(jax.random.key(3), z, z_hat, structure)
    part = joint_of(jax.random.key(3), z, z_hat, structure, jnp.arange(8, 16))
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_allclose(a[8:16], b, rtol=1e-6)


def test_without_z_the_critic_of_z_hat_gets_the_same_roots_and_copies():
    z, z_hat = tagged(32, 4)
    structure = structures.parse("1>2 3>4", 4).marginal()  # roots and copies alone
    with_z = joint_of(jax.random.key(5), z, z_hat, structure)
    z_new, z_hat_new = joint_of(jax.random.key(5), None, z_hat, structure)
    assert z_new is None
    np.testing.assert_array_equal(z_hat_new, with_z[1])
    with pytest.raises(ValueError, match="conditions on z: give z"):
        joint_of(jax.random.key(5), None, z_hat, structures.preset("independent", 4))


def test_latents_that_nobody_reads_leave_donors_to_a_curved_edge():
    """E[z_hat_1 z_hat_2 z_hat_3] of q = p_B, where the slope of 3 on its parents is 0.

    With a row for each of 32 z one donor would be left to 3, whatever its parents, and the moment
    would vanish.
    """
    structure = structures.parse("1>3 2>3", 32).marginal()

    def moment(rng):
        data_rng, rng = jax.random.split(rng)
        noise = jax.random.normal(data_rng, (64, 32))
        z_hat = noise.at[:, 2].set(0.7 * noise[:, 0] * noise[:, 1] + 0.25 * noise[:, 2])
        _, new = sample_joint(rng, None, z_hat, structure)
        return jnp.mean(new[:, 0] * new[:, 1] * new[:, 2])

    found = jax.jit(jax.vmap(moment))(jax.random.split(jax.random.key(0), 200))
    assert 0.4 < found.mean() < 0.75  # exactly .7; the nearest of 33 donors is some way off


@pytest.mark.parametrize("with_z", [True, False])
def test_the_smallest_batch_has_a_donor_for_every_node_of_every_sample(with_z):
    for text in (*structures.PRESETS.values(), "1>2 2>3 3>4 4>5 5>6 6>7 7>8 8>9 9>10"):
        structure = structures.parse(text, 10)
        plan = bayesian_joint.plan(structure if with_z else structure.marginal(), with_z=with_z)
        batch, draws = bayesian_joint.rows_needed(plan), len(plan.nodes)
        for row in range(batch):
            own = {(row + shift) % batch for shift in range(plan.num_roots)}
            assert len(own) == plan.num_roots
            for i in range(draws):
                assert {i + draws * k for k in range(batch // draws)} - own, text


def test_gradient_is_stopped():
    rng = np.random.default_rng(0)
    z, z_hat = (jnp.asarray(rng.normal(size=(16, 4)), jnp.float32) for _ in range(2))
    structure = structures.parse("1>3 2>3", 4)
    total = lambda z, z_hat: sum(map(jnp.sum, joint_of(jax.random.key(0), z, z_hat, structure)))
    assert not any(map(np.any, jax.grad(total, argnums=(0, 1))(z, z_hat)))


LATENTS = 8


def law_cases():
    """(structure, covariance of q): presets and 50 random DAGs, in the two modes by turns."""
    rng = np.random.default_rng(0)
    dags = [linear_gaussian.random_structure(rng, int(rng.integers(5, 9))) for _ in range(50)]
    cases = []
    for i, text in enumerate([*structures.PRESETS.values(), *map(str, dags)]):
        structure = structures.parse(text, LATENTS)  # the latents left over are independent
        cov = linear_gaussian.random_q(structure, seed=1)
        cases.append((structure.marginal() if i % 2 else structure, cov))
    return cases


def by_number_of_draws():
    """The cases of `law_cases`, with their plans, in groups that one program serves."""
    groups = {}
    for structure, cov in law_cases():
        plan = bayesian_joint.plan(structure, with_z=not structure.is_marginal)
        plan = plan._replace(shift=np.pad(plan.shift, (0, 2 * LATENTS - len(plan.shift))))
        parents = np.full((len(plan.nodes), 4), -1)
        parents[:, : plan.parents.shape[-1]] = plan.parents if len(plan.nodes) else 0
        plan = plan._replace(parents=parents, num_roots=np.array(plan.num_roots))
        groups.setdefault(len(plan.nodes), []).append((structure, cov, plan))
    return groups


GROUPS = by_number_of_draws()


# Close by takes a minute; none, one and some draws are enough by default.
SIZES = [
    pytest.param(n, *size, marks=[] if n in (0, 1, 4) and size[0] == 64 else pytest.mark.slow)
    for size in ((64, 16, 0.05), (512, 80, 0.01))
    for n in sorted(GROUPS)
]


@pytest.mark.parametrize(("num_draws", "batch", "rows", "limit"), SIZES)
def test_law(num_draws, batch, rows, limit):
    """The covariance of p_B's samples, whatever dependence the structure forbids and q has.

    4,000 batches; the first `rows` samples of each.
    """
    cases, covs, plans = zip(*GROUPS[num_draws], strict=True)
    plans = jax.tree.map(lambda *x: np.stack(x), *plans)
    factors = np.stack([np.linalg.cholesky(cov) for cov in covs]).astype(np.float32)

    def covariances(plans, factors):
        def add(total, rng):
            data_rng, rng = jax.random.split(rng)
            noise = jax.random.normal(data_rng, (batch, 2 * LATENTS))

            def one(plan, factor):
                new = bayesian_joint.sample(rng, noise @ factor.T, plan, jnp.arange(rows))
                return new.T @ new / rows

            return total + jax.vmap(one)(plans, factors), None

        start = jnp.zeros((len(cases), 2 * LATENTS, 2 * LATENTS))
        return (
            jax.lax.scan(add, start, jax.random.split(jax.random.key(0, impl="rbg"), 4000))[0]
            / 4000
        )

    found = np.asarray(jax.jit(covariances, compiler_options=helpers.FULL)(plans, factors))
    for structure, cov, mean in zip(cases, covs, found, strict=True):
        seen = slice(0, LATENTS if structure.is_marginal else 2 * LATENTS)  # z_hat first
        expected = linear_gaussian.structured(cov, structure)[seen, seen]
        cov, mean = cov[seen, seen], mean[seen, seen]
        units = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        assert np.max(np.abs(mean - expected) / units) < limit, str(structure)
        # the test can fail: q itself is not p_B
        assert np.max(np.abs(cov - expected)) > 0.2


def test_sample_joint_is_the_sampler_of_the_plan():
    """What the law is tested on is what the objective calls."""
    structure = structures.preset("tower", 5)
    rng = np.random.default_rng(0)
    z, z_hat = (jnp.asarray(rng.normal(size=(24, 5)), jnp.float32) for _ in range(2))
    z_new, z_hat_new = joint_of(jax.random.key(4), z, z_hat, structure)

    def sample(v, plan):
        one = lambda v: bayesian_joint.sample(jax.random.key(4), v, plan, jnp.arange(24))
        return jax.jit(one)(v)

    new = sample(jnp.concatenate([z_hat, z], axis=1), bayesian_joint.plan(structure))
    np.testing.assert_array_equal(jnp.concatenate([z_hat_new, z_new], axis=1), new)

    structure = structure.marginal()
    _, z_hat_new = joint_of(jax.random.key(4), None, z_hat, structure)
    new = sample(z_hat, bayesian_joint.plan(structure, with_z=False))
    np.testing.assert_array_equal(z_hat_new, new)


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
