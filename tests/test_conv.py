import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cvae_jax import conv


def reference(x, kernel):
    return lax.conv_general_dilated(
        x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@pytest.mark.parametrize("features", [2, 4])
def test_forms_of_other_platforms_equal_those_of_a_cpu(features):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (3, 8, 12, 3))
    kernel = jax.random.normal(keys[1], (4, 4, 3, features))
    y = jax.random.normal(keys[2], (3, 4, 6, features))
    for platforms, args in (
        (conv.CONV, (x, kernel)),
        (conv.CONV_TRANSPOSE, (y, kernel)),
        (conv.KERNEL_GRADIENT, (x, y, kernel)),
    ):
        products, plain = (platforms[key](*args) for key in ("cpu", "default"))
        np.testing.assert_allclose(products, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("channels", "features"), [(1, 8), (3, 4), (8, 8), (8, 2)])
def test_pair_equals_lax_in_values_and_gradients(channels, features):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (3, 8, 12, channels))
    kernel = jax.random.normal(keys[1], (4, 4, channels, features))
    g = jax.random.normal(keys[2], (3, 4, 6, features))
    expected, backward = jax.vjp(reference, x, kernel)
    expected_dx, expected_dk = backward(g)

    y, backward = jax.vjp(conv.conv, x, kernel)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-4)
    for found, wanted in zip(backward(g), (expected_dx, expected_dk), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)

    # The transpose is the adjoint: its value is lax's input gradient, and by symmetry its
    # gradients are lax's forward and kernel gradient with x and g exchanged.
    y, backward = jax.vjp(conv.conv_transpose, g, kernel)
    np.testing.assert_allclose(y, expected_dx, rtol=1e-5, atol=1e-4)
    for found, wanted in zip(backward(x), (expected, expected_dk), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def test_pair_under_vmap():
    keys = jax.random.split(jax.random.key(1), 2)
    x = jax.random.normal(keys[0], (5, 2, 8, 8, 2))
    kernels = jax.random.normal(keys[1], (5, 4, 4, 2, 3))
    loss = lambda x, k: jnp.sum(conv.conv_transpose(conv.conv(x, k), k) ** 2)
    found = jax.vmap(jax.grad(loss, argnums=1))(x, kernels)
    for i in range(5):
        np.testing.assert_allclose(
            found[i], jax.grad(loss, argnums=1)(x[i], kernels[i]), rtol=1e-3, atol=1e-2
        )
