"""The regulariser against closed forms: its estimate and its gradient on linear-Gaussian q.

The full-length comparison is `python -m tests.closed_forms.density_ratio`.
"""

import functools

import helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from closed_forms import density_ratio, donors, linear_gaussian
from flax import linen as nn

import cvae_jax
from cvae_jax import networks, structures
from cvae_jax.objectives.base import Objective, Players

D = 4
MODES = pytest.mark.parametrize("critic_input", ["z_hat", "joint"])


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "joint"), [(1, True), (2, False), (3, True)])
def test_estimate_with_our_samples_is_that_with_exact_ones(seed, joint):
    """On random DAGs and q, at batch 64: the fast form of the benchmark."""
    structure = linear_gaussian.random_structure(np.random.default_rng(seed), D, 2)
    row = density_ratio.run(
        structure if joint else structure.marginal(),
        batch=64,
        pool=64,
        steps=2000,
        seeds=2,
        q_seed=seed,
        critic=networks.Critic(2, 64),
    )
    assert abs(row["ours"] - row["exact"]) < density_ratio.allowed(row["closed"])
    assert 0.9 * row["closed"] < row["ours"] < 1.02 * row["closed"]


@pytest.mark.slow
@pytest.mark.parametrize("case", donors.CASES)
def test_nothing_is_found_where_a_nonlinear_q_obeys_the_structure(case):
    q, structure = donors.CASES[case]
    ours = {"ours": donors.WAYS["nearest, adjusted"]}
    (estimate,) = donors.errors(q, structure, pool=1024, steps=1000, seeds=3, ways=ours)
    assert abs(estimate) < 0.03


class Quadratic(nn.Module):
    """logit = v A v / 2: exact between zero-mean Gaussians, up to a constant without gradient.

    Of the latents with their tails, that is: the critic's map is undone here.
    """

    @nn.compact
    def __call__(self, v):
        shape = (v.shape[1], v.shape[1])
        v = helpers.with_tails(v)
        return 0.5 * jnp.sum(v @ self.param("a", nn.initializers.zeros, shape) * v, axis=1)


def linear_objective(structure, critic_input, critic, smoothness=0.0):
    """The cascade over z_hat = z M + exp(logvar / 2) noise; the base's own loss is zero."""
    base = Objective(
        init=lambda rng, images: Players({"mix": jnp.eye(D), "logvar": jnp.zeros(D)}, {}),
        model_loss=lambda params, images, rng, step, axis_name=None: (0.0, ({}, {})),
        critic_loss=lambda params, samples, rng, step, axis_name=None: (0.0, {}),
        prior=lambda rng, n: jax.random.normal(rng, (n, D)),
        encode=lambda params, x: (
            x @ params.model["mix"],
            jnp.broadcast_to(params.model["logvar"], x.shape),
        ),
        decode=lambda params, z, rng=None: z,
    )
    return cvae_jax.cascade(
        base, structure, 1.0, critic_input=critic_input, smoothness=smoothness, critic=critic
    )


def covariance(model):
    """Of (z_hat, z) under `linear_objective`: [2d, 2d]."""
    mix, noise = model["mix"], np.diag(np.exp(model["logvar"]))
    return np.block([[mix.T @ mix + noise, mix.T], [mix, np.eye(D)]])


def linear_model(structure):
    """Parameters with correlations of .3 to .8 on edges and on forbidden pairs, KL above .5 nat."""
    rng = np.random.default_rng(0)
    edges = [(i, j) for j in range(D) for i in structure.z_hat_parents(j)]
    forbidden = cvae_jax.dependence.pairs(structure.marginal()).forbidden
    while True:
        model = {"mix": np.eye(D) + rng.normal(size=(D, D)) / 2, "logvar": rng.uniform(-2, -1, D)}
        cov = covariance(model)
        units = np.sqrt(np.diag(cov))
        size = np.abs(cov / np.outer(units, units))
        good = (size >= 0.3) & (size <= 0.8)
        kls = [linear_gaussian.kl(cov, s) for s in (structure, structure.marginal())]
        strong = all(good[e] for e in edges) and any(good[pair] for pair in forbidden)
        if strong and min(kls) > 0.5:
            return model


def closed_form_gradient(model, structure):
    """Of the KL to the parameters, by central differences in float64."""
    gradient = {name: np.zeros_like(value) for name, value in model.items()}
    for name, value in model.items():
        for index in np.ndindex(value.shape):
            sides = []
            for move in (1e-5, -1e-5):
                moved = {k: v.copy() for k, v in model.items()}
                moved[name][index] += move
                sides.append(linear_gaussian.kl(covariance(moved), structure))
            gradient[name][index] = (sides[0] - sides[1]) / 2e-5
    return flat(gradient)


def flat(tree):
    return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def model_gradient(objective, params, rows, seed=0):
    def loss(model, rng):
        images = jnp.zeros((rows, 1))
        return objective.model_loss(params._replace(model=model), images, rng, 0)[0]

    rngs = jax.random.split(jax.random.key(seed), 10)
    gradients = jax.jit(lambda m: jax.lax.map(functools.partial(jax.grad(loss), m), rngs))(
        params.model
    )
    return flat(jax.tree.map(lambda x: np.mean(x, axis=0), gradients))


STRUCTURES = [structures.parse(text, D) for text in ("", "1>3 2>3", "1>3 2>3 3>4")]


@MODES
@pytest.mark.parametrize(
    "structure",
    [*(pytest.param(s, marks=pytest.mark.slow) for s in STRUCTURES[:2]), STRUCTURES[2]],
    ids=str,
)
def test_gradient_with_the_exact_logit_is_the_closed_forms(structure, critic_input, monkeypatch):
    # Samples of p_B, which only the critic's loss needs: of 200,000 donors they would take forever
    monkeypatch.setattr(
        cvae_jax.objectives.cascade, "sample_joint", lambda rng, z, z_hat, *_: (z, z_hat)
    )
    model = linear_model(structure)
    structure = structure if critic_input == "joint" else structure.marginal()
    seen = slice(0, 2 * D) if critic_input == "joint" else slice(0, D)
    cov = covariance(model)
    exact = linear_gaussian.structured(cov, structure)
    a = np.linalg.inv(exact[seen, seen]) - np.linalg.inv(cov[seen, seen])
    if critic_input == "joint":  # the critic's columns are z, z_hat
        a = np.roll(a, D, axis=(0, 1))
    params = Players(model=model, critic={"cascade": {"a": a}})
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
    objective = linear_objective(structure, critic_input, Quadratic())
    found = model_gradient(objective, params, rows=200_000)
    expected = closed_form_gradient(model, structure)
    assert np.linalg.norm(found - expected) < 0.01 * np.linalg.norm(expected)


@pytest.mark.slow
@pytest.mark.parametrize("critic_input", ["z_hat", "joint"])
def test_gradient_with_a_trained_critic_points_the_same_way(critic_input):
    structure = STRUCTURES[1]
    model = linear_model(structure)
    structure = structure if critic_input == "joint" else structure.marginal()
    objective = linear_objective(structure, critic_input, networks.Critic(2, 128))
    images, optimizer = jnp.zeros((256, 1)), optax.adam(optax.cosine_decay_schedule(2e-3, 1000))
    critic = jax.jit(objective.init)(jax.random.key(0), images).critic
    params = Players(jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), model), critic)

    def step(carry, rng):
        critic, opt_state = carry
        samples = objective.model_loss(params._replace(critic=critic), images, rng, 0)[1][1]
        loss = lambda c: objective.critic_loss(params._replace(critic=c), samples, rng, 0)[0]
        updates, opt_state = optimizer.update(jax.grad(loss)(critic), opt_state)
        return (optax.apply_updates(critic, updates), opt_state), None

    rngs = jax.random.split(jax.random.key(1), 1000)
    train = jax.jit(
        lambda critic: jax.lax.scan(step, (critic, optimizer.init(critic)), rngs)[0][0],
        compiler_options=helpers.FULL,
    )
    found = model_gradient(objective, params._replace(critic=train(critic)), rows=5_000)
    expected = closed_form_gradient(model, structure)
    cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
    assert cosine > 0.9


@pytest.mark.parametrize("smoothness", [0.0, 0.01])
def test_independent_on_z_hat_is_the_permute_dims_penalty_on_z_hat(smoothness):
    """By construction: FactorVAE's critic loss written out, on the permutation that was drawn."""
    objective = linear_objective(STRUCTURES[0], "z_hat", networks.Critic(1, 8), smoothness)
    params = jax.jit(objective.init)(jax.random.key(0), jnp.zeros((32, 1)))
    rng = jax.random.key(1)
    model_loss, (_, samples) = jax.jit(objective.model_loss)(params, jnp.zeros((32, 1)), rng, 0)
    loss, _ = jax.jit(objective.critic_loss)(params, samples, rng, 0)

    z_hat, permuted = map(np.asarray, samples["cascade_critic"])
    np.testing.assert_allclose(helpers.with_tails(z_hat), samples["cascade"]["z_hat"], rtol=1e-5)
    rows = np.stack(
        [[np.flatnonzero(z_hat[:, j] == x)[0] for x in permuted[:, j]] for j in range(D)]
    )
    for j in range(D):
        assert sorted(rows[j]) == list(range(32))  # each dimension permuted over the batch
    assert all(len(set(rows[:, i])) == D for i in range(32))

    dense = [params.critic["cascade"][f"Dense_{i}"] for i in range(2)]
    by_hand = np.stack([z_hat[rows[j], j] for j in range(D)], axis=1)
    logits, slopes = [], []
    for v in (z_hat, by_hand):
        hidden = v @ np.asarray(dense[0]["kernel"]) + np.asarray(dense[0]["bias"])
        rises = np.where(hidden > 0, 1, 0.2) * np.asarray(dense[1]["kernel"])[:, 0]  # [32, 8]
        slopes.append(rises @ np.asarray(dense[0]["kernel"]).T)  # [32, D]
        hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
        logits.append(
            (hidden @ np.asarray(dense[1]["kernel"]) + np.asarray(dense[1]["bias"]))[:, 0]
        )
    expected = np.mean(np.log1p(np.exp(-logits[0]))) + np.mean(np.log1p(np.exp(logits[1])))
    penalty = smoothness * 0.5 * np.mean(np.sum(np.concatenate(slopes) ** 2, axis=1))
    assert loss == pytest.approx(expected / 2 + penalty, rel=1e-5)
    assert model_loss == pytest.approx(np.mean(logits[0]), abs=1e-5)


def test_two_critics_of_one_name_are_refused():
    """They would be one, trained on the rows of the outer cascade alone."""
    base = cvae_jax.vae(networks.burgess(size=8, channels=1, latents=3))
    structure = structures.parse("", latents=3)
    critic = networks.Critic(1, 8)
    twice = cvae_jax.cascade(
        cvae_jax.cascade(base, structure, 1.0, critic=critic), structure, 1.0, critic=critic
    )
    with pytest.raises(ValueError, match="a critic 'cascade' already"):
        jax.eval_shape(twice.init, jax.random.key(0), jnp.zeros((4, 8, 8, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["gaussian", "learned_gaussian", "laplace"])
def test_samples_beyond_0_and_1_are_encoded_without_jit(likelihood):
    base = cvae_jax.vae(networks.burgess(size=8, channels=1, latents=3), likelihood=likelihood)
    structure = structures.parse("", latents=3)
    objective = cvae_jax.cascade(
        base, structure, 1.0, source="posterior", x_hat="sample", critic=networks.Critic(1, 8)
    )
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(4, 8, 8, 1)), jnp.float32)
    params = jax.jit(objective.init)(jax.random.key(0), images)
    arguments = params, images, jax.random.key(1), 0
    eager, (_, samples) = objective.model_loss(*arguments)
    assert float(eager) == pytest.approx(float(jax.jit(objective.model_loss)(*arguments)[0]), 1e-4)
    with pytest.raises(ValueError, match="make them uint8, or floats"):  # a user's own still are
        objective.encode(params, 255 * images)
    assert samples["cascade"]["z_hat"].shape == (4, 3)


def test_an_edge_reward_of_no_cascade_is_refused():
    base = cvae_jax.vae(networks.burgess(size=8, channels=1, latents=3))
    objective = cvae_jax.edge_reward(base, structures.parse("1>2", latents=3), 1.0)
    images = jnp.zeros((4, 8, 8, 1))
    params = jax.eval_shape(objective.init, jax.random.key(0), images)
    with pytest.raises(ValueError, match=r"edge_reward\(cascade\(\.\.\.\)\)"):
        jax.eval_shape(objective.model_loss, params, images, jax.random.key(1), 0)
