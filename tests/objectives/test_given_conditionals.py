"""Given conditionals: their samples and the critic's estimate against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import readings

from cvae_jax import structures
from cvae_jax.objectives.bayesian_joint import sample_joint
from cvae_jax.objectives.edge_reward import edge_information
from cvae_jax.objectives.given_conditionals import sample_given


@pytest.mark.parametrize("text", ["independent", "compose2", "3>1 3>2", "1>2 2>3"])
def test_samples_have_the_closed_forms_covariance(text):
    structure = structures.from_config(text, 3)
    z = jax.random.normal(jax.random.key(0), (200_000, 3))
    new = sample_given(jax.random.key(1), z, structure)
    found = np.cov(np.concatenate(new[::-1], axis=1), rowvar=False)  # z_hat first
    np.testing.assert_allclose(found, readings.given(structure, roots_from_z=True), atol=0.02)


def test_edges_from_z_are_refused():
    with pytest.raises(ValueError, match="no edges from z"):
        sample_given(jax.random.key(0), jnp.zeros((4, 3)), structures.parse("-z3>3", 3))


@pytest.mark.parametrize("latents", [2, 4])
def test_a_structure_of_another_number_of_latents_is_refused(latents):
    """JAX would take the last latent for one that is not there."""
    structure, z = structures.parse("1>2", latents), jnp.zeros((32, 3))
    for draw in (
        lambda: sample_given(jax.random.key(0), z, structure),
        lambda: sample_joint(jax.random.key(0), z, z, structure),
        lambda: edge_information(z, structure),
    ):
        with pytest.raises(ValueError, match=f"of {latents} latents and there are 3"):
            draw()


def test_dependence_among_z_is_left_out():
    z = jax.random.normal(jax.random.key(0), (10_000, 1)) * jnp.ones(3)
    new, _ = sample_given(jax.random.key(1), z, structures.from_config("independent", 3))
    np.testing.assert_allclose(np.corrcoef(new, rowvar=False), np.eye(3), atol=0.05)
    np.testing.assert_array_equal(np.sort(new, axis=0), np.sort(z, axis=0))
