"""Wholes that are added to their parts: the bases, what each latent moves, what is refused."""

import helpers
import jax
import numpy as np
import pytest
from helpers import floats

from cvae_jax import networks, structures
from cvae_jax.config import checks
from cvae_jax.errors import UserError
from cvae_jax.networks.additive import additive
from cvae_jax.objectives.vae import vae
from cvae_jax.structures import wholes

# Latents from 1, and what each moves by the paper's captions of Figs. 7, 8 and 9. The high-order
# nodes of Fig. 7 have no parents, so they have a factor of their own besides.
MOVED = {
    "decompose2": {1: {1, 2, 3}, 2: {2}, 3: {3}},
    "decompose3": {1: {1, 2, 3, 4}, 2: {2}, 3: {3}, 4: {4}},
    "compose2": {1: {1}, 2: {2}, 3: {1, 2}},
    "compose3": {1: {1}, 2: {2}, 3: {3}, 4: {1, 2, 3}},
    "tower": {1: {1}, 2: {2}, 3: {1, 2}, 4: {4}, 5: {1, 2, 4}},
}
COMPOSED = {"decompose2": set(), "decompose3": set(), "compose2": {3}, "compose3": {4}}
COMPOSED["tower"] = {3, 5}


def latents(which):
    return set(np.flatnonzero(which) + 1)


@pytest.mark.parametrize("name", MOVED)
def test_a_latent_is_added_to_what_the_captions_say_that_it_moves(name):
    parents = structures.preset(name, 6).parents
    found = wholes.sums(parents)
    for latent in range(1, 7):
        assert latents(found[latent - 1]) == MOVED[name].get(latent, {latent})
    assert set(np.unique(found)) == {0, 1}
    assert latents(wholes.composed(parents)) == COMPOSED[name]


@pytest.mark.parametrize("name", MOVED)
def test_what_is_written_is_read_again_and_depends_as_the_structure_says(name):
    structure = structures.preset(name, 6)
    parents = structure.parents
    written, read = wholes.shares(parents), wholes.sums(parents)
    factors = ~wholes.composed(parents)
    np.testing.assert_allclose(written @ read, np.diag(factors), atol=1e-6)

    # Independent Gaussian factors, and some noise, so that none follows from others alone
    covariance = written.T @ np.diag(factors.astype(float)) @ written + 1e-3 * np.eye(6)

    def entropy(of):  # 1/2 log det, without the constant
        return 0.5 * np.linalg.slogdet(covariance[np.ix_(of, of)])[1]

    of_p = 0.0  # -E log p_B, Gaussian conditionals that are q's own
    for j in range(6):
        above = list(structure.z_hat_parents(j))
        of_p += entropy([j, *above]) - entropy(above)
        for i in above:  # given the other parents
            others = [k for k in above if k != i]
            shared = entropy([i, *others]) + entropy([j, *others]) - entropy([i, j, *others])
            assert shared - entropy(others) > 0.3
    # KL(q || p_B), nats: nothing but what several noisy latents say together
    assert of_p - entropy(list(range(6))) < 0.05


@pytest.mark.parametrize(
    ("text", "message"),
    [("1>2 2>3", "no node with two or more parts"), ("1>3 1>4 2>3 2>4", "go in a circle")],
)
def test_what_cannot_be_added_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        wholes.sums(structures.parse(text, 4).parents)
    config = helpers.small_config(**{"cascade.structure": text, "cascade.additive": True})
    with pytest.raises(UserError, match=message):
        checks.check(config, 1)


def test_infogan_is_refused():
    changes = {"objective.name": "infogan", "cascade.structure": "1>3 2>3"}
    config = helpers.small_config(**changes, **{"cascade.additive": True})
    with pytest.raises(UserError, match="has no decoder of a VAE"):
        checks.check(config, 1)


def test_a_whole_moves_the_image_as_its_parts_together_do(images):
    plain = networks.burgess(8, 1, 4)
    objective = vae(additive(plain, structures.parse("1>3 2>3", 4).parents))
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    z = np.zeros((3, 4), np.float32)
    z[1, 2] = 0.7  # the whole
    z[2, :2] = 0.7  # its parts
    nothing, whole, parts = np.asarray(objective.decode(params, z))
    np.testing.assert_allclose(whole, parts, rtol=1e-6)
    assert np.abs(whole - nothing).max() > 1e-3
    same = vae(plain)  # and the parameters are the plain networks'
    np.testing.assert_allclose(np.asarray(same.decode(params, z))[2], parts, rtol=1e-6)
    factors, _ = same.encode(params, floats(images))
    found, _ = objective.encode(params, floats(images))
    read = found @ wholes.sums(structures.parse("1>3 2>3", 4).parents)
    np.testing.assert_allclose(read, factors * np.array([1, 1, 0, 1]), atol=1e-5)
