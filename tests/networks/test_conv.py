import functools

import jax
import jax.export
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
from jax import lax

from cvae_jax.networks import conv


def reference(x, kernel):
    return lax.conv_general_dilated(
        x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@functools.partial(jax.jit, static_argnums=0)
def with_gradients(function, x, kernel, cotangent):
    """Its value, and the gradients to x and kernel of the value times the cotangent."""
    y, backward = jax.vjp(function, x, kernel)
    return y, backward(cotangent)


# outputs of 7 x 9 have no tiles of two
@pytest.mark.parametrize(("features", "h", "w"), [(2, 8, 10), (2, 7, 9), (4, 8, 10)])
def test_forms_of_other_platforms_equal_those_of_a_cpu(features, h, w):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (3, 2 * h, 2 * w, 3))
    kernel = jax.random.normal(keys[1], (4, 4, 3, features))
    y = jax.random.normal(keys[2], (3, h, w, features))
    for platforms, args in (
        (conv.CONV, (x, kernel)),
        (conv.CONV_TRANSPOSE, (y, kernel)),
        (conv.KERNEL_GRADIENT, (x, y)),
    ):
        products, plain = (jax.jit(platforms[key])(*args) for key in ("cpu", "default"))
        np.testing.assert_allclose(products, plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "features"),
    [(1, 8), *(pytest.param(*c, marks=pytest.mark.slow) for c in ((3, 4), (8, 8), (8, 2)))],
)
def test_pair_equals_lax_in_values_and_gradients(channels, features):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, 16, 24, channels))
    kernel = jax.random.normal(keys[1], (4, 4, channels, features))
    g = jax.random.normal(keys[2], (2, 8, 12, features))
    expected, (expected_dx, expected_dk) = with_gradients(reference, x, kernel, g)

    y, gradients = with_gradients(conv.conv, x, kernel, g)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-4)
    for found, wanted in zip(gradients, (expected_dx, expected_dk), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)

    # The transpose is the adjoint: its value is lax's input gradient, and by symmetry its
    # gradients are lax's forward and kernel gradient with x and g exchanged.
    y, gradients = with_gradients(conv.conv_transpose, g, kernel, x)
    np.testing.assert_allclose(y, expected_dx, rtol=1e-5, atol=1e-4)
    for found, wanted in zip(gradients, (expected, expected_dk), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def loss(x, kernel):
    return jnp.sum(conv.conv_transpose(conv.conv(x, kernel), kernel) ** 2)


def of_five():
    keys = jax.random.split(jax.random.key(1), 3)
    x = jax.random.normal(keys[0], (5, 2, 8, 8, 2))
    kernels = jax.random.normal(keys[1], (5, 4, 4, 2, 3))
    return x, kernels, jax.random.normal(keys[2], (5, 2, 4, 4, 3))


def test_pair_under_vmap():
    x, kernels, _ = of_five()
    gradient = jax.grad(loss, argnums=1)
    found, alone = jax.jit(jax.vmap(gradient))(x, kernels), jax.jit(gradient)
    for i in range(5):
        np.testing.assert_allclose(found[i], alone(x[i], kernels[i]), rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("kernel_axis", [0, None])
def test_forms_of_other_platforms_under_vmap(kernel_axis):
    x, kernels, y = of_five()
    kernels = kernels if kernel_axis == 0 else kernels[0]
    for platforms, args in (
        (conv.CONV, (x, kernels)),
        (conv.CONV_TRANSPOSE, (y, kernels)),
        (conv.KERNEL_GRADIENT, (x, y)),
    ):
        axes = [kernel_axis if a is kernels else 0 for a in args]
        one = jax.jit(platforms["default"])
        found = jax.jit(jax.vmap(platforms["default"], axes))(*args)
        for i in range(5):
            alone = [a[i] if axis == 0 else a for a, axis in zip(args, axes, strict=True)]
            np.testing.assert_allclose(found[i], one(*alone), rtol=1e-4, atol=1e-4)


def test_kernels_of_many_seeds_are_no_grouped_convolutions_on_a_gpu():
    x, kernels, _ = of_five()
    gradients = jax.grad(loss, argnums=(0, 1))

    def convolutions(function, *args):
        program = jax.export.export(jax.jit(function), platforms=["cuda"])(*args)
        return program.mlir_module().count("stablehlo.convolution")

    assert convolutions(gradients, x[0], kernels[0])
    assert not convolutions(jax.vmap(gradients), x, kernels)


def test_gradient_of_a_gradient_against_differences():
    x, kernels, _ = of_five()
    with jax.enable_x64(True):
        x, kernel = (np.asarray(values[0], np.float64) for values in (x, kernels))
        of_kernel = jax.jit(lambda kernel: jnp.sum(jax.grad(loss)(x, kernel) ** 2))
        jax.test_util.check_grads(of_kernel, (kernel,), 1, modes=["rev"], rtol=1e-3)
