"""The report's forward pass, JavaScript in V8, beside JAX."""

import json

import helpers
import jax
import numpy as np
import py_mini_racer
import pytest
from fixtures.report_pages import burgess, gan, random_params, ten_latents

from cvae_jax.config import build
from cvae_jax.objectives.likelihoods import LIKELIHOODS
from cvae_jax.report import layers, markup
from cvae_jax.report.explorer import explorer
from cvae_jax.runs.model import Model

# V8 alone has no atob; in a page the browser's is used.
BYTES = """
function bytes(text) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const value = new Uint8Array(128), found = new Uint8Array(text.length / 4 * 3);
  for (let i = 0; i < 64; i++) value[digits.charCodeAt(i)] = i;
  for (let i = 0, k = 0; i < text.length; i += 4) {
    let four = 0;
    for (let j = 0; j < 4; j++) four = (four << 6) | value[text.charCodeAt(i + j)];
    found[k++] = four >> 16;
    found[k++] = (four >> 8) & 255;
    found[k++] = four & 255;
  }
  return found.subarray(0, found.length - text.match(/=*$/)[0].length);
}
"""


def script(*lines):
    """What V8 makes of forward.js and the lines after it."""
    with py_mini_racer.MiniRacer() as v8:  # closed: left open, it can hang the interpreter's end
        return json.loads(v8.eval("\n".join([BYTES, markup.read("forward.js"), *lines])))


def forward(stack, inputs):
    """The image that the page shows of a list of latents."""
    return shown(layers.plan(stack), layers.weights(stack), inputs)


def shown(plan, weights, inputs):
    return script(
        f"const values = fromHalf(bytes('{weights}'));",
        f"const stack = withWeights({json.dumps(plan)}, values);",
        f"JSON.stringify([...forward(stack, {inputs})])",
    )


@pytest.mark.parametrize(
    ("model", "size", "channels"),
    [
        (lambda: burgess(32, 1), 32, 1),
        (lambda: burgess(48, 3), 48, 3),
        (lambda: gan(48, 1, 0, "strided"), 48, 1),
        (lambda: burgess(64, 3, "gaussian"), 64, 3),
        (lambda: gan(32, 3, 2), 32, 3),
        (lambda: gan(32, 1, 0, "strided"), 32, 1),
        pytest.param(lambda: gan(64, 3, 2, "strided"), 64, 3, marks=pytest.mark.slow),
        pytest.param(lambda: gan(28, 1, 3), 28, 1, marks=pytest.mark.slow),
        pytest.param(lambda: gan(64, 1, 2), 64, 1, marks=pytest.mark.slow),
    ],
    ids=[
        "burgess32",
        "burgess48",
        "infogan48_strided",
        "burgess64_gaussian",
        "infogan32",
        "infogan32_strided",
        "infogan64_strided",
        "infogan28",
        "infogan64",
    ],
)
def test_forward_pass_is_jaxs(model, size, channels):
    objective, params, latents, categories = model()
    z = np.random.default_rng(1).standard_normal((1, latents)).astype(np.float32)
    expected = np.asarray(jax.jit(objective.decode)(params, z))[0]
    assert np.std(expected) > 0.1  # nothing grey, which a wrong pass would resemble
    stack = layers.decoder_layers(params.model, latents + categories, size)
    inputs = [*z[0].tolist(), *([1.0] + [0.0] * (categories - 1) if categories else [])]
    np.testing.assert_allclose(forward(stack, inputs), expected.ravel(), atol=1e-2)


def test_a_slider_of_a_whole_moves_its_parts():
    changes = {
        "objective.latents": 10,
        "cascade.structure": "1>3 2>3",
        "cascade.additive": True,
    }
    config = helpers.small_config(**changes)
    objective = build.objective(config, build.DataInfo(16, 1, 100))
    model = Model(config, objective, random_params(objective, 16, 1, 1.6), 9, 1)
    found = explorer(model, helpers.noise_dataset(16, 16), ten_latents())
    z = np.random.default_rng(1).standard_normal((1, 10)).astype(np.float32)
    expected = np.asarray(jax.jit(objective.decode)(model.params, z)).ravel()
    image = shown(found.plan, found.weights, z[0].tolist())
    np.testing.assert_allclose(image, expected, atol=1e-2)


def test_the_last_layer_is_the_mean_of_the_likelihood():
    objective, params, latents, _ = burgess(16, 1, "continuous_bernoulli")
    z = np.random.default_rng(1).standard_normal((1, latents)).astype(np.float32)
    expected = np.asarray(jax.jit(objective.decode)(params, z))[0]
    stack = layers.decoder_layers(params.model, latents, 16, "continuous_bernoulli")
    found = forward(stack, z[0].tolist())
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-2)
    sigmoids = forward(layers.decoder_layers(params.model, latents, 16), z[0].tolist())
    assert np.max(np.abs(np.subtract(sigmoids, found))) > 0.1


def test_the_mean_of_a_continuous_bernoulli_near_0_and_far_out():
    logits = np.array([0, 1e-9, -1e-5, 9e-4, -1.1e-3, 0.3, 60, -800, 5e4])
    found = script(
        f"const x = Float64Array.from({logits.tolist()});",
        "JSON.stringify([...OPERATIONS.continuous_bernoulli_mean(null, x)])",
    )
    expected = LIKELIHOODS["continuous_bernoulli"].mean(logits.astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=2e-7)


def test_halves_are_numpys():
    halves = np.arange(1 << 16, dtype="<u2")
    halves = halves[np.isfinite(halves.view("<f2"))]
    found = script(
        f"JSON.stringify([...fromHalf(new Uint8Array({halves.view('u1').tolist()}))])",
    )
    np.testing.assert_array_equal(found, halves.view("<f2").astype(np.float64))
