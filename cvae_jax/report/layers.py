"""A decoder as a list of plain layers, which the page's JavaScript runs: see forward.js."""

import base64
from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """One operation on one image's features [side, side, inputs], or on a vector."""

    op: str  # one of forward.js's OPERATIONS
    side: int = 1  # of what comes in, pixels
    kernel: np.ndarray | None = None  # [taps..., outputs, inputs]
    bias: np.ndarray | None = None  # [outputs]


RELU, LEAKY_RELU, NORMALISE, SIGMOID = map(Layer, ("relu", "leaky_relu", "normalise", "sigmoid"))
# The means of the likelihoods for which it is not the sigmoid of the logits
_MEANS = {"continuous_bernoulli": Layer("continuous_bernoulli_mean")}


def _dense(params, inputs=None):
    """Returns a dense layer; flax has [inputs, outputs], and inputs beyond `inputs` are 0."""
    kernel, bias = np.asarray(params["kernel"]), np.asarray(params["bias"])
    return Layer("dense", 1, kernel[:inputs].T, bias)


def _transpose(params, side):
    """Returns the 4x4 transposed convolution of stride 2; its kernel is [4, 4, outputs, inputs]."""
    return Layer("transpose", side, np.asarray(params["kernel"]), np.asarray(params["bias"]))


def _conv(params, side):
    """Returns the 3x3 convolution to the same size; flax has [3, 3, inputs, outputs]."""
    kernel = np.asarray(params["kernel"]).transpose(0, 1, 3, 2)
    return Layer("conv", side, kernel, np.asarray(params["bias"]))


def _doubled_conv(params, side):
    """Returns each pixel doubled, then a 3x3 convolution: the same as one transposed convolution.

    In one dimension y[p] = sum_k w[k] x[(p + k - 1) // 2], so pixel i of x meets the two taps with
    p + k - 1 in {2 i, 2 i + 1}; the tap t = p - 2 i + 1 of a transposed convolution is their sum,
    w[2 - t] + w[3 - t]. It has half as many products.
    """
    sums = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)  # [t, k]
    kernel = np.einsum("sk,tl,klio->stoi", sums, sums, np.asarray(params["kernel"]))
    return Layer("transpose", side, kernel, np.asarray(params["bias"]))


def _burgess(params, inputs, size, mean):
    for i in range(3):
        yield from (_dense(params[f"Dense_{i}"], inputs if i == 0 else None), RELU)
    count = sum(name.startswith("StridedConvTranspose") for name in params)
    for i in range(count):
        yield _transpose(params[f"StridedConvTranspose_{i}"], size >> (count - i))
        yield RELU if i + 1 < count else mean


def _transposing(params, inputs, size):
    """Yields the layers of InfoGAN's original generator, and that of strided convolutions."""
    yield from (_dense(params["Dense_0"], inputs), NORMALISE, LEAKY_RELU)
    yield from (_dense(params["Dense_1"]), NORMALISE, LEAKY_RELU)
    count = sum(name.startswith("StridedConvTranspose") for name in params)
    for i in range(count):
        yield _transpose(params[f"StridedConvTranspose_{i}"], size >> (count - i))
        yield from (NORMALISE, LEAKY_RELU) if i + 1 < count else (SIGMOID,)


def _least_squares(params, inputs, size):
    yield from (_dense(params["Dense_0"], inputs), NORMALISE)
    for i in range(2):
        yield from (_doubled_conv(params[f"Conv_{i}"], size // 4 << i), NORMALISE, LEAKY_RELU)
    yield from (_conv(params["Conv_2"], size), SIGMOID)


def decoder_layers(model: dict, inputs: int, size: int, likelihood="bernoulli") -> list[Layer]:
    """Returns the layers from latents to images in [0, 1]: `Objective.decode` without an rng.

    Args:
      model: `params.model` of a run.
      inputs: latents, and the categories of InfoGAN; its other inputs are noise, set to 0.
      size: side of the images, pixels.
      likelihood: of a VAE, objective.likelihood of its config; not used for InfoGAN.
    """
    if "decoder" in model:
        mean = _MEANS.get(likelihood, SIGMOID)
        return list(_burgess(model["decoder"], inputs, size, mean))
    generator = model["generator"]
    if "Conv_0" in generator:
        return list(_least_squares(generator, inputs, size))
    return list(_transposing(generator, inputs, size))


def product(matrix) -> Layer:
    """Returns z -> z M of a matrix M [inputs, outputs]."""
    matrix = np.asarray(matrix, np.float32)
    return Layer("dense", 1, matrix.T, np.zeros(matrix.shape[1], np.float32))


def num_weights(layers) -> int:
    """Counts the entries of all kernels and biases."""
    return sum(x.size for layer in layers for x in layer[2:] if x is not None)


def plan(layers) -> list[dict]:
    """Describes the layers without their weights, for JSON."""

    def one(layer):
        if layer.kernel is None:
            return {"op": layer.op}
        outputs, inputs = layer.kernel.shape[-2:]
        return {"op": layer.op, "side": layer.side, "inputs": inputs, "outputs": outputs}

    return [one(layer) for layer in layers]


def weights(layers) -> str:
    """Encodes kernels and biases in layer order as float16, little-endian, in base64."""
    arrays = [x.ravel() for layer in layers for x in layer[2:] if x is not None]
    return base64.b64encode(np.concatenate(arrays).astype("<f2").tobytes()).decode()
