"""The extension that rewards edges: its information in closed form, and how it enters the loss."""

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import edge_rewards, linear_gaussian

import cvae_jax
from cvae_jax import structures
from cvae_jax.objectives.base import Objective, Players
from cvae_jax.objectives.edge_reward import edge_information

information_of = jax.jit(edge_information, static_argnums=1)
NOISE = 0.01  # variance of the noise that both ends of an edge are taken with


def rows_of(covariance, count=64):
    """Rows whose own covariance is this one exactly: [count, d]."""
    d = len(covariance)
    x = np.random.default_rng(0).normal(size=(count, d))
    x -= x.mean(axis=0)
    white = x @ np.linalg.inv(np.linalg.cholesky(x.T @ x / count)).T
    return (white @ np.linalg.cholesky(covariance + 1e-12 * np.eye(d)).T).astype(np.float32)


def of_linear(weights, noises):
    """The covariance of (z_1, ..., z_d), each a weighted sum of those before it plus noise."""
    inverse = np.linalg.inv(np.eye(len(noises)) - np.array(weights))
    return inverse @ np.diag(np.square(noises)) @ inverse.T


def gained(child, left):
    """Half the log of the child's variance over what is left of it, both with noise."""
    return 0.5 * np.log((child + NOISE) / (left + NOISE))


# Of z_3 under 1>3 2>3: what each parent tells of it given the other. A parent of variance v that is
# seen with noise leaves a share 0.01 / (v + 0.01) of its part in the child.
ONE = 1 * NOISE / (1 + NOISE)
CASES = {
    "unused latents": (of_linear(np.zeros((3, 3)), [1, 1, 1]), [0, 0]),
    "one edge used": (
        of_linear([[0, 0, 0], [0, 0, 0], [0.8, 0, 0]], [1, 1, 0.6]),
        [gained(1, 0.36 + 0.64 * ONE), 0],
    ),
    "both edges used": (
        of_linear([[0, 0, 0], [0, 0, 0], [0.6, 0.6, 0]], [1, 1, 0.4]),
        2 * [gained(0.36 + 0.16, 0.16 + 0.36 * ONE)],
    ),
    # alone it would show 0.25^2 of 0.985
    "hidden by the other parent": (
        of_linear([[0, 0, 0], [0, 0, 0], [0.25, 0.95, 0]], [1, 1, 0.15]),
        [
            gained(0.0625 + 0.0225, 0.0225 + 0.0625 * ONE),
            gained(0.9025 + 0.0225, 0.0225 + 0.9025 * ONE),
        ],
    ),
    "copied parents": (of_linear([[0, 0, 0], [1, 0, 0], [0, 0, 0]], [1, 0, 1]), [0, 0]),
    "three copies": (of_linear([[0, 0, 0], [1, 0, 0], [1, 0, 0]], [1, 0, 0]), [0, 0]),
    # z_2 has 0.36 of its own, z_1 given z_2 0.36 too; the child reads z_1 alone
    "dependent parents, one used": (
        of_linear([[0, 0, 0], [0.8, 0, 0], [0.8, 0, 0]], [1, 0.6, 0.6]),
        [gained(0.64 * 0.36 + 0.36, 0.36 + 0.64 * 0.36 * NOISE / (0.36 + NOISE)), 0],
    ),
}


@pytest.mark.parametrize(("covariance", "expected"), CASES.values(), ids=CASES)
def test_cases_worked_by_hand(covariance, expected):
    found = information_of(rows_of(covariance), structures.parse("1>3 2>3", 3))
    np.testing.assert_allclose(found, expected, atol=4e-3)


def test_no_product_drops_digits_on_gpus_and_tpus():
    """A CPU drops none whatever it is asked, so it is the program that is read."""
    structure = structures.parse("1>3 2>3", 3)
    value = lambda z_hat: edge_information(z_hat, structure).sum()
    program = str(jax.make_jaxpr(jax.value_and_grad(value))(np.ones((8, 3), np.float32)))
    products = program.count("dot_general[")
    assert products >= 9  # of the covariance and of two edges, and of the gradient
    assert program.count("Precision.HIGHEST") == 2 * products  # of either factor


@pytest.mark.parametrize("text", ["1>2 1>3 1>4", "1>4 2>4 3>4", "1>3 2>3 3>5 4>5", "1>2 1>3 2>3"])
def test_it_is_the_information_given_the_other_parents(text):
    """Against log determinants, with the noise at both ends of an edge and at no other latent."""
    structure = structures.parse(text, 5)
    factor = np.random.default_rng(1).normal(size=(5, 5))
    covariance = factor @ factor.T / 5 + 0.2 * np.eye(5)
    found = information_of(rows_of(covariance), structure)
    families = list(edge_rewards.families(structure))
    assert [(k, j) for k, j, _ in families] == [*structure.edges]
    for value, (k, j, others) in zip(found, families, strict=True):
        noisy = covariance + np.diag([NOISE * (i in (j, k)) for i in range(5)])
        both = edge_rewards.information(noisy, [k], [j, *others])
        expected = both - edge_rewards.information(noisy, [k], others)
        assert value == pytest.approx(float(expected), abs=1e-3)


def test_what_the_comparison_of_rewards_calls_forbidden_is_the_kl():
    structure = structures.parse("1>3 2>3 3>5 4>5", 5).marginal()
    factor = np.random.default_rng(2).normal(size=(5, 5))
    covariance = factor @ factor.T / 5 + 0.2 * np.eye(5)
    found = edge_rewards.forbidden(covariance, structure)
    assert found == pytest.approx(linear_gaussian.kl(covariance, structure), rel=1e-4)


def test_a_child_that_is_not_gaussian_has_more_than_it_earns():
    """z_2 = sign of z_1: log 2; of Gaussians with their correlation 1/2 log 1 / (1 - 2/pi)."""
    z = np.random.default_rng(0).normal(size=20_000)
    found = edge_information(np.stack([z, np.sign(z)], axis=1), structures.parse("1>2", 2))
    assert found[0] == pytest.approx(-0.5 * np.log(1 - 2 / np.pi), abs=0.02)
    assert found[0] < np.log(2)


def given_latents(text, d):
    """The reward, weight 2, of a cascade whose z_hat is the batch itself and whose loss is 0."""

    def model_loss(params, images, rng, step, axis_name=None):
        return 0.0, ({}, {"cascade": {"z_hat": images}})

    base = Objective(lambda rng, images: Players({}, {}), model_loss, None, None, None, None)
    reward = cvae_jax.edge_reward(base, structures.parse(text, d), 2.0)
    return jax.jit(lambda z_hat: reward.model_loss(Players({}, {}), z_hat, None, 0))


def test_an_edge_earns_half_a_nat_at_most_and_not_for_another():
    """Of 1>2 and 1>3 the first is far over the cap, the second unused: it alone is pushed."""
    covariance = of_linear([[0, 0, 0], [0.95, 0, 0], [0.1, 0, 0]], [1, 0.3, 1])
    loss_of = given_latents("1>2 1>3", 3)
    z_hat = rows_of(covariance)
    (loss, (metrics, _)), gradient = jax.jit(jax.value_and_grad(loss_of, has_aux=True))(z_hat)
    first, second = metrics["edge_information"]
    assert first > 0.9
    assert 0 < second < 0.01
    assert loss == pytest.approx(-2 * (0.5 + float(second)), rel=1e-5)
    assert not np.any(gradient[:, 1])
    assert np.all(np.any(gradient[:, [0, 2]], axis=0))


def test_a_far_row_earns_nothing():
    z_hat = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    loss_of = given_latents("1>2", 2)
    z_hat[0] = 0.0
    without = loss_of(z_hat)[0]
    z_hat[0] = 1e4
    assert loss_of(z_hat)[0] > without - 2 * 0.03


def test_the_loss_falls_by_the_reward_and_encoder_and_decoder_can_raise_it(images):
    base = helpers.small_cascade("1>3 2>3 3>4", x_hat="sample")
    objective = cvae_jax.edge_reward(base, structures.parse("1>3 2>3 3>4", 4), 3.0)
    floats = helpers.floats(images)
    params = jax.jit(objective.init)(jax.random.key(0), floats)
    loss, (metrics, _) = jax.jit(objective.model_loss)(params, floats, jax.random.key(1), 0)
    base_loss, _ = jax.jit(base.model_loss)(params, floats, jax.random.key(1), 0)
    assert metrics["edge_information"].shape == (3,)
    reward = np.sum(np.minimum(metrics["edge_information"], 0.5))
    assert reward > 0
    assert loss == pytest.approx(float(base_loss - 3 * reward), rel=1e-5)

    def information(model):
        p = params._replace(model=model)
        found = objective.model_loss(p, floats, jax.random.key(1), 0)[1][0]["edge_information"]
        return jnp.sum(found)

    gradient = jax.jit(jax.grad(information))(params.model)
    for part in ("encoder", "decoder"):
        assert any(np.any(g) for g in jax.tree.leaves(gradient[part]))


@pytest.mark.slow
def test_devices_share_their_rows(images):
    """Two devices, by vmap: the mean of loss and gradient is that of one."""
    base = helpers.small_cascade(x_hat="sample")
    objective = cvae_jax.edge_reward(base, structures.parse("1>3 2>3", 4), 3.0)
    floats = helpers.floats(images)
    params = jax.jit(objective.init)(jax.random.key(0), floats)

    def loss(model, images, axis_name=None):
        p = params._replace(model=model)
        return objective.model_loss(p, images, jax.random.key(1), 0, axis_name)[0]

    helpers.assert_devices_share(loss, params.model, floats, 2)


def test_a_structure_without_edges_is_refused():
    with pytest.raises(ValueError, match="no edges between z_hat nodes"):
        cvae_jax.edge_reward(helpers.small_cascade(), structures.parse("", 4), 1.0)
