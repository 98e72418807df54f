"""What was rewritten for speed gives the numbers of the plain forms it stands for."""

import functools
import math
import re

import chex
import helpers
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fixtures.step_runs import batches
from flax import linen as nn
from jax import lax

import cvae_jax
from cvae_jax import networks
from cvae_jax.networks import conv, scalar_mlp


def plain_conv(x, kernel):
    return lax.conv_general_dilated(
        x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def plain_transpose(y, kernel):
    """Lax's own transposed convolution, which flips the kernel's taps and swaps its channels."""
    return lax.conv_transpose(
        y,
        kernel,
        (2, 2),
        ((2, 2), (2, 2)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        transpose_kernel=True,
    )


def plain_mlp(slope, layers, v):
    for kernel, bias in layers[:-1]:
        v = jax.nn.leaky_relu(v @ kernel + bias, slope)
    return (v @ layers[-1][0] + layers[-1][1])[:, 0]


class LinenCritic(nn.Module):
    """`networks.Critic` of linen's own layers."""

    layers: int
    width: int

    @nn.compact
    def __call__(self, v):
        for _ in range(self.layers):
            v = nn.leaky_relu(nn.Dense(self.width)(v), 0.2)
        return nn.Dense(1)(v)[:, 0]


def test_critic_has_the_parameters_and_values_of_linen_layers():
    v = jax.random.normal(jax.random.key(0), (9, 6))
    ours, linen = networks.Critic(3, 16), LinenCritic(3, 16)
    params = jax.jit(ours.init)(jax.random.key(1), v)
    helpers.assert_trees_equal(params, jax.jit(linen.init)(jax.random.key(1), v))
    found, expected = (jax.jit(critic.apply)(params, v) for critic in (ours, linen))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_scalar_mlp_has_the_gradients_of_the_plain_form(rows):
    keys = jax.random.split(jax.random.key(0), 5)
    v = jax.random.normal(keys[0], (rows, 5)).at[0, 0].set(0.0)
    layers = [
        (jax.random.normal(key, shape), jnp.arange(shape[1]) - 1.0)
        for key, shape in zip(keys[1:4], [(5, 8), (8, 6), (6, 1)], strict=True)
    ]
    weights = jax.random.normal(keys[4], (rows,))

    def loss(mlp, layers, v):
        return jnp.sum(weights * jax.nn.softplus(mlp(0.2, layers, v)))

    with jax.enable_x64():
        layers, v = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), (layers, v))
        found, expected = (
            jax.jit(jax.grad(functools.partial(loss, mlp), argnums=(0, 1)))(layers, v)
            for mlp in (scalar_mlp.scalar_mlp, plain_mlp)
        )
        chex.assert_trees_all_close(found, expected, rtol=1e-12)


@pytest.mark.slow
def test_both_losses_share_one_pass_through_the_critic(images, optimizers):
    """Counted operations: one more hidden layer of the critic costs a step three products.

    Forwards, backwards and the kernel's own gradient, of 16 rows of q and 16 of p; five if each
    loss went through the critic by itself.
    """
    width, counts = 512, []
    for layers in (1, 2):
        objective = helpers.small_cascade(critic=networks.Critic(layers, width))
        state = helpers.create(objective, optimizers, images)
        step = functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
        counts.append(jax.jit(step).lower(state, images).compile().cost_analysis()["flops"])
    product = 2 * 32 * width**2
    assert 3 * product < counts[1] - counts[0] < 4 * product


# Equal to units in the last place over these steps; at some later one Adam moves a parameter by
# the sign of a gradient that is rounding alone, and the curves part.
STEPS = 12


def curve(images, optimizers, steps=STEPS):
    objective = helpers.small_cascade(critic_input="joint", size=images.shape[1])
    state = helpers.create(objective, optimizers, images)
    step = jax.jit(
        functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
    )
    metrics = []
    for batch in batches(images, steps):
        state, m = step(state, batch)
        metrics.append(m)
    return state, metrics


# at 32x32 with convolutions of all three forms
@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 32])
def test_training_is_that_of_the_plain_forms(size, optimizers, monkeypatch):
    images = helpers.noise_dataset(16, size).images(np.arange(16))
    state, metrics = curve(images, optimizers)
    monkeypatch.setattr(conv, "conv", plain_conv)
    monkeypatch.setattr(conv, "conv_transpose", plain_transpose)
    monkeypatch.setattr(scalar_mlp, "scalar_mlp", plain_mlp)
    plain_state, plain_metrics = curve(images, optimizers)
    for found, expected in zip(metrics, plain_metrics, strict=True):
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4, err_msg=name)
    for found, expected in zip(
        *(jax.tree.leaves(s.params) for s in (state, plain_state)), strict=True
    ):
        # One step of Adam: where a gradient is next to nothing rounding decides its sign.
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
        assert np.linalg.norm(found - expected) <= 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("method", "size"),
    [
        pytest.param("factor_vae", 16, marks=pytest.mark.slow),
        pytest.param("infogan", 32, marks=pytest.mark.slow),
        pytest.param("infogan", 28, marks=pytest.mark.slow),
    ],
)
def test_bfloat16_computes_in_it_and_keeps_parameters_and_losses_float32(method, size):
    """Each with the cascade: between them all networks that there are."""
    images = helpers.noise_dataset(16, size).images(np.arange(16))
    found = {}
    for dtype in ("float32", "bfloat16"):
        config = helpers.small_config(compute_dtype=dtype, **{"objective.name": method})
        config.objective.factor_vae.update(critic_layers=2, critic_width=32)
        objective = cvae_jax.build.objective(config, cvae_jax.build.DataInfo(size, 1, 256))
        optimizers = cvae_jax.build.optimizers(config)
        state = helpers.create(objective, optimizers, images)
        step = jax.jit(
            functools.partial(cvae_jax.train_step, objective=objective, optimizers=optimizers)
        )
        for leaf in jax.tree.leaves((state.params, jax.eval_shape(step, state, images)[1])):
            assert leaf.dtype == np.float32
        text = step.lower(state, images).as_text()
        products = re.findall(r"stablehlo.(?:dot_general|convolution).*\(tensor<(\S+)>, ", text)
        # distances between donors, and what else is no layer, may stay float32
        sizes = [math.prod(map(int, p.split("x")[:-1])) for p in products]
        in_layers = [p.endswith("bf16") for p, n in zip(products, sizes, strict=True) if n > 5000]
        assert in_layers
        assert all(in_layers) == any(in_layers) == (dtype == "bfloat16")

        def loss(model, params=state.params, objective=objective):
            params = params._replace(model=model)
            value, (metrics, _) = objective.model_loss(params, images / 255.0, jax.random.key(1), 0)
            return value, metrics

        found[dtype] = jax.jit(jax.grad(loss, has_aux=True))(state.params.model)
    gradients, metrics = zip(found["float32"], found["bfloat16"], strict=True)
    for name, expected in metrics[0].items():
        np.testing.assert_allclose(metrics[1][name], expected, rtol=0.1, atol=0.1, err_msg=name)
    assert any(np.any(metrics[1][name] != metrics[0][name]) for name in metrics[0])
    # bfloat16 has three digits; a sum over all pixels in it would lose most of a bias's gradient
    leaves = (jax.tree_util.tree_leaves_with_path(gradient) for gradient in gradients)
    for (path, expected), (_, leaf) in zip(*leaves, strict=True):
        error = np.linalg.norm(leaf - expected) / np.linalg.norm(expected)
        assert error < 0.2, (jax.tree_util.keystr(path), error)
