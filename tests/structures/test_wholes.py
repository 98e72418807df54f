"""Decoders that add wholes to their parts: what each latent then moves, what is refused."""

import helpers
import jax
import numpy as np
import pytest
from helpers import floats

from cvae_jax import networks, structures
from cvae_jax.config import build, checks
from cvae_jax.errors import UserError
from cvae_jax.networks.additive import additive
from cvae_jax.objectives.vae import vae
from cvae_jax.structures import wholes

# Latents from 1, and what each moves by the paper's captions of Figs. 7, 8 and 9: the parts.
MOVED = {
    "decompose2": {1: {2, 3}, 2: {2}, 3: {3}},
    "decompose3": {1: {2, 3, 4}, 2: {2}, 3: {3}, 4: {4}},
    "compose2": {1: {1}, 2: {2}, 3: {1, 2}},
    "compose3": {1: {1}, 2: {2}, 3: {3}, 4: {1, 2, 3}},
    "tower": {1: {1}, 2: {2}, 3: {1, 2}, 4: {4}, 5: {1, 2, 4}},
}


@pytest.mark.parametrize("name", MOVED)
def test_a_latent_is_added_to_what_the_captions_say_that_it_moves(name):
    parents = structures.preset(name, 6).parents
    found = wholes.sums(parents)
    for latent in range(1, 7):
        assert set(np.flatnonzero(found[latent - 1]) + 1) == MOVED[name].get(latent, {latent})
    assert set(np.unique(found)) == {0, 1}
    parts = {latent for latent, moved in MOVED[name].items() if moved == {latent}}
    assert set(np.flatnonzero(wholes.first_order(parents)) + 1) == parts


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
    objective = vae(additive(plain, wholes.sums(structures.parse("1>3 2>3", 4).parents)))
    params = jax.jit(objective.init)(jax.random.key(0), floats(images))
    z = np.zeros((3, 4), np.float32)
    z[1, 2] = 0.7  # the whole
    z[2, :2] = 0.7  # its parts
    nothing, whole, parts = np.asarray(objective.decode(params, z))
    np.testing.assert_allclose(whole, parts, rtol=1e-6)
    assert np.abs(whole - nothing).max() > 1e-3
    same = vae(plain)  # and the parameters are the plain decoder's
    np.testing.assert_allclose(np.asarray(same.decode(params, z))[2], parts, rtol=1e-6)


def test_parts_are_in_use_first_and_edges_earn_nothing_until_the_kl_has_fallen():
    changes = {
        "cascade.structure": "1>3 2>3",
        "cascade.additive": True,
        "cascade.x_hat": "sample",
        "objective.kl_falls_steps": 10,
    }
    info = build.DataInfo(16, 1, 100)
    rewarded, bare = (
        build.objective(helpers.small_config(**changes, **{"cascade.edge_reward": r}), info)
        for r in (5.0, 0.0)
    )
    images = jax.random.uniform(jax.random.key(0), (8, 16, 16, 1))
    params = jax.jit(rewarded.init)(jax.random.key(1), images)

    def run(objective, step):
        return jax.jit(objective.model_loss)(params, images, jax.random.key(2), step)

    for step, z_of_decoder in ((9, [1, 1, 0, 0]), (10, [1, 1, 1, 1])):
        loss, (_, samples) = run(rewarded, step)
        seen = samples["z"][:, :4] * np.array(z_of_decoder)
        z = samples["z"].at[:, :4].set(seen)
        if step == 9:
            z = z.at[:, 4:].set(0)
        expected = rewarded.decode(params, z)
        np.testing.assert_allclose(jax.nn.sigmoid(samples["logits"]), expected, atol=1e-5)
        assert (float(loss) == float(run(bare, step)[0])) == (step == 9)
