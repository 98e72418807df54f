"""A perceptron with one output a row, whose backward pass all losses of a step share.

Row i's gradient for any loss is dloss/dlogit_i times its gradient for the logit itself. So the
backward pass is run for the logits alone and each loss scales its rows in the end: XLA sees that
the passes of the model's and of the critic's loss are the same, and takes them once.
"""

import functools

import jax
import jax.numpy as jnp


def _forward(slope, layers, v):
    """The input of every layer, and the logits."""
    inputs = [v]
    for kernel, bias in layers[:-1]:
        inputs.append(jax.nn.leaky_relu(inputs[-1] @ kernel + bias, slope))
    kernel, bias = layers[-1]
    return inputs, (inputs[-1] @ kernel + bias)[:, 0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def scalar_mlp(slope: float, layers, v):
    """Computes leaky ReLU layers and a linear one: v [n, k] -> logits [n].

    Args:
      slope: of the leaky ReLU at negative inputs, above 0.
      layers: pairs of kernel [inputs, outputs] and bias [outputs]; the last has one output.
      v: [n, k].
    """
    return _forward(slope, layers, v)[1]


def _save(slope, layers, v):
    inputs, logits = _forward(slope, layers, v)
    return logits, (layers, inputs)


def _backward(slope, saved, g):
    """The pass from g [n], dloss/dlogit."""
    layers, inputs = saved
    delta = jnp.ones((len(g), 1), g.dtype)  # dlogit/d(what a layer puts out), [n, outputs]
    gradients = []
    for (kernel, _), x in zip(layers[::-1], inputs[::-1], strict=True):
        scaled = g[:, None] * delta
        gradients.append((x.T @ scaled, jnp.sum(scaled, axis=0)))
        delta = delta @ kernel.T
        if x is not inputs[0]:
            delta = jnp.where(x >= 0, delta, slope * delta)  # x has the sign that it had before
    return gradients[::-1], g[:, None] * delta


scalar_mlp.defvjp(_save, _backward)
