"""Encoder and decoder: a large batch by halves, on a CPU."""

import re

import chex
import jax
import jax.numpy as jnp
import pytest

from cvae_jax import networks
from cvae_jax.networks import conv


def inputs(size, rows):
    """(network, its input) of the encoder and the decoder."""
    images = jax.random.uniform(jax.random.key(0), (rows, size, size, 1))
    z = jax.random.normal(jax.random.key(1), (rows, 3))
    return tuple(zip(networks.burgess(size, 1, 3), (images, z), strict=True))


def is_split(network, x):
    variables = jax.eval_shape(network.init, jax.random.key(0), x[:1])
    jaxpr = str(jax.make_jaxpr(network.apply)(variables, x))
    return re.search(r"split\[\s*axis=0", jaxpr) is not None


def gradients(network, x):
    """Outputs and the gradient of their squares."""

    def squares(variables):
        outputs = jax.tree.leaves(network.apply(variables, x))
        return sum(jnp.mean(y**2) for y in outputs), outputs

    variables = network.init(jax.random.key(2), x[:1])
    return jax.jit(jax.value_and_grad(squares, has_aux=True))(variables)


@pytest.mark.parametrize(("network", "x"), inputs(16, 6), ids=["encoder", "decoder"])
def test_halves_give_what_the_whole_gives(network, x, monkeypatch):
    whole = gradients(network, x)
    assert not is_split(network, x)
    monkeypatch.setattr(conv, "_LARGE", [6 * 16 * 16, 5 * 16 * 16])
    assert is_split(network, x)
    chex.assert_trees_all_close(gradients(network, x), whole, rtol=1e-4, atol=1e-6)
    assert not is_split(network, x[:5])


@pytest.mark.parametrize(("network", "x"), inputs(64, 64), ids=["encoder", "decoder"])
def test_a_batch_is_large_from_64_to_128_images_of_64x64(network, x):
    assert is_split(network, x)
    assert not is_split(network, x[:62])
    assert is_split(network, jnp.concatenate([x, x]))
    assert not is_split(network, jnp.concatenate([x, x, x[:2]]))
