"""Encoder and decoder: a large batch by halves, on a CPU."""

import re

import chex
import jax
import jax.numpy as jnp
import pytest

from cvae_jax import networks
from cvae_jax.networks import conv, gan_networks


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

    variables = jax.jit(network.init)(jax.random.key(2), x[:1])
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


SIZES = {  # side -> convolutions, side of the grid where they end
    8: (1, 4),
    16: (2, 4),
    32: (3, 4),
    48: (4, 3),
    64: (4, 4),
    80: (4, 5),
    128: (5, 4),
    240: (4, 15),
    256: (6, 4),
}


@pytest.mark.parametrize("size", SIZES)
def test_parameters_of_an_image_size(size):
    """Kernels counted by hand, and the decoder's images have the encoder's shape."""
    count, side = SIZES[size]
    encoder, decoder = networks.burgess(size, 3, 10)
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    z = jax.ShapeDtypeStruct((2, 10), jnp.float32)

    def kernels(network, x):
        params = jax.eval_shape(network.init, jax.random.key(0), x)["params"]
        return {name: layer["kernel"].shape for name, layer in params.items()}

    grid = 32 * side**2
    dense = {"Dense_0": (grid, 256), "Dense_1": (256, 256), "Dense_2": (256, 20)}
    convs = {f"StridedConv_{i}": (4, 4, 32 if i else 3, 32) for i in range(count)}
    assert kernels(encoder, images) == dense | convs
    dense = {"Dense_0": (10, 256), "Dense_1": (256, 256), "Dense_2": (256, grid)}
    transposes = {
        f"StridedConvTranspose_{i}": (4, 4, 32 if i < count - 1 else 3, 32) for i in range(count)
    }
    assert kernels(decoder, z) == dense | transposes
    variables = jax.eval_shape(decoder.init, jax.random.key(0), z)
    assert jax.eval_shape(decoder.apply, variables, z).shape == images.shape


@pytest.mark.parametrize("size", [0, 4, 12, 24, 28, 40, 100])
def test_other_image_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"size {size} is neither 8 nor a multiple of 16"):
        networks.burgess(size, 1, 4)


@pytest.mark.parametrize("kind", ["", "strided"])
@pytest.mark.parametrize("size", [16, 48, 80, 128])
def test_infogans_networks_take_multiples_of_16(size, kind):
    generator, recogniser, discriminator = gan_networks.infogan_networks(size, 3, 4, 2, None, kind)
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    for network, x, shape in (
        (generator, jax.ShapeDtypeStruct((2, 6), jnp.float32), images.shape),
        (recogniser, images, (2, 10)),
        (discriminator, images, (2, 1)),
    ):
        variables = jax.eval_shape(network.init, jax.random.key(0), x)
        assert jax.eval_shape(network.apply, variables, x).shape == shape
    with pytest.raises(ValueError, match=r"is not .*multiple of 16, which InfoGAN's networks take"):
        gan_networks.infogan_networks(size + 8, 3, 4, 2, None, kind)
