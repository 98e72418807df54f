// A decoder's forward pass. Features are Float32Arrays in the order [row, column, channel], kernels
// [tap row, tap column, output, input], as layers.py writes them.
"use strict";

// Float16 bits to numbers; browsers have no Float16Array yet.
function fromHalf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const bits = view.getUint16(2 * i, true);
    const exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction;
    values[i] = bits >> 15 ? -size : size;
  }
  return values;
}

// Give each layer its part of the weights: [{op, side, inputs, outputs, kernel, bias}].
function withWeights(plan, values) {
  const taps = { dense: 1, conv: 9, transpose: 16 };
  let offset = 0;
  const take = (count) => values.subarray(offset, (offset += count));
  return plan.map((layer) => {
    if (!taps[layer.op]) return layer;
    const kernel = take(taps[layer.op] * layer.outputs * layer.inputs);
    return { ...layer, kernel, bias: take(layer.outputs) };
  });
}

// y[at + f] += kernel[tap, f] . x[from ...], for all outputs f: where all the time goes. Four
// outputs at once, as one sum would wait for itself.
function accumulate(layer, tap, x, from, y, at) {
  const { kernel, inputs, outputs } = layer;
  let k = tap * inputs * outputs, f = 0;
  for (; f + 4 <= outputs; f += 4, k += 4 * inputs) {
    let a = 0, b = 0, c = 0, d = 0;
    const k1 = k + inputs, k2 = k1 + inputs, k3 = k2 + inputs;
    for (let i = 0; i < inputs; i++) {
      const value = x[from + i];
      a += value * kernel[k + i];
      b += value * kernel[k1 + i];
      c += value * kernel[k2 + i];
      d += value * kernel[k3 + i];
    }
    y[at + f] += a;
    y[at + f + 1] += b;
    y[at + f + 2] += c;
    y[at + f + 3] += d;
  }
  for (; f < outputs; f++, k += inputs) {
    let sum = 0;
    for (let i = 0; i < inputs; i++) sum += x[from + i] * kernel[k + i];
    y[at + f] += sum;
  }
}

function filled(side, bias) {
  const y = new Float32Array(side * side * bias.length);
  for (let i = 0; i < y.length; i += bias.length) y.set(bias, i);
  return y;
}

// Every pixel (i, j) of x is laid, times the kernel's square of taps, over y from row
// first + stride i and column first + stride j on; what falls beside y is dropped. Tap by tap, as
// one tap's weights stay in the cache.
function spread(layer, x, width, stride, first, flipped) {
  const { side, inputs, outputs, bias } = layer;
  const size = stride * side, taps = width * width, y = filled(size, bias);
  for (let tap = 0; tap < taps; tap++) {
    const a = first + Math.floor(tap / width), b = first + (tap % width);
    for (let i = 0; i < side; i++) for (let j = 0; j < side; j++) {
      const row = stride * i + a, column = stride * j + b;
      if (row < 0 || column < 0 || row >= size || column >= size) continue;
      const at = (row * size + column) * outputs;
      accumulate(layer, flipped ? taps - 1 - tap : tap, x, (i * side + j) * inputs, y, at);
    }
  }
  return y;
}

const OPERATIONS = {
  dense: (layer, x) => {
    const y = filled(1, layer.bias);
    accumulate(layer, 0, x, 0, y, 0);
    return y;
  },
  // 4x4, stride 2, padding 1
  transpose: (layer, x) => spread(layer, x, 4, 2, -1, false),
  // 3x3 to the same size: a convolution reads where its transpose writes, so the taps are flipped
  conv: (layer, x) => spread(layer, x, 3, 1, -1, true),
  relu: (layer, x) => x.map((v) => (v > 0 ? v : 0)),
  leaky_relu: (layer, x) => x.map((v) => (v > 0 ? v : 0.2 * v)),
  // to mean 0 and variance 1 over all that x holds: flax's GroupNorm with one group
  normalise: (layer, x) => {
    let sum = 0, squares = 0;
    for (const v of x) sum += v;
    const mean = sum / x.length;
    for (const v of x) squares += (v - mean) ** 2;
    const scale = 1 / Math.sqrt(squares / x.length + 1e-6);
    return x.map((v) => (v - mean) * scale);
  },
  sigmoid: (layer, x) => x.map((v) => 1 / (1 + Math.exp(-v))),
  // of the logits; its own terms cancel near 0
  continuous_bernoulli_mean: (layer, x) => x.map((v) =>
    0.5 + (Math.abs(v) < 1e-3 ? v / 12 : 0.5 / Math.tanh(v / 2) - 1 / v)),
};

// Latents to an image in [0, 1], [row, column, channel].
function forward(layers, latents) {
  return layers.reduce((x, layer) => OPERATIONS[layer.op](layer, x), Float32Array.from(latents));
}
