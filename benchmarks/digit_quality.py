"""Are a run's samples digits? Judged by a classifier of real ones.

A small convolutional network learns 4,000 of the 5,000 digits of mnist_5k with random shifts; its
accuracy on the other 1,000 is printed, then of 1,000 samples: how many it is at least 0.9
sure of, and the share of each digit. The grid of samples is written by the run itself.

  python -m benchmarks.digit_quality --workdir=runs/mnist
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import cvae_jax
from cvae_jax.datasets import digits


class Classifier(nn.Module):
    """Classifies digits: [B, H, W, 1] in [0, 1] -> logits [B, 10]."""

    @nn.compact
    def __call__(self, images):
        x = nn.relu(nn.Conv(32, (5, 5), strides=2)(images))
        x = nn.relu(nn.Conv(64, (5, 5), strides=2)(x))
        x = nn.relu(nn.Dense(256)(x.reshape(x.shape[0], -1)))
        return nn.Dense(10)(x)


def shifted(rng, images, most=2):
    """Moves each image by up to `most` pixels in both directions."""
    moves = jax.random.randint(rng, (len(images), 2), -most, most + 1)
    return jax.vmap(lambda image, move: jnp.roll(image, move, axis=(0, 1)))(images, moves)


def train_classifier(images, labels, steps=3000, batch=100):
    """Returns a function from images to probabilities [n, 10]."""
    module, optimizer = Classifier(), optax.adam(optax.cosine_decay_schedule(1e-3, steps))
    params = module.init(jax.random.key(0), images[:1])

    @jax.jit
    def step(params, opt_state, rng):
        pick_rng, shift_rng = jax.random.split(rng)
        pick = jax.random.randint(pick_rng, (batch,), 0, len(images))
        x = shifted(shift_rng, images[pick])

        def loss(params):
            logits = module.apply(params, x)
            return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels[pick]))

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    opt_state = optimizer.init(params)
    for i in range(steps):
        params, opt_state = step(params, opt_state, jax.random.key(i))
    return jax.jit(lambda x: jax.nn.softmax(module.apply(params, x)))


def main():
    """Prints the classifier's accuracy and its judgement of the samples."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", required=True, help="a run on mnist_5k")
    args = parser.parse_args()
    model = cvae_jax.load(args.workdir)
    images, labels = digits.load(model.config.data.size)
    images = jnp.asarray(images / 255.0, jnp.float32)
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:4000], order[4000:]
    classify = train_classifier(images[train], jnp.asarray(labels[train]))
    accuracy = np.mean(np.argmax(classify(images[test]), axis=1) == labels[test])
    print(f"accuracy on {len(test):,} held-out digits: {accuracy:.3f}")

    prior_rng, rest_rng = jax.random.split(jax.random.key(1))
    z = model.objective.prior(prior_rng, 1000)
    samples = jax.jit(model.objective.decode)(model.params, z, rest_rng)
    probabilities = np.asarray(classify(samples))
    sure = np.mean(probabilities.max(axis=1) >= 0.9)
    shares = np.bincount(probabilities.argmax(axis=1), minlength=10) / 1000
    print(f"of 1,000 samples at least 0.9 sure of: {sure:.3f}")
    print("share of each digit: " + "  ".join(f"{d}: {s:.3f}" for d, s in enumerate(shares)))


if __name__ == "__main__":
    main()
