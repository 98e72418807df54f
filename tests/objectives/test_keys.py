"""Invariant 6: no random key is used twice, neither by a method nor by what wraps it."""

import functools

import helpers
import jax
import jax.numpy as jnp
import pytest

from cvae_jax import step
from cvae_jax.config import build
from cvae_jax.config.methods import METHODS
from cvae_jax.objectives.likelihoods import LIKELIHOODS


def objective_and_optimizers(**fields):
    config = helpers.small_config(**{"cascade.weight": 0.0, "data.size": 16, **fields})
    info = build.DataInfo(config.data.size, 1, 512)
    return build.objective(config, info), build.optimizers(config), config.data.size


CASES = {
    **{f"{name}": {"objective.name": name} for name in METHODS},
    **{
        f"{name} with the cascade": {"objective.name": name, "cascade.weight": 2.0}
        for name in ("vae", "factor_vae", "infogan")  # no critic of its own, one, and no encoder
    },
    **{
        f"{structure}, {critic_input}": {
            "cascade.weight": 2.0,
            "cascade.structure": structure,
            "cascade.critic_input": critic_input,
        }
        # roots alone, copies of rows, drawn nodes; chains; parents among z
        for structure in ("independent", "1>2", "1>3 2>3", "1>2 2>3 3>4", "z1>2 -z3>3")
        for critic_input in ("z_hat", "joint")
    },
    "posterior": {"cascade.weight": 2.0, "cascade.source": "posterior"},
    **{
        f"sampled images, {likelihood}": {
            "cascade.weight": 2.0,
            "cascade.x_hat": "sample",
            "objective.likelihood": likelihood,
        }
        for likelihood in LIKELIHOODS
    },
    **{
        f"{name} {value}": {
            "cascade.weight": 2.0,
            "cascade.source": "posterior",
            "cascade.critic_input": critic_input,
            f"cascade.{name}": value,
        }
        for name, value, critic_input in (
            ("conditionals", "given", "joint"),
            ("second_pass", "fixed", "joint"),
            ("second_pass", "none", "z_hat"),
        )
    },
    "donors": {"cascade.weight": 2.0, "cascade.prior_batch_size": 32},
    "edge reward": {
        "cascade.weight": 2.0,
        "cascade.structure": "1>2",
        "cascade.x_hat": "sample",
        "cascade.edge_reward": 1.0,
    },
    "edge reward of a posterior FactorVAE": {
        "objective.name": "factor_vae",
        "cascade.weight": 2.0,
        "cascade.structure": "1>2",
        "cascade.source": "posterior",
        "cascade.x_hat": "sample",
        "cascade.edge_reward": 1.0,
    },
}


@pytest.mark.parametrize("fields", CASES.values(), ids=CASES.keys())
def test_no_key_is_used_twice(fields):
    """JAX's own check, on the traced programs of a method's start and of two steps."""
    objective, optimizers, size = objective_and_optimizers(**fields)
    images = jnp.zeros((16, size, size, 1))

    def two_steps(rng):
        state = step.create_train_state(rng, objective, optimizers, images)
        one = functools.partial(step.train_step, objective=objective, optimizers=optimizers)
        state, _ = one(state, images)
        return one(state, images)

    with jax.debug_key_reuse(True):
        jax.jit(two_steps).trace(jax.random.key(0))
